"""What holds for both servers: one per directory, found again, nothing that blocks the next start."""

import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from support.waiting import PATIENCE_S, wait_until
from titanflow.embedded.postgres import postgres_server
from titanflow.embedded.redis import redis_server
from titanflow.embedded.server import DetachedServer, ServerStatus
from titanflow.errors import ServerError

MAKERS = {"redis": redis_server, "postgres": postgres_server}
START = """
import sys, pathlib
from titanflow.embedded.{kind} import {kind}_server
server = {kind}_server(pathlib.Path(sys.argv[1]))
print(server.start(), server.status().pid)
"""


@pytest.fixture(params=list(MAKERS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(kind: str, home: Path) -> DetachedServer:
    return MAKERS[kind](home)


@pytest.fixture
def running(kind: str, servers_home: Path, request: pytest.FixtureRequest) -> DetachedServer:
    """The shared server, for tests that only look at it."""
    request.getfixturevalue({"redis": "redis_url", "postgres": "database_url"}[kind])
    return MAKERS[kind](servers_home)


def remember(url: str, word: str) -> None:
    """Store a word on the server."""
    if url.startswith("redis"):
        with redis.Redis.from_url(url) as client:
            client.set("word", word)
    else:
        with psycopg.connect(url.replace("+psycopg", "")) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS words (word text)")
            connection.execute("INSERT INTO words VALUES (%s)", (word,))


def recall(url: str) -> str:
    """The word that is stored on the server."""
    if url.startswith("redis"):
        with redis.Redis.from_url(url, decode_responses=True) as client:
            return str(client.get("word"))
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        return ",".join(str(row[0]) for row in connection.execute("SELECT word FROM words"))


def start_elsewhere(kind: str, home: Path) -> "subprocess.Popen[str]":
    """Start the server from another process, which prints its URL and process id."""
    command = [sys.executable, "-c", START.format(kind=kind), str(home)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_second_start_finds_the_first_server(running: DetachedServer, kind: str, servers_home: Path) -> None:
    url, pid = running.start(), running.status().pid
    again = MAKERS[kind](servers_home)
    assert (again.start(), again.status().pid) == (url, pid)


def test_the_server_outlives_the_process_that_started_it(server: DetachedServer, kind: str, home: Path) -> None:
    with start_elsewhere(kind, home) as process:
        out, _ = process.communicate(timeout=PATIENCE_S)
    url, pid = out.split()
    assert server.start() == url
    assert server.status().pid == int(pid)
    assert os.getsid(int(pid)) != os.getsid(0)


def test_a_stopped_server_finds_its_data_again_under_the_same_url(server: DetachedServer) -> None:
    url = server.start()
    remember(url, "kept")
    assert server.stop()
    assert not server.status().running
    assert server.start() == url
    assert recall(url) == "kept"


def test_a_killed_server_starts_again_with_its_data(
    server: DetachedServer, crash: Callable[[ServerStatus], None]
) -> None:
    url = server.start()
    remember(url, "kept")
    crash(server.status())
    assert recall(server.start()) == "kept"


def test_a_process_that_took_the_dead_server_s_id_is_left_alone(
    server: DetachedServer, crash: Callable[[ServerStatus], None]
) -> None:
    server.start()
    before = server.status()
    crash(before)
    wait_until(lambda: not server.is_alive(), message="the end of the server")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        for pidfile in (server.directory / "redis.pid", server.directory / "data" / "postmaster.pid"):
            if pidfile.exists():
                pidfile.write_text(pidfile.read_text().replace(str(before.pid), str(stranger.pid)))
        assert server.read_pid() == stranger.pid
        assert not server.status().running
        assert not server.stop()
        server.start()
        assert server.status().pid != stranger.pid
        assert stranger.poll() is None
        stranger.communicate(b"\n")


def test_two_processes_starting_at_once_get_one_server(kind: str, home: Path) -> None:
    with start_elsewhere(kind, home) as first, start_elsewhere(kind, home) as second:
        outputs = {first.communicate(timeout=PATIENCE_S)[0], second.communicate(timeout=PATIENCE_S)[0]}
    assert len(outputs) == 1
    assert "@127.0.0.1:" in outputs.pop()


def test_a_deep_home_is_no_obstacle(kind: str, home: Path) -> None:
    deep = home / "/".join(["a directory with a long name and spaces"] * 6)
    server = MAKERS[kind](deep)
    assert len(str(server.directory)) > 200
    remember(server.start(), "deep")
    assert recall(server.start()) == "deep"
    server.stop()


def test_a_port_that_somebody_took_meanwhile_is_left_to_him(server: DetachedServer) -> None:
    url = server.start()
    remember(url, "kept")
    server.stop()
    port = int(url.rsplit(":", 1)[1].split("/")[0])
    with socket.socket() as somebody:
        somebody.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        somebody.bind(("127.0.0.1", port))
        somebody.listen()
        other = server.start()
        assert other != url
        assert recall(other) == "kept"


def test_a_port_taken_between_the_choice_and_the_launch_costs_one_more_attempt(
    server: DetachedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as somebody:
        somebody.bind(("127.0.0.1", 0))
        somebody.listen()
        taken = somebody.getsockname()[1]
        choices = iter([taken])
        free = sys.modules["titanflow.embedded.server"].usable_port
        monkeypatch.setattr("titanflow.embedded.server.usable_port", lambda wanted: next(choices, None) or free(None))
        url = server.start()
    assert f":{taken}/" not in url
    assert server.status().running


def test_looking_at_what_was_never_started_changes_nothing(server: DetachedServer, home: Path) -> None:
    status = server.status()
    assert (status.running, status.pid, status.url) == (False, None, None)
    assert list(home.iterdir()) == []


def test_stopping_what_does_not_run_is_no_error(server: DetachedServer) -> None:
    assert not server.stop()
    server.start()
    assert server.stop()
    assert not server.stop()


def test_a_running_server_tells_its_version_and_place(running: DetachedServer) -> None:
    url = running.start()
    status = running.status()
    assert (status.running, status.url, status.directory) == (True, url, running.directory)
    assert status.version
    assert int(status.version.split(".")[0]) >= 6
    assert status.pid
    assert psutil.pid_exists(status.pid)


def test_only_the_owner_may_read_what_opens_the_server(running: DetachedServer) -> None:
    running.start()
    secrets = [
        path for path in running.directory.iterdir() if path.is_file() and path.name in {"password", "redis.conf"}
    ]
    assert secrets
    assert {stat.S_IMODE(path.stat().st_mode) for path in secrets} == {0o600}


def test_nobody_enters_without_the_password(running: DetachedServer) -> None:
    url = running.start()
    scheme, rest = url.split("://", 1)
    user, secret = rest.split("@", 1)[0].split(":")
    wrong = url.replace(f"{user}:{secret}@", f"{user}:guess@").replace("+psycopg", "")
    with pytest.raises((redis.AuthenticationError, psycopg.OperationalError)):
        recall(wrong)
    assert scheme in {"redis", "postgresql+psycopg"}


def test_a_server_listens_on_loopback_only(running: DetachedServer) -> None:
    running.start()
    pid = running.status().pid
    assert pid
    listening = [c.laddr for c in psutil.Process(pid).net_connections("all") if c.status == psutil.CONN_LISTEN]
    assert listening
    assert {address.ip for address in listening} == {"127.0.0.1"}


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_start_cut_short_does_not_block_the_next(
    server: DetachedServer, kind: str, home: Path, sent: signal.Signals
) -> None:
    with start_elsewhere(kind, home) as process:
        wait_until(lambda: server.is_alive() or process.poll() is not None, message="the launch")
        process.send_signal(sent)
        process.communicate(timeout=PATIENCE_S)
    remember(server.start(), "usable")
    assert recall(server.start()) == "usable"


def test_a_home_that_cannot_be_made_is_named(kind: str, home: Path) -> None:
    (home / "file").write_text("in the way")
    with pytest.raises(ServerError, match="file"):
        MAKERS[kind](home / "file").start()
