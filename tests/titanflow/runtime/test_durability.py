"""What the ledger's server promises is asked before a session is trusted to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from structlog.testing import capture_logs

from support.short_session import open_fused, settings_of
from support.waiting import wait_until
from titanflow.errors import ServerError
from titanflow.runtime.durability import durability_warning
from titanflow.runtime.session_run import SessionRun

NOWHERE = "postgresql+psycopg://nobody@127.0.0.1:1/none"


@pytest.fixture
def restored(redis_client: redis.Redis) -> Iterator[redis.Redis]:
    names = ("maxmemory", "maxmemory-policy", "appendonly")
    before = {name: redis_client.config_get(name)[name] for name in names}
    yield redis_client
    for name, value in before.items():
        redis_client.config_set(name, value)
    # A server refuses to stop while it writes its first append-only file.
    wait_until(lambda: not redis_client.info("persistence")["aof_rewrite_in_progress"], message="the rewrite to end")


def test_the_embedded_server_gives_nothing_to_warn_of(redis_client: redis.Redis) -> None:
    assert durability_warning(redis_client) == ""


def test_a_server_that_evicts_is_refused_by_the_name_of_its_policy(restored: redis.Redis) -> None:
    restored.config_set("maxmemory", "1gb")
    restored.config_set("maxmemory-policy", "allkeys-lru")
    with pytest.raises(ServerError, match="maxmemory-policy allkeys-lru"):
        durability_warning(restored)


def test_a_policy_that_never_comes_to_bear_is_no_reason_to_refuse(restored: redis.Redis) -> None:
    restored.config_set("maxmemory", "0")
    restored.config_set("maxmemory-policy", "allkeys-lru")
    assert durability_warning(restored) == ""


def test_a_server_without_append_only_file_is_warned_of(restored: redis.Redis) -> None:
    restored.config_set("appendonly", "no")
    assert "no append-only file" in durability_warning(restored)


def test_no_session_is_opened_or_resumed_on_a_server_that_evicts(
    restored: redis.Redis, redis_url: str, tmp_path: Path, brief_tape: Path, session_id: str
) -> None:
    opened = open_fused(redis_url, tmp_path, brief_tape)
    restored.config_set("maxmemory", "1gb")
    restored.config_set("maxmemory-policy", "allkeys-lru")
    with pytest.raises(ServerError, match="maxmemory-policy allkeys-lru"):
        open_fused(redis_url, tmp_path, brief_tape, session_id)
    assert not restored.hexists("titanflow:sessions", session_id), "the name was taken all the same"
    with pytest.raises(ServerError, match="maxmemory-policy allkeys-lru"):
        SessionRun.resume(settings_of(tmp_path, brief_tape), redis_url, NOWHERE, opened.ledger.session)


def test_opening_a_session_on_a_server_without_append_only_file_warns(
    restored: redis.Redis, redis_url: str, tmp_path: Path, brief_tape: Path
) -> None:
    with capture_logs() as quiet:
        open_fused(redis_url, tmp_path, brief_tape)
    restored.config_set("appendonly", "no")
    with capture_logs() as warned:
        open_fused(redis_url, tmp_path, brief_tape)
    assert quiet == []
    (entry,) = warned
    assert entry["log_level"] == "warning"
    assert "no append-only file" in entry["reason"]
