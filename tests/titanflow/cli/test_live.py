"""A live session as its user has it: the screen, Ctrl-C, the operator's commands, the proof at the end."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pexpect
import pytest

from support.waiting import PATIENCE_S, wait_until
from titanflow.gateway.samples import sample_tape

from .conftest import CommandLine

pytestmark = pytest.mark.e2e

COLUMNS = 80
ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def has_fills(cli: CommandLine, session: str) -> bool:
    done = cli("ledger", "tail", session, "--type", "OrderFilled", "-n", 1)
    return done.returncode == 0 and "OrderFilled" in done.stdout


class Running(NamedTuple):
    """A live session in a process of its own."""

    session: str
    process: "subprocess.Popen[str]"


@pytest.fixture
def running(cli: CommandLine, session_id: str) -> Iterator[Running]:
    """A live session of four days, which no test waits to end, fast enough to have filled an order."""
    tape = sample_tape("us_equity_minute_2019-02")
    command = cli.command("live", "--tape", tape, "--speed", "200", "--session", session_id, "--json")
    with subprocess.Popen(
        command, env=cli.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            wait_until(lambda: has_fills(cli, session_id), message="a fill")
            yield Running(session_id, process)
        finally:
            process.kill()


def test_a_session_of_services_ends_with_its_proof(cli: CommandLine, tape: Path) -> None:
    result = cli.json("live", "--tape", tape, "--speed", "3600", "--session", "live-whole")
    assert result["ticks"] == 858, "240 bars, each with its open, its close, and the turning points that differ"
    assert result["fills"] > 0
    assert result["replay"]["identical"] is True
    assert result["replay"]["digest"] == result["digest"]
    resumed = cli("live", "--resume", "live-whole")
    assert resumed.returncode == 5


def test_an_interrupted_session_is_closed_and_proven_while_others_follow_its_ledger(
    running: Running, cli: CommandLine
) -> None:
    follow = ("ledger", "tail", running.session, "-n", 0, "--follow", "--type", "BarPointReceived")
    with subprocess.Popen(
        cli.command(*follow), env=cli.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as follower:
        assert follower.stdout is not None
        assert "BarPointReceived" in follower.stdout.readline()
        follower.send_signal(signal.SIGINT)
    assert follower.returncode == 130
    proven = stopped(running, signal.SIGINT)
    assert proven["replay"]["identical"] is True
    last = json.loads(cli.good("ledger", "tail", running.session, "--type", "SessionEnded", "--json"))
    assert last["reason"] == "stopped"


def test_an_operator_kills_and_resumes_and_hears_what_risk_answers(running: Running, cli: CommandLine) -> None:
    session = running.session
    asked = cli.json("kill", "sma-fast", "--session", session, "--reason", "drill")
    assert [answer["type"] for answer in asked["answers"]] == ["KillSwitchTripped"]
    assert "risk ordered RESUME for sma-fast" in cli.good("resume", "sma-fast", "--session", session)
    assert "LIQUIDATE_ALL" in cli.good("liquidate", "--session", session)
    unknown = cli("approve", "no-such-order", "--session", session)
    assert unknown.returncode == 2
    assert "is not held" in unknown.stderr
    nobody = cli("kill", "nobody", "--session", session)
    assert nobody.returncode == 2
    assert "sma-fast" in nobody.stderr, "it names the contenders that there are"
    second = cli("live", "--resume", session)
    assert second.returncode == 5
    assert "is being run by another process" in second.stderr
    assert stopped(running, signal.SIGTERM)["replay"]["identical"] is True


def stopped(running: Running, signum: signal.Signals) -> Any:
    """What a session that was asked to stop answers."""
    running.process.send_signal(signum)
    answer, trouble = running.process.communicate(timeout=PATIENCE_S)
    assert running.process.returncode == 0, trouble
    return json.loads(answer)


def test_a_second_interrupt_ends_at_once_and_the_session_can_be_resumed(running: Running, cli: CommandLine) -> None:
    session = running.session
    os.kill(running.process.pid, signal.SIGSTOP)
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGCONT):
        os.kill(running.process.pid, signum)
    running.process.communicate(timeout=PATIENCE_S)
    assert running.process.returncode in (128 + signal.SIGINT, 128 + signal.SIGTERM)
    result: Any = cli.json("live", "--resume", session, "--duration", 1)
    assert result["session_id"] == session
    assert result["replay"]["identical"] is True


def test_the_screen_fits_the_terminal_and_shows_the_session_at_work(cli: CommandLine, tape: Path) -> None:
    shown, status = on_terminal(cli, "xterm-256color", "live", "--tape", tape, "--speed", 450)
    assert status == 0, shown
    screen, _, summary = ANSI.sub("", shown).partition("replaying")
    for word in ("● gateway", "● mirror", "events/s", "lag ", "positions ", "dead letters ", "Leaderboard", "sma-slow"):
        assert word in screen
    assert "Ctrl-C ends it in good order" in screen
    assert max(len(line) for line in re.split(r"[\r\n]+", screen)) <= COLUMNS
    assert "identical" in summary
    assert summary.count("Leaderboard") == 1, "the screen gives way to the summary"
    assert "[?25h" in shown, "the cursor is there again"


def test_a_dumb_terminal_gets_plain_lines_and_a_duration_ends_the_session(cli: CommandLine, tape: Path) -> None:
    options = ("--topology", "fused", "--speed", 10, "--duration", 1)
    shown, status = on_terminal(cli, "dumb", "live", "--tape", tape, *options)
    assert status == 0, shown
    assert "Ctrl-C ends it in good order" in shown
    assert "identical" in shown
    assert not ANSI.search(shown)


def on_terminal(cli: CommandLine, terminal: str, *arguments: object) -> tuple[str, int | None]:
    """What a command writes to a terminal of COLUMNS columns, and its exit code."""
    command, *words = cli.command(*arguments)
    environment = cli.environment({"TERM": terminal})
    child = pexpect.spawn(
        command, words, env=environment, dimensions=(40, COLUMNS), timeout=PATIENCE_S, encoding="utf-8"
    )
    child.expect(pexpect.EOF)
    child.close()
    return child.before, child.exitstatus


def test_a_reader_that_leaves_is_no_trouble(backtested: Any, cli: CommandLine) -> None:
    for arguments in (("ledger", "tail", "first", "-n", 5000), ("ledger", "tail", "first", "-n", 5000, "--json")):
        process = subprocess.Popen(
            cli.command(*arguments), env=cli.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        process.stderr.close()
        assert process.wait(PATIENCE_S) == 0
