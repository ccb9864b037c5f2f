"""The vocabulary of the ledger, read first: every fact that a session can record, external ones before decided ones.

Events are frozen, past tense and versioned by their tag. `at` is event time, `cause` the seq of the event that a
decided event follows from; an event's own seq is its place in the ledger. Units: see `titanflow.domain.types`.
"""

from typing import ClassVar, get_args

from msgspec import Struct

from titanflow.domain.instruments import Instrument, TradingCalendar
from titanflow.domain.models import RecordedModel
from titanflow.domain.session_settings import ContenderSpec, FeedSpec, SessionSettings
from titanflow.domain.types import (
    ContenderId,
    CorporateActionKind,
    DenialCode,
    ExecutionMode,
    FeedStatus,
    FillBasis,
    FillId,
    Gate,
    InstrumentId,
    KillTrigger,
    Money,
    Nanos,
    OffMarketReason,
    OperatorAction,
    OrderId,
    OrderPurpose,
    OrderType,
    Price,
    Quantity,
    Ratio,
    RiskCommand,
    SetAsideReason,
    Side,
    SizedBy,
    TradingStatus,
    WithheldReason,
)

Context = tuple[tuple[str, int | float | str], ...]
"""The numbers behind a verdict: (name, value) pairs in a fixed order."""
Features = tuple[tuple[str, float], ...]
"""(feature name, value) or (feature name, contribution) pairs in a fixed order."""


IN_FEE = "in_fee"
"""Name of the part of a fill's costs that its bar's range kept out of the price, and that is paid with the fee."""


class Event(Struct, frozen=True, array_like=True, gc=False):
    """A fact of the session. Its bytes are the same in every run that decides the same."""

    external: ClassVar[bool] = False


# --- what comes from outside -----------------------------------------------------------------------------------------


class SessionStarted(Event, tag="session_started", frozen=True, array_like=True, gc=False):
    """A session opened: everything that its decisions depend on besides the events that follow."""

    external: ClassVar[bool] = True
    at: Nanos
    identity: str
    """What derived ids begin with: the session's own name, or for a deterministic run a hash of its inputs."""
    seed: int
    settings: SessionSettings
    instruments: tuple[Instrument, ...]
    calendars: tuple[TradingCalendar, ...]
    contenders: tuple[ContenderSpec, ...]
    feed: FeedSpec
    code_version: str
    models: tuple[RecordedModel, ...] = ()
    """Every trained model that may decide here: the contenders' own, members of stacking models, and parents."""
    serving: tuple[tuple[str, str], ...] = ()
    """(name, version) of what computes their scores: libraries and processor; empty without trained models."""
    code_fingerprint: str = ""
    """SHA-256 over the sources of what decides; empty where it is not known."""


class TickReceived(Event, tag="tick", frozen=True, array_like=True, gc=False):
    """A trade printed that may set the last price."""

    external: ClassVar[bool] = True
    at: Nanos
    instrument: InstrumentId
    price: Price
    size: Quantity


class BarPointReceived(Event, tag="bar_point", frozen=True, array_like=True, gc=False):
    """A bar of the source was played as far as this point of its path: open, two turning points, close.

    It sets the last price like a trade. Between two points of one bar the price moves in a straight line of time.
    """

    external: ClassVar[bool] = True
    at: Nanos
    instrument: InstrumentId
    price: Price
    size: Quantity
    """This point's share of the bar's volume; the shares of all its points add up to that, and some may be 0."""
    opened_at: Nanos
    """When the bar opened."""
    from_at: Nanos
    """When the leg to this point begins: the time of the bar's point before it; its own where it is the open."""
    from_price: Price
    """The price at `from_at`."""
    low: Price
    """Of the whole bar, for the market alone: a fill never lies outside the bar's range. No opinion may rest on it."""
    high: Price
    last: bool
    """Whether it is the bar's close."""
    ends_at: Nanos = 0
    """When the bar ends: its length after it opened, and at the latest at its venue's close."""


Print = TickReceived | BarPointReceived
"""What sets an instrument's last price."""


class OffMarketPrintReceived(Event, tag="off_market_print", frozen=True, array_like=True, gc=False):
    """A trade printed that may set no price, for its sale conditions or because it lay far off: it is volume only."""

    external: ClassVar[bool] = True
    at: Nanos
    instrument: InstrumentId
    price: Price
    size: Quantity
    reason: OffMarketReason = OffMarketReason.SALE_CONDITION


