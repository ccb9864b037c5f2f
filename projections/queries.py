"""Read-only questions to the tables, for screens and scripts: rows as plain dictionaries, exact decimals in them."""

from typing import Any

from sqlalchemy import Select, Table, select
from sqlalchemy.exc import OperationalError

from projections import tables
from projections.checkpoint import PROJECTION
from projections.database import engine, unreachable

Record = dict[str, Any]
"""Column -> value: Decimal for money, prices, quantities and ratios; datetime in UTC; None where nothing is known."""


class Queries:
    """Questions to one database. Each opens a connection and raises ServerError when the server does not answer."""

    def __init__(self, database: str) -> None:
        self._database = database
        self._engine = engine(database)

    def sessions(self) -> list[Record]:
        """Every projected session, newest first, with the seq that its tables have reached (`seq_done`)."""
        table, checkpoints = tables.sessions, tables.checkpoints
        done = checkpoints.c.seq.label("seq_done")
        on = (checkpoints.c.session_id == table.c.session_id) & (checkpoints.c.projection == PROJECTION)
        return self._records(select(table, done).outerjoin(checkpoints, on).order_by(table.c.at_ns.desc()))

    def checkpoint(self, session: str) -> int:
        """The seq up to which the tables hold the session; 0 where they hold nothing."""
        table = tables.checkpoints
        rows = self._records(_of(table, session).where(table.c.projection == PROJECTION))
        return int(rows[0]["seq"]) if rows else 0

    def settings(self, session: str) -> dict[str, Any]:
        """The session's settings by dotted name, as recorded (money and ratios in 1e-9)."""
        rows = self._records(_of(tables.settings, session).order_by(tables.settings.c.name))
        return {row["name"]: row["value"] for row in rows}

    def leaderboard(self, session: str) -> list[Record]:
        """The standings as last published, best first."""
        return self._records(_of(tables.leaderboard, session).order_by(tables.leaderboard.c.rank))

    def arena(self, session: str) -> Record | None:
        """The statistics of all contenders together, as last published."""
        rows = self._records(_of(tables.arena, session))
        return rows[0] if rows else None

    def portfolios(self, session: str, contender: str | None = None) -> list[Record]:
        """Each contender's books, its open `positions`, and its `equity` as last published (None before)."""
        table, standings = tables.portfolios, tables.leaderboard
        on = (standings.c.session_id == table.c.session_id) & (standings.c.contender == table.c.contender)
        query = select(table, standings.c.equity, standings.c.unrealized_pnl).outerjoin(standings, on)
        query = query.where(table.c.session_id == session).order_by(table.c.contender)
        books = self._records(_by_contender(query, table, contender))
        positions = self.positions(session, contender)
        for book in books:
            book["positions"] = [row for row in positions if row["contender"] == book["contender"]]
        return books

    def positions(self, session: str, contender: str | None = None) -> list[Record]:
        """Open positions."""
        table = tables.positions
        query = _of(table, session).where(table.c.quantity != 0).order_by(table.c.contender, table.c.instrument)
        return self._records(_by_contender(query, table, contender))

    def orders(self, session: str, contender: str | None = None, status: str | None = None) -> list[Record]:
        """Orders in the order of their seqs."""
        table = tables.orders
        query = _by_contender(_of(table, session).order_by(table.c.seq), table, contender)
        return self._records(query if status is None else query.where(table.c.status == status))

    def fills(self, session: str, contender: str | None = None, limit: int | None = None) -> list[Record]:
        """Fills in the order of their seqs; with a `limit` the last so many."""
        return self._last(tables.fills, session, contender, limit)

    def round_trips(self, session: str, contender: str | None = None, limit: int | None = None) -> list[Record]:
        """Closed round trips in the order of their closing; with a `limit` the last so many."""
        return self._last(tables.round_trips, session, contender, limit)

    def corporate_actions(self, session: str) -> list[Record]:
        """Splits, dividends and their payments in the order of their seqs."""
        return self._records(_of(tables.corporate_actions, session).order_by(tables.corporate_actions.c.seq))

    def action_entries(self, session: str, contender: str | None = None) -> list[Record]:
        """What they did to the books, in the order of their seqs."""
        return self._last(tables.action_entries, session, contender, None)

    def signals(self, session: str, contender: str | None = None, limit: int | None = None) -> list[Record]:
        """Signals with features and explanation; with a `limit` the last so many."""
        return self._last(tables.signals, session, contender, limit)

    def verdicts(self, session: str, contender: str | None = None, limit: int | None = None) -> list[Record]:
        """Verdicts with their codes and numbers; with a `limit` the last so many."""
        return self._last(tables.verdicts, session, contender, limit)

    def withheld_signals(self, session: str, contender: str | None = None, limit: int | None = None) -> list[Record]:
        """What trained models would have said; with a `limit` the last so many."""
        return self._last(tables.withheld_signals, session, contender, limit)

    def feature_drift(self, session: str, contender: str | None = None, limit: int | None = None) -> list[Record]:
        """Measures of live features against the training; with a `limit` the last so many."""
        return self._last(tables.feature_drift, session, contender, limit)

    def equity_curve(self, session: str, contender: str | None = None) -> list[Record]:
        """The kept points of the equity curves, in the order of their seqs; between two of them nothing is known."""
        return self._last(tables.equity_curve, session, contender, None)

    def risk_events(self, session: str) -> list[Record]:
        """Kill switches, rollbacks and commands in the order of their seqs."""
        return self._records(_of(tables.risk_events, session).order_by(tables.risk_events.c.seq))

    def audit_trail(self, session: str, event_type: str | None = None, order_id: str | None = None) -> list[Record]:
        """Audit records in the order of their seqs; with an `order_id` the life of that order."""
        table = tables.audit_trail
        query = _of(table, session).order_by(table.c.seq)
        if order_id is not None:
            query = query.where(table.c.order_id == order_id)
        return self._records(query if event_type is None else query.where(table.c.event_type == event_type))

    def find(self, session: str, identifier: str) -> int | None:
        """The seq of the fill or order of this id (an order's: where it first appears); None where there is none."""
        for table, column in ((tables.fills, "fill_id"), (tables.orders, "order_id")):
            rows = self._records(_of(table, session).where(table.c[column] == identifier))
            if rows:
                return int(rows[0]["seq"])
        return None

    def _last(self, table: Table, session: str, contender: str | None, limit: int | None) -> list[Record]:
        query = _by_contender(_of(table, session), table, contender).order_by(table.c.seq.desc()).limit(limit)
        return self._records(query)[::-1]

    def _records(self, query: Select[Any]) -> list[Record]:
        try:
            with self._engine.connect() as connection:
                return [dict(row) for row in connection.execute(query).mappings()]
        except OperationalError as error:
            raise unreachable(self._database, error.orig if isinstance(error.orig, Exception) else error) from error


def _of(table: Table, session: str) -> Select[Any]:
    return select(table).where(table.c.session_id == session)


def _by_contender(query: Select[Any], table: Table, contender: str | None) -> Select[Any]:
    return query if contender is None else query.where(table.c.contender == contender)
