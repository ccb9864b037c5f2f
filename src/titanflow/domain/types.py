"""Value types of the domain: fixed-point numbers, identifiers, closed enums. No behaviour beyond arithmetic.

One scale for everything that is counted: 1e-9. A price of 1.00 dollar is 1_000_000_000, one share is 1_000_000_000,
a ratio of 3 % is 30_000_000. Floats appear only in statistics (confidence, features, Sharpe), never in money.
"""

import re
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from enum import StrEnum
from typing import NewType

SCALE = 1_000_000_000
_HALF = SCALE // 2
MAX_UNITS = 9_000_000_000_000_000_000
"""Largest count of 1e-9 units that any field may hold, so that it fits a signed 64-bit integer: nine billion units."""

NANOS_PER_SECOND = 1_000_000_000
NANOS_PER_DAY = 86_400 * NANOS_PER_SECOND

Seq = NewType("Seq", int)
"""Position of an event in its session's ledger: 1, 2, 3 …"""

Nanos = int
"""Nanoseconds since 1970-01-01 00:00 UTC, in event time."""
Price = int
"""1e-9 dollar (or quote currency) a share or coin."""
Quantity = int
"""1e-9 share or coin; signed where it is a position, positive where it is an order or a fill."""
Money = int
"""1e-9 dollar (or quote currency)."""
Ratio = int
"""A dimensionless number in 1e-9: 1_000_000_000 is 100 %."""

InstrumentId = str
"""Symbol and venue, as in `AAPL.XNYS` or `BTCUSDT.BINANCE-SPOT`: one symbol on two venues is two instruments."""
ContenderId = str
"""Name of one competing model with its parameters, as the contenders file gives it."""
OrderId = str
FillId = str


class Side(StrEnum):
    """Direction of a signal, an order or a fill."""

    BUY = "BUY"
    SELL = "SELL"

    sign: int
    """+1 for a buy, -1 for a sell."""

    def __init__(self, name: str) -> None:
        self.sign = 1 if name == "BUY" else -1

    @property
    def opposite(self) -> "Side":
        """The side that undoes this one."""
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(StrEnum):
    """How an order is priced: at the market, at a limit or better, or at the market once a stop price is touched."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"


class OrderPurpose(StrEnum):
    """Why an order exists."""

    ENTRY = "entry"
    EXIT = "exit"
    STOP_LOSS = "stop_loss"
    SESSION_CLOSE = "session_close"
    LIQUIDATION = "liquidation"


class ExecutionMode(StrEnum):
    """Where orders are filled."""

    PAPER = "paper"
    LIVE = "live"


class CostModelName(StrEnum):
    """How the simulated market makes a fill worse than the price that it met."""

    SPREAD = "spread"
    """Half the instrument's spread, and impact by the order's part of recent volume."""
    FLAT = "flat"
    """A part of the price, and impact by the order's part of the print."""


class FillBasis(StrEnum):
    """Which price a fill rests on."""

    TRADE = "trade"
    """A real trade that printed."""
    BAR_PATH = "bar_path"
    """The path that stands for a bar: one of its points, or the straight line between two of them."""
    CLOSING_PRICE = "closing_price"
    """No trade came before the venue's close: settled at the closing price (paper mode only)."""


class OffMarketReason(StrEnum):
    """Why a trade is volume only."""

    SALE_CONDITION = "sale_condition"
    """Its sale conditions keep it from setting a price: late, average price, derivatively priced …"""
    UNCONFIRMED = "unconfirmed"
    """It lay far off the recent range, and no second trade confirmed it (feed.print_band)."""


class CorporateActionKind(StrEnum):
    """What a company did that changes what its shareholders hold."""

    SPLIT = "split"
    DIVIDEND = "dividend"
    """The ex date: from now on the dividend is owed to whoever held the share (and by whoever was short)."""
    DIVIDEND_PAYMENT = "dividend_payment"
    """The pay date: what was owed since the ex date is cash."""


class FeedStatus(StrEnum):
    """Health of the feed of one instrument, or of the whole feed."""

    LIVE = "live"
    SILENT = "silent"
    GAP = "gap"
    ENDED = "ended"


