"""Every command that looks at sessions, as its users call it: on real servers, with a short real tape."""

import csv
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from eventstore.ledger import Move
from support.short_session import open_fused
from titanflow.domain.events import BarClosed
from titanflow.domain.types import SCALE
from titanflow.embedded.redis import redis_server
from titanflow.gateway.samples import sample_tape
from titanflow.runtime.ledgers import connect, open_ledger

from .conftest import OPEN, CommandLine

pytestmark = pytest.mark.e2e

RESULT_FIELDS = {"session_id", "events", "ticks", "signals", "orders", "fills", "digest", "seconds"}


def fills_of(cli: CommandLine, session: str) -> list[dict[str, Any]]:
    lines = cli.good("ledger", "tail", session, "--type", "OrderFilled", "-n", 1000, "--json").splitlines()
    return [json.loads(line) for line in lines]


def test_a_backtest_answers_with_the_documented_fields(backtested: Any, cli: CommandLine) -> None:
    assert backtested.keys() >= RESULT_FIELDS
    assert backtested["session_id"] == "first"
    assert backtested["fills"] == len(fills_of(cli, "first")) > 0
    assert backtested["digest"] == cli.good("ledger", "digest", "first").strip()


def test_the_same_tape_and_seed_give_the_same_digest_and_another_limit_gives_another(
    backtested: Any, cli: CommandLine, tape: Path
) -> None:
    again = cli.json("backtest", tape, "--session", "again")
    assert again["digest"] == backtested["digest"]
    changed = cli.json("backtest", tape, "--set", "risk.risk_per_trade=0.0001")
    assert changed["digest"] != backtested["digest"]


def test_a_backtest_for_people_sums_up_and_says_how_to_prove_it(cli: CommandLine, tape: Path) -> None:
    text = cli.good("backtest", tape, "--session", "told")
    assert "Leaderboard" in text
    assert "titanflow replay told" in text
    assert "…" not in text, "what is piped is not cut"
    assert all(word in text for word in ("Crossover 5/20", "profit factor", "turnover"))


def test_the_summary_says_why_orders_were_refused(backtested: Any, cli: CommandLine) -> None:
    assert sum(backtested["denials"].values()) == backtested["denied"] > 0
    assert sum(backtested["rejections"].values()) == backtested["rejected"]
    # An hour is too short for slow rules and models, as the warnings say; nothing else is wrong.
    assert {warning["code"] for warning in backtested["warnings"]} == {"COULD_NOT_TRADE"}
    assert backtested["could_not_trade"]["sma-slow"]["reason"] == "WARM_UP"
    told = cli.good("status", "first")
    code, count = next(iter(backtested["denials"].items()))
    assert f"denied     {code} {count:,}" in told
    assert cli.json("status", "first")["denials"] == backtested["denials"]