class OfficialPrintReceived(Event, tag="official_print", frozen=True, array_like=True, gc=False):
    """The venue repeated its opening or closing auction as the official price: it sets no price, and is no volume."""

    external: ClassVar[bool] = True
    at: Nanos
    instrument: InstrumentId
    price: Price
    size: Quantity
    """Of the auction, which printed before."""


class QuoteReceived(Event, tag="quote", frozen=True, array_like=True, gc=False):
    """The best bid and offer of an instrument changed. It sets no last price and fills nothing."""

    external: ClassVar[bool] = True
    at: Nanos
    instrument: InstrumentId
    bid: Price
    ask: Price


class CorporateActionApplied(Event, tag="corporate_action", frozen=True, array_like=True, gc=False):
    """A company split its shares, went ex dividend, or paid one. It stands before the first print of its date."""

    external: ClassVar[bool] = True
    at: Nanos
    instrument: InstrumentId
    kind: CorporateActionKind
    new: int
    """Of a split: so many shares from now on for each `old` ones; 0 for a dividend."""
    old: int
    amount: Price
    """Of a dividend: a share's, in the instrument's currency; 0 for a split."""
    last_price: Price
    """The instrument's last price before it; 0 where none is known."""
    ex_at: Nanos
    """Opening of the ex date's session: by it a payment names its dividend."""
    pay_at: Nanos
    """Opening of the pay date's session; 0 for a split."""


class ClockAdvanced(Event, tag="clock", frozen=True, array_like=True, gc=False):
    """Event time reached a whole second; it stands before every event of that second. Long silences are jumped."""

    external: ClassVar[bool] = True
    at: Nanos


class FeedStatusChanged(Event, tag="feed_status", frozen=True, array_like=True, gc=False):
    """The feed of an instrument went silent, came back, showed a gap, or the whole feed ended (instrument empty)."""

    external: ClassVar[bool] = True
    at: Nanos
    instrument: InstrumentId
    status: FeedStatus
    silent_nanos: Nanos
    """Time since the instrument's last tick."""


class OperatorCommanded(Event, tag="operator", frozen=True, array_like=True, gc=False):
    """A person gave an order. `contender` empty means all; `order_id` names the held order to approve or deny."""

    external: ClassVar[bool] = True
    at: Nanos
    action: OperatorAction
    operator: str
    contender: ContenderId
    order_id: OrderId
    reason: str


class ContenderTimedOut(Event, tag="contender_timed_out", frozen=True, array_like=True, gc=False):
    """A call of a contender used up its CPU time and was stopped: from the event at `seq` on nobody asks it.

    It may stand after SessionEnded, where a decider that was behind asked.
    """

    external: ClassVar[bool] = True
    at: Nanos
    contender: ContenderId
    seq: int
    """Of the event at which it was asked. It comes before this one, so that a replay looks ahead."""
    cpu_nanos: Nanos
    """CPU time that one call may use."""


class SessionEnded(Event, tag="session_ended", frozen=True, array_like=True, gc=False):
    """No event from outside follows; deciders finish what they owe."""

    external: ClassVar[bool] = True
    at: Nanos
    reason: str


# --- decided by signal -----------------------------------------------------------------------------------------------


class BarClosed(Event, tag="bar", frozen=True, array_like=True, gc=False):
    """A bar of `seconds` that opened at `opened_at` is complete. Bars without a price-setting trade are never made."""

    cause: int
    at: Nanos
    instrument: InstrumentId
    seconds: int
    opened_at: Nanos
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Quantity
    ticks: int
    ends_at: Nanos = 0
    """End of its interval: `seconds` after it opened, or at the venue's close before that; 0 in older ledgers."""


class Explanation(Struct, frozen=True, array_like=True, gc=False):
    """Why a model spoke: contributions of its features that add up, with the base value, to its raw score."""

    method: str
    base_value: float
    score: float
    contributions: Features
    weights: Features = ()
    """What else there is to show: `selection.<feature>` and `attention.<bars ago>` weights of a TFT, and of sampled
    contributions `standard_error.<group>`."""
    error: float = 0.0
    """Largest difference that base value plus contributions may have from the score; 0 where they are exact."""


class SignalGenerated(Event, tag="signal", frozen=True, array_like=True, gc=False):
    """A contender wants to buy or sell. `price` is the last price it saw, `atr` the average true range (0: unknown)."""

    cause: int
    at: Nanos
    contender: ContenderId
    instrument: InstrumentId
    side: Side
    confidence: float
    price: Price
    atr: Price
    order_type: OrderType
    order_price: Price
    """Limit or stop price; 0 for a market order."""
    features: Features
    explanation: Explanation
    model_hash: str
    closes_only: bool = False
    """Whether it asks for nothing but to leave a position: where there is none, it is denied, never an entry."""


