"""`titanflow service` as a user calls it: the services of one session spread over two places."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from eventstore.errors import FencedError
from projections.migrate import migrate
from support.short_session import settings_of
from support.waiting import PATIENCE_S
from titanflow.cli.service import _say_why
from titanflow.embedded.servers import start_all
from titanflow.runtime.incidents import Incidents
from titanflow.runtime.runs import run_directory
from titanflow.runtime.session_run import SessionRun

from .conftest import CommandLine

pytestmark = pytest.mark.e2e

HERE = ("gateway", "signal", "risk", "projector")
ELSEWHERE = ("execution", "leaderboard", "mirror")


@pytest.fixture
def redis_url(cli: CommandLine, tape: Path, session_id: str) -> str:
    """The server of a session that was opened, and whose services nobody runs yet."""
    servers = start_all(cli.home)
    migrate(servers.database_url)
    settings = settings_of(cli.home, tape, topology="services", speed=3600)
    SessionRun.open(settings, servers.redis_url, servers.database_url, session_id)
    return servers.redis_url


def begin(cli: CommandLine, names: Sequence[str], *arguments: object, **variables: str) -> "subprocess.Popen[str]":
    command = cli.command("service", *names, *arguments)
    environment = cli.environment(variables)
    return subprocess.Popen(
        command, env=environment, cwd=cli.home, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_any_subset_of_the_services_runs_elsewhere_and_the_session_is_whole(
    cli: CommandLine, redis_url: str, session_id: str, tmp_path: Path
) -> None:
    audit = tmp_path / "audit.jsonl"
    there = CommandLine(tmp_path)
    with (
        begin(cli, HERE, "--session", session_id) as first,
        begin(
            there, ELSEWHERE, "--session", session_id, "--set", f"audit_log_path={audit}", REDIS_URL=redis_url
        ) as second,
    ):
        for process in (first, second):
            _, trouble = process.communicate(timeout=PATIENCE_S)
            assert process.returncode == 0, trouble
    assert cli.json("status", session_id)["state"] == "ended"
    assert cli.json("replay", session_id, "--rebuild")["identical"] is True
    assert {json.loads(line)["session_id"] for line in audit.read_text().splitlines()} == {session_id}
    assert {path.name for path in tmp_path.iterdir()} == {"audit.jsonl", "sessions"}, "a server was started for nothing"


def test_the_feed_is_played_where_the_session_was_opened(
    cli: CommandLine, redis_url: str, session_id: str, tmp_path: Path
) -> None:
    done = CommandLine(tmp_path)("service", "gateway", "--session", session_id, env={"REDIS_URL": redis_url})
    assert done.returncode == 5
    assert "was not started from" in done.stderr


def test_a_service_that_does_not_exist_is_refused_with_those_that_do(cli: CommandLine) -> None:
    done = cli("service", "gateway", "astrologer")
    assert done.returncode == 2
    assert "astrologer" in done.stderr
    assert "projector" in done.stderr


def test_a_service_that_is_fenced_leaves_the_reason_in_the_log_of_its_session(tmp_path: Path) -> None:
    run_directory(tmp_path, "s").mkdir(parents=True)
    place: Any = SimpleNamespace(settings=SimpleNamespace(home=tmp_path))
    _say_why(place, "s", "mirror", None, FencedError("mirror", 1, 2))
    (incident,) = Incidents(tmp_path, "s").all()
    assert (incident.service, incident.what) == ("mirror", "fenced")
    assert "another writer moved it" in incident.reason
