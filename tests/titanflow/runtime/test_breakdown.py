"""The reason of a breakdown in words: memory says memory, a fence says fence, a server's state explains a loss."""

import redis

from eventstore.errors import FencedError
from support.mortal_redis import MortalRedis
from support.waiting import wait_until
from titanflow.errors import SessionStateError
from titanflow.runtime.breakdown import last_words, remarks, state_of_server


def test_each_kind_of_end_has_its_word() -> None:
    assert last_words(FencedError("risk", 1, 2)).end == "fenced"
    assert last_words(SessionStateError("another feed"), "another feed") == ("refused", "another feed")
    assert last_words(ValueError("a rule divides by zero")) == ("crashed", "ValueError: a rule divides by zero")


def test_memory_that_ran_out_says_memory() -> None:
    refused = redis.OutOfMemoryError("command not allowed when used memory > 'maxmemory'.")
    in_a_script = redis.ResponseError("@user_script:5: -OOM command not allowed when used memory > 'maxmemory'.")
    for error in (refused, in_a_script, MemoryError()):
        assert "out of memory" in last_words(error).reason


def test_a_server_that_evicted_or_is_full_or_cannot_write_says_so() -> None:
    told = remarks(
        {
            "evicted_keys": 12,
            "maxmemory_policy": "allkeys-lru",
            "used_memory": 95 * 1024**2,
            "maxmemory": 100 * 1024**2,
            "aof_last_write_status": "err",
            "uptime_in_seconds": 3,
        }
    )
    assert told == [
        "it has evicted 12 keys (maxmemory-policy allkeys-lru)",
        "it uses 95 MiB of memory, its limit is 100 MiB",
        "its last write of the append-only file failed (is its disk full?)",
        "it was started 3 s ago",
    ]


def test_a_server_that_is_well_has_only_its_age_to_tell_and_one_that_is_gone_says_that(tmp_path: object) -> None:
    server = MortalRedis(tmp_path)  # type: ignore[arg-type]
    server.start()
    url = f"redis://127.0.0.1:{server.port}/0"
    try:
        with server.client() as client:
            wait_until(client.ping, message="the server")
        (age,) = state_of_server(url)
        assert age.startswith("it was started")
    finally:
        server.kill()
    (gone,) = state_of_server(url)
    assert "does not answer" in gone