class SignalWithheld(Event, tag="signal_withheld", frozen=True, array_like=True, gc=False):
    """A trained model would have spoken, but its own guards kept it silent. Said once, until side or reason change."""

    cause: int
    at: Nanos
    contender: ContenderId
    instrument: InstrumentId
    side: Side
    reason: WithheldReason
    context: Context
    """The numbers: probability, dissimilarity and its limit, age and its limit."""
    model_hash: str


class FeatureDriftMeasured(Event, tag="feature_drift", frozen=True, array_like=True, gc=False):
    """An hour of live features was held against a model's training set: population stability index by feature."""

    cause: int
    at: Nanos
    contender: ContenderId
    since: Nanos
    rows: int
    """Bars, of all the contender's instruments, that were counted."""
    indices: Features
    """(feature, index), largest first: below 0.1 stable."""
    drifted: bool
    """Whether some feature is beyond its limit."""
    model_hash: str
    beyond: tuple[str, ...] = ()
    """The features with an index of 0.25 or more, and more than any hour of the training had; largest first."""


class ModelReplaced(Event, tag="model_replaced", frozen=True, array_like=True, gc=False):
    """An operator put a contender's parent model in the place of the one that decided so far."""

    cause: int
    at: Nanos
    contender: ContenderId
    model_hash: str
    """The model that decides from now on."""
    replaced_hash: str


class ContenderSetAside(Event, tag="contender_set_aside", frozen=True, array_like=True, gc=False):
    """A contender failed: it is not asked any more, and risk closes its positions. The others go on."""

    cause: int
    at: Nanos
    contender: ContenderId
    instrument: InstrumentId
    """On which it was asked; empty where it ran out of time."""
    reason: SetAsideReason
    detail: str
    """What it raised or gave, without what differs from run to run (addresses, paths)."""


# --- decided by risk -------------------------------------------------------------------------------------------------


class OrderApproved(Event, tag="order_approved", frozen=True, array_like=True, gc=False):
    """Risk approved: an order of this size may go to execution. `cause` is the signal, the operator or the clock."""

    cause: int
    at: Nanos
    order_id: OrderId
    contender: ContenderId
    instrument: InstrumentId
    side: Side
    quantity: Quantity
    order_type: OrderType
    order_price: Price
    stop_price: Price
    """Protective stop to attach to the entry; 0 for none."""
    purpose: OrderPurpose
    decision_price: Price
    confidence: float
    signal: int
    """Seq of the SignalGenerated behind it; 0 where no signal asked."""
    context: Context
    """The numbers that sized it and the limits that it passed."""
    sized_by: SizedBy = SizedBy.WHOLE_POSITION
    """The limit that decided the quantity."""


class OrderDenied(Event, tag="order_denied", frozen=True, array_like=True, gc=False):
    """Risk denied what a signal (or a lapsed or refused hold) asked for."""

    cause: int
    at: Nanos
    contender: ContenderId
    instrument: InstrumentId
    side: Side
    signal: int
    order_id: OrderId
    """The held order that lapsed or was denied by an operator; empty for a signal denied at once."""
    code: DenialCode
    context: Context


class OrderHeld(Event, tag="order_held", frozen=True, array_like=True, gc=False):
    """An order waits for a person until `expires_at`; approved, it goes out under this id, sized anew."""

    cause: int
    at: Nanos
    order_id: OrderId
    contender: ContenderId
    instrument: InstrumentId
    side: Side
    quantity: Quantity
    decision_price: Price
    signal: int
    code: DenialCode
    expires_at: Nanos


class RiskCommandIssued(Event, tag="risk_command", frozen=True, array_like=True, gc=False):
    """Risk orders everyone, or those who serve one contender (empty: all), to liquidate, ask a person, or go on."""

    cause: int
    at: Nanos
    command: RiskCommand
    contender: ContenderId
    reason: str
    rolling_sharpe: float | None
    rolling_accuracy: float | None
    at_opening: bool = False
    """Of a RESUME: not an operator but a session's opening ended this scope's halts; all else stays as it was."""


