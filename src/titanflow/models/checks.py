"""What is wrong with a model's bytes, all of it at once: changed files, features and libraries that do not fit.

Whether the artefact can be computed with is found by `loading`.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from typing import TypeVar

import msgspec

from titanflow.domain.models import (
    MANIFEST_FILE,
    POSITION,
    REFERENCE_FILE,
    FeatureCode,
    ModelFile,
    ModelManifest,
    ModelReference,
)
from titanflow.errors import ModelError
from titanflow.signal.features import FEATURE_MEANINGS
from titanflow.signal.fingerprint import feature_fingerprint

T = TypeVar("T", ModelManifest, ModelReference)

SERVED_BY = {"model.txt": "lightgbm", "model.onnx": "onnxruntime"}
"""Artefact -> the library that serves it."""
_RELEASE = re.compile(r"\d+(\.\d+)*")
_SHORT = 12


def read_manifest(content: bytes) -> ModelManifest:
    """A manifest from its bytes. Raises ModelError, naming the field, where it is none."""
    return _decoded(MANIFEST_FILE, content, ModelManifest)


def read_reference(content: bytes) -> ModelReference:
    """What the training set looked like, from its bytes. Raises ModelError, naming the field, where it is none."""
    return _decoded(REFERENCE_FILE, content, ModelReference)


def serving_files(manifest: ModelManifest) -> tuple[str, ...]:
    """The files that decisions depend on; the others are evidence for people."""
    return (MANIFEST_FILE, manifest.artefact, REFERENCE_FILE)


def faults(
    digest: str, files: Mapping[str, bytes], *, known: Collection[str] = (), serving_only: bool = False
) -> list[str]:
    """Everything that keeps a model from being used, each with what was found and expected; [] if it may be.

    `files` are name -> bytes, the manifest among them; `known` are the digests that may be members of a stack.
    With `serving_only` the report and other evidence need not be there.
    """
    damage = byte_faults(digest, files, serving_only=serving_only)
    try:
        manifest = read_manifest(files[MANIFEST_FILE])
    except (KeyError, ModelError):
        return damage
    return [
        *damage,
        *_feature_faults(manifest),
        *_library_faults(manifest),
        *_reference_faults(manifest, files.get(REFERENCE_FILE)),
        *(f"member {member} is missing" for member in manifest.members if member not in known),
    ]


def byte_faults(digest: str, files: Mapping[str, bytes], *, serving_only: bool = False) -> list[str]:
    """What was changed, cut or lost since the model was made; whether it fits this installation is not asked."""
    content = files.get(MANIFEST_FILE)
    if content is None:
        return [f"{MANIFEST_FILE} is missing"]
    found = sha256(content).hexdigest()
    changed = [f"{MANIFEST_FILE} was changed: expected sha256 {digest}, found {found}"] if found != digest else []
    try:
        return [*changed, *_file_faults(read_manifest(content), files, serving_only)]
    except ModelError as error:
        return [*changed, str(error)]


def _decoded(name: str, content: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"{name} cannot be read: {error}") from error


def _file_faults(manifest: ModelManifest, files: Mapping[str, bytes], serving_only: bool) -> Iterator[str]:
    serving = serving_files(manifest)
    listed = {file.name for file in manifest.files}
    for name in serving[1:]:
        if name not in listed:
            yield f"{name} is not among the manifest's files"
    for file in manifest.files:
        if not serving_only or file.name in serving:
            yield from _bytes_faults(file, files.get(file.name))
    for name in sorted(files.keys() - listed - {MANIFEST_FILE}):
        yield f"{name} does not belong to the model: the manifest does not list it"


def _bytes_faults(file: ModelFile, content: bytes | None) -> Iterator[str]:
    if content is None:
        yield f"{file.name} is missing: expected {file.size} bytes"
    elif len(content) < file.size:
        yield f"{file.name} is truncated: expected {file.size} bytes, found {len(content)}"
    elif len(content) > file.size:
        yield f"{file.name} has grown: expected {file.size} bytes, found {len(content)}"
    elif (found := sha256(content).hexdigest()) != file.sha256:
        yield f"{file.name} was changed: expected sha256 {file.sha256}, found {found}"


def _feature_faults(manifest: ModelManifest) -> Iterator[str]:
    names = [code.name for code in manifest.features]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"feature {name!r} is listed more than once"
    # The contender's own position, which no code computes from bars, may stand last.
    for code in manifest.features[:-1] if names[-1:] == [POSITION] else manifest.features:
        if code.name not in FEATURE_MEANINGS:
            yield f"feature {code.name!r} does not exist: this version computes {', '.join(FEATURE_MEANINGS)}"
        else:
            yield from _code_faults(code)


def _code_faults(code: FeatureCode) -> Iterator[str]:
    if (found := feature_fingerprint(code.name)) != code.fingerprint:
        yield (
            f"feature {code.name!r} is computed by other code than the model was trained with: expected fingerprint "
            f"{code.fingerprint[:_SHORT]}, found {found[:_SHORT]}; train the model anew"
        )


def _library_faults(manifest: ModelManifest) -> Iterator[str]:
    library = SERVED_BY.get(manifest.artefact)
    if library is None:
        yield f"artefact {manifest.artefact!r} is of no known kind: expected {' or '.join(SERVED_BY)}"
        return
    made_with = manifest.versions.get(library)
    if made_with is None:
        yield f"the manifest names no version of {library}, which serves {manifest.artefact}"
        return
    try:
        installed = version(library)
    except PackageNotFoundError:
        yield f"{library} is not installed: expected {made_with} or newer"
        return
    yield from _version_faults(library, made_with, installed)


def _version_faults(library: str, made_with: str, installed: str) -> Iterator[str]:
    expected, found = _release(made_with), _release(installed)
    if not expected:
        yield f"{library} {made_with!r} is no version: expected numbers such as {installed}"
    elif found[:1] != expected[:1] or found < expected:
        yield (
            f"{library} {installed} is installed, but the model was made with {made_with}: expected that or a newer "
            f"{expected[0]}.x"
        )


def _release(text: str) -> tuple[int, ...]:
    release = _RELEASE.match(text)
    return tuple(int(part) for part in release.group().split(".")) if release else ()


def _reference_faults(manifest: ModelManifest, content: bytes | None) -> Iterator[str]:
    if content is None:
        return
    try:
        reference = read_reference(content)
    except ModelError as error:
        yield str(error)
        return
    described = [feature.name for feature in reference.features]
    read = [code.name for code in manifest.features]
    market = [name for name in read if name != POSITION]
    if described not in (read, market):
        yield f"{REFERENCE_FILE} describes other features than the model reads: {_difference(described, market)}"


def _difference(described: list[str], read: list[str]) -> str:
    more = [name for name in described if name not in read]
    less = [name for name in read if name not in described]
    told = [f"it has {', '.join(more)} as well"] if more else []
    return " and ".join([*told, *([f"it lacks {', '.join(less)}"] if less else [])]) or "their order is another"
