"""A Redis that crashed comes back without its last writes, and the session goes on with others at the same seqs."""

import itertools
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from eventstore.ledger import Block, Ledger
from projections.projector import Projector
from projections.rebuild import rebuild
from projections.verify import verify
from support.mortal_redis import MortalRedis
from support.projected_session import all_rows, eventful_session, project, write
from support.waiting import wait_until
from titanflow.domain.events import Event
from titanflow.runtime.ledgers import new_ledger

SESSION = "lossy"
LOST = eventful_session(200)
KEPT = eventful_session(200, forks_at=60)
THIRD = eventful_session(200, forks_at=61)
FORK = next(seq for seq, pair in enumerate(zip(LOST, KEPT, strict=False)) if pair[0] != pair[1])
SAVED = FORK - FORK % 200
"""Where the server's file stands that it comes back with: the events up to there are in both histories."""
PROJECTED = SAVED + 600


class ForgetfulRedis(MortalRedis):
    """Comes back from a crash with the file as it was when it was last saved."""

    def __init__(self, directory: Path) -> None:
        self._data, self._saved = directory / "data", directory / "saved"
        self._data.mkdir()
        super().__init__(self._data)

    def save(self) -> None:
        shutil.copytree(self._data, self._saved)

    def crash(self) -> None:
        self.kill()
        shutil.rmtree(self._data)
        shutil.copytree(self._saved, self._data)
        self.start()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ForgetfulRedis]:
    """A Redis that has saved the first SAVED events and holds PROJECTED, the last of which it will lose."""
    server = ForgetfulRedis(tmp_path)
    server.start()
    with server.client() as client, closing(new_ledger(client, SESSION)) as ledger:
        write(ledger, LOST[:SAVED], lambda: 10)
        server.save()
        write(ledger, LOST[:PROJECTED], lambda: 10)
    yield server
    server.kill()


@pytest.fixture
def ledger(server: ForgetfulRedis) -> Iterator[Ledger[Event]]:
    with server.client() as client, closing(new_ledger(client, SESSION)) as ledger:
        yield ledger


@pytest.fixture
def followed(server: ForgetfulRedis) -> Iterator[Ledger[Event]]:
    """The same ledger for a projector, on a connection of its own."""
    with server.client() as client, closing(new_ledger(client, SESSION)) as ledger:
        yield ledger


GOES_ON = pytest.mark.parametrize(
    ("end", "size"),
    [
        (SAVED, 1),
        (SAVED + 300, 10),
        (PROJECTED, 10),
        (PROJECTED, 470),
        (PROJECTED + 800, 10),
        (PROJECTED + 800, 470),
    ],
)
"""How far the session has gone on with other events, in blocks of this size: not at all, behind, exactly at and past
the tables, which then stand at the end of a block or within one."""


@GOES_ON
def test_a_projector_that_starts_after_the_loss_rebuilds(
    tables: str, server: ForgetfulRedis, ledger: Ledger[Event], end: int, size: int
) -> None:
    project(tables, ledger)
    server.crash()
    write(ledger, KEPT[:end], lambda: size)
    assert not verify(tables, ledger).identical
    assert project(tables, ledger) == end
    report = verify(tables, ledger)
    assert (report.identical, report.seq) == (True, end)


@GOES_ON
def test_a_projector_that_lives_through_the_loss_rebuilds(
    tables: str, server: ForgetfulRedis, ledger: Ledger[Event], followed: Ledger[Event], end: int, size: int
) -> None:
    with Projector(tables, followed) as projector:
        projector.catch_up()
        server.crash()
        write(ledger, KEPT[:end], lambda: size)
        assert projector.catch_up() == end
        assert projector.position == end
    report = verify(tables, ledger)
    assert (report.identical, report.seq) == (True, end)


def test_a_projector_that_follows_rebuilds_and_follows_on(
    tables: str, server: ForgetfulRedis, ledger: Ledger[Event], followed: Ledger[Event]
) -> None:
    stop = threading.Event()
    with Projector(tables, followed, batch_events=50) as projector:
        thread = threading.Thread(target=projector.run, args=(stop.is_set,))
        thread.start()
        wait_until(lambda: projector.position == PROJECTED, message="the events that will be lost")
        server.crash()
        wait_until(lambda: projector.position == SAVED, message="the loss to be noticed")
        write(ledger, KEPT, lambda: 30)
        wait_until(lambda: projector.position == len(KEPT), message="the other history")
        stop.set()
        thread.join()
    assert verify(tables, ledger).identical


def test_a_projector_of_the_lost_history_writes_nothing_into_the_other(
    tables: str, server: ForgetfulRedis, ledger: Ledger[Event], followed: Ledger[Event]
) -> None:
    with Projector(tables, followed) as stale:
        stale.catch_up()
        server.crash()
        write(ledger, KEPT)
        project(tables, ledger)
        rows = all_rows(tables)
        assert stale.catch_up() == len(KEPT)
    assert all_rows(tables) == rows


@pytest.mark.parametrize("call", range(5))
def test_a_further_loss_at_any_moment_of_the_recovery_is_noticed_too(
    tables: str,
    server: ForgetfulRedis,
    ledger: Ledger[Event],
    followed: Ledger[Event],
    monkeypatch: pytest.MonkeyPatch,
    call: int,
) -> None:
    def crash_again() -> None:
        server.crash()
        write(ledger, THIRD[:PROJECTED], lambda: 10)

    project(tables, ledger)
    server.crash()
    write(ledger, KEPT[:PROJECTED], lambda: 10)
    happened = before_tail(followed, call, crash_again, monkeypatch)
    project(tables, followed)
    assert happened()
    project(tables, followed)
    assert verify(tables, ledger).identical


def before_tail(
    ledger: Ledger[Event], call: int, happens: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> Callable[[], bool]:
    """Let it happen just before the ledger is tailed for the `call`-th time (from 0); returns whether it did."""
    tail, calls = ledger.tail, itertools.count()

    def interrupted(after: int, timeout: float, limit: int | None = None) -> list[Block[Event]]:
        if next(calls) == call:
            happens()
        return tail(after, timeout, limit)

    monkeypatch.setattr(ledger, "tail", interrupted)
    return lambda: next(calls) > call


def test_a_rebuild_brings_the_tables_to_the_other_history(
    tables: str, server: ForgetfulRedis, ledger: Ledger[Event]
) -> None:
    project(tables, ledger)
    server.crash()
    write(ledger, KEPT[: PROJECTED + 800])
    rebuild(tables, [ledger])
    assert verify(tables, ledger).identical


def test_events_recorded_anew_are_another_history_even_where_their_rows_are_the_same(
    tables: str, server: ForgetfulRedis, ledger: Ledger[Event]
) -> None:
    project(tables, ledger)
    server.crash()
    write(ledger, LOST[:PROJECTED])
    (difference,) = verify(tables, ledger).differences
    assert (difference.table, difference.columns) == ("checkpoints", ("recorded_at_ns",))
    project(tables, ledger)
    assert verify(tables, ledger).identical