class KillSwitchTripped(Event, tag="kill_switch", frozen=True, array_like=True, gc=False):
    """Trading stopped for a contender (empty: for all)."""

    cause: int
    at: Nanos
    contender: ContenderId
    trigger: KillTrigger
    equity: Money
    opening_equity: Money
    """When the day opened."""
    drawdown: Ratio
    """Fall below the opening as a part of it; for a trailing drawdown, below the peak. Of all together: the fall as a
    part of the capital of those that traded."""
    consecutive_losses: int
    """Losing round trips in a row that count."""
    peak_equity: Money = 0
    """The highest that the scope had."""
    until: Nanos = 0
    """The opening at which it ends by itself; 0: an operator ends it."""


class ModelRolledBack(Event, tag="model_rolled_back", frozen=True, array_like=True, gc=False):
    """A contender's closed round trips show harm, or lie below a floor: from now on a person approves its orders."""

    cause: int
    at: Nanos
    contender: ContenderId
    metric: Gate
    """What asked for it: `harm`, or `sharpe` or `accuracy` where their floors are set, the first below its floor."""
    value: float
    """The metric; for `harm` the upper confidence bound of the mean round trip's return."""
    threshold: float
    rolling_sharpe: float | None
    rolling_accuracy: float | None
    round_trips: int


class GateReported(Event, tag="gate_reported", frozen=True, array_like=True, gc=False):
    """A gate would have stopped a contender now, or put it under manual approval, but only reports (`risk.gates`)."""

    cause: int
    at: Nanos
    contender: ContenderId
    gate: Gate
    value: float
    """What it measured: losses in a row, the bound of the mean return, the Sharpe ratio, or the accuracy."""
    threshold: float
    rolling_sharpe: float | None
    rolling_accuracy: float | None
    round_trips: int
    """Round trips that it judged."""
    equity: Money


# --- decided by execution --------------------------------------------------------------------------------------------


class OrderRejected(Event, tag="order_rejected", frozen=True, array_like=True, gc=False):
    """The executor's last gate refused an approved order."""

    cause: int
    at: Nanos
    order_id: OrderId
    contender: ContenderId
    instrument: InstrumentId
    code: DenialCode
    context: Context


class OrderSubmitted(Event, tag="order_submitted", frozen=True, array_like=True, gc=False):
    """An order works in the market, from `active_at` on (event time plus latency)."""

    cause: int
    at: Nanos
    order_id: OrderId
    parent_id: OrderId
    """The entry that a protective stop belongs to; empty otherwise."""
    contender: ContenderId
    instrument: InstrumentId
    side: Side
    quantity: Quantity
    order_type: OrderType
    order_price: Price
    purpose: OrderPurpose
    decision_price: Price
    active_at: Nanos
    mode: ExecutionMode


class OrderAdjusted(Event, tag="order_adjusted", frozen=True, array_like=True, gc=False):
    """A split changed what an order asks for: the values from now on."""

    cause: int
    at: Nanos
    order_id: OrderId
    contender: ContenderId
    instrument: InstrumentId
    remaining: Quantity
    order_price: Price
    """Limit or stop price; 0 for a market order."""
    stop_price: Price
    """Protective stop to attach to what it yet fills; 0 for none."""


class OrderTriggered(Event, tag="order_triggered", frozen=True, array_like=True, gc=False):
    """A stop order's price was reached: from `active_at` on it is a market order."""

    cause: int
    at: Nanos
    order_id: OrderId
    contender: ContenderId
    instrument: InstrumentId
    stop_price: Price
    price: Price
    """The price that reached it."""
    met_at: Nanos
    """When: the trade's time, or the moment on a bar's path."""
    active_at: Nanos
    """`met_at` plus the latency; equal to it on a bar's path."""


class OrderFilled(Event, tag="order_filled", frozen=True, array_like=True, gc=False):
    """A part or all of an order traded."""

    cause: int
    at: Nanos
    fill_id: FillId
    order_id: OrderId
    contender: ContenderId
    instrument: InstrumentId
    side: Side
    quantity: Quantity
    price: Price
    fee: Money
    slippage: Price
    """Executed minus decision price, dollars a share (1e-9), in the market's direction (not sign-adjusted)."""
    remaining: Quantity
    """What still works of the order; 0 when it is filled."""
    purpose: OrderPurpose
    realized_pnl: Money
    """Realized by this fill on average cost, before its fee."""
    mode: ExecutionMode
    met_at: Nanos = 0
    """When the price was met: `at` for a real trade, a moment on the leg that ends at `at` for a bar's path, the close
    for a settlement."""
    reference_price: Price = 0
    """The market's price before costs: what `basis` says was met."""
    basis: FillBasis = FillBasis.TRADE
    costs: Context = ()
    """What made `price` worse than `reference_price`, by name (docs/execution.md)."""


