"""The projector writes every row exactly once: killed, cut off, in company, in whatever batches."""

import itertools
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from eventstore.ledger import Ledger, Move
from projections.checkpoint import Checkpoint
from projections.database import connect
from projections.errors import ProjectionError
from projections.migrate import migrate
from projections.projector import Projector
from projections.verify import verify
from support.projected_session import OpenLedger, all_rows, empty, eventful_session, project, run, write
from support.waiting import wait_until
from titanflow.domain.events import Event, OrderFilled, SignalGenerated, TickReceived
from titanflow.embedded.postgres import postgres_server
from titanflow.errors import ServerError
from titanflow.runtime.ledgers import new_ledger

Rows = dict[str, list[tuple[object, ...]]]

PROGRAM = Path(__file__).parents[1] / "support" / "run_projector.py"
EVENTS = eventful_session()[:3000]


def checkpoint(database: str, session: str) -> int:
    with connect(database) as connection:
        return Checkpoint(session).read(connection).seq


@contextmanager
def following(*projectors: Projector) -> Iterator[None]:
    """The projectors follow their ledgers in threads, and stop at the end."""
    stop = threading.Event()
    threads = [threading.Thread(target=projector.run, args=(stop.is_set,)) for projector in projectors]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        for projector in projectors:
            projector.close()


@pytest.fixture
def expected(tables: str, ledger: Ledger[Event]) -> Rows:
    """The rows of EVENTS in one batch; the tables are empty again afterwards."""
    write(ledger, EVENTS, lambda: 20)
    project(tables, ledger, batch_events=len(EVENTS))
    rows = all_rows(tables)
    empty(tables)
    return rows


def test_a_second_run_changes_nothing(tables: str, ledger: Ledger[Event]) -> None:
    write(ledger, EVENTS)
    assert project(tables, ledger) == len(EVENTS)
    rows = all_rows(tables)
    assert project(tables, ledger) == len(EVENTS)
    assert all_rows(tables) == rows


def test_a_killed_projector_goes_on_where_its_tables_are(
    tables: str, ledger: Ledger[Event], redis_url: str, session_id: str, expected: Rows
) -> None:
    command = [sys.executable, str(PROGRAM), redis_url, tables, session_id, "20"]
    rng = random.Random(5)
    reached = 0
    for _ in range(3):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            aim = min(reached + rng.randrange(1, 1200), len(EVENTS))
            wait_until(lambda aim=aim: checkpoint(tables, session_id) >= aim, message=f"seq {aim}")
            process.kill()
        reached = checkpoint(tables, session_id)
    project(tables, ledger)
    assert all_rows(tables) == expected


def test_two_projectors_write_nothing_twice(tables: str, redis_url: str, session_id: str, expected: Rows) -> None:
    with redis.Redis.from_url(redis_url) as one, redis.Redis.from_url(redis_url) as other:
        pair = [Projector(tables, new_ledger(one, session_id), batch_events=70)]
        pair.append(Projector(tables, new_ledger(other, session_id), batch_events=110))
        with following(*pair):
            wait_until(
                lambda: all(projector.position == len(EVENTS) for projector in pair),
                message="both at the end",
            )
    assert all_rows(tables) == expected


def test_a_batch_that_another_projector_wrote_in_part_is_completed(
    tables: str, redis_url: str, session_id: str, ledger: Ledger[Event]
) -> None:
    with redis.Redis.from_url(redis_url) as client, Projector(tables, new_ledger(client, session_id)) as slow:
        write(ledger, EVENTS[:1000])
        slow.catch_up()
        write(ledger, EVENTS[:1500])
        project(tables, ledger)
        write(ledger, EVENTS)
        assert slow.catch_up() == len(EVENTS)
    assert verify(tables, ledger).identical


def test_a_batch_that_another_projector_wrote_is_not_written_again(
    tables: str, redis_url: str, session_id: str, ledger: Ledger[Event]
) -> None:
    with redis.Redis.from_url(redis_url) as client, Projector(tables, new_ledger(client, session_id)) as slow:
        write(ledger, EVENTS[:1000])
        slow.catch_up()
        write(ledger, EVENTS)
        project(tables, ledger)
        rows = all_rows(tables)
        assert slow.catch_up() == len(EVENTS)
    assert all_rows(tables) == rows


