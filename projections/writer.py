"""Writes a batch of rows: COPY into tables that only grow, upserts into current ones. Transactions are the caller's."""

from collections.abc import Callable, Iterable
from operator import itemgetter

from psycopg import sql
from sqlalchemy import Table

from projections.database import Connection
from projections.fold.rows import Batch, Row
from projections.tables import CURRENT, SCHEMA, metadata

BATCH_EVENTS = 10_000
"""A transaction is written when it covers at least so many events, or when nothing more is there."""
STORED_BY_FOLD = tuple(table for table in metadata.sorted_tables if table.name != "checkpoints")
"""The tables that the fold fills, those referred to before those that refer to them."""


def written_columns(table: Table) -> list[str]:
    """The columns that are written, in order; the server computes the others."""
    return [column.name for column in table.columns if column.computed is None]


class Writer:
    """Writes into the tables of one schema."""

    def __init__(self, schema: str = SCHEMA) -> None:
        self._tables = [_TableWriter(table, schema) for table in STORED_BY_FOLD]

    def write(self, connection: Connection, session: str, batch: Batch, after: int = 0) -> None:
        """Write the batch's rows of events after seq `after`, within the connection's transaction.

        Latest states are written whatever their seq: they hold for the end of the batch. Raises psycopg.Error.
        """
        for table in self._tables:
            rows = batch.get(table.name)
            if rows and after and not table.current:
                rows = [row for row in rows if row.get("seq", 1) > after]
            if rows:
                table.write(connection, session, rows)


class _TableWriter:
    """The statement and the order of columns of one table."""

    def __init__(self, table: Table, schema: str) -> None:
        self.name = table.name
        columns = written_columns(table)
        self._width = len(columns) - 1
        self._values: Callable[[Row], tuple[object, ...]] = itemgetter(*columns[1:])
        self.current = bool(table.info[CURRENT])
        target = sql.Identifier(schema, table.name)
        self._statement = (_upsert if self.current else _copy)(table, target, columns)

    def write(self, connection: Connection, session: str, rows: list[Row]) -> None:
        with connection.cursor() as cursor:
            if self.current:
                cursor.executemany(self._statement, self._tuples(session, rows))
                return
            with cursor.copy(self._statement) as copy:
                for row in self._tuples(session, rows):
                    copy.write_row(row)

    def _tuples(self, session: str, rows: list[Row]) -> Iterable[tuple[object, ...]]:
        values, width = self._values, self._width
        for row in rows:
            if len(row) != width:
                raise ValueError(f"a row of {self.name} has the columns {sorted(row)}")
            yield session, *values(row)


def _copy(table: Table, target: sql.Identifier, columns: list[str]) -> sql.Composed:
    return sql.SQL("COPY {} ({}) FROM STDIN").format(target, _names(columns))


def _upsert(table: Table, target: sql.Identifier, columns: list[str]) -> sql.Composed:
    key = [column.name for column in table.primary_key]
    changes = [sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(column)) for column in columns if column not in key]
    return sql.SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT ({}) DO UPDATE SET {}").format(
        target,
        _names(columns),
        sql.SQL(", ").join([sql.Placeholder()] * len(columns)),
        _names(key),
        sql.SQL(", ").join(changes),
    )


def _names(columns: list[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, columns))
