"""Every table of the projections, with the constraints that a wrong row would break. No queries, no folding.

All stand in the schema `titanflow`. Money, prices, quantities and ratios are NUMERIC(38, 9): exact images of the
ledger's 1e-9 integers. A time is stored as `…at_ns` (nanoseconds UTC); its timestamptz twin is computed from it by the
server, so that the two cannot disagree. A table whose rows are overwritten in place is marked CURRENT.
"""

from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Computed,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

from titanflow.domain.types import ExecutionMode, KillTrigger, OrderPurpose, OrderType, RiskCommand, Side, TradingStatus

SCHEMA = "titanflow"
CURRENT = "current"
"""Key of `Table.info`: true where a row is the latest state of a thing, false where rows are only ever added."""

metadata = MetaData(
    schema=SCHEMA,
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    },
)


class OrderStatus(StrEnum):
    """Where an order stands in its life."""

    HELD = "held"
    APPROVED = "approved"
    WORKING = "working"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    DENIED = "denied"


class VerdictKind(StrEnum):
    """Who said what: risk approved, denied or held; `rejected` is the executor's last gate."""

    APPROVED = "approved"
    DENIED = "denied"
    HELD = "held"
    REJECTED = "rejected"


class AuditType(StrEnum):
    """Kinds of record in the audit trail."""

    SIGNAL = "SIGNAL"
    ORDER = "ORDER"
    FILL = "FILL"
    KILL_SWITCH = "KILL_SWITCH"
    MANUAL_APPROVAL_MODE = "MANUAL_APPROVAL_MODE"
    OPERATOR_COMMAND = "OPERATOR_COMMAND"


class RiskEventType(StrEnum):
    """Kinds of record in the table of risk events."""

    COMMAND = "command"
    KILL_SWITCH = "kill_switch"
    ROLLBACK = "rollback"


def _text(name: str, *, null: bool = False) -> Column[Any]:
    return Column(name, Text, nullable=null)


def _integer(name: str, *, null: bool = False) -> Column[Any]:
    return Column(name, BigInteger, nullable=null, autoincrement=False)


def _exact(name: str, *, null: bool = False) -> Column[Any]:
    return Column(name, Numeric(38, 9), nullable=null)


def _float(name: str, *, null: bool = False) -> Column[Any]:
    return Column(name, Double, nullable=null)


def _json(name: str) -> Column[Any]:
    return Column(name, JSONB, nullable=False)


def _time(name: str, *, null: bool = False) -> tuple[Column[Any], Column[Any]]:
    """Nanoseconds as the ledger has them, and the same moment in microseconds for people and their tools."""
    moment = Computed(f"{SCHEMA}.moment({name}_ns)", persisted=True)
    return _integer(f"{name}_ns", null=null), Column(name, TIMESTAMP(timezone=True), moment)


def _one_of(column: str, values: type[StrEnum]) -> CheckConstraint:
    names = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({names})", name=column)


def _check(name: str, rule: str) -> CheckConstraint:
    return CheckConstraint(rule, name=name)


def _to(table: str, column: str, key: str | None = None) -> ForeignKeyConstraint:
    """A reference within the same session."""
    return ForeignKeyConstraint(
        ["session_id", column], [f"{SCHEMA}.{table}.session_id", f"{SCHEMA}.{table}.{key or column}"]
    )


def _table(name: str, key: tuple[str, ...], *parts: Any, current: bool = False, derived: bool = True) -> Table:
    """A table of one session's rows, `derived` from the event at `seq`, keyed by (session_id, *key)."""
    origin = (_integer("seq"), _integer("cause", null=True), *_time("at")) if derived else ()
    rules = (_check("seq", "seq > 0"), _check("cause", "cause > 0 AND cause < seq")) if derived else ()
    return Table(
        name,
        metadata,
        _text("session_id"),
        *origin,
        *parts,
        *rules,
        PrimaryKeyConstraint("session_id", *key),
        info={CURRENT: current},
    )


def _session() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["session_id"], [f"{SCHEMA}.sessions.session_id"])


def _contender() -> ForeignKeyConstraint:
    return _to("contenders", "contender")


def _instrument() -> ForeignKeyConstraint:
    return _to("instruments", "instrument")


sessions = _table(
    "sessions",
    (),
    _text("identity"),
    Column("seed", Numeric(20, 0), nullable=False),
    _text("mode"),
    _text("code_version"),
    _text("provider"),
    _text("source"),
    _text("source_sha256"),
    _integer("ended_seq", null=True),
    *_time("ended_at", null=True),
    _text("end_reason", null=True),
    _one_of("mode", ExecutionMode),
    _check("end", "ended_seq > seq AND (ended_seq IS NULL) = (ended_at_ns IS NULL)"),
    current=True,
)

settings = _table("settings", ("name",), _text("name"), _json("value"), _session(), derived=False)

