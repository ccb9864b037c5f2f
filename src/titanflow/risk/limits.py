"""The ordered list of limits that an entry has to pass before it is sized. Exits pass none of them.

Each check answers None or the denial with its numbers. What cannot be evaluated is denied: nothing trades blindly.
"""

from collections.abc import Callable
from typing import NamedTuple

from titanflow.domain.events import SignalGenerated
from titanflow.domain.types import NANOS_PER_DAY, NANOS_PER_SECOND, DenialCode, Nanos, OrderType, Side
from titanflow.risk.books import Book, House
from titanflow.risk.session_hours import entry_denial
from titanflow.risk.verdicts import Denial

SECONDS_PER_DAY = NANOS_PER_DAY // NANOS_PER_SECOND
RATE_WINDOW_NANOS = 60 * NANOS_PER_SECOND
"""Length of the rolling window in which entries are counted."""


class EntryRequest(NamedTuple):
    """One entry at the moment at which risk judges it: for a held order that is later than its signal."""

    house: House
    book: Book
    at: Nanos
    signal: SignalGenerated


def first_denial(entry: EntryRequest) -> Denial | None:
    """The first limit that the entry breaches; None when it passes all."""
    for check in ENTRY_CHECKS:
        denial = check(entry)
        if denial is not None:
            return denial
    return None


def _kill_switch(entry: EntryRequest) -> Denial | None:
    halting = entry.house.halting(entry.book)
    if halting is None:
        return None
    scope, switch = halting
    return Denial(DenialCode.KILL_SWITCH, (("scope", scope or "all"), ("trigger", str(switch.trigger))))


def _symbol(entry: EntryRequest) -> Denial | None:
    instrument = entry.signal.instrument
    allowed = entry.house.risk.allowed_instruments
    if (
        instrument in entry.house.instruments
        and instrument in entry.book.instruments
        and (not allowed or instrument in allowed)
    ):
        return None
    return Denial(DenialCode.SYMBOL_NOT_ALLOWED, (("instrument", instrument),))


def _tradable(entry: EntryRequest) -> Denial | None:
    instrument = entry.house.instruments[entry.signal.instrument]
    return None if instrument.tradable else Denial(DenialCode.NOT_TRADABLE, (("kind", str(instrument.kind)),))


def _closing(entry: EntryRequest) -> Denial | None:
    return Denial(DenialCode.NOTHING_TO_CLOSE) if entry.signal.closes_only else None


def _shorting(entry: EntryRequest) -> Denial | None:
    if entry.signal.side is Side.BUY or entry.house.risk.allow_short:
        return None
    position = entry.book.portfolio.quantity(entry.signal.instrument)
    return Denial(DenialCode.SHORTING_DISABLED, (("position", position),))


def _confidence(entry: EntryRequest) -> Denial | None:
    confidence, floor = entry.signal.confidence, entry.house.risk.min_confidence
    if confidence >= floor:
        return None
    return Denial(DenialCode.LOW_CONFIDENCE, (("confidence", confidence), ("minimum", floor)))


def _session_hours(entry: EntryRequest) -> Denial | None:
    house, instrument = entry.house, entry.signal.instrument
    of_tape = house.tape_bars.get(instrument, 0)
    daily = max(entry.book.bar_seconds, of_tape) >= SECONDS_PER_DAY
    return entry_denial(house.calendar_of(instrument), entry.at, house.risk, daily=daily, tape_bar_seconds=of_tape)


def _price(entry: EntryRequest) -> Denial | None:
    signal = entry.signal
    at_market = signal.order_type is OrderType.MARKET
    if not (at_market or signal.order_price > 0) or entry.house.marks.get(signal.instrument, 0) <= 0:
        return Denial(DenialCode.NO_PRICE, (("order_price", signal.order_price),))
    increment = entry.house.instruments[signal.instrument].price_increment
    if at_market or signal.order_price % increment == 0:
        return None
    numbers = (("field", "order_price"), ("order_price", signal.order_price), ("increment", increment))
    return Denial(DenialCode.BAD_INCREMENT, numbers)


def _stop(entry: EntryRequest) -> Denial | None:
    atr = entry.signal.atr
    if atr > 0 or entry.house.ranges.known(entry.signal.instrument, entry.at) > 0:
        return None
    return Denial(DenialCode.NO_STOP, (("atr", atr),))


def _pending(entry: EntryRequest) -> Denial | None:
    instrument = entry.signal.instrument
    for order in entry.book.orders_on(instrument):
        return Denial(DenialCode.ORDER_PENDING, (("purpose", str(order.purpose)), ("remaining", order.remaining)))
    for hold in entry.book.held.values():
        if hold.request.signal.instrument == instrument:
            return Denial(DenialCode.ORDER_PENDING, (("held", hold.order_id), ("expires_at", hold.expires_at)))
    return None


def _equity(entry: EntryRequest) -> Denial | None:
    equity = entry.book.portfolio.equity(entry.house.marks)
    return None if equity > 0 else Denial(DenialCode.NO_EQUITY, (("equity", equity),))


def _order_rate(entry: EntryRequest) -> Denial | None:
    times, limit = entry.book.entry_times, entry.house.risk.max_orders_per_minute
    while times and times[0] <= entry.at - RATE_WINDOW_NANOS:
        times.popleft()
    if len(times) < limit:
        return None
    return Denial(DenialCode.ORDER_RATE, (("orders", len(times)), ("limit", limit)))


ENTRY_CHECKS: tuple[Callable[[EntryRequest], Denial | None], ...] = (
    _kill_switch,
    _symbol,
    _tradable,
    _closing,
    _shorting,
    _confidence,
    _session_hours,
    _price,
    _stop,
    _pending,
    _equity,
    _order_rate,
)
"""Every limit on whether an entry is allowed, in the order in which they speak; how large it may be is `sizing`."""