class OperatorAction(StrEnum):
    """What an operator may order."""

    APPROVE = "approve"
    DENY = "deny"
    KILL = "kill"
    RESUME = "resume"
    LIQUIDATE = "liquidate"
    USE_PARENT = "use_parent"


class RiskCommand(StrEnum):
    """What the guardian orders the executor and everyone else to do."""

    LIQUIDATE_ALL = "LIQUIDATE_ALL"
    ACTIVATE_MANUAL_APPROVAL = "ACTIVATE_MANUAL_APPROVAL"
    RESUME = "RESUME"


class KillTrigger(StrEnum):
    """What tripped a kill switch."""

    DAILY_LOSS = "daily_loss"
    """Equity fell too far since the day's opening."""
    MAX_DRAWDOWN = "max_drawdown"
    """Equity fell too far from its peak: nothing but an operator ends that halt."""
    CONSECUTIVE_LOSSES = "consecutive_losses"
    OPERATOR = "operator"


class Gate(StrEnum):
    """What judges a contender's closed round trips; `risk.gates` says whether it acts or only reports."""

    CONSECUTIVE_LOSSES = "consecutive_losses"
    """It would halt: a costly row of losing round trips."""
    HARM = "harm"
    """It would ask a person: the upper confidence bound of the mean round trip is below zero."""
    SHARPE = "sharpe"
    """It would ask a person: the rolling Sharpe ratio is below its floor."""
    ACCURACY = "accuracy"
    """It would ask a person: the rolling share of winners is below its floor."""


class GateMode(StrEnum):
    """Whether gates act."""

    ENFORCE = "enforce"
    REPORT = "report"


class ResumeMode(StrEnum):
    """Who ends a halt by daily loss or by losses in a row."""

    OPERATOR = "operator"
    NEXT_SESSION = "next_session"


class SizedBy(StrEnum):
    """The limit that decided an order's size: of all that held, the smallest."""

    WHOLE_POSITION = "whole_position"
    """No limit: a closing order takes all that is there."""
    FIXED_FRACTION = "fixed_fraction"
    POSITION = "position"
    EXPOSURE = "exposure"
    TOTAL_EXPOSURE = "total_exposure"
    ORDER_VALUE = "order_value"
    """The last gate's limit for one order, less room for slippage; so are the next two."""
    CONCENTRATION = "concentration"
    BUYING_POWER = "buying_power"


class TradingStatus(StrEnum):
    """May a contender trade?"""

    ACTIVE = "active"
    MANUAL_APPROVAL = "manual_approval"
    HALTED = "halted"
    SET_ASIDE = "set_aside"
    """It failed: it is not asked any more, and its positions were closed."""


class SetAsideReason(StrEnum):
    """What a contender did for which it is not asked any more."""

    RAISED = "raised"
    """It raised an exception."""
    NOT_FINITE = "not_finite"
    """It gave a number that is none: NaN or an infinity."""
    MALFORMED = "malformed"
    """It gave what is no opinion, or a confidence outside 0 to 1."""
    TIMED_OUT = "timed_out"
    """One call used up its CPU time and was stopped."""


class WithheldReason(StrEnum):
    """Why a trained model kept silent although its score asked for a trade."""

    OUTLIER = "outlier"
    """The features lie too far from anything that it was trained on."""
    STALE = "stale"
    """Its training ended longer ago than its contender allows."""
    IN_SAMPLE = "in_sample"
    """This very time was in its training data: a result would prove nothing."""
    BEFORE_TRAINING = "before_training"
    """The time lies before its training data: it knows what came afterwards."""
    NOT_FINITE = "not_finite"
    """It returned no usable number."""


