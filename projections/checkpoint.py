"""The projection's checkpoint: the row that says how far the tables are, locked while they are written."""

from psycopg import sql

from projections.database import Connection
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
        self._read = sql.SQL("SELECT seq FROM {} {}").format(table, where)
        self._lock = sql.SQL("{} FOR UPDATE").format(self._read)
        self._move = sql.SQL("UPDATE {} SET seq = %(seq)s {}").format(table, where)

    def read(self, connection: Connection) -> int:
        """Where it stands, 0 if it never moved."""
        row = connection.execute(self._read, self._key).fetchone()
        return row[0] if row else 0

    def lock(self, connection: Connection) -> int:
        """Where it stands; until the transaction ends nobody else can lock or move it."""
        row = connection.execute(self._lock, self._key).fetchone()
        if row is None:
            connection.execute(self._ensure, self._key)
            row = connection.execute(self._lock, self._key).fetchone()
        return int(row[0]) if row else 0

    def move(self, connection: Connection, seq: int) -> None:
        """Set it, within the transaction that holds the lock."""
        connection.execute(self._move, {**self._key, "seq": seq})
