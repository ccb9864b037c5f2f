"""The projector of one session: tails the ledger, folds it into rows, writes rows and checkpoint in one transaction."""

import time
from collections.abc import Callable, Iterable
from typing import Self

import psycopg
import structlog

from eventstore.ledger import Block, Ledger
from projections.checkpoint import Checkpoint
from projections.database import Connection, connect, is_passing, unreachable
from projections.errors import ProjectionError
from projections.fold.rows import Batch
from projections.fold.session_fold import SessionFold, folded_to
from projections.writer import Writer
from titanflow.domain.events import Event

log = structlog.get_logger()

BATCH_EVENTS = 10_000
"""A transaction is written when it covers at least so many events, or when nothing more is there."""
TAIL_WAIT_S = 0.25
MOVE_EVERY_S = 0.2
"""A checkpoint without rows (ticks make none) moves at most so often."""
PATIENCE_S = 30.0
"""How long `catch_up` waits for a database that does not answer."""
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 2.0

GiveUp = Callable[[], bool]
"""Whether to stop waiting for the database."""


class Projector:
    """Keeps the tables of one session at the ledger's heels. A killed one is just started again.

    The checkpoint row is the truth about what the tables hold. Whoever writes locks it first and writes only what lies
    behind it; so two projectors at once, a lost reply to COMMIT or another cut of batches can neither double a row nor
    lose one. State is rebuilt by folding the ledger up to the checkpoint without writing.
    """

    def __init__(self, database: str, ledger: Ledger[Event], *, batch_events: int = BATCH_EVENTS) -> None:
        self._database = database
        self._ledger = ledger
        self._batch_events = batch_events
        self._checkpoint = Checkpoint(ledger.session)
        self._writer = Writer()
        self._connection: Connection | None = None
        self._fold: SessionFold | None = None
        self._written = 0
        self._moved_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def position(self) -> int:
        """Seq up to which the tables hold every event, as far as this projector knows."""
        return self._written

    def run(self, stopping: Callable[[], bool]) -> None:
        """Follow the ledger until told to stop. A database that is down is waited for, however long.

        Raises ProjectionError where ledger and tables do not fit together, and what the ledger raises.
        """
        while not stopping():
            fold = self._resumed(stopping)
            if fold is not None:
                self._project(fold, self._ledger.tail(fold.position, TAIL_WAIT_S), stopping)
        if self._fold is not None:
            self._flush(self._fold, stopping)

    def catch_up(self, patience: float = PATIENCE_S) -> int:
        """Bring the tables to the ledger's present end and return its seq.

        Raises ServerError when the database does not answer for `patience` seconds, ProjectionError as `run` does.
        """
        deadline = time.monotonic() + patience
        target = self._ledger.last_seq()
        while self._fold is None or self._written < target:
            fold = self._resumed(lambda: time.monotonic() > deadline)
            if fold is None:
                raise unreachable(self._database, TimeoutError(f"no answer for {patience:g} s"))
            blocks = self._ledger.read(fold.position + 1, target) if fold.position < target else ()
            if self._project(fold, blocks, lambda: time.monotonic() > deadline):
                self._flush(fold, lambda: time.monotonic() > deadline)
        return target

    def close(self) -> None:
        """Let go of the database connection; a later call opens it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _resumed(self, give_up: GiveUp) -> SessionFold | None:
        """The fold, brought to where the tables are if it was not known; None when the database stayed away."""
        if self._fold is None:
            checkpoint = self._patiently(lambda: self._checkpoint.read(self._connected()), give_up)
            if checkpoint is None:
                return None
            self._fold = folded_to(self._ledger, checkpoint)
            self._written = checkpoint
            log.info("projector ready", session=self._ledger.session, seq=checkpoint)
        return self._fold

    def _project(self, fold: SessionFold, blocks: Iterable[Block[Event]], give_up: GiveUp) -> bool:
        """Fold the blocks, writing whenever a batch is full; what remains is written if it is due."""
        for block in blocks:
            fold.fold(block.first, block.events)
            if fold.position - self._written >= self._batch_events and not self._flush(fold, give_up):
                return False
        batch = fold.drain()
        if not batch and time.monotonic() - self._moved_at < MOVE_EVERY_S:
            return True
        return self._commit(fold, batch, give_up)

    def _flush(self, fold: SessionFold, give_up: GiveUp) -> bool:
        return self._commit(fold, fold.drain(), give_up)

    def _commit(self, fold: SessionFold, batch: Batch, give_up: GiveUp) -> bool:
        """Write the batch unless it is there already. False where the fold must be rebuilt from the checkpoint."""
        written, last = self._written, fold.position
        if last == written:
            return True
        found = self._patiently(lambda: self._write(written, last, batch), give_up)
        if found is None or found < written:
            log.warning("projector starts over from the checkpoint", session=self._ledger.session, found=found)
            self._fold = None
            return False
        self._written = last
        self._moved_at = time.monotonic()
        return True

    def _write(self, written: int, last: int, batch: Batch) -> int:
        """One transaction: what of the batch lies behind the checkpoint. Returns where the checkpoint stood."""
        connection = self._connected()
        with connection.transaction():
            found = self._checkpoint.lock(connection)
            if written <= found < last:
                self._writer.write(connection, self._ledger.session, batch, after=found if found > written else 0)
                self._checkpoint.move(connection, last)
        return found

    def _patiently(self, attempt: Callable[[], int], give_up: GiveUp) -> int | None:
        """The attempt's result, trying again while the database is away; None when told to give up."""
        pause = _FIRST_PAUSE_S
        while True:
            try:
                return attempt()
            except psycopg.Error as error:
                if not is_passing(error):
                    raise ProjectionError(
                        f"session {self._ledger.session!r}: the tables refuse the events after seq {self._written}: "
                        f"{str(error).strip()}"
                    ) from error
                self.close()
                if give_up():
                    return None
                log.warning("database away, will try again", session=self._ledger.session, error=str(error).strip())
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)

    def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._database)
        return self._connection
