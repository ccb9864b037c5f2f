"""A ledger into which somebody else wrote, and a name that a start left behind: named, saved, removed."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import redis

from projections.database import connect as connect_tables
from support.waiting import wait_until
from titanflow.embedded.postgres import postgres_server
from titanflow.embedded.redis import redis_server
from titanflow.gateway.samples import sample_tape
from titanflow.models.deposit import model_key
from titanflow.runtime.ledgers import connect, open_ledger

from .conftest import CommandLine

pytestmark = pytest.mark.e2e

BEYOND = "18446744073709551615-0"


@pytest.fixture
def client(backtested: Any, cli: CommandLine) -> redis.Redis:
    url = redis_server(cli.home).status().url
    assert url is not None
    return connect(url)


def stream_of(session: str) -> str:
    return f"titanflow:{{{session}}}:ledger"


def test_a_foreign_entry_is_named_everywhere_and_a_repair_saves_all_that_was_numbered(
    cli: CommandLine, client: redis.Redis, tape: Path
) -> None:
    whole = cli.json("backtest", tape, "--session", "visited")
    client.xadd(stream_of("visited"), {"hello": "world"})
    for words in (("replay", "visited"), ("ledger", "digest", "visited"), ("status", "visited")):
        done = cli(*words)
        assert done.returncode == 1
        assert "somebody else wrote into the ledger's stream" in done.stderr
        assert "titanflow ledger repair" in done.stderr
    checked = cli("ledger", "check", "visited")
    assert checked.returncode == 1
    assert "has the fields 'hello', not those of an append" in checked.stdout
    saved = cli.json("ledger", "repair", "visited")
    assert (saved["session_id"], saved["events"], saved["left_out"]) == ("visited-repaired", whole["events"], 0)
    assert saved["resumable"] is False, "it has ended"
    assert cli.json("ledger", "check", "visited-repaired")["sound"] is True
    proven = cli.json("replay", "visited-repaired")
    assert proven["identical"] is True
    assert proven["digest"] == whole["digest"]
    again = cli("ledger", "repair", "visited")
    assert again.returncode == 5
    assert "--as" in again.stderr
    assert "left out   0 events" in cli.good("ledger", "repair", "visited", "--as", "another")


def test_what_is_lost_is_left_out_and_the_rest_is_closed_and_proven(
    cli: CommandLine, client: redis.Redis, tape: Path
) -> None:
    whole = cli.json("backtest", tape, "--session", "torn")
    entries: Any = client.xrange(stream_of("torn"))
    middle = entries[len(entries) // 2][0]
    client.xdel(stream_of("torn"), middle)
    saved = cli.json("ledger", "repair", "torn", "--as", "mended")
    sound = int(middle.partition(b"-")[0]) - 1
    assert saved["events"] == sound
    assert saved["left_out"] == whole["events"] - sound
    assert "events are missing" in saved["problem"]
    assert saved["resumable"] is False
    status = cli.json("status", "mended")
    assert status["state"] == "ended"
    assert cli.json("replay", "mended")["identical"] is True
    last = json.loads(cli.good("ledger", "tail", "mended", "--type", "SessionEnded", "--json"))
    assert last["reason"] == "repaired"


def test_a_session_that_was_cut_off_and_visited_is_saved_and_resumed(
    cli: CommandLine, client: redis.Redis, session_id: str
) -> None:
    """A last id beyond every seq: no entry shows it, and nothing can be appended. Of four days, which nobody awaits."""
    tape = sample_tape("us_equity_minute_2019-02")
    command = cli.command("live", "--tape", tape, "--speed", "200", "--session", session_id, "--topology", "fused")
    with subprocess.Popen(command, env=cli.environment(), stderr=subprocess.PIPE) as live:
        counter = f"titanflow:{{{session_id}}}:seq"
        wait_until(lambda: int(client.get(counter) or 0) > 100, message="a session under way")  # type: ignore[arg-type]
        running = cli("sessions", "delete", session_id, "--yes")
        assert running.returncode == 5
        assert "is being run by another process" in running.stderr
        live.kill()
    client.execute_command("XSETID", stream_of(session_id), BEYOND)
    blocked = cli("ledger", "check", session_id)
    assert blocked.returncode == 1
    assert f"its last id is {BEYOND}" in blocked.stdout
    saved = cli.json("ledger", "repair", session_id, "--as", "goes-on")
    assert (saved["left_out"], saved["resumable"]) == (0, True)
    done = cli.json("live", "--resume", "goes-on", "--duration", 1)
    assert done["replay"]["identical"] is True


def test_a_sound_ledger_and_one_without_a_sound_part_are_not_repaired(
    cli: CommandLine, client: redis.Redis, tape: Path
) -> None:
    sound = cli("ledger", "repair", "first")
    assert sound.returncode == 2
    assert "there is nothing to repair" in sound.stderr
    cli.good("backtest", tape, "--session", "emptied")
    client.delete(stream_of("emptied"))
    nothing = cli("ledger", "repair", "emptied")
    assert nothing.returncode == 2
    assert "has no sound part" in nothing.stderr
    states = {row["id"]: row["state"] for row in cli.json("sessions")}
    assert "emptied-repaired" not in states
    assert (states["emptied"], states["first"]) == ("broken", "ended"), "one that is broken hides no other"


def test_a_name_whose_stream_is_occupied_is_refused_with_what_to_do_and_free_again_after_it(
    cli: CommandLine, client: redis.Redis, tape: Path
) -> None:
    client.xadd(stream_of("occupied"), {"hello": "world"}, id=BEYOND)
    refused = cli("backtest", tape, "--session", "occupied")
    assert refused.returncode == 5
    assert f"whose last id is {BEYOND}" in refused.stderr
    assert "titanflow sessions delete occupied" in refused.stderr
    assert "occupied" not in {row["id"] for row in cli.json("sessions")}
    assert not (cli.home / "sessions" / "occupied").exists()
    cli.good("sessions", "delete", "occupied", "--yes")
    assert cli.json("backtest", tape, "--session", "occupied")["fills"] > 0


def test_a_deleted_session_leaves_nothing_behind_and_its_name_is_free(
    cli: CommandLine, client: redis.Redis, tape: Path
) -> None:
    played = cli.json("backtest", tape, "--session", "gone")
    started = open_ledger(client, "gone").read(1, 1)
    models = [model.digest for model in next(started).events[0].models]  # type: ignore[attr-defined]
    assert models
    typed_wrong = subprocess.run(
        cli.command("sessions", "delete", "gone"), env=cli.environment(), input="gnoe\n", capture_output=True, text=True
    )
    assert typed_wrong.returncode == 2
    assert "was not typed again" in typed_wrong.stderr
    assert cli.json("status", "gone")["events"] == played["events"]
    typed = subprocess.run(
        cli.command("sessions", "delete", "gone"), env=cli.environment(), input="gone\n", capture_output=True, text=True
    )
    assert typed.returncode == 0, typed.stderr
    assert "deleted gone: " in typed.stdout
    assert list(client.scan_iter("titanflow:{gone}:*")) == []
    assert "gone" not in {row["id"] for row in cli.json("sessions")}
    assert not (cli.home / "sessions" / "gone").exists()
    url = postgres_server(cli.home).status().url
    assert url
    with connect_tables(url) as connection:
        tables = connection.execute(
            "SELECT table_name FROM information_schema.columns "
            "WHERE table_schema = 'titanflow' AND column_name = 'session_id'"
        ).fetchall()
        assert len(tables) > 10
        for (table,) in tables:
            rows = connection.execute(f"SELECT 1 FROM titanflow.{table} WHERE session_id = 'gone'").fetchall()  # type: ignore[arg-type]
            assert rows == [], table
    assert all(client.exists(model_key(digest)) for digest in models), "others name them too"
    assert cli("sessions", "delete", "gone", "--yes").returncode == 4
    again = cli.json("backtest", tape, "--session", "gone")
    assert again["digest"] == played["digest"]
    answer = cli.json("sessions", "delete", "gone", "--yes")
    assert answer["session_id"] == "gone"
    assert answer["rows"] > 0