instruments = _table(
    "instruments",
    ("instrument",),
    _text("instrument"),
    _text("symbol"),
    _text("venue"),
    _text("kind"),
    _exact("price_increment"),
    _exact("quantity_increment"),
    _text("calendar"),
    _text("currency"),
    _session(),
    _check("increments", "price_increment > 0 AND quantity_increment > 0"),
    derived=False,
)

contenders = _table(
    "contenders",
    ("contender",),
    _text("contender"),
    _text("name"),
    _text("strategy"),
    _json("parameters"),
    _json("instruments"),
    Column("bar_seconds", Integer, nullable=False),
    _text("model_hash"),
    _session(),
    _check("bar_seconds", "bar_seconds >= 0"),
    derived=False,
)

signals = _table(
    "signals",
    ("seq",),
    _text("contender"),
    _text("instrument"),
    _text("side"),
    _float("confidence"),
    _exact("price"),
    _exact("atr"),
    _text("order_type"),
    _exact("order_price", null=True),
    _json("features"),
    _json("explanation"),
    _text("model_hash"),
    _contender(),
    _instrument(),
    _one_of("side", Side),
    _one_of("order_type", OrderType),
    _check("confidence", "confidence >= 0 AND confidence <= 1"),
    _check("price", "price > 0 AND atr >= 0 AND order_price > 0"),
)

orders = _table(
    "orders",
    ("order_id",),
    _text("order_id"),
    _text("parent_id", null=True),
    _text("contender"),
    _text("instrument"),
    _text("side"),
    _text("order_type", null=True),
    _exact("order_price", null=True),
    _exact("stop_price", null=True),
    _text("purpose"),
    _exact("quantity"),
    _exact("filled"),
    _exact("fees"),
    _exact("decision_price"),
    _float("confidence", null=True),
    _integer("signal", null=True),
    _text("status"),
    _text("code", null=True),
    _text("mode", null=True),
    *_time("active_at", null=True),
    *_time("expires_at", null=True),
    _integer("updated_seq"),
    *_time("updated_at"),
    _contender(),
    _instrument(),
    _to("signals", "signal", "seq"),
    _to("orders", "parent_id", "order_id"),
    UniqueConstraint("session_id", "seq"),
    _one_of("side", Side),
    _one_of("order_type", OrderType),
    _one_of("purpose", OrderPurpose),
    _one_of("mode", ExecutionMode),
    _one_of("status", OrderStatus),
    _check("held", "order_type IS NOT NULL OR status IN ('held', 'denied')"),
    _check("quantity", "quantity > 0"),
    _check("filled", "filled >= 0 AND filled <= quantity"),
    _check("filled_whole", "(status = 'filled') = (filled = quantity)"),
    _check("prices", "order_price > 0 AND stop_price > 0 AND decision_price >= 0"),
    _check("confidence", "confidence >= 0 AND confidence <= 1"),
    _check("reason", "(code IS NOT NULL) = (status IN ('held', 'cancelled', 'rejected', 'denied'))"),
    _check("updated_seq", "updated_seq >= seq"),
    Index(None, "session_id", "signal"),
    Index(None, "session_id", "parent_id"),
    current=True,
)

verdicts = _table(
    "verdicts",
    ("seq",),
    _text("verdict"),
    _text("contender", null=True),
    _text("instrument", null=True),
    _text("side", null=True),
    _exact("quantity", null=True),
    _text("order_id", null=True),
    _integer("signal", null=True),
    _text("code", null=True),
    _json("context"),
    _session(),
    _to("signals", "signal", "seq"),
    _one_of("verdict", VerdictKind),
    _one_of("side", Side),
    _check("quantity", "quantity > 0"),
    _check("code", "(code IS NULL) = (verdict = 'approved')"),
    _check("order_id", "order_id IS NOT NULL OR verdict = 'denied'"),
    _check("signal", "signal < seq"),
    Index(None, "session_id", "signal"),
    Index(None, "session_id", "order_id"),
)

fills = _table(
    "fills",
    ("seq",),
    _text("fill_id"),
    _text("order_id"),
    _text("contender"),
    _text("instrument"),
    _text("side"),
    _exact("quantity"),
    _exact("price"),
    _exact("fee"),
    _exact("slippage"),
    _exact("remaining"),
    _text("purpose"),
    _text("mode"),
    _exact("realized_pnl"),
    _exact("cash_change"),
    _exact("cost_change"),
    _contender(),
    _instrument(),
    _to("orders", "order_id"),
    UniqueConstraint("session_id", "fill_id"),
    _one_of("side", Side),
    _one_of("purpose", OrderPurpose),
    _one_of("mode", ExecutionMode),
    _check("quantity", "quantity > 0 AND remaining >= 0"),
    _check("price", "price > 0"),
    _check("balanced", "cash_change + cost_change + fee - realized_pnl = 0"),
    Index(None, "session_id", "order_id"),
)