class DenialCode(StrEnum):
    """Why an order was denied, held, rejected or cancelled. Closed: docs/risk.md's table is generated from it.

    `meaning` is the line of each code in that table.
    """

    KILL_SWITCH = "KILL_SWITCH"
    MANUAL_APPROVAL = "MANUAL_APPROVAL"
    HOLD_EXPIRED = "HOLD_EXPIRED"
    DENIED_BY_OPERATOR = "DENIED_BY_OPERATOR"
    SYMBOL_NOT_ALLOWED = "SYMBOL_NOT_ALLOWED"
    NOT_TRADABLE = "NOT_TRADABLE"
    LOW_CONFIDENCE = "LOW_CONFIDENCE"
    OUTSIDE_SESSION = "OUTSIDE_SESSION"
    CLOSING_SOON = "CLOSING_SOON"
    NO_PRICE = "NO_PRICE"
    NO_STOP = "NO_STOP"
    ORDER_RATE = "ORDER_RATE"
    MAX_POSITION = "MAX_POSITION"
    GROSS_EXPOSURE = "GROSS_EXPOSURE"
    SIZE_IS_ZERO = "SIZE_IS_ZERO"
    SHORTING_DISABLED = "SHORTING_DISABLED"
    NOTHING_TO_CLOSE = "NOTHING_TO_CLOSE"
    ORDER_PENDING = "ORDER_PENDING"
    NO_EQUITY = "NO_EQUITY"
    DUPLICATE_ORDER = "DUPLICATE_ORDER"
    MIN_ORDER_VALUE = "MIN_ORDER_VALUE"
    ORDER_VALUE = "ORDER_VALUE"
    CONCENTRATION = "CONCENTRATION"
    BUYING_POWER = "BUYING_POWER"
    BAD_INCREMENT = "BAD_INCREMENT"
    LIQUIDATION = "LIQUIDATION"
    POSITION_CLOSED = "POSITION_CLOSED"
    SESSION_ENDED = "SESSION_ENDED"
    UNKNOWN_ORDER = "UNKNOWN_ORDER"
    SUPERSEDED = "SUPERSEDED"
    SET_ASIDE = "SET_ASIDE"
    CORPORATE_ACTION = "CORPORATE_ACTION"

    @property
    def meaning(self) -> str:
        """One line for people: what the code says and whose numbers its context carries."""
        return _MEANINGS[self]


_MEANINGS: dict[DenialCode, str] = {
    DenialCode.KILL_SWITCH: "The kill switch of this contender, or of all, is tripped.",
    DenialCode.MANUAL_APPROVAL: "The contender is under manual approval: an operator approves or denies each order.",
    DenialCode.HOLD_EXPIRED: "No operator answered before the held order expired.",
    DenialCode.DENIED_BY_OPERATOR: "An operator denied the held order.",
    DenialCode.SYMBOL_NOT_ALLOWED: "The instrument is not on the list of those that may be traded.",
    DenialCode.NOT_TRADABLE: "The instrument is quoted but cannot be traded (an index).",
    DenialCode.LOW_CONFIDENCE: "The signal's confidence is below the minimum.",
    DenialCode.OUTSIDE_SESSION: "The venue's regular session is not open.",
    DenialCode.CLOSING_SOON: "Entries stop in the last minutes before the close.",
    DenialCode.NO_PRICE: "No price of the instrument is known yet, so nothing can be sized or valued.",
    DenialCode.NO_STOP: "The signal carries no volatility from which a stop could be set.",
    DenialCode.ORDER_RATE: "Too many orders in the last minute.",
    DenialCode.MAX_POSITION: "The position (with what is on order) is at its largest allowed size.",
    DenialCode.GROSS_EXPOSURE: "Gross exposure would pass its limit.",
    DenialCode.SIZE_IS_ZERO: "The size that risk allows is below one quantity increment.",
    DenialCode.SHORTING_DISABLED: "A sell without a position, while short selling is off.",
    DenialCode.NOTHING_TO_CLOSE: "The order would reduce a position that is not there.",
    DenialCode.ORDER_PENDING: "An order of this contender in this instrument is still working.",
    DenialCode.NO_EQUITY: "The contender's equity is zero or below.",
    DenialCode.DUPLICATE_ORDER: "An order with this id was already accepted.",
    DenialCode.MIN_ORDER_VALUE: "What risk allows, or a full position lacks, is worth less than the smallest order.",
    DenialCode.ORDER_VALUE: "The order's value is above the limit for one order.",
    DenialCode.CONCENTRATION: "Too large a part of the portfolio would be in one instrument.",
    DenialCode.BUYING_POWER: "The order costs more than the cash that is not yet spoken for.",
    DenialCode.BAD_INCREMENT: "Quantity or price is not a whole number of the instrument's increments.",
    DenialCode.LIQUIDATION: "Cancelled because everything is being liquidated.",
    DenialCode.POSITION_CLOSED: "Cancelled because the position that it served is closed or being closed.",
    DenialCode.SESSION_ENDED: "Cancelled because the session ended.",
    DenialCode.UNKNOWN_ORDER: "The operator named an order that is not held.",
    DenialCode.SUPERSEDED: "A later signal the other way took back what this one asked for.",
    DenialCode.SET_ASIDE: "The contender failed and is not asked any more; its positions are closed.",
    DenialCode.CORPORATE_ACTION: "A split came in between: it was asked in other shares, or too few are left.",
}


