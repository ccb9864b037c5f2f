"""A session's rows made anew beside the live tables, in a schema that lives only within one transaction.

Nothing is left of it, however the process ends, and nobody else sees it.
"""

from psycopg import sql

from eventstore.ledger import Ledger
from projections.database import Connection
from projections.fold.session_fold import SessionFold
from projections.projector import BATCH_EVENTS
from projections.tables import CURRENT, SCHEMA
from projections.writer import STORED_BY_FOLD, Writer
from titanflow.domain.events import Event


class Beside:
    """Copies of the empty tables, filled from the ledger as far as asked. To be made within a transaction."""

    def __init__(self, connection: Connection, ledger: Ledger[Event]) -> None:
        self.schema = f"{SCHEMA}_beside_{connection.info.backend_pid}"
        self._connection = connection
        self._ledger = ledger
        self._fold = SessionFold()
        self._writer = Writer(self.schema)
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(self.schema)))
        for table in STORED_BY_FOLD:
            # Rules and indexes cost most of the time; rows that are only added meet them when they go live.
            parts = sql.SQL("ALL" if table.info[CURRENT] else "GENERATED")
            copy, live = sql.Identifier(self.schema, table.name), sql.Identifier(SCHEMA, table.name)
            connection.execute(sql.SQL("CREATE UNLOGGED TABLE {} (LIKE {} INCLUDING {})").format(copy, live, parts))

    @property
    def position(self) -> int:
        """Seq of the last event that is in."""
        return self._fold.position

    def fill(self, last: int) -> None:
        """Fold and write on to seq `last`, or to the ledger's end where that comes before."""
        fold, written = self._fold, self._fold.position
        for block in self._ledger.read(written + 1, last) if written < last else ():
            fold.fold(block.first, block.events)
            if fold.position - written >= BATCH_EVENTS:
                written = self._write()
        self._write()

    def drop(self) -> None:
        """Take it away again; the deferred rules of its tables, and of all others, are checked before."""
        self._connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
        self._connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(self.schema)))

    def _write(self) -> int:
        self._writer.write(self._connection, self._ledger.session, self._fold.drain())
        return self._fold.position
