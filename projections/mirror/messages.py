"""The messages of the legacy channels, field by field: names, types and letter case are fixed; new fields may come.

Money, prices and quantities leave the ledger's integers here: they are floats, and quantities are ints where whole.
"""

from types import NoneType
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

from msgspec import Struct

from titanflow.domain.types import ExecutionMode, OrderPurpose, OrderType, RiskCommand, Side
from titanflow.risk.absences import Absence

Number = int | float
"""An int where the value is whole, else a float."""
SideName = Literal["buy", "sell"]
OrderStatus = Literal["APPROVED", "HELD", "DENIED", "SUBMITTED", "TRIGGERED", "REJECTED", "CANCELLED"]


class Message(Struct, frozen=True, kw_only=True):
    """What every message carries."""

    schema_version: str = "1.0"
    seq: int
    """Place of the event in the session's ledger."""
    session_id: str


class MarketData(Message, frozen=True, kw_only=True):
    """A tick. `size` and `volume` are the same; `timestamp` is nanoseconds UTC."""

    symbol: str
    price: float
    size: Number
    volume: Number
    timestamp: int
    type: Literal["trade"] = "trade"
    provider: str
    instrument: str
    venue: str


class Attribution(Struct, frozen=True):
    """What one feature added to a model's score."""

    feature: str
    impact: float


class TradeSignal(Message, frozen=True, kw_only=True):
    """A signal. `timestamp` is nanoseconds UTC; the explanation begins with what weighed most."""

    model_id: str
    model_name: str
    symbol: str
    signal: Side
    confidence: float
    price: float
    timestamp: int
    explanation: tuple[str, ...]
    attributions: tuple[Attribution, ...]
    instrument: str
    venue: str


class ExecutionRequest(Message, frozen=True, kw_only=True):
    """An approved order. `price` is the limit or stop price, of a market order the price it was decided at."""

    model_id: str
    symbol: str
    side: SideName
    qty: Number
    type: OrderType
    confidence: float
    price: float | None
    explanation: tuple[str, ...]
    timestamp: int
    order_id: str
    purpose: OrderPurpose
    stop_price: float | None
    instrument: str
    venue: str


class ExecutionFilled(Message, frozen=True, kw_only=True):
    """A fill. `realized_pnl` is before `fee`, both in dollars; `slippage` is executed minus decision price."""

    id: str
    order_id: str
    model_id: str
    model_name: str
    symbol: str
    side: Side
    qty: Number
    price: float
    timestamp: str
    status: Literal["FILLED", "PARTIALLY_FILLED"]
    mode: ExecutionMode
    slippage: float
    realized_pnl: float
    explanation: tuple[str, ...]
    fee: float
    purpose: OrderPurpose
    instrument: str
    venue: str


class AbsentFigure(Struct, frozen=True):
    """Why a figure is null, or says little."""

    figure: str
    reason: Absence


class ModelPortfolio(Struct, frozen=True, kw_only=True):
    """One model's line. `trades` are closed round trips; `_pct` and `win_rate` are in percent.

    `sharpe_low` and `sharpe_high` are the ends of the Sharpe ratio's 95 % interval, `sharpe_probability` says how
    probably the true ratio is above 0, `sessions` are the trading days behind it (null: it could not trade yet).
    """

    model_id: str
    model_name: str
    cash: float
    equity: float
    pnl: float
    pnl_pct: float
    realized_pnl: float
    trades: int
    wins: int
    win_rate: float
    open_positions: int
    max_drawdown_pct: float
    sharpe: float | None
    sortino: float | None
    sharpe_low: float | None
    sharpe_high: float | None
    sharpe_probability: float | None
    sessions: int | None
    absent: tuple[AbsentFigure, ...]


class PortfolioUpdate(Message, frozen=True, kw_only=True):
    """The leaderboard. The fields from `max_drawdown_pct` on are those of all models' equity together."""

    timestamp: str
    mode: ExecutionMode
    best_model: str | None
    models: tuple[ModelPortfolio, ...]
    max_drawdown_pct: float
    sharpe: float | None
    sortino: float | None
    sharpe_low: float | None
    sharpe_high: float | None
    sharpe_probability: float | None
    sessions: int


class RiskCommandMessage(Message, frozen=True, kw_only=True):
    """A command of the risk guardian. `model_id` null means all models."""

    command: RiskCommand
    reason: str
    model_id: str | None
    rolling_sharpe: float | None
    rolling_accuracy: float | None