def test_warnings_of_a_backtest_exit_2_where_it_is_strict(cli: CommandLine, tape: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.csv"
    short.write_text("".join(tape.read_text().splitlines(keepends=True)[:9]))
    done = cli("backtest", short, "--session", "strict", "--strict", "--json")
    assert done.returncode == 2
    codes = [warning["code"] for warning in json.loads(done.stdout)["warnings"]]
    assert codes[0] == "NO_SIGNAL"
    assert "error: --strict: NO_SIGNAL" in done.stderr
    assert "could not trade: it speaks after 61 bars of 300 s" in cli.good("backtest", short, "--session", "lenient")


def test_a_replay_proves_the_session(backtested: Any, cli: CommandLine) -> None:
    verdict = cli.json("replay", "first")
    assert verdict["identical"] is True
    assert verdict["divergence"] is None
    assert (verdict["events"], verdict["digest"]) == (backtested["events"], backtested["digest"])
    assert verdict["events_per_second"] > 0
    assert "identical" in cli.good("replay", "first", "--from", 100, "--to", 200)


def test_a_replay_with_rebuild_also_compares_the_tables(backtested: Any, cli: CommandLine) -> None:
    assert cli.json("replay", "first", "--rebuild")["projections"]["identical"] is True


def test_a_forged_ledger_is_found_out_by_replay_with_exit_code_1(cli: CommandLine, tape: Path) -> None:
    cli.good("backtest", tape, "--session", "forged")
    forged = BarClosed(1, OPEN, "BAC.XNYS", 60, OPEN, SCALE, SCALE, SCALE, SCALE, SCALE, 1)
    (seq,) = open_ledger(connect(redis_url_of(cli)), "forged").append([forged], [Move("forger", 0, 1)])
    done = cli("replay", "forged", "--json")
    assert done.returncode == 1
    divergence = json.loads(done.stdout)["divergence"]
    assert (divergence["seq"], divergence["recorded"]["type"], divergence["recomputed"]) == (seq, "BarClosed", None)
    told = cli("replay", "forged")
    assert told.returncode == 1
    assert f"first divergence at seq {seq}" in told.stdout


def redis_url_of(cli: CommandLine) -> str:
    url = redis_server(cli.home).status().url
    assert url is not None
    return url


def test_sessions_lists_what_was_run(backtested: Any, cli: CommandLine) -> None:
    row = next(row for row in cli.json("sessions") if row["id"] == "first")
    assert (row["state"], row["events"], row["feed"]) == ("ended", backtested["events"], "tape hour.csv")
    assert "2019-02-11 14:30:00" in cli.good("sessions")


def test_status_shows_state_checkpoints_and_open_positions(backtested: Any, cli: CommandLine) -> None:
    status = cli.json("status", "first")
    assert (status["state"], status["events"]) == ("ended", backtested["events"])
    assert {status["checkpoints"][name] for name in ("signal", "risk", "execution")} == {backtested["events"]}
    assert status["counts"]["order_filled"] == backtested["fills"]
    text = cli.good("status", "first")
    assert all(position["instrument"] in text for position in status["positions"])


@pytest.mark.parametrize(
    "command",
    [
        "status",
        "leaderboard",
        "replay",
        "ledger tail",
        "ledger digest",
        "ledger check",
        "dead-letters list",
        "projections verify",
    ],
)
def test_a_session_may_be_named_by_argument_or_by_option(backtested: Any, cli: CommandLine, command: str) -> None:
    words = command.split()
    by_argument, by_option = cli.good(*words, "first", "--json"), cli.good(*words, "--session", "first", "--json")
    assert '"first"' in by_argument or command == "ledger tail"
    if command != "replay":
        assert by_option == by_argument
    both = cli(*words, "first", "--session", "second")
    assert both.returncode == 2
    assert "SESSION 'first' and --session 'second' are two sessions: give one of them" in both.stderr


def test_leaderboard_and_portfolio_agree_with_the_ledger_to_the_last_unit(backtested: Any, cli: CommandLine) -> None:
    standings = cli.json("leaderboard", "first")["standings"]
    published = {row["contender"]: row for row in backtested["leaderboard"]}
    assert {row["contender"]: row["equity"] for row in standings} == {
        name: row["equity"] for name, row in published.items()
    }
    books = cli.json("portfolio", "--session", "first")["portfolios"]
    assert {book["contender"]: book["cash"] for book in books} == {name: row["cash"] for name, row in published.items()}
    one = cli.json("portfolio", books[0]["contender"], "--session", "first")["portfolios"]
    assert one == books[:1]
    assert books[0]["contender"] in cli.good("portfolio", "--session", "first")
    assert "return" in cli.good("leaderboard", "first")


def test_explain_walks_from_a_fill_to_its_tick(backtested: Any, cli: CommandLine) -> None:
    fill = next(fill for fill in fills_of(cli, "first") if fill["purpose"] == "entry")
    chain = cli.json("explain", fill["fill_id"], "--session", "first")["chain"]
    kinds = [link["type"] for link in chain]
    order = ["BarPointReceived", "BarClosed", "SignalGenerated", "OrderApproved", "OrderSubmitted", "OrderFilled"]
    positions = [kinds.index(kind) for kind in order]
    assert positions == sorted(positions)
    assert chain[-1]["fill_id"] == fill["fill_id"]
    text = cli.good("explain", fill["fill_id"], "--session", "first")
    assert all(word in text for word in ("because", "risk approved BUY", "equity $", "was played to", "slippage"))


def test_explain_counts_what_it_does_not_list_of_many_consequences(cli: CommandLine, tmp_path: Path) -> None:
    contenders = tmp_path / "brisk.toml"
    contenders.write_text(
        '[[contender]]\nid = "brisk"\nname = "brisk"\nstrategy = "SMACrossover"\ninstruments = "*"\n'
        "bar_seconds = 5\nparameters = { fast = 2, slow = 5 }\n"
    )
    tape = sample_tape("binance_trades_20240808")
    cli.good("backtest", tape, "--contenders", contenders, "--session", "parts")
    fills = fills_of(cli, "parts")
    parts_of = Counter(fill["order_id"] for fill in fills if fill["purpose"] == "entry")
    (longest, _), *_ = parts_of.most_common(1)
    first = next(fill for fill in fills if fill["order_id"] == longest)
    listed = cli.json("explain", first["fill_id"], "--session", "parts")["led_to"]
    text = cli.good("explain", first["fill_id"], "--session", "parts")
    assert len(listed) > 20, "an order for coins fills in many parts"
    parts = [link["fill_id"] for link in listed if link["type"] == "OrderFilled"]
    assert all(f", {fill_id}" in text for fill_id in parts), text
    others = [link for link in listed[10:] if link["type"] != "OrderFilled"]
    assert f"and {len(others)} more events; --json lists them" in text
    assert f"In {len(parts) + 1} parts: " in text


def test_explain_takes_an_order_a_seq_and_a_denied_signal(backtested: Any, cli: CommandLine) -> None:
    fill = fills_of(cli, "first")[0]
    assert cli.json("explain", fill["order_id"], "--session", "first")["chain"]
    denied = json.loads(cli.good("ledger", "tail", "first", "--type", "OrderDenied", "-n", 1, "--json"))
    why = cli.good("explain", denied["seq"], "--session", "first")
    assert f"risk denied {denied['side']} {denied['instrument']}: {denied['code']}" in why
    story = cli.json("explain", denied["signal"], "--session", "first")
    assert denied["seq"] in [link["seq"] for link in story["led_to"]]


def test_the_tail_of_the_ledger_shows_dollars_to_people_and_units_to_programs(
    backtested: Any, cli: CommandLine
) -> None:
    fill = fills_of(cli, "first")[-1]
    line = cli.good("ledger", "tail", "first", "--type", "OrderFilled", "-n", 1)
    assert f"quantity={fill['quantity'] // SCALE}" in line
    assert "fee=$" in line
    assert len(cli.good("ledger", "tail", "first").splitlines()) == 20
    assert cli.good("ledger", "tail", "first", "-n", 0) == ""


def test_the_ledger_is_checked_and_its_digest_taken_up_to_a_seq(backtested: Any, cli: CommandLine) -> None:
    assert cli.json("ledger", "check", "first")["sound"] is True
    part = cli.json("ledger", "digest", "first", "--to", 10)
    assert part["events"] == 10
    assert part["digest"] == cli.json("replay", "first", "--to", 10)["digest"] != backtested["digest"]


def test_projections_are_verified_and_rebuilt(backtested: Any, cli: CommandLine) -> None:
    (report,) = cli.json("projections", "verify", "--session", "first")
    assert report["identical"] is True
    (rebuilt,) = cli.json("projections", "rebuild", "--session", "first")
    assert rebuilt["rows"] == report["rows"] > 0
    assert "identical" in cli.good("projections", "verify", "first")


def test_emptied_tables_of_a_finished_session_are_not_called_identical(backtested: Any, cli: CommandLine) -> None:
    url = cli.json("servers", "start")[1]["url"]
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        connection.execute("TRUNCATE titanflow.sessions, titanflow.checkpoints, titanflow.equity_curve CASCADE")
    for command in (("projections", "verify", "--session", "first"), ("replay", "first", "--rebuild")):
        done = cli(*command)
        assert done.returncode == 1
        assert "projections BEHIND: session first, 0 rows, up to seq 0 of" in done.stdout
    cli.good("projections", "rebuild", "--session", "first")
    assert "projections identical" in cli.good("replay", "first", "--rebuild")


def test_tables_may_be_behind_a_session_that_still_runs(cli: CommandLine, tape: Path, backtested: Any) -> None:
    open_fused(redis_url_of(cli), cli.home, tape, "running")
    assert "identical" in cli.good("projections", "verify", "--session", "running")


def test_bad_rows_of_a_tape_are_listed_with_their_reasons(
    backtested: Any, cli: CommandLine, tape: Path, tmp_path: Path
) -> None:
    rows = list(csv.reader(io.StringIO(tape.read_text())))
    rows[5][2:6] = ["-1"] * 4
    bad = tmp_path / "bad.csv"
    bad.write_text("\n".join(",".join(row) for row in rows) + "\n")
    cli.good("backtest", bad, "--session", "bad-rows")
    letters = cli.json("dead-letters", "list", "bad-rows")
    assert sum(letters["counts"].values()) == len(letters["dead_letters"]) > 0
    assert letters["dead_letters"][0]["reason"] in cli.good("dead-letters", "list", "bad-rows")
    assert "has no dead letters" in cli.good("dead-letters", "list", "first")
    late = cli("dead-letters", "retry", "--session", "bad-rows")
    assert late.returncode == 5, "an ended session takes nothing in"


def test_servers_are_shown_and_found_again(backtested: Any, cli: CommandLine) -> None:
    before = cli.json("servers", "status")
    assert [server["running"] for server in before] == [True, True]
    assert cli.json("servers", "start") == before
    assert "***" in cli.good("servers", "status"), "passwords are not shown"


def test_settings_are_listed_with_their_sources(cli: CommandLine) -> None:
    rows = {row["name"]: row for row in cli.json("settings", "--set", "seed=8")}
    assert (rows["seed"]["value"], rows["seed"]["source"]) == ("8", "--set")
    assert (rows["home"]["value"], rows["home"]["source"]) == (str(cli.home), "TITANFLOW_HOME")
    assert "a number from 0 to 1" in cli.good("settings")


def test_the_doctor_finds_this_machine_fit_and_names_a_bad_setting(backtested: Any, cli: CommandLine) -> None:
    assert {finding["verdict"] for finding in cli.json("doctor")} <= {"ok", "warn"}
    sick = cli("doctor", env={"TITANFLOW_SEED": "minus one"})
    assert sick.returncode == 1
    assert "TITANFLOW_SEED" in sick.stdout


def test_version_and_help_need_no_server(cli: CommandLine) -> None:
    assert cli.good("--version").startswith("titanflow ")
    text = cli.good("--help")
    assert all(f" {name} " in text for name in ("live", "backtest", "replay", "explain", "doctor", "settings"))


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        (("nonsense",), 2, "No such command"),
        (("live", "--speed", "fast"), 2, "feed.speed = 'fast'"),
        (("live", "--speed", "max"), 2, "choose --topology fused"),
        (("live", "--tape", "/none.csv"), 2, "/none.csv"),
        (("live", "--provider", "crystal-ball"), 2, "synthetic, tape"),
        (("live", "--session", "a b"), 2, "A-Z a-z 0-9"),
        (("live", "--session", "first"), 5, "exists already"),
        (("live", "--resume", "first"), 5, "has ended"),
        (("live", "--resume", "first", "--seed", "3"), 2, "leave out --seed"),
        (("live", "--resume", "none"), 4, "no session 'none'"),
        (("live", "--set", "audit_log_path=/proc/none/audit.jsonl"), 2, "audit_log_path"),
        (("replay", "--from", "0"), 2, "--from"),
        (("status", "none"), 4, "`titanflow sessions` lists"),
        (("portfolio", "nobody", "--session", "first"), 2, "nobody"),
        (("explain", "none", "--session", "first"), 2, "ledger tail --type OrderFilled"),
        (("ledger", "tail", "first", "--type", "Foo"), 2, "known are BarClosed"),
        (("kill", "--session", "first"), 5, "has ended"),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, tuple) else None,
)
def test_trouble_is_one_message_with_its_exit_code_and_no_answer(
    arguments: tuple[str, ...], exit_code: int, words: str, backtested: Any, cli: CommandLine
) -> None:
    done = cli(*arguments)
    assert (done.returncode, done.stdout) == (exit_code, "")
    assert words in " ".join(done.stderr.replace("│", " ").split())


