"""The registry: folders of models named by digest, the user's own and the shipped ones, and how people refer to them.

A folder never changes once it is there; what changes is its stage (`stages`). Whether a folder's bytes may decide is
`checks`, turning them into something that computes is `loading`.
"""

import re
import time
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import msgspec

from titanflow.domain.models import MANIFEST_FILE, ModelFile, ModelManifest, digest_of, manifest_bytes
from titanflow.errors import ModelError, ModelMissingError
from titanflow.models.checks import faults, read_manifest
from titanflow.models.folders import MIN_PREFIX, PREFIX, check_names, write_folder
from titanflow.models.shipped import SHIPPED
from titanflow.models.stages import Stage, StageAction, StageChange, StageLog, Stages
from titanflow.settings.login import login_name

MODELS_FOLDER = "models"
"""Under the home directory."""
SHORT = 12
"""Hex digits of a digest that people are shown."""
_DIGEST = re.compile(r"[0-9a-f]{64}")


class RegisteredModel(NamedTuple):
    """One folder of the registry."""

    digest: str
    manifest: ModelManifest | None
    """None where it cannot be read."""
    stage: Stage
    shipped: bool
    size: int
    """Bytes of all its files."""
    damaged: bool
    """A look at no more than the manifest and the sizes says so; `checks` looks at every byte."""

    @property
    def name(self) -> str:
        """The name that it shares with its successors; a question mark where the manifest cannot be read."""
        return self.manifest.name if self.manifest else "?"