class AuditSignal(Message, frozen=True, kw_only=True):
    """Audit record of a signal. `logged_at` is when the ledger recorded the event, in every audit record."""

    event_type: Literal["SIGNAL"] = "SIGNAL"
    logged_at: str
    model_id: str
    model_version: str
    symbol: str
    signal: Side
    confidence: float
    price: float
    explanation: tuple[str, ...]


class AuditOrder(Message, frozen=True, kw_only=True):
    """Audit record of one step in an order's life; `reason` is the code of a denial, rejection or cancellation."""

    event_type: Literal["ORDER"] = "ORDER"
    logged_at: str
    model_id: str
    model_version: str
    symbol: str
    side: SideName
    qty: Number
    price: float | None
    confidence: float
    order_id: str
    status: OrderStatus
    mode: ExecutionMode
    reason: str | None


class AuditFill(ExecutionFilled, frozen=True, kw_only=True):
    """Audit record of a fill: the whole fill."""

    event_type: Literal["FILL"] = "FILL"
    logged_at: str
    model_version: str


class AuditKillSwitch(Message, frozen=True, kw_only=True):
    """Audit record of a kill switch that tripped. `model_id` null means all models."""

    event_type: Literal["KILL_SWITCH"] = "KILL_SWITCH"
    logged_at: str
    model_id: str | None
    model_version: str | None
    trigger: str
    drawdown_pct: float
    equity: float


class AuditManualApproval(Message, frozen=True, kw_only=True):
    """Audit record of a model whose orders a person approves from now on."""

    event_type: Literal["MANUAL_APPROVAL_MODE"] = "MANUAL_APPROVAL_MODE"
    logged_at: str
    model_id: str
    model_version: str
    trigger: Literal["model_rollback"] = "model_rollback"
    reason: str
    metric_name: str
    metric_value: float
    threshold: float


class Channel(NamedTuple):
    """One legacy channel."""

    published_for: str
    messages: tuple[type[Message], ...]


CHANNELS: dict[str, Channel] = {
    "market_data": Channel("every tick that may set a price", (MarketData,)),
    "trade_signals": Channel("every signal of a strategy", (TradeSignal,)),
    "execution_requests": Channel("every order that risk approved", (ExecutionRequest,)),
    "execution_filled": Channel("every fill, partial ones too", (ExecutionFilled,)),
    "paper_portfolio_updates": Channel("every published leaderboard", (PortfolioUpdate,)),
    "risk_commands": Channel("every command of the risk guardian", (RiskCommandMessage,)),
    "audit_events": Channel(
        "every audit record", (AuditSignal, AuditOrder, AuditFill, AuditKillSwitch, AuditManualApproval)
    ),
}
"""The seven channels by name."""


def channels_table() -> str:
    """The channels and their fields as a Markdown table: what docs/legacy_channels.md shows."""
    common = get_type_hints(Message)
    lines = ["| channel | published for | fields |", "|---|---|---|"]
    for name, channel in CHANNELS.items():
        fields = "<br><br>".join(_fields(message, common) for message in channel.messages)
        lines.append(f"| `{name}` | {channel.published_for} | {fields} |")
    lines.append(f"| (all) | | {_fields(Message, {})} |")
    return "\n".join(lines) + "\n"


def _fields(message: type[Struct], left_out: dict[str, Any]) -> str:
    hints = {name: hint for name, hint in get_type_hints(message).items() if name in message.__struct_fields__}
    return " · ".join(f"`{name}` {_type_name(hint)}" for name, hint in hints.items() if name not in left_out)


def _type_name(hint: Any) -> str:
    """A field's type in words that need no Python."""
    if hint == Number:
        return "number"
    if get_origin(hint) is tuple:
        return f"list of {_type_name(get_args(hint)[0])}"
    if get_origin(hint) is Literal:
        return " or ".join(f'`"{value}"`' for value in get_args(hint))
    if choices := get_args(hint):
        return " or ".join(_type_name(choice) for choice in choices)
    if hint is NoneType:
        return "null"
    if issubclass(hint, Struct):
        return f"({_fields(hint, {})})"
    if members := getattr(hint, "__members__", None):
        return " or ".join(f'`"{member.value}"`' for member in members.values())
    return str(hint.__name__)
