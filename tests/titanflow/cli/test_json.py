"""Every command's --json on every outcome: one JSON document on standard output, and the documented exit code."""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import typer

from eventstore.ledger import Move
from projections.database import connect as connect_tables
from titanflow import cli as command_line
from titanflow.domain.events import BarClosed
from titanflow.domain.types import SCALE
from titanflow.embedded.postgres import postgres_server
from titanflow.embedded.redis import redis_server
from titanflow.runtime.ledgers import connect, open_ledger

from .conftest import OPEN, CommandLine

pytestmark = pytest.mark.e2e

NOWHERE = {"TITANFLOW_REDIS_URL": "redis://127.0.0.1:1", "TITANFLOW_DATABASE_URL": "postgresql://ada@127.0.0.1:1/x"}
BY_OPTION = ("portfolio", "projections verify", "projections rebuild", "dead-letters retry")
BY_ARGUMENT = (
    "status", "leaderboard", "replay", "replay --rebuild", "ledger tail", "ledger digest", "ledger check",
    "dead-letters list", "projections catch-up",
)  # fmt: skip
NAMED = (*BY_ARGUMENT, "sessions delete", "ledger repair")
OPERATORS = ("approve x", "deny x", "kill", "resume", "liquidate", "use-parent sma-slow")
ON_SESSIONS = (*BY_OPTION, *BY_ARGUMENT, *OPERATORS, "explain 1", "sessions delete", "ledger repair")
MODELS = ("models show", "models promote", "models rollback", "models validate")
WITHOUT = (
    "sessions", "settings", "doctor", "servers start", "servers stop", "servers status", "models list", "models verify",
    "train", "live", "backtest",
)  # fmt: skip


def on(command: str, session: str) -> list[str]:
    """The words of a command on a session."""
    return [*command.split(), *([session] if command in NAMED else ["--session", session]), "--json"]


def with_json(app: typer.Typer) -> Iterator[str]:
    """Every command that takes --json."""
    group: Any = typer.main.get_command(app)
    yield from _with_json(group, ())


def _with_json(command: Any, path: tuple[str, ...]) -> Iterator[str]:
    for name, inner in getattr(command, "commands", {}).items():
        yield from _with_json(inner, (*path, name))
    if any("--json" in parameter.opts for parameter in command.params):
        yield " ".join(path)


def test_no_command_with_json_is_left_out_here() -> None:
    asked = {*ON_SESSIONS, *MODELS, *WITHOUT}
    named = {words.removesuffix(" --rebuild").removesuffix(" x").removesuffix(" 1") for words in asked}
    assert {words.removesuffix(" sma-slow") for words in named} == set(with_json(command_line.app))


def answer(cli: CommandLine, words: Sequence[object], code: int, env: dict[str, str] | None = None) -> Any:
    done = cli(*words, env=env)
    assert done.returncode == code, done.stderr + done.stdout
    if words[:2] == ["ledger", "tail"]:
        return [json.loads(line) for line in done.stdout.splitlines()]
    return json.loads(done.stdout)


@pytest.mark.parametrize("command", [*BY_OPTION[:3], *BY_ARGUMENT, "explain 1"])
def test_what_is_in_order_is_answered_with_0(backtested: Any, cli: CommandLine, command: str) -> None:
    assert answer(cli, on(command, "first"), 0)


@pytest.mark.parametrize("command", ON_SESSIONS)
def test_a_session_that_is_not_there_is_told_with_4(cli: CommandLine, command: str) -> None:
    told = answer(cli, on(command, "nobody"), 4)
    (told,) = told if isinstance(told, list) else [told]
    assert told["exit_code"] == 4
    assert "nobody" in told["error"]


@pytest.mark.parametrize("command", OPERATORS)
def test_a_session_that_has_ended_is_told_with_5(backtested: Any, cli: CommandLine, command: str) -> None:
    assert answer(cli, on(command, "first"), 5)["exit_code"] == 5


@pytest.mark.parametrize("command", [*ON_SESSIONS, "sessions"])
def test_a_server_that_is_down_is_told_with_3(cli: CommandLine, command: str) -> None:
    words = ["sessions", "--json"] if command == "sessions" else on(command, "first")
    told = answer(cli, words, 3, env=NOWHERE)
    (told,) = told if isinstance(told, list) else [told]
    assert told["exit_code"] == 3
    assert "127.0.0.1:1" in told["error"]


