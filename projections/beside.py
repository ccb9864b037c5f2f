"""A session's rows made anew beside the live tables, in a schema that lives only within one transaction.

Nothing is left of it, however the process ends, and nobody else sees it.
"""

from collections.abc import Iterable

from psycopg import sql

from eventstore.ledger import Block
from projections.database import Connection
from projections.fold.session_fold import SessionFold
from projections.tables import CURRENT, SCHEMA
from projections.writer import BATCH_EVENTS, STORED_BY_FOLD, Writer
from titanflow.domain.events import Event


class Beside:
    """Copies of the empty tables, to be filled with a session's events. To be made within a transaction."""

    def __init__(self, connection: Connection, session: str) -> None:
        self.schema = f"{SCHEMA}_beside_{connection.info.backend_pid}"
        self.fold = SessionFold()
        """Stands where the copies do, with no row left to drain."""
        self._connection = connection
        self._session = session
        self._writer = Writer(self.schema)
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(self.schema)))
        for table in STORED_BY_FOLD:
            # Rules and indexes cost most of the time; rows that are only added meet them when they go live.
            parts = sql.SQL("ALL" if table.info[CURRENT] else "GENERATED")
            copy, live = sql.Identifier(self.schema, table.name), sql.Identifier(SCHEMA, table.name)
            connection.execute(sql.SQL("CREATE UNLOGGED TABLE {} (LIKE {} INCLUDING {})").format(copy, live, parts))

    def fill(self, blocks: Iterable[Block[Event]]) -> None:
        """Fold and write the blocks that follow."""
        written = self.fold.position.seq
        for block in blocks:
            self.fold.fold(block)
            if block.last - written >= BATCH_EVENTS:
                self._write()
                written = block.last
        self._write()

    def drop(self) -> None:
        """Take it away again; the deferred rules of its tables, and of all others, are checked before."""
        self._connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
        self._connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(self.schema)))

    def _write(self) -> None:
        self._writer.write(self._connection, self._session, self.fold.drain())