portfolios = _table(
    "portfolios",
    ("contender",),
    _text("contender"),
    _exact("starting_cash"),
    _exact("cash"),
    _exact("cost_basis"),
    _exact("realized_pnl"),
    _exact("fees"),
    _integer("fills"),
    _integer("round_trips"),
    _contender(),
    _check("conserved", "cash + cost_basis + fees - realized_pnl = starting_cash"),
    _check("counts", "round_trips >= 0 AND fills >= round_trips"),
    current=True,
)

positions = _table(
    "positions",
    ("contender", "instrument"),
    _text("contender"),
    _text("instrument"),
    _exact("quantity"),
    _exact("cost"),
    _exact("average_price"),
    *_time("opened_at", null=True),
    _to("portfolios", "contender"),
    _instrument(),
    _check("signs", "quantity * cost >= 0 AND average_price >= 0"),
    _check("flat", "quantity <> 0 OR (cost = 0 AND average_price = 0)"),
    _check("opened_at", "(quantity = 0) = (opened_at_ns IS NULL) AND opened_at_ns <= at_ns"),
    current=True,
)

round_trips = _table(
    "round_trips",
    ("seq",),
    _text("contender"),
    _text("instrument"),
    _text("side"),
    *_time("opened_at"),
    *_time("closed_at"),
    _exact("quantity"),
    _exact("entry_price"),
    _exact("exit_price"),
    _exact("fees"),
    _exact("pnl"),
    _to("fills", "seq"),
    _contender(),
    _instrument(),
    _one_of("side", Side),
    _check("times", "opened_at_ns <= closed_at_ns AND closed_at_ns = at_ns"),
    _check("quantity", "quantity > 0 AND entry_price >= 0 AND exit_price >= 0"),
)

leaderboard = _table(
    "leaderboard",
    ("contender",),
    _text("contender"),
    Column("rank", Integer, nullable=False),
    _text("status"),
    *map(_exact, ("cash", "equity", "realized_pnl", "unrealized_pnl", "fees", "gross_exposure")),
    *map(_integer, ("open_positions", "fills", "trades", "wins")),
    *map(_exact, ("traded_notional", "total_return", "max_drawdown")),
    *(_float(name, null=True) for name in ("profit_factor", "sharpe", "sortino", "calmar")),
    *map(_exact, ("exposure", "turnover")),
    _contender(),
    UniqueConstraint("session_id", "rank", deferrable=True, initially="DEFERRED"),
    _one_of("status", TradingStatus),
    _check("rank", "rank > 0"),
    _check("trades", "wins >= 0 AND wins <= trades AND trades <= fills AND open_positions >= 0"),
    _check("ratios", "max_drawdown >= 0 AND exposure >= 0 AND exposure <= 1 AND turnover >= 0"),
    current=True,
)

arena = _table(
    "arena",
    (),
    _exact("total_equity"),
    _exact("max_drawdown"),
    _float("sharpe", null=True),
    _float("sortino", null=True),
    _session(),
    _check("drawdown", "max_drawdown >= 0"),
    current=True,
)
"""The statistics of all contenders together, as last published."""

equity_curve = _table(
    "equity_curve",
    ("contender", "seq"),
    _text("contender"),
    *map(_exact, ("equity", "cash", "unrealized_pnl", "gross_exposure", "total_return", "max_drawdown")),
    _check("exposure", "gross_exposure >= 0 AND max_drawdown >= 0"),
)
"""By far the most rows. A foreign key would double their cost; each comes with a row of `leaderboard`, which has it."""

risk_events = _table(
    "risk_events",
    ("seq",),
    _text("event_type"),
    _text("contender", null=True),
    _text("command", null=True),
    _text("trigger", null=True),
    _json("data"),
    _contender(),
    _one_of("event_type", RiskEventType),
    _one_of("command", RiskCommand),
    _one_of("trigger", KillTrigger),
    _check(
        "kind",
        "(command IS NOT NULL) = (event_type = 'command') AND (trigger IS NOT NULL) = (event_type = 'kill_switch')",
    ),
)

audit_trail = _table(
    "audit_trail",
    ("seq",),
    _text("event_type"),
    _text("contender", null=True),
    _text("model_hash", null=True),
    _json("data"),
    _session(),
    _one_of("event_type", AuditType),
    _check("external", "(cause IS NULL) = (event_type = 'OPERATOR_COMMAND')"),
    Index(None, "session_id", "event_type", "seq"),
)

checkpoints = _table(
    "checkpoints", ("projection",), _text("projection"), _integer("seq"), _check("seq", "seq >= 0"), derived=False
)
"""How far a projection has come. No reference to `sessions`: it may stand at 0 before SessionStarted is folded."""