def test_tables_emptied_under_a_projector_are_filled_again(tables: str, ledger: Ledger[Event]) -> None:
    write(ledger, EVENTS)
    with Projector(tables, ledger) as projector:
        projector.catch_up()
        empty(tables)
        ledger.append([eventful_session()[len(EVENTS)]], [Move("tape", len(EVENTS), len(EVENTS) + 1)])
        assert projector.catch_up() == len(EVENTS) + 1
    report = verify(tables, ledger)
    assert report.identical
    assert report.seq == len(EVENTS) + 1


def test_a_restarted_server_costs_no_row_and_doubles_none(ledger: Ledger[Event], open_ledger: OpenLedger) -> None:
    home = Path(tempfile.mkdtemp(prefix="tf-"))
    home.chmod(0o711)
    server = postgres_server(home)
    try:
        database = server.start()
        migrate(database)
        with following(Projector(database, open_ledger(), batch_events=50)):
            write(ledger, EVENTS[:1000])
            wait_until(lambda: checkpoint(database, ledger.session) >= 300, message="the first rows")
            server.stop()
            write(ledger, EVENTS)
            assert server.start() == database
            wait_until(lambda: checkpoint(database, ledger.session) == len(EVENTS), message="the last row")
        assert verify(database, ledger).identical
    finally:
        server.stop()
        shutil.rmtree(home)


def test_a_cut_connection_is_opened_again(tables: str, ledger: Ledger[Event]) -> None:
    with Projector(tables, ledger) as projector:
        write(ledger, EVENTS[:1000])
        projector.catch_up()
        run(
            tables,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = "
            "current_database()",
        )
        write(ledger, EVENTS)
        assert projector.catch_up() == len(EVENTS)
    assert verify(tables, ledger).identical


def test_catching_up_gives_up_on_a_server_that_does_not_answer(ledger: Ledger[Event]) -> None:
    nowhere = "postgresql://ada:secret@127.0.0.1:1/nothing"
    with pytest.raises(ServerError, match="no answer"), Projector(nowhere, ledger) as projector:
        projector.catch_up(patience=0)


def test_a_row_that_breaks_a_rule_stops_the_projector_and_is_named(tables: str, ledger: Ledger[Event]) -> None:
    place = next(place for place, event in enumerate(EVENTS) if isinstance(event, SignalGenerated))
    wrong = msgspec.structs.replace(EVENTS[place], confidence=1.5)
    write(ledger, [*EVENTS[:place], wrong])
    with pytest.raises(ProjectionError, match="signals_confidence_check"):
        project(tables, ledger)
    assert checkpoint(tables, ledger.session) == 0


def test_a_fill_whose_profit_the_books_do_not_confirm_is_refused(tables: str, ledger: Ledger[Event]) -> None:
    place = next(place for place, event in enumerate(EVENTS) if isinstance(event, OrderFilled))
    wrong = msgspec.structs.replace(EVENTS[place], realized_pnl=1)
    write(ledger, [*EVENTS[:place], wrong])
    with pytest.raises(ProjectionError, match="fills_balanced_check"):
        project(tables, ledger)


def test_a_database_without_tables_is_named(database: str, ledger: Ledger[Event]) -> None:
    with pytest.raises(ProjectionError, match="does not exist"):
        project(database, ledger)


def test_ticks_alone_move_the_checkpoint(tables: str, ledger: Ledger[Event], open_ledger: OpenLedger) -> None:
    started, tick = EVENTS[0], next(event for event in EVENTS if isinstance(event, TickReceived))
    write(ledger, [started])
    with following(Projector(tables, open_ledger())):
        write(ledger, [started, *[tick] * 500])
        wait_until(lambda: checkpoint(tables, ledger.session) == 501, message="the last tick")


@settings(max_examples=6, deadline=None)
@given(sizes=st.lists(st.integers(1, 400), min_size=1, max_size=5), batch_events=st.integers(1, 1500))
def test_neither_blocks_nor_batches_matter(
    database_url: str, redis_url: str, sizes: list[int], batch_events: int
) -> None:
    session = f"test-{uuid.uuid4().hex[:12]}"
    migrate(database_url)
    with redis.Redis.from_url(redis_url) as client:
        ledger = new_ledger(client, session)
        write(ledger, EVENTS[:1500], itertools.cycle(sizes).__next__)
        project(database_url, ledger, batch_events=batch_events)
        report = verify(database_url, ledger)
    assert report.identical
    assert report.rows > 500