class OrderCancelled(Event, tag="order_cancelled", frozen=True, array_like=True, gc=False):
    """The rest of an order no longer works."""

    cause: int
    at: Nanos
    order_id: OrderId
    contender: ContenderId
    instrument: InstrumentId
    remaining: Quantity
    code: DenialCode


class BorrowCharged(Event, tag="borrow_charged", frozen=True, array_like=True, gc=False):
    """A short position paid for the shares that it borrowed: at its venue's close, before a fill in it, at the end."""

    cause: int
    at: Nanos
    contender: ContenderId
    instrument: InstrumentId
    quantity: Quantity
    """Shares that were borrowed."""
    price: Price
    """The last price, which values them."""
    since: Nanos
    """From when on they were not yet paid for; until `at`."""
    amount: Money
    """`execution.borrow_rate` a year of their value."""


# --- decided by the leaderboard --------------------------------------------------------------------------------------


class Standing(Struct, frozen=True, array_like=True, gc=False):
    """One contender's place: its books marked to the last prices and the statistics of its equity curve.

    Formulas and their sources: `titanflow.risk.performance` and docs/ARCHITECTURE.md. A ratio is None where it would
    mislead or is not defined: `titanflow.risk.absences` says why.
    """

    contender: ContenderId
    status: TradingStatus
    cash: Money
    equity: Money
    realized_pnl: Money
    """Before fees."""
    unrealized_pnl: Money
    fees: Money
    gross_exposure: Money
    open_positions: int
    fills: int
    trades: int
    """Closed round trips."""
    wins: int
    traded_notional: Money
    total_return: Ratio
    max_drawdown: Ratio
    profit_factor: float | None
    sharpe: float | None
    sortino: float | None
    calmar: float | None
    exposure: Ratio
    """Part of the open time, since it could trade, in which it held a position."""
    turnover: Ratio
    """Traded notional over average equity."""
    stage: str = ""
    """Of the model that decides: rule, candidate, champion, retired, or faulty where it could not be loaded."""
    sessions: int | None = None
    """Trading days behind the ratios; None where it has not yet been able to trade."""
    returns: int = 0
    """Returns behind the ratios: one a trading day, or one a bar where the tape's bars are longer."""
    sharpe_low: float | None = None
    sharpe_high: float | None = None
    """The 95 % interval of the Sharpe ratio."""
    sharpe_probability: float | None = None
    """The probabilistic Sharpe ratio: that the true ratio is above 0."""
    dividends: Money = 0
    """Earned since the session began (less those owed on short positions), whether paid or not."""
    receivable: Money = 0
    """Of the dividends, what is not yet paid: a part of the equity that is not cash."""


class LeaderboardPublished(Event, tag="leaderboard", frozen=True, array_like=True, gc=False):
    """Standings, best equity first (ties by contender id)."""

    cause: int
    at: Nanos
    standings: tuple[Standing, ...]
    total_equity: Money
    max_drawdown: Ratio
    """Of the equity of all contenders together; so are all that follow."""
    sharpe: float | None
    sortino: float | None
    sessions: int = 0
    returns: int = 0
    sharpe_low: float | None = None
    sharpe_high: float | None = None
    sharpe_probability: float | None = None


AnyEvent = (
    SessionStarted
    | TickReceived
    | BarPointReceived
    | OffMarketPrintReceived
    | OfficialPrintReceived
    | QuoteReceived
    | CorporateActionApplied
    | ClockAdvanced
    | FeedStatusChanged
    | OperatorCommanded
    | ContenderTimedOut
    | SessionEnded
    | BarClosed
    | SignalGenerated
    | SignalWithheld
    | FeatureDriftMeasured
    | ModelReplaced
    | ContenderSetAside
    | OrderApproved
    | OrderDenied
    | OrderHeld
    | RiskCommandIssued
    | KillSwitchTripped
    | ModelRolledBack
    | GateReported
    | OrderRejected
    | OrderSubmitted
    | OrderAdjusted
    | OrderTriggered
    | OrderFilled
    | OrderCancelled
    | BorrowCharged
    | LeaderboardPublished
)
"""Every event that a ledger may hold."""

EVENT_TYPES: tuple[type[Event], ...] = get_args(AnyEvent)


def tag_of(event_type: type[Event]) -> str:
    """The name under which events of this type are stored and shown."""
    return str(event_type.__struct_config__.tag)
