"""Rebuilt rows are the live rows; verification finds a planted wrong one and leaves nothing behind."""

import threading
from collections.abc import Callable
from decimal import Decimal

import pytest
import redis

from eventstore.ledger import Ledger, Move
from projections.database import connect
from projections.errors import ProjectionError
from projections.migrate import migrate
from projections.projector import Projector
from projections.rebuild import rebuild
from projections.verify import verify
from support.projected_session import all_rows, empty, eventful_session, project, run, write
from support.waiting import wait_until
from titanflow.domain.events import Event, TickReceived
from titanflow.errors import ServerError
from titanflow.runtime.ledgers import new_ledger

EVENTS = eventful_session()[:4000]


@pytest.fixture
def projected(tables: str, ledger: Ledger[Event]) -> str:
    """The database with the rows of EVENTS, which are the ledger."""
    write(ledger, EVENTS)
    project(tables, ledger)
    return tables


def schemas(database: str) -> list[str]:
    with connect(database) as connection:
        rows = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'titanflow%'").fetchall()
    return [name for (name,) in rows]


def test_a_rebuild_changes_no_row(projected: str, ledger: Ledger[Event]) -> None:
    rows = all_rows(projected)
    (done,) = rebuild(projected, [ledger])
    assert all_rows(projected) == rows
    assert (done.session, done.events) == (ledger.session, len(EVENTS))
    assert done.rows == sum(map(len, rows.values())) - len(rows["checkpoints"])
    assert schemas(projected) == ["titanflow"]


