import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from eventstore.errors import SessionInUseError
from eventstore.sessions import SessionEntry, Sessions
from support.waiting import PATIENCE_S


@pytest.fixture
def prefix() -> str:
    """The registry is one for the whole server: a test looks at its own sessions only."""
    return f"test-{uuid.uuid4().hex[:12]}"


def test_sessions_are_listed_newest_first(redis_client: redis.Redis, prefix: str) -> None:
    sessions = Sessions(redis_client)
    started = {f"{prefix}-a": 1_381_152_600_000_000_002, f"{prefix}-b": 1_381_152_600_000_000_003, f"{prefix}-c": 5}
    for name, at in started.items():
        sessions.register(name, at)
    assert [entry for entry in sessions.all() if entry.id.startswith(prefix)] == [
        SessionEntry(f"{prefix}-b", 1_381_152_600_000_000_003),
        SessionEntry(f"{prefix}-a", 1_381_152_600_000_000_002),
        SessionEntry(f"{prefix}-c", 5),
    ]


def test_an_id_is_given_once(redis_client: redis.Redis, prefix: str) -> None:
    sessions = Sessions(redis_client)
    assert not sessions.exists(prefix)
    sessions.register(prefix, 7)
    assert sessions.exists(prefix)
    with pytest.raises(SessionInUseError, match=prefix):
        sessions.register(prefix, 7)


def test_of_many_that_want_one_id_at_once_one_gets_it(redis_client: redis.Redis, prefix: str) -> None:
    together = threading.Barrier(6)

    def try_it(_: int) -> bool:
        together.wait(timeout=PATIENCE_S)
        try:
            Sessions(redis_client).register(prefix, 7)
        except SessionInUseError:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(try_it, range(6))) == 1


def test_a_bad_id_is_not_registered(redis_client: redis.Redis) -> None:
    with pytest.raises(ValueError, match="session id"):
        Sessions(redis_client).register("two words", 7)