@pytest.mark.parametrize(
    ("variables", "arguments"),
    [
        ({"REDIS_URL": "redis://:secret@127.0.0.1:1/0"}, ("sessions",)),
        ({"DATABASE_URL": "postgresql://me:secret@127.0.0.1:1/x"}, ("leaderboard", "first")),
        ({"TITANFLOW_HOME": "/proc/none"}, ("sessions",)),
    ],
)
def test_a_server_that_is_down_is_exit_code_3_without_its_password(
    variables: dict[str, str], arguments: tuple[str, ...], backtested: Any, cli: CommandLine
) -> None:
    done = cli(*arguments, env=variables)
    assert (done.returncode, done.stdout) == (3, "")
    assert "secret" not in done.stderr


def test_where_there_is_no_session_yet_it_says_how_to_make_one(cli: CommandLine, backtested: Any) -> None:
    empty = redis_url_of(cli).removesuffix("/0") + "/7"
    with redis.Redis.from_url(empty) as client:
        assert client.dbsize() == 0
    assert "titanflow live" in cli.good("sessions", env={"REDIS_URL": empty})
    assert cli.good("sessions", "--json", env={"REDIS_URL": empty}).strip() == "[]"
    done = cli("status", env={"REDIS_URL": empty})
    assert done.returncode == 4
    assert "there is no session yet" in done.stderr