def test_a_rebuild_in_many_batches_comes_to_the_same(
    projected: str, ledger: Ledger[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = all_rows(projected)
    monkeypatch.setattr("projections.beside.BATCH_EVENTS", 200)
    rebuild(projected, [ledger])
    assert all_rows(projected) == rows
    assert verify(projected, ledger).identical


def test_a_database_without_tables_is_named(database: str, ledger: Ledger[Event]) -> None:
    with pytest.raises(ProjectionError, match="does not exist"):
        rebuild(database, [ledger])
    with pytest.raises(ProjectionError, match="does not exist"):
        verify(database, ledger)


def test_everything_dropped_comes_back_by_a_rebuild(projected: str, ledger: Ledger[Event]) -> None:
    rows = all_rows(projected)
    run(projected, "DROP SCHEMA titanflow CASCADE")
    migrate(projected)
    rebuild(projected, [ledger])
    assert all_rows(projected) == rows
    assert project(projected, ledger) == len(EVENTS)
    assert all_rows(projected) == rows


def test_a_rebuild_mends_wrong_missing_and_foreign_rows(projected: str, ledger: Ledger[Event]) -> None:
    rows = all_rows(projected)
    run(projected, "DELETE FROM equity_curve WHERE seq % 2 = 0")
    run(projected, "UPDATE signals SET confidence = 0.123")
    run(projected, "UPDATE settings SET name = name || '?'")
    rebuild(projected, [ledger])
    assert all_rows(projected) == rows


def test_a_rebuild_leaves_other_sessions_alone(projected: str, ledger: Ledger[Event], redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        other = new_ledger(client, f"{ledger.session}-other")
        write(other, EVENTS[:1000])
        project(projected, other)
        rows = all_rows(projected)
        run(projected, "UPDATE signals SET confidence = 0.5")
        rebuild(projected, [other])
        assert verify(projected, other).identical
        assert not verify(projected, ledger).identical
        assert [done.session for done in rebuild(projected, [ledger, other])] == [ledger.session, other.session]
    assert all_rows(projected) == rows


def test_a_projector_may_go_on_during_rebuilds(tables: str, open_ledger: Callable[[], Ledger[Event]]) -> None:
    written, followed = open_ledger(), open_ledger()
    write(written, EVENTS[:1000])
    stop = threading.Event()
    with Projector(tables, followed, batch_events=50) as projector:
        thread = threading.Thread(target=projector.run, args=(stop.is_set,))
        thread.start()
        for end in range(1200, 2600, 200):
            write(written, EVENTS[:end])
            rebuild(tables, [written])
        wait_until(lambda: projector.position == 2400, message="the projector to catch up")
        stop.set()
        thread.join()
    report = verify(tables, written)
    assert report.identical
    assert report.seq == 2400


def test_a_rebuild_follows_a_ledger_that_lost_events(projected: str, ledger: Ledger[Event]) -> None:
    run(projected, "UPDATE checkpoints SET seq = seq + 10")
    assert [d.table for d in verify(projected, ledger).differences] == ["checkpoints"]
    rebuild(projected, [ledger])
    assert verify(projected, ledger).identical
    assert project(projected, ledger) == len(EVENTS)


def test_verification_compares_up_to_the_checkpoint_and_counts(projected: str, ledger: Ledger[Event]) -> None:
    tick = next(event for event in EVENTS if isinstance(event, TickReceived))
    ledger.append([tick], [Move("tape", len(EVENTS), len(EVENTS) + 1)])
    report = verify(projected, ledger)
    assert report.identical
    assert (report.seq, report.ledger_seq) == (len(EVENTS), len(EVENTS) + 1)
    assert report.rows == sum(map(len, all_rows(projected).values())) - 1
    assert schemas(projected) == ["titanflow"]


def test_verification_finds_a_wrong_row_and_names_its_columns(projected: str, ledger: Ledger[Event]) -> None:
    run(projected, "UPDATE fills SET slippage = slippage + 0.000000001 WHERE seq = (SELECT max(seq) FROM fills)")
    report = verify(projected, ledger)
    assert not report.identical
    (difference,) = report.differences
    assert (difference.table, difference.columns) == ("fills", ("slippage",))
    assert difference.live is not None
    assert difference.rebuilt is not None
    assert difference.live["slippage"] - difference.rebuilt["slippage"] == Decimal("1e-9")
    assert difference.key == {"session_id": ledger.session, "seq": difference.live["seq"]}


def test_verification_finds_a_missing_row(projected: str, ledger: Ledger[Event]) -> None:
    run(projected, "DELETE FROM audit_trail WHERE seq = (SELECT min(seq) FROM audit_trail)")
    (difference,) = verify(projected, ledger).differences
    assert (difference.table, difference.live, difference.columns) == ("audit_trail", None, ())


def test_verification_finds_a_row_too_many(projected: str, ledger: Ledger[Event]) -> None:
    run(projected, "INSERT INTO settings SELECT session_id, 'invented', '1' FROM sessions")
    (difference,) = verify(projected, ledger).differences
    assert (difference.table, difference.rebuilt) == ("settings", None)


def test_verification_reports_the_first_differences_of_each_table(projected: str, ledger: Ledger[Event]) -> None:
    run(projected, "UPDATE signals SET model_hash = ''")
    run(projected, "UPDATE arena SET sharpe = 99")
    report = verify(projected, ledger, limit=3)
    assert [difference.table for difference in report.differences] == ["arena", "signals", "signals", "signals"]
    seqs = [difference.key["seq"] for difference in report.differences[1:]]
    with connect(projected) as connection:
        first = connection.execute("SELECT seq FROM titanflow.signals ORDER BY seq LIMIT 3").fetchall()
    assert seqs == [seq for (seq,) in first]


def test_a_session_without_rows_differs_in_nothing(tables: str, ledger: Ledger[Event]) -> None:
    write(ledger, EVENTS[:100])
    report = verify(tables, ledger)
    assert (report.identical, report.seq, report.ledger_seq, report.rows) == (True, 0, 100, 0)


def test_rows_without_a_checkpoint_are_found(projected: str, ledger: Ledger[Event]) -> None:
    run(projected, "DELETE FROM checkpoints")
    assert not verify(projected, ledger).identical
    empty(projected)
    assert verify(projected, ledger).identical


def test_a_server_that_does_not_answer_is_named(ledger: Ledger[Event]) -> None:
    nowhere = "postgresql://ada:secret@127.0.0.1:1/nothing"
    with pytest.raises(ServerError, match=r"127\.0\.0\.1:1"):
        verify(nowhere, ledger)
    with pytest.raises(ServerError, match=r"127\.0\.0\.1:1"):
        rebuild(nowhere, [ledger])
