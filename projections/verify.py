"""Compares a session's live rows with rows made anew from its ledger, row by row. Changes nothing."""

from typing import Any, NamedTuple

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from sqlalchemy import Table

from eventstore.ledger import Ledger
from projections.beside import Beside
from projections.checkpoint import PROJECTION, Checkpoint
from projections.database import Connection, connect, is_passing, unreachable
from projections.errors import ProjectionError
from projections.tables import SCHEMA
from projections.writer import STORED_BY_FOLD
from titanflow.domain.events import Event

Record = dict[str, Any]
"""Column -> value, as the server gives it."""


class Difference(NamedTuple):
    """One row that is not as the ledger says: missing where it is None."""

    table: str
    key: Record
    live: Record | None
    rebuilt: Record | None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that differ; none where one side has no such row."""
        if self.live is None or self.rebuilt is None:
            return ()
        return tuple(name for name, value in self.live.items() if self.rebuilt[name] != value)


class VerifyReport(NamedTuple):
    """What the comparison of one session found."""

    session: str
    seq: int
    """Where the tables' checkpoint stands: they were compared with the ledger up to there."""
    ledger_seq: int
    rows: int
    """Rows that the ledger makes up to that seq."""
    differences: tuple[Difference, ...]
    """The first differing rows of each table that has any, in the order of the tables and their keys."""

    @property
    def identical(self) -> bool:
        """Whether every live row is as the ledger says, and none is missing or too many."""
        return not self.differences


def verify(database: str, ledger: Ledger[Event], *, limit: int = 5) -> VerifyReport:
    """Compare the live rows, as they are at this moment, with the ledger up to their checkpoint; projectors may go on.

    At most `limit` differences a table are reported. Raises ServerError where the server does not answer,
    ProjectionError where the tables cannot be compared, and what the ledger raises.
    """
    try:
        with connect(database) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            with connection.transaction(force_rollback=True):
                return _compare(connection, ledger, limit)
    except psycopg.Error as error:
        if is_passing(error):
            raise unreachable(database, error) from error
        raise ProjectionError(f"session {ledger.session!r} cannot be verified: {str(error).strip()}") from error


def _compare(connection: Connection, ledger: Ledger[Event], limit: int) -> VerifyReport:
    session = ledger.session
    checkpoint = Checkpoint(session).read(connection)
    beside = Beside(connection, session)
    beside.fill(ledger.read(1, checkpoint.seq))
    differences = [
        difference
        for table in STORED_BY_FOLD
        for difference in _differences(connection, table, beside.schema, session, limit)
    ]
    position = beside.fold.position
    if position != checkpoint:
        key = {"session_id": session, "projection": PROJECTION}
        differences.append(Difference("checkpoints", key, checkpoint._asdict(), position._asdict()))
    rows = sum(_count(connection, table, beside.schema) for table in STORED_BY_FOLD)
    return VerifyReport(session, checkpoint.seq, ledger.last_seq(), rows, tuple(differences))


def _differences(connection: Connection, table: Table, schema: str, session: str, limit: int) -> list[Difference]:
    # SQLAlchemy names things in a kind of text of its own.
    name, key = str(table.name), [str(column.name) for column in table.primary_key]
    ours = sql.SQL("SELECT * FROM {} WHERE session_id = {}").format(sql.Identifier(SCHEMA, table.name), session)
    anew = sql.SQL("SELECT * FROM {}").format(sql.Identifier(schema, table.name))
    live = _only_in(connection, ours, anew, key, limit)
    rebuilt = _only_in(connection, anew, ours, key, limit)
    keys = sorted({*live, *rebuilt})[:limit]
    return [Difference(name, dict(zip(key, k, strict=True)), live.get(k), rebuilt.get(k)) for k in keys]


def _only_in(
    connection: Connection, rows: sql.Composed, others: sql.Composed, key: list[str], limit: int
) -> dict[tuple[Any, ...], Record]:
    query = sql.SQL("{} EXCEPT {} ORDER BY {} LIMIT {}").format(
        rows, others, sql.SQL(", ").join(map(sql.Identifier, key)), limit
    )
    with connection.cursor(row_factory=dict_row) as cursor:
        return {tuple(row[name] for name in key): row for row in cursor.execute(query)}


def _count(connection: Connection, table: Table, schema: str) -> int:
    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, table.name))).fetchone()
    return int(row[0]) if row else 0
