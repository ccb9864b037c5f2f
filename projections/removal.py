"""Removes a session from the tables."""

import psycopg
from psycopg import sql

from projections.database import Connection, connect, is_passing, unreachable
from projections.errors import ProjectionError
from projections.tables import SCHEMA, metadata


def remove_rows(database: str, session: str) -> int:
    """Delete every row of a session, all or none; returns how many. Raises ServerError or ProjectionError."""
    try:
        with connect(database) as connection, connection.transaction():
            return sum(_remove(connection, table.name, session) for table in reversed(metadata.sorted_tables))
    except psycopg.Error as error:
        if is_passing(error):
            raise unreachable(database, error) from error
        raise ProjectionError(f"the rows of session {session!r} cannot be removed: {str(error).strip()}") from error


def _remove(connection: Connection, table: str, session: str) -> int:
    query = sql.SQL("DELETE FROM {} WHERE session_id = %s").format(sql.Identifier(SCHEMA, table))
    return connection.execute(query, [session]).rowcount
