"""The projection's checkpoint: the row that says how far the tables are, locked while they are written."""

from psycopg import sql

from projections.database import Connection
from projections.position import START, Position
from projections.tables import SCHEMA

PROJECTION = "tables"
"""Name of the one projection that fills all tables."""


class Checkpoint:
    """The checkpoint of one session in the tables of one schema."""

    def __init__(self, session: str, schema: str = SCHEMA) -> None:
        self._key = {"session": session, "projection": PROJECTION}
        table = sql.Identifier(schema, "checkpoints")
        self._ensure = sql.SQL(
            "INSERT INTO {} (session_id, projection, seq) VALUES (%(session)s, %(projection)s, 0) "
            "ON CONFLICT DO NOTHING"
        ).format(table)
        where = sql.SQL("WHERE session_id = %(session)s AND projection = %(projection)s")
        self._read = sql.SQL("SELECT seq, recorded_at_ns FROM {} {}").format(table, where)
        self._lock = sql.SQL("{} FOR UPDATE").format(self._read)
        self._move = sql.SQL("UPDATE {} SET seq = %(seq)s, recorded_at_ns = %(recorded_at_ns)s {}").format(table, where)

    def read(self, connection: Connection) -> Position:
        """Where it stands, at the start if it never moved."""
        return self._found(connection, self._read) or START

    def lock(self, connection: Connection) -> Position:
        """Where it stands; until the transaction ends nobody else can lock or move it."""
        found = self._found(connection, self._lock)
        if found is None:
            connection.execute(self._ensure, self._key)
            found = self._found(connection, self._lock)
        return found or START

    def move(self, connection: Connection, position: Position) -> None:
        """Set it, within the transaction that holds the lock."""
        connection.execute(self._move, self._key | position._asdict())

    def _found(self, connection: Connection, query: sql.Composed) -> Position | None:
        row = connection.execute(query, self._key).fetchone()
        return Position(*row) if row else None