_PLAIN_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,9})?", re.ASCII | re.IGNORECASE)
"""Digits of ASCII alone, and nothing between them: Python would also read `1_70` and full-width digits."""


def plain_decimal(text: str) -> Decimal | None:
    """The number that the text is; None for what is no number, infinite or NaN."""
    return Decimal(text) if _PLAIN_NUMBER.fullmatch(text.strip()) else None


def fixed(text: str | int | Decimal) -> int:
    """Turn a decimal number into 1e-9 units, exactly where it has at most nine decimals, else rounded half to even.

    Raises ValueError for anything that is not a finite number within the range of a signed 64-bit integer.
    """
    number = plain_decimal(text) if isinstance(text, str) else Decimal(text)
    if number is None or number.is_nan():
        raise ValueError(f"{text!r} is not a number")
    try:
        units = (number * SCALE).to_integral_value(rounding=ROUND_HALF_EVEN)
    except InvalidOperation as error:
        raise ValueError(f"{text!r} is not a number") from error
    if not units.is_finite() or abs(units) > MAX_UNITS:
        raise ValueError(f"{text!r} is not within ±{MAX_UNITS // SCALE} units")
    return int(units)


def decimal_of(units: int) -> Decimal:
    """The exact decimal number that `units` of 1e-9 stand for."""
    return Decimal(units).scaleb(-9)


def as_float(units: int) -> float:
    """`units` of 1e-9 as a float: for statistics and screens only, never for money that is booked."""
    return units / SCALE


def notional(price: Price, quantity: Quantity) -> Money:
    """Price times quantity in 1e-9 dollar, rounded half to even; negative for a negative quantity."""
    # Half up, then back to even where it was a tie. Written out here and below, as every order comes by many times.
    raised = price * quantity + _HALF
    quotient = raised // SCALE
    return quotient - 1 if quotient & 1 and quotient * SCALE == raised else quotient


def worth(price: Price, quantity: Quantity, factor: Ratio) -> Money:
    """Price times quantity times `factor` (what one unit of price counts for), rounded once, half to even."""
    if factor == SCALE:
        return notional(price, quantity)
    return scaled(price * quantity * factor, SCALE * SCALE)


def portion(amount: int, ratio: Ratio) -> int:
    """`ratio` (1e-9) of `amount`, rounded half to even."""
    raised = amount * ratio + _HALF
    quotient = raised // SCALE
    return quotient - 1 if quotient & 1 and quotient * SCALE == raised else quotient


def scaled(numerator: int, denominator: int) -> int:
    """`numerator / denominator` as an integer, rounded half to even; the denominator must be positive."""
    raised, twice = 2 * numerator + denominator, 2 * denominator
    quotient = raised // twice
    return quotient - 1 if quotient & 1 and quotient * twice == raised else quotient


def ratio_of(part: int, whole: int) -> Ratio:
    """`part / whole` in 1e-9, rounded half to even; zero where the whole is not positive."""
    if whole <= 0:
        return 0
    raised, twice = 2 * SCALE * part + whole, 2 * whole
    quotient = raised // twice
    return quotient - 1 if quotient & 1 and quotient * twice == raised else quotient


def floor_to(quantity: int, increment: int) -> int:
    """The largest multiple of `increment` that is not above `quantity` (both 1e-9, `increment` positive)."""
    return quantity // increment * increment