class Registry:
    """The models under a home directory, and those that ship with the package."""

    def __init__(self, home: Path, shipped: Path = SHIPPED) -> None:
        self.path = home / MODELS_FOLDER
        self.shipped = shipped
        self.log = StageLog(self.path, shipped)

    def digests(self) -> tuple[str, ...]:
        """Every model, sorted by digest."""
        found = {
            entry.name
            for root in (self.shipped, self.path)
            if root.is_dir()
            for entry in root.iterdir()
            if _DIGEST.fullmatch(entry.name) and entry.is_dir()
        }
        return tuple(sorted(found))

    def folder(self, digest: str) -> Path:
        """Where a model's files lie. Raises ModelMissingError where there is no such model."""
        for root in (self.path, self.shipped):
            if _DIGEST.fullmatch(digest) and (root / digest).is_dir():
                return root / digest
        raise ModelMissingError(f"model {digest} is missing: {self._what_there_is()}")

    def read(self, digest: str) -> dict[str, bytes]:
        """Every file of a model, unchecked: name -> bytes. Raises ModelMissingError."""
        return {path.name: path.read_bytes() for path in sorted(self.folder(digest).iterdir()) if path.is_file()}

    def manifest(self, digest: str) -> ModelManifest:
        """What is known of a model. Raises ModelMissingError, and ModelError where the manifest is damaged."""
        path = self.folder(digest) / MANIFEST_FILE
        content = path.read_bytes() if path.is_file() else b""
        if sha256(content).hexdigest() != digest:
            raise ModelError(f"model {digest}: {path} is missing or was changed; `titanflow models verify` tells all")
        return read_manifest(content)

    def models(self) -> list[RegisteredModel]:
        """Every model, damaged ones too, by name and time of training."""
        stages = self.log.stages()
        found = [self._registered(digest, stages) for digest in self.digests()]
        return sorted(found, key=lambda model: (model.name, _trained_at(model), model.digest))

    def model(self, digest: str) -> RegisteredModel:
        """One model, damaged or not. Raises ModelMissingError."""
        return self._registered(digest, self.log.stages())

    def history(self, name: str) -> list[StageChange]:
        """What was done to the models of a name, oldest first."""
        return [change for change in self.log.history() if change.name == name]

    def find(self, reference: str) -> str:
        """The digest of the model that is meant: `name` (its champion), `name@candidate` (the newest), or a prefix.

        Raises ModelMissingError, with what there is, for a reference that fits no model or more than one.
        """
        name, _, stage = reference.partition("@")
        models = self.models()
        if any(model.name == name for model in models) or name in self.log.stages().champions:
            return self._of_stage(name, stage or Stage.CHAMPION, models)
        fitting = [model.digest for model in models if model.digest.startswith(reference)]
        if PREFIX.fullmatch(reference) and len(fitting) == 1:
            return fitting[0]
        found = f"fits {len(fitting)} models" if len(fitting) > 1 else "is no model"
        raise ModelMissingError(
            f"{reference!r} {found}: expected a name, name@candidate, or {MIN_PREFIX} or more hex digits of a digest; "
            + self._what_there_is(models)
        )

    def add(self, manifest: ModelManifest, files: Mapping[str, bytes], *, who: str = "", reason: str = "") -> str:
        """Register a model as a candidate; returns its digest. Adding the same again changes nothing.

        `files` are all but the manifest, whose own list of files is filled in here. The folder appears whole or not at
        all. Raises InputError for a name that cannot be used and ModelError for a model that could not be loaded.
        """
        check_names(manifest.name, files)
        described = tuple(
            ModelFile(name=name, sha256=sha256(content).hexdigest(), size=len(content))
            for name, content in sorted(files.items())
        )
        manifest = msgspec.structs.replace(manifest, files=described)
        digest = digest_of(manifest)
        contents = {**files, MANIFEST_FILE: manifest_bytes(manifest)}
        self._refuse_faulty(digest, contents)
        if digest in self.digests():
            self._refuse_faulty(digest, self.read(digest))
            return digest
        write_folder(self.path / digest, contents)
        self._note(StageAction.REGISTER, manifest.name, digest, who, reason)
        return digest

    def promote(self, reference: str, *, who: str = "", reason: str = "") -> StageChange:
        """Make a model the champion of its name; the champion until now is retired.

        Raises ModelMissingError, and ModelError for one that is the champion already or could not be loaded.
        """
        digest = self.find(reference)
        self._refuse_faulty(digest, self.read(digest))
        name = self.manifest(digest).name

        def decide(stages: Stages) -> StageChange:
            champion = stages.champions.get(name, "")
            if champion == digest:
                raise ModelError(f"model {digest[:SHORT]} is the champion of {name!r} already")
            return _change(StageAction.PROMOTE, name, digest, who, reason, replaced=champion)

        return self.log.change(decide)

    def rollback(self, name: str, *, who: str = "", reason: str = "") -> StageChange:
        """Retire the champion of a name and put its parent in its place: for sessions to come.

        Raises ModelMissingError where there is no champion or its parent is gone, ModelError where it has no parent or
        that one could not be loaded.
        """

        def decide(stages: Stages) -> StageChange:
            champion = self._of_stage(name, Stage.CHAMPION, self.models())
            parent = self.manifest(champion).parent
            if not parent:
                raise ModelError(
                    f"model {champion[:SHORT]}, the champion of {name!r}, has no parent to go back to; "
                    f"`titanflow models promote` puts any other in its place"
                )
            self._refuse_faulty(parent, self.read(parent))
            return _change(StageAction.ROLL_BACK, name, parent, who, reason, replaced=champion)

        return self.log.change(decide)

    def _registered(self, digest: str, stages: Stages) -> RegisteredModel:
        folder = self.folder(digest)
        try:
            manifest = self.manifest(digest)
        except ModelError:
            manifest = None
        sizes = {path.name: path.stat().st_size for path in folder.iterdir() if path.is_file()}
        damaged = manifest is None or any(sizes.get(file.name) != file.size for file in manifest.files)
        shipped = folder.parent == self.shipped
        return RegisteredModel(digest, manifest, stages.of(digest), shipped, sum(sizes.values()), damaged)

    def _of_stage(self, name: str, stage: str, models: list[RegisteredModel]) -> str:
        if stage == Stage.CHAMPION:
            if champion := self.log.stages().champions.get(name):
                return champion
        elif stage == Stage.CANDIDATE:
            candidates = [model.digest for model in models if model.name == name and model.stage is Stage.CANDIDATE]
            if candidates:
                return candidates[-1]
        else:
            raise ModelMissingError(f"{name}@{stage}: expected {name}, {name}@candidate, or a digest")
        raise ModelMissingError(f"{name!r} has no {stage}; {self._what_there_is(models)}")

    def _what_there_is(self, models: list[RegisteredModel] | None = None) -> str:
        known = [
            f"{model.name} {model.digest[:SHORT]} ({model.stage})"
            for model in models or self.models()
            if model.manifest
        ]
        if not known:
            return f"{self.path} holds no model; `titanflow train` makes one"
        return "there are " + ", ".join(known)

    def _refuse_faulty(self, digest: str, contents: Mapping[str, bytes]) -> None:
        if wrong := faults(digest, contents, known=self.digests()):
            raise ModelError(f"model {digest[:SHORT]}: " + "; ".join(wrong))

    def _note(self, action: StageAction, name: str, digest: str, who: str, reason: str) -> None:
        self.log.change(lambda stages: _change(action, name, digest, who, reason))


def _change(action: StageAction, name: str, digest: str, who: str, reason: str, *, replaced: str = "") -> StageChange:
    return StageChange(
        at=time.time_ns(),
        who=who or login_name(),
        action=action,
        name=name,
        digest=digest,
        replaced=replaced,
        reason=reason,
    )


def _trained_at(model: RegisteredModel) -> int:
    return model.manifest.trained_at if model.manifest else 0
