"""The projector of one session: tails the ledger, folds it into rows, writes rows and checkpoint in one transaction."""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Self, TypeVar

import psycopg
import structlog

from eventstore.errors import LedgerLostError
from eventstore.ledger import Block, Ledger
from eventstore.signs import SILENT, Signs
from projections.checkpoint import Checkpoint
from projections.database import Connection, connect, is_mendable, is_passing, shown, unreachable
from projections.errors import ProjectionError
from projections.fold.rows import Batch
from projections.fold.session_fold import SessionFold
from projections.position import START, Position
from projections.rebuild import onward, replace_rows
from projections.writer import BATCH_EVENTS, Writer
from titanflow.domain.events import Event
from titanflow.errors import ServerError

log = structlog.get_logger()

T = TypeVar("T")

TAIL_WAIT_S = 0.25
MOVE_EVERY_S = 0.2
"""A checkpoint without rows (ticks make none) moves at most so often."""
PATIENCE_S = 30.0
"""How long `catch_up` waits for a database that does not answer."""
STOPPED_PATIENCE_S = 1.0
"""How long a projector that was told to stop waits still; its next start catches up."""
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 2.0

GiveUp = Callable[[float], bool]
"""Whether to stop waiting for the database, after so many seconds."""


class Projector:
    """Keeps the tables of one session at the ledger's heels. A killed one is just started again.

    The checkpoint row is the truth about what the tables hold. Whoever writes locks it first and writes only what lies
    behind it; so two projectors at once, a lost reply to COMMIT or another cut of batches can neither double a row nor
    lose one. State is rebuilt by folding the ledger up to the checkpoint without writing.

    Where the ledger has another history than the tables (its server crashed and came back without its last appends),
    the session's rows are rebuilt.
    """

    def __init__(
        self, database: str, ledger: Ledger[Event], *, batch_events: int = BATCH_EVENTS, signs: Signs = SILENT
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._batch_events = batch_events
        self._signs = signs
        self._follows = False
        self._checkpoint = Checkpoint(ledger.session)
        self._writer = Writer()
        self._connection: Connection | None = None
        self._fold: SessionFold | None = None
        self._lost = False
        self._written = START
        self._passed = {START}
        self._moved_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def position(self) -> int:
        """Seq up to which the tables hold every event, as far as this projector knows."""
        return self._written.seq

    def run(self, stopping: Callable[[], bool]) -> None:
        """Follow the ledger until told to stop. A database that is down, or refuses to be written, is waited for.

        Raises ProjectionError where the tables refuse the ledger's events, and what the ledger raises.
        """
        # Giving up on the database is how a projector that was told to stop leaves it.
        self._follows = True
        try:
            with suppress(ServerError):
                while not stopping():
                    self._advance(lambda after: self._ledger.tail(after, TAIL_WAIT_S), lambda _: stopping())
                self._flush(lambda _: stopping())
        finally:
            self._follows = False

    def catch_up(self, patience: float = PATIENCE_S) -> int:
        """Bring the tables to the ledger's present end and return its seq.

        Raises ServerError when the database does not answer for `patience` seconds or refuses to be written,
        ProjectionError as `run` does.
        """
        return self._catch_up(lambda waited: waited >= patience)

    def finish(self, stopping: Callable[[], bool], patience: float = PATIENCE_S) -> int:
        """The same for a session that has ended: a database that refuses to be written is waited for as well.

        Once told to stop it waits for a moment only. Raises as `catch_up` does.
        """
        self._follows = True
        try:
            return self._catch_up(lambda waited: waited >= (STOPPED_PATIENCE_S if stopping() else patience))
        finally:
            self._follows = False

    def _catch_up(self, give_up: GiveUp) -> int:
        target = self._ledger.last_seq()
        while True:
            self._advance(partial(onward, self._ledger, last=target), give_up)
            self._flush(give_up)
            target = min(target, self._ledger.last_seq())
            if self._fold is not None and self._fold.position.seq >= self._written.seq >= target:
                return target

    def close(self) -> None:
        """Let go of the database connection; a later call opens it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _advance(self, blocks_after: Callable[[int], Iterable[Block[Event]]], give_up: GiveUp) -> None:
        """Project what follows; where the history turns out to be another one, leave the rebuild to the next call."""
        try:
            fold = self._fold or self._begun(give_up)
            self._project(fold, blocks_after(fold.position.seq), give_up)
        except LedgerLostError as lost:
            log.warning("ledger lost events, the session's rows are made anew", reason=str(lost))
            self._fold, self._lost = None, True

    def _begun(self, give_up: GiveUp) -> SessionFold:
        """A fold to go on with: empty, with the tables ahead of it, or where a rebuild has brought the tables."""
        if self._lost:
            fold, rows = self._patiently(lambda: replace_rows(self._connected(), self._ledger, self._signs), give_up)
            self._stand(fold.position)
            self._lost = False
            log.warning("projector made the rows anew", session=self._ledger.session, seq=self.position, rows=rows)
        else:
            fold = SessionFold()
            self._stand(self._patiently(lambda: self._checkpoint.read(self._connected()), give_up))
            log.info("projector begins", session=self._ledger.session, seq=self.position)
        self._fold = fold
        return fold

    def _stand(self, written: Position) -> None:
        """Take note of where the tables are."""
        self._written = written
        self._passed = {written}
        self._signs.reached(written.seq)

    def _project(self, fold: SessionFold, blocks: Iterable[Block[Event]], give_up: GiveUp) -> None:
        """Fold the blocks, writing whenever a batch is full; what remains is written if it is due."""
        before = fold.position
        for block in blocks:
            self._take(fold, block)
            full = fold.position.seq - self._written.seq >= self._batch_events
            if full and not self._commit(fold, fold.drain(), give_up):
                return
        if fold.position == before and before.seq < self._written.seq:
            raise self._other_history(before)
        batch = fold.drain()
        if batch or time.monotonic() - self._moved_at >= MOVE_EVERY_S:
            self._commit(fold, batch, give_up)

    def _take(self, fold: SessionFold, block: Block[Event]) -> None:
        """Fold one block. Rows that the tables hold already are dropped, once they are known to be of this history."""
        fold.fold(block)
        written = self._written
        if block.first <= written.seq <= block.last and fold.position != written:
            raise self._other_history(fold.position)
        if block.last <= written.seq:
            fold.drain()
            self._signs.recovering(block.last, written.seq)
        else:
            self._passed.add(fold.position)

    def _other_history(self, found: Position) -> LedgerLostError:
        return LedgerLostError(
            f"session {self._ledger.session!r}: the tables were made of another history, up to {self._written}; "
            f"the ledger has {found}"
        )

    def _flush(self, give_up: GiveUp) -> None:
        if self._fold is not None:
            self._commit(self._fold, self._fold.drain(), give_up)

    def _commit(self, fold: SessionFold, batch: Batch, give_up: GiveUp) -> bool:
        """Write what of the batch is not there already. False where the fold must begin again from the checkpoint."""
        last = fold.position
        if last.seq <= self._written.seq:
            return True
        # Without the rows just drained the fold is of no use, until they are known to be in the tables.
        self._fold = None
        found = self._patiently(lambda: self._write(last, batch), give_up)
        if found not in self._passed and found.seq <= last.seq:
            log.warning("projector starts over from the checkpoint", session=self._ledger.session, found=found.seq)
            return False
        self._stand(max(found, last))
        self._fold = fold
        self._moved_at = time.monotonic()
        return True

    def _write(self, last: Position, batch: Batch) -> Position:
        """One transaction: what of the batch lies behind the checkpoint. Returns where the checkpoint stood."""
        connection = self._connected()
        with connection.transaction():
            found = self._checkpoint.lock(connection)
            if found in self._passed and found != last:
                self._writer.write(connection, self._ledger.session, batch, after=found.seq)
                self._checkpoint.move(connection, last)
        return found

    def _patiently(self, attempt: Callable[[], T], give_up: GiveUp) -> T:
        """The attempt's result, trying again while the database is away; raises ServerError when told to give up."""
        since, pause, waiting = time.monotonic(), _FIRST_PAUSE_S, False
        while True:
            try:
                result = attempt()
            except psycopg.Error as error:
                if not (is_passing(error) or (is_mendable(error) and self._follows)):
                    raise self._refused(error) from error
                self.close()
                waited = time.monotonic() - since
                if give_up(waited):
                    raise _gave_up(self._database, error, waited) from error
                self._signs.trouble(f"Postgres: {_line(error)}")
                waiting = True
                log.warning("database away, will try again", session=self._ledger.session, error=_line(error))
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
            else:
                if waiting:
                    self._signs.trouble("")
                return result

    def _refused(self, error: psycopg.Error) -> Exception:
        if is_mendable(error):
            return ServerError(
                f"PostgreSQL at {shown(self._database)} does not let the tables be written after seq {self.position}: "
                f"{_line(error)}"
            )
        return ProjectionError(
            f"session {self._ledger.session!r}: the tables refuse the events after seq {self.position}: "
            f"{str(error).strip()}"
        )

    def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._database)
        return self._connection


def _gave_up(database: str, error: psycopg.Error, waited: float) -> ServerError:
    """What to raise after having waited: the server's own words where it said any."""
    if error.sqlstate is None:
        return unreachable(database, TimeoutError(f"no answer for {waited:.0f} s ({_line(error)})"))
    return ServerError(f"PostgreSQL at {shown(database)}: {_line(error)}; tried again for {waited:.0f} s")


def _line(error: psycopg.Error) -> str:
    return " ".join(str(error).split())
