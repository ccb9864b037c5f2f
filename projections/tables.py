"""Every table of the projections, with the constraints that a wrong row would break. No queries, no folding.

All stand in the schema `titanflow`. Money, prices, quantities and ratios are NUMERIC(38, 9): exact images of the
ledger's 1e-9 integers. A time is stored as `…at_ns` (nanoseconds UTC); its timestamptz twin is computed from it by the
server, so that the two cannot disagree. A table whose rows are overwritten in place is marked CURRENT.
"""

from sqlalchemy import Boolean, Column, Index, Integer, Numeric, UniqueConstraint

from projections.columns import (
    CURRENT,
    SCHEMA,
    check,
    double,
    exact,
    integer,
    json,
    metadata,
    of_contender,
    of_instrument,
    of_session,
    one_of,
    refers_to,
    table,
    text,
    time,
)
from projections.company_tables import action_entries, corporate_actions
from projections.kinds import AuditType, OrderStatus, OrderStep, RiskEventType, VerdictKind
from projections.standing_tables import arena, equity_curve, leaderboard
from titanflow.domain.types import (
    ExecutionMode,
    FillBasis,
    KillTrigger,
    OrderPurpose,
    OrderType,
    RiskCommand,
    Side,
    WithheldReason,
)

__all__ = [
    "CURRENT", "SCHEMA", "action_entries", "arena", "corporate_actions", "equity_curve", "leaderboard", "metadata",
]  # fmt: skip


sessions = table(
    "sessions",
    (),
    text("identity"),
    Column("seed", Numeric(20, 0), nullable=False),
    text("mode"),
    text("code_version"),
    text("provider"),
    text("source"),
    text("source_sha256"),
    integer("ended_seq", null=True),
    *time("ended_at", null=True),
    text("end_reason", null=True),
    one_of("mode", ExecutionMode),
    check("end", "ended_seq > seq AND (ended_seq IS NULL) = (ended_at_ns IS NULL)"),
    current=True,
)

settings = table("settings", ("name",), text("name"), json("value"), of_session(), derived=False)

instruments = table(
    "instruments",
    ("instrument",),
    text("instrument"),
    text("symbol"),
    text("venue"),
    text("kind"),
    exact("price_increment"),
    exact("quantity_increment"),
    text("calendar"),
    text("currency"),
    of_session(),
    check("increments", "price_increment > 0 AND quantity_increment > 0"),
    derived=False,
)

contenders = table(
    "contenders",
    ("contender",),
    text("contender"),
    text("name"),
    text("strategy"),
    json("parameters"),
    json("instruments"),
    Column("bar_seconds", Integer, nullable=False),
    text("model_hash"),
    text("stage"),
    text("parent_hash", null=True),
    text("fault", null=True),
    of_session(),
    check("bar_seconds", "bar_seconds >= 0"),
    derived=False,
)

signals = table(
    "signals",
    ("seq",),
    text("contender"),
    text("instrument"),
    text("side"),
    double("confidence"),
    exact("price"),
    exact("atr"),
    text("order_type"),
    exact("order_price", null=True),
    json("features"),
    json("explanation"),
    text("model_hash"),
    of_contender(),
    of_instrument(),
    one_of("side", Side),
    one_of("order_type", OrderType),
    check("confidence", "confidence >= 0 AND confidence <= 1"),
    check("price", "price > 0 AND atr >= 0 AND order_price > 0"),
)

withheld_signals = table(
    "withheld_signals",
    ("seq",),
    text("contender"),
    text("instrument"),
    text("side"),
    text("reason"),
    json("context"),
    text("model_hash"),
    of_contender(),
    of_instrument(),
    one_of("side", Side),
    one_of("reason", WithheldReason),
)
"""What trained models would have said, had their own guards let them."""

feature_drift = table(
    "feature_drift",
    ("seq",),
    text("contender"),
    *time("since"),
    integer("rows"),
    Column("drifted", Boolean, nullable=False),
    json("indices"),
    json("beyond"),
    text("model_hash"),
    of_contender(),
    check("rows", "rows >= 0"),
)

orders = table(
    "orders",
    ("order_id",),
    text("order_id"),
    text("parent_id", null=True),
    text("contender"),
    text("instrument"),
    text("side"),
    text("order_type", null=True),
    exact("order_price", null=True),
    exact("stop_price", null=True),
    text("purpose"),
    exact("quantity"),
    exact("filled"),
    exact("fees"),
    exact("decision_price"),
    double("confidence", null=True),
    integer("signal", null=True),
    text("status"),
    text("code", null=True),
    text("mode", null=True),
    *time("active_at", null=True),
    *time("expires_at", null=True),
    *time("triggered_at", null=True),
    integer("updated_seq"),
    *time("updated_at"),
    of_contender(),
    of_instrument(),
    refers_to("signals", "signal", "seq"),
    refers_to("orders", "parent_id", "order_id"),
    UniqueConstraint("session_id", "seq"),
    one_of("side", Side),
    one_of("order_type", OrderType),
    one_of("purpose", OrderPurpose),
    one_of("mode", ExecutionMode),
    one_of("status", OrderStatus),
    check("held", "order_type IS NOT NULL OR status IN ('held', 'denied')"),
    check("quantity", "quantity > 0"),
    check("filled", "filled >= 0 AND filled <= quantity"),
    check("filled_whole", "(status = 'filled') = (filled = quantity)"),
    check("prices", "order_price > 0 AND stop_price > 0 AND decision_price >= 0"),
    check("confidence", "confidence >= 0 AND confidence <= 1"),
    check("reason", "(code IS NOT NULL) = (status IN ('held', 'cancelled', 'rejected', 'denied'))"),
    check("updated_seq", "updated_seq >= seq"),
    Index(None, "session_id", "signal"),
    Index(None, "session_id", "parent_id"),
    current=True,
)

