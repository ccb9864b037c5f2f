"""What breaks around a live session, as its user meets it: the reason is said first, and the session is named."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis

from support.short_session import play_fused
from support.waiting import wait_until
from titanflow.cli.output import OutlivesReader

from .conftest import CommandLine

pytestmark = pytest.mark.e2e

PATIENCE_S = 120


def redis_of(cli: CommandLine) -> redis.Redis:
    """A client of the home's own Redis."""
    cli.good("servers", "start")
    (url,) = (server["url"] for server in cli.json("servers", "status") if server["name"] == "Redis")
    return redis.Redis.from_url(url)


def has_begun(client: redis.Redis, session: str) -> bool:
    return int(client.get(f"titanflow:{{{session}}}:seq") or 0) > 100  # type: ignore[arg-type]


@contextmanager
def live(cli: CommandLine, tape: Path, session: str, *options: str, **pipes: Any) -> Iterator["subprocess.Popen[str]"]:
    """A live session slow enough to be met in the middle of its hour, once it has begun."""
    command = cli.command("live", "--tape", tape, "--speed", "120", "--session", session, *options)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **pipes}
    client = redis_of(cli)
    with subprocess.Popen(command, env=cli.environment(), text=True, **pipes) as process:
        try:
            wait_until(lambda: has_begun(client, session), timeout=PATIENCE_S, message="a session under way")
            yield process
        finally:
            process.kill()


def test_a_stream_without_a_reader_swallows_what_is_said() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        outliving = OutlivesReader(stream)
        for _ in range(3):
            outliving.write("a line that nobody reads\n")
            outliving.flush()


def test_a_session_goes_on_without_the_reader_of_its_messages(cli: CommandLine, tape: Path, session_id: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with live(cli, tape, session_id, stderr=writer) as process:
        os.close(writer)
        process.send_signal(signal.SIGTERM)
        answer, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert "identical" in answer
    assert cli.json("status", session_id)["state"] == "ended"


def test_a_terminal_that_closes_ends_a_session_in_good_order(cli: CommandLine, tape: Path, session_id: str) -> None:
    with live(cli, tape, session_id, "--json") as process:
        # Once by the system and once by the shell, as a closing terminal does.
        for _ in range(2):
            process.send_signal(signal.SIGHUP)
        answer, trouble = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, trouble
    assert json.loads(answer)["replay"]["identical"] is True
    assert cli.json("status", session_id)["state"] == "ended"


def test_servers_in_use_are_not_stopped_unless_their_sessions_are_ended_first(
    cli: CommandLine, tape: Path, session_id: str
) -> None:
    with live(cli, tape, session_id, "--json") as process:
        refused = cli("servers", "stop")
        assert refused.returncode == 5
        assert session_id in refused.stderr
        assert "--force" in refused.stderr
        assert all(server["running"] for server in cli.json("servers", "status"))
        assert process.poll() is None
        told = cli.json("servers", "stop", "--force")
        assert told == {"stopped": ["Redis", "Postgres"], "ended": [session_id]}
        process.communicate(timeout=PATIENCE_S)
    cli.good("servers", "start")
    assert cli.json("status", session_id)["state"] == "ended"


def test_a_ledger_that_vanishes_is_named_before_anything_else(cli: CommandLine, tape: Path, session_id: str) -> None:
    client = redis_of(cli)
    with live(cli, tape, session_id, "--json") as process:
        # What FLUSHALL does to this session, leaving the others alone.
        client.delete(*client.keys(f"titanflow:{{{session_id}}}:*"))
        client.hdel("titanflow:sessions", session_id)
        answer, trouble = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    told = json.loads(answer)
    first, proof = [line for line in trouble.splitlines() if line.startswith("error: ")]
    assert told["problem"] in first
    for word in (session_id, "its ledger is gone", "FLUSHALL", f"titanflow live --resume {session_id}"):
        assert word in first
    assert "cannot be proven" in proof
    assert "Traceback" not in trouble
    assert [one for one in told["incidents"] if one["what"] == "broke down"]


def test_kills_stand_in_the_log_of_the_session(cli: CommandLine, tape: Path, session_id: str) -> None:
    with live(cli, tape, session_id, "--json") as process:
        mirror = next(one for one in psutil.Process(process.pid).children() if "mirror" in one.cmdline())
        mirror.kill()
        wait_until(lambda: cli.json("status", session_id)["incidents"], timeout=PATIENCE_S, message="the incident")
        process.send_signal(signal.SIGTERM)
        answer, trouble = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, trouble
    told = json.loads(answer)
    (incident,) = told["incidents"]
    assert (incident["service"], incident["what"]) == ("mirror", "killed")
    assert incident["when"].startswith("20")
    assert told["behind"] == {}
    assert cli.json("status", session_id)["incidents"] == told["incidents"]
    assert "mirror killed" in cli.good("status", session_id)


def test_what_the_tables_lack_is_said_and_brought_up(cli: CommandLine, tape: Path, session_id: str) -> None:
    """A backtest that was killed before its tables were written."""
    client = redis_of(cli)
    options = client.connection_pool.connection_kwargs
    ledger = play_fused(f"redis://:{options['password']}@127.0.0.1:{options['port']}/0", cli.home, tape, session_id)
    events = ledger.last_seq()
    behind = cli.json("status", session_id)["behind"]
    assert behind["tables"]["events"] == events
    assert f"titanflow projections catch-up {session_id}" in behind["tables"]["reason"]
    assert cli.json("projections", "catch-up", session_id) == {
        "session_id": session_id,
        "events": events,
        "tables": events,
    }
    assert cli.json("status", session_id)["behind"] == {}
    (compared,) = cli.json("projections", "verify", "--session", session_id)
    assert compared["identical"]
    assert f"tables up to seq {events:,}" in cli.good("projections", "catch-up", "--session", session_id)


def test_a_backtest_whose_tables_cannot_be_written_keeps_its_result(
    cli: CommandLine, tape: Path, session_id: str
) -> None:
    nowhere = {"DATABASE_URL": "postgresql://ada:secret@127.0.0.1:1/nothing"}
    done = cli("backtest", tape, "--session", session_id, "--json", env=nowhere)
    assert done.returncode == 3
    assert f"titanflow projections catch-up {session_id}" in done.stderr
    assert "secret" not in done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["fills"] > 0
    assert told["behind"]["tables"]["events"] == told["events"]
    cli.good("projections", "catch-up", session_id)
    assert cli.json("status", session_id)["behind"] == {}