@pytest.mark.parametrize("command", sorted({*ON_SESSIONS, *MODELS, *WITHOUT}))
def test_an_argument_that_is_none_is_told_with_2(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["titanflow", *command.split(), "--no-such-option", "--json"])
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    assert ended.value.code == 2
    told = json.loads(capsys.readouterr().out)
    assert "--no-such-option" in told["error"]
    assert told["exit_code"] == 2


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("models show nothing", 6),
        ("models promote nothing", 6),
        ("models rollback nothing", 6),
        ("models validate nothing --data nothing.csv", 6),
        ("models verify nothing", 6),
        ("train nothing.csv", 2),
        ("live --tape nothing.csv", 2),
        ("live --resume nobody", 4),
        ("backtest nothing.csv", 2),
        ("settings --set nothing=1", 2),
        ("replay first --from 999999999", 2),
        ("explain nothing --session first", 2),
        ("portfolio nobody --session first", 2),
        ("dead-letters retry nothing --session first", 5),
        ("ledger tail first --type Nothing", 2),
        ("ledger repair first", 2),
        ("sessions delete first", 2),
    ],
)
def test_input_that_cannot_be_used_is_told_with_its_code(
    backtested: Any, cli: CommandLine, words: str, code: int
) -> None:
    told = answer(cli, [*words.split(), "--json"], code)
    (told,) = told if isinstance(told, list) else [told]
    assert told["exit_code"] == code
    assert told["error"]


@pytest.mark.parametrize(
    "words", ["sessions", "settings", "servers start", "servers status", "models list", "models verify"]
)
def test_what_needs_no_session_is_answered_with_0(backtested: Any, cli: CommandLine, words: str) -> None:
    assert answer(cli, [*words.split(), "--json"], 0)


def test_a_doctor_that_finds_a_failure_answers_with_1(cli: CommandLine) -> None:
    found = answer(cli, ["doctor", "--json"], 1, env=NOWHERE)
    assert "fail" in {each["verdict"] for each in found}


def test_tables_that_differ_are_told_row_by_row_with_1(cli: CommandLine, tape: Path) -> None:
    cli.good("backtest", tape, "--session", "altered")
    url = postgres_server(cli.home).status().url
    assert url
    with connect_tables(url) as connection:
        connection.execute("UPDATE titanflow.fills SET slippage = slippage + 1 WHERE session_id = 'altered'")
        connection.execute("DELETE FROM titanflow.audit_trail WHERE session_id = 'altered'")
    (report,) = answer(cli, on("projections verify", "altered"), 1)
    by_table = {difference["table"]: difference for difference in report["differences"]}
    assert report["identical"] is False
    assert by_table["fills"]["columns"] == ["slippage"]
    assert by_table["fills"]["live"]["session_id"] == "altered"
    assert by_table["audit_trail"]["live"] is None
    assert by_table["audit_trail"]["rebuilt"]["event_type"]
    replayed = answer(cli, on("replay --rebuild", "altered"), 1)
    assert replayed["identical"] is True
    assert replayed["projections"]["differences"] == report["differences"]


def test_a_forged_ledger_is_told_with_1(cli: CommandLine, tape: Path) -> None:
    cli.good("backtest", tape, "--session", "false")
    url = redis_server(cli.home).status().url
    assert url
    client = connect(url)
    forged = BarClosed(1, OPEN, "BAC.XNYS", 60, OPEN, SCALE, SCALE, SCALE, SCALE, SCALE, 1)
    (seq,) = open_ledger(client, "false").append([forged], [Move("forger", 0, 1)])
    replayed = answer(cli, on("replay", "false"), 1)
    assert replayed["divergence"]["seq"] == seq
    client.delete("titanflow:{false}:ledger")
    checked = answer(cli, on("ledger check", "false"), 1)
    assert checked["sound"] is False
    assert checked["problem"]["kind"] == "gap"
    for command in ("replay", "ledger digest", "status"):
        assert answer(cli, on(command, "false"), 1)["error"]
