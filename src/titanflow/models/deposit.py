"""The models of a session in its Redis: what decides there lies beside the ledger, under the digest of its bytes.

So a running session does not depend on files that somebody may change, and a replay uses exactly the bytes that
decided, or says which are missing.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import cast

import redis

from titanflow.domain.events import SessionStarted
from titanflow.domain.models import MANIFEST_FILE
from titanflow.errors import ModelError, ModelMissingError
from titanflow.models.checks import byte_faults, read_manifest, serving_files
from titanflow.models.loading import Loader
from titanflow.models.registry import Registry
from titanflow.signal.model import NO_MODELS, Models

KEY_PREFIX = "titanflow:model:"


def model_key(digest: str) -> str:
    """The Redis hash (file name -> bytes) that holds a model's serving files."""
    return KEY_PREFIX + digest


def deposit(client: redis.Redis, registry: Registry, digests: Iterable[str]) -> None:
    """Lay down the files that decide, of each model; the same bytes again where they are there already.

    Raises ModelMissingError, and ModelError for one whose files do not fit their hashes.
    """
    for digest in digests:
        files = registry.read(digest)
        if damage := byte_faults(digest, files, serving_only=True):
            raise ModelError(f"model {digest}: " + "; ".join(damage))
        needed = serving_files(read_manifest(files[MANIFEST_FILE]))
        client.hset(model_key(digest), mapping={name: files[name] for name in needed})


def fetch_models(client: redis.Redis, home: Path, started: SessionStarted) -> Models:
    """Load every model that a session names: from its Redis, else from the registry under `home`.

    Raises ModelMissingError naming each digest that is in neither, and ModelError with all that is wrong with others.
    """
    digests = [model.digest for model in started.models]
    if not digests:
        return NO_MODELS
    registry = Registry(home)
    files = {digest: _files(client, registry, digest) for digest in digests}
    if missing := [digest for digest, found in files.items() if not found]:
        raise ModelMissingError(
            f"{len(missing)} of the {len(digests)} models that decided in this session are missing, in its Redis and "
            f"in {registry.path}: {', '.join(missing)}; copy their folders there"
        )
    return Loader(lambda digest: files.get(digest) or _files(client, registry, digest)).load_all(digests)


def _files(client: redis.Redis, registry: Registry, digest: str) -> dict[str, bytes]:
    """The intact copy, Redis' first; a damaged one where there is no better, {} where there is none at all."""
    kept = cast("dict[bytes, bytes]", client.hgetall(model_key(digest)))
    deposited = {name.decode(): content for name, content in kept.items()}
    if deposited and not byte_faults(digest, deposited, serving_only=True):
        return deposited
    try:
        return registry.read(digest)
    except ModelMissingError:
        return deposited
