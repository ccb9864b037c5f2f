"""Puts rows made anew from the ledger in the place of the live ones. Readers see the old rows or the new ones."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import psycopg
from psycopg import sql

from eventstore.ledger import Block, Ledger
from eventstore.signs import SILENT, Signs
from projections.beside import Beside
from projections.checkpoint import Checkpoint
from projections.database import Connection, connect, is_passing, unreachable
from projections.errors import ProjectionError
from projections.fold.session_fold import SessionFold
from projections.tables import SCHEMA
from projections.writer import STORED_BY_FOLD, written_columns
from titanflow.domain.events import Event


class Rebuilt(NamedTuple):
    """One session whose rows were replaced."""

    session: str
    events: int
    rows: int


def rebuild(database: str, ledgers: Iterable[Ledger[Event]]) -> list[Rebuilt]:
    """Replace the rows of these sessions, each in one transaction; projectors may go on meanwhile.

    Needs the tables (`migrate`). Raises ServerError where the server does not answer, ProjectionError where it refuses
    a row, and what the ledger raises.
    """
    try:
        with connect(database) as connection:
            return [_rebuild(connection, ledger) for ledger in ledgers]
    except psycopg.Error as error:
        if is_passing(error):
            raise unreachable(database, error) from error
        raise ProjectionError(f"the projections cannot be rebuilt: {str(error).strip()}") from error


def replace_rows(connection: Connection, ledger: Ledger[Event], signs: Signs = SILENT) -> tuple[SessionFold, int]:
    """The same for one session on an open connection; returns the fold at its new checkpoint and the number of rows.

    Raises psycopg.Error and what the ledger raises; the old rows then stay.
    """
    checkpoint = Checkpoint(ledger.session)
    with connection.transaction():
        beside = Beside(connection, ledger.session)
        beside.fill(_told(onward(ledger, 0, ledger.last_seq()), ledger.last_seq(), signs))
        # Only now must the projector wait: for the little that it wrote meanwhile, and for the swap.
        live = checkpoint.lock(connection)
        beside.fill(onward(ledger, beside.fold.position.seq, live.seq))
        rows = _swap(connection, ledger.session, beside.schema)
        checkpoint.move(connection, beside.fold.position)
        beside.drop()
    return beside.fold, rows


def onward(ledger: Ledger[Event], after: int, last: int) -> Iterator[Block[Event]]:
    """The blocks after seq `after`, at least up to `last` or the ledger's end.

    In whole pages of `tail`, for it notices when the server comes back with another history between two of them, and
    when it has come back with another one since the ledger was last tailed: then it raises LedgerLostError.
    """
    while blocks := ledger.tail(after, 0):
        yield from blocks
        after = blocks[-1].last
        if after >= last:
            return


def _told(blocks: Iterable[Block[Event]], end: int, signs: Signs) -> Iterator[Block[Event]]:
    """The blocks, with a sign of life for each."""
    for block in blocks:
        signs.recovering(block.last, end)
        yield block


def _rebuild(connection: Connection, ledger: Ledger[Event]) -> Rebuilt:
    fold, rows = replace_rows(connection, ledger)
    return Rebuilt(ledger.session, fold.position.seq, rows)


def _swap(connection: Connection, session: str, schema: str) -> int:
    """Delete the live rows, those that refer to others first, and put the others in; returns how many."""
    for table in reversed(STORED_BY_FOLD):
        delete = sql.SQL("DELETE FROM {} WHERE session_id = %s").format(sql.Identifier(SCHEMA, table.name))
        connection.execute(delete, [session])
    rows = 0
    for table in STORED_BY_FOLD:
        columns = sql.SQL(", ").join(map(sql.Identifier, written_columns(table)))
        insert = sql.SQL("INSERT INTO {live} ({columns}) SELECT {columns} FROM {beside}").format(
            live=sql.Identifier(SCHEMA, table.name), columns=columns, beside=sql.Identifier(schema, table.name)
        )
        rows += connection.execute(insert).rowcount
    return rows
