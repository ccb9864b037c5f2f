"""A session's models in its Redis: what decides there does not depend on files that somebody may change."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from support.tiny_models import Files, tiny_model_files
from titanflow.domain.events import SessionStarted
from titanflow.domain.models import ModelManifest, RecordedModel, digest_of
from titanflow.domain.session_settings import FeedSpec, SessionSettings
from titanflow.errors import ModelError, ModelMissingError
from titanflow.models.deposit import deposit, fetch_models, model_key
from titanflow.models.registry import Registry

Tiny = tuple[ModelManifest, Files]


def started(*manifests: ModelManifest) -> SessionStarted:
    models = tuple(RecordedModel(digest_of(manifest), "champion", manifest) for manifest in manifests)
    feed = FeedSpec("tape", "tiny.csv", "")
    return SessionStarted(1, "s", 7, SessionSettings(), (), (), (), feed, "0.1.0", models)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def registry(home: Path) -> Registry:
    return Registry(home)


@pytest.fixture
def model(registry: Registry, redis_client: redis.Redis) -> Iterator[Tiny]:
    """One that no other test knows, so that no other test's deposit is met."""
    made = tiny_model_files("lightgbm", "deposited", seed=4711)
    registry.add(*made)
    yield made
    redis_client.delete(model_key(digest_of(made[0])))


def test_a_session_without_trained_models_fetches_nothing(redis_client: redis.Redis, home: Path) -> None:
    assert fetch_models(redis_client, home, started()) == {}


def test_only_the_files_that_decide_are_deposited(redis_client: redis.Redis, registry: Registry, model: Tiny) -> None:
    digest = digest_of(model[0])
    deposit(redis_client, registry, [digest])
    kept = redis_client.hgetall(model_key(digest))
    assert kept == {
        name.encode(): content
        for name, content in registry.read(digest).items()
        if name in ("manifest.json", "model.txt", "reference.json")
    }
    assert redis_client.ttl(model_key(digest)) == -1, "a session may be replayed years later"


def test_a_file_flipped_or_removed_after_the_opening_hurts_nothing(
    redis_client: redis.Redis, registry: Registry, home: Path, model: Tiny
) -> None:
    digest = digest_of(model[0])
    deposit(redis_client, registry, [digest])
    for path in registry.folder(digest).iterdir():
        path.write_bytes(b"flipped")
    assert fetch_models(redis_client, home, started(model[0]))[digest].manifest == model[0]
    for path in registry.folder(digest).iterdir():
        path.unlink()
    registry.folder(digest).rmdir()
    assert fetch_models(redis_client, home, started(model[0])).keys() == {digest}


@pytest.mark.parametrize("loss", ["all", "artefact", "flipped"])
def test_what_redis_lost_is_taken_from_the_registry(
    redis_client: redis.Redis, registry: Registry, home: Path, model: Tiny, loss: str
) -> None:
    digest = digest_of(model[0])
    deposit(redis_client, registry, [digest])
    match loss:
        case "all":
            redis_client.delete(model_key(digest))
        case "artefact":
            redis_client.hdel(model_key(digest), "model.txt")
        case "flipped":
            redis_client.hset(model_key(digest), "model.txt", b"flipped")
    assert fetch_models(redis_client, home, started(model[0])).keys() == {digest}


def test_each_model_that_is_nowhere_is_named(redis_client: redis.Redis, home: Path, model: Tiny) -> None:
    gone = [tiny_model_files("lightgbm", seed=seed)[0] for seed in (91, 92)]
    with pytest.raises(ModelMissingError) as caught:
        fetch_models(redis_client, home, started(model[0], *gone))
    assert "2 of the 3 models" in str(caught.value)
    for manifest in gone:
        assert digest_of(manifest) in str(caught.value)
    assert digest_of(model[0]) not in str(caught.value)


def test_a_copy_that_is_damaged_everywhere_says_what_is_wrong_with_it(
    redis_client: redis.Redis, registry: Registry, home: Path, model: Tiny
) -> None:
    digest = digest_of(model[0])
    deposit(redis_client, registry, [digest])
    redis_client.hset(model_key(digest), "model.txt", b"flipped")
    (registry.folder(digest) / "model.txt").write_bytes(b"flipped")
    with pytest.raises(ModelError, match=rf"model {digest}: model\.txt is truncated"):
        fetch_models(redis_client, home, started(model[0]))


def test_a_damaged_model_is_not_deposited(redis_client: redis.Redis, registry: Registry, model: Tiny) -> None:
    digest = digest_of(model[0])
    (registry.folder(digest) / "reference.json").unlink()
    with pytest.raises(ModelError, match=r"reference\.json is missing"):
        deposit(redis_client, registry, [digest])
    assert not redis_client.exists(model_key(digest))