verdicts = table(
    "verdicts",
    ("seq",),
    text("verdict"),
    text("contender", null=True),
    text("instrument", null=True),
    text("side", null=True),
    exact("quantity", null=True),
    text("order_id", null=True),
    integer("signal", null=True),
    text("code", null=True),
    json("context"),
    of_session(),
    refers_to("signals", "signal", "seq"),
    one_of("verdict", VerdictKind),
    one_of("side", Side),
    check("quantity", "quantity > 0"),
    check("code", "(code IS NULL) = (verdict = 'approved')"),
    check("order_id", "order_id IS NOT NULL OR verdict = 'denied'"),
    check("signal", "signal < seq"),
    Index(None, "session_id", "signal"),
    Index(None, "session_id", "order_id"),
)

fills = table(
    "fills",
    ("seq",),
    text("fill_id"),
    text("order_id"),
    text("contender"),
    text("instrument"),
    text("side"),
    exact("quantity"),
    exact("price"),
    exact("fee"),
    exact("slippage"),
    exact("remaining"),
    text("purpose"),
    text("mode"),
    exact("realized_pnl"),
    exact("cash_change"),
    exact("cost_change"),
    *time("met_at"),
    exact("reference_price", null=True),
    text("basis"),
    json("costs"),
    of_contender(),
    of_instrument(),
    refers_to("orders", "order_id"),
    UniqueConstraint("session_id", "fill_id"),
    one_of("side", Side),
    one_of("purpose", OrderPurpose),
    one_of("mode", ExecutionMode),
    check("quantity", "quantity > 0 AND remaining >= 0"),
    check("price", "price > 0 AND reference_price > 0"),
    one_of("basis", FillBasis),
    check("met_at", "met_at_ns <= at_ns"),
    check("balanced", "cash_change + cost_change + fee - realized_pnl = 0"),
    Index(None, "session_id", "order_id"),
)

borrow_charges = table(
    "borrow_charges",
    ("seq",),
    text("contender"),
    text("instrument"),
    exact("quantity"),
    exact("price"),
    *time("since"),
    exact("amount"),
    of_contender(),
    of_instrument(),
    check("quantity", "quantity > 0 AND price > 0 AND amount > 0"),
    check("since", "since_ns < at_ns"),
)

portfolios = table(
    "portfolios",
    ("contender",),
    text("contender"),
    exact("starting_cash"),
    exact("cash"),
    exact("cost_basis"),
    exact("realized_pnl"),
    exact("fees"),
    exact("dividends"),
    exact("receivable"),
    integer("fills"),
    integer("round_trips"),
    of_contender(),
    check("conserved", "cash + receivable + cost_basis + fees - realized_pnl - dividends = starting_cash"),
    check("counts", "round_trips >= 0 AND fills >= round_trips"),
    current=True,
)

positions = table(
    "positions",
    ("contender", "instrument"),
    text("contender"),
    text("instrument"),
    exact("quantity"),
    exact("cost"),
    exact("average_price"),
    *time("opened_at", null=True),
    refers_to("portfolios", "contender"),
    of_instrument(),
    check("signs", "quantity * cost >= 0 AND average_price >= 0"),
    check("flat", "quantity <> 0 OR (cost = 0 AND average_price = 0)"),
    check("opened_at", "(quantity = 0) = (opened_at_ns IS NULL) AND opened_at_ns <= at_ns"),
    current=True,
)

round_trips = table(
    "round_trips",
    ("seq", "contender"),
    text("contender"),
    text("instrument"),
    text("side"),
    *time("opened_at"),
    *time("closed_at"),
    exact("quantity"),
    exact("entry_price"),
    exact("exit_price"),
    exact("fees"),
    exact("pnl"),
    of_contender(),
    of_instrument(),
    one_of("side", Side),
    check("times", "opened_at_ns <= closed_at_ns AND closed_at_ns = at_ns"),
    check("quantity", "quantity > 0 AND entry_price >= 0 AND exit_price >= 0"),
)

risk_events = table(
    "risk_events",
    ("seq",),
    text("event_type"),
    text("contender", null=True),
    text("command", null=True),
    text("trigger", null=True),
    json("data"),
    of_contender(),
    one_of("event_type", RiskEventType),
    one_of("command", RiskCommand),
    one_of("trigger", KillTrigger),
    check(
        "kind",
        "(command IS NOT NULL) = (event_type = 'command') AND (trigger IS NOT NULL) = (event_type = 'kill_switch')",
    ),
)

audit_trail = table(
    "audit_trail",
    ("seq",),
    text("event_type"),
    text("step", null=True),
    text("order_id", null=True),
    text("contender", null=True),
    text("model_hash", null=True),
    json("data"),
    of_session(),
    one_of("event_type", AuditType),
    one_of("step", OrderStep),
    check("of_order", "(step IS NOT NULL) = (event_type IN ('ORDER', 'FILL'))"),
    check("external", "(cause IS NULL) = (event_type = 'OPERATOR_COMMAND')"),
    Index(None, "session_id", "event_type", "seq"),
    Index(None, "session_id", "order_id", "seq"),
)

checkpoints = table(
    "checkpoints",
    ("projection",),
    text("projection"),
    integer("seq"),
    *time("recorded_at", null=True),
    check("seq", "seq >= 0"),
    check("recorded_at", "(seq = 0) = (recorded_at_ns IS NULL)"),
    derived=False,
)
"""How far a projection has come, and when the ledger recorded the event there: another one has another moment.

No reference to `sessions`: it may stand at 0 before SessionStarted is folded.
"""
