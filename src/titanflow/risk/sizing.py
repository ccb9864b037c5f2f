"""How large an entry may be: a fixed fraction of equity lost at its stop, cut to the head-room of every size limit."""

from typing import NamedTuple

from titanflow.domain.events import Context
from titanflow.domain.instruments import FeeSchedule
from titanflow.domain.types import (
    MAX_UNITS,
    SCALE,
    DenialCode,
    Money,
    OrderType,
    Price,
    Quantity,
    Ratio,
    SizedBy,
    floor_to,
)
from titanflow.risk.costs_seen import assumed_slippage
from titanflow.risk.headroom import Rooms, fee_of_one, gate_rooms, raised
from titanflow.risk.limits import EntryRequest, first_denial
from titanflow.risk.stop_distance import protective_stop, stop_distance
from titanflow.risk.verdicts import Denial, Entry

_FULL = frozenset({SizedBy.FIXED_FRACTION, SizedBy.POSITION, SizedBy.CONCENTRATION})
"""Limits that count what is held already: a position that leaves them no room is full."""
_OTHER_CODES = {
    SizedBy.EXPOSURE: DenialCode.GROSS_EXPOSURE,
    SizedBy.TOTAL_EXPOSURE: DenialCode.GROSS_EXPOSURE,
    SizedBy.ORDER_VALUE: DenialCode.ORDER_VALUE,
    SizedBy.BUYING_POWER: DenialCode.BUYING_POWER,
}


class Stop(NamedTuple):
    """Where an entry's protective stop goes."""

    price: Price
    range: Price
    """The average true range behind it."""


def fixed_fraction(equity: Money, risk: Ratio, loss: Price, fees: Money = 0) -> Quantity:
    """The quantity that loses `risk` of `equity`, `fees` among it, where one unit loses `loss`; rounded down.

    Never more than a field can hold, however small the loss, and never below zero.
    Fixed fractional position sizing: R. Vince, "Portfolio Management Formulas", 1990.
    """
    return max(0, min((equity * risk - fees * SCALE) // loss, MAX_UNITS))


def floor_portion(amount: Money, ratio: Ratio) -> Money:
    """`ratio` of `amount`, rounded down: a limit is never passed by rounding."""
    return amount * ratio // SCALE


def loss_of_one(distance: Price, price: Price, slippage: Ratio, fees: FeeSchedule) -> Price:
    """What one unit loses from its fill to its stop's fill: the distance, and what both of them cost."""
    return distance + 2 * (raised(price, slippage) - price + fee_of_one(fees, price))


def judge_entry(entry: EntryRequest) -> Entry | Denial:
    """The size that risk allows for an entry now, or the first limit that forbids it."""
    return first_denial(entry) or _sized(entry)


def _sized(entry: EntryRequest) -> Entry | Denial:
    house, book, signal = entry.house, entry.book, entry.signal
    instrument = house.instruments[signal.instrument]
    mark = house.marks[signal.instrument]
    price = mark if signal.order_type is OrderType.MARKET else signal.order_price
    stop = _stop(entry, price)
    if stop.price <= 0 or stop.price == price:
        return Denial(
            DenialCode.NO_STOP,
            (("atr", signal.atr), ("range", stop.range), ("price", price), ("stop_price", stop.price)),
        )
    worst = instrument.unit_value(max(mark, price))
    committed = book.committed(signal.instrument)
    assumed = assumed_slippage(house.execution, instrument.price_increment, price)
    slippage = book.costs.expected(signal.instrument, assumed)
    unit, distance = instrument.unit_value(price), instrument.unit_value(abs(price - stop.price))
    loss = loss_of_one(distance, unit, slippage, instrument.fees)
    rooms = _rooms(entry, worst, committed, loss)
    sized_by, room = min(rooms, key=_room)
    quantity = floor_to(room, instrument.quantity_increment)
    context = _context(entry, committed, stop, loss, rooms)
    if quantity <= 0:
        return Denial(_code(sized_by, committed), (*context, ("sized_by", sized_by.value)))
    value, least = instrument.value(mark, quantity), house.risk.min_order_value
    if value < least:
        numbers = (("order_value", value), ("limit", least), ("sized_by", sized_by.value))
        return Denial(DenialCode.MIN_ORDER_VALUE, (*context, *numbers))
    return Entry(quantity, mark, worst, stop.price, context, sized_by)


def _stop(entry: EntryRequest, price: Price) -> Stop:
    house, signal, risk = entry.house, entry.signal, entry.house.risk
    spread = house.ranges.known(signal.instrument, entry.at)
    spread = spread or house.ranges.scaled(signal.instrument, signal.atr, entry.book.bar_seconds)
    distance = stop_distance(price, spread, risk.atr_stop_multiple, risk.stop_floor, risk.stop_cap)
    increment = house.instruments[signal.instrument].price_increment
    return Stop(protective_stop(price, distance, signal.side, increment), spread)


def _rooms(entry: EntryRequest, worst: Price, committed: Quantity, loss: Price) -> Rooms:
    """The quantity that each limit leaves, in the order in which they are named where two leave the same."""
    house, book, risk = entry.house, entry.book, entry.house.risk
    instrument = house.instruments[entry.signal.instrument]
    equity = book.portfolio.equity(house.marks)
    fees = 2 * instrument.fees.minimum
    by_risk = fixed_fraction(equity, risk.risk_per_trade, loss, fees) - committed
    by_position = floor_portion(equity, risk.max_position) * SCALE // worst - committed
    exposure = floor_portion(equity, risk.max_gross_exposure) - book.gross_exposure(house.marks)
    total = floor_portion(house.trading_equity(book.id), risk.total_max_gross_exposure) - house.gross_exposure()
    rooms = (
        (SizedBy.FIXED_FRACTION, by_risk),
        (SizedBy.POSITION, by_position),
        (SizedBy.EXPOSURE, exposure * SCALE // worst),
        (SizedBy.TOTAL_EXPOSURE, total * SCALE // worst),
        *gate_rooms(house, book, instrument, worst, committed),
    )
    return tuple((limit, max(-MAX_UNITS, min(room, MAX_UNITS))) for limit, room in rooms)


def _context(entry: EntryRequest, committed: Quantity, stop: Stop, loss: Price, rooms: Rooms) -> Context:
    numbers = (
        ("equity", entry.book.portfolio.equity(entry.house.marks)),
        ("committed", committed),
        ("range", stop.range),
        ("unit_loss", loss),
    )
    return (*numbers, *((f"{limit.value}_room", room) for limit, room in rooms))


def _code(sized_by: SizedBy, committed: Quantity) -> DenialCode:
    """Why not one increment more is allowed."""
    if sized_by in _FULL:
        return DenialCode.MAX_POSITION if committed else DenialCode.SIZE_IS_ZERO
    return _OTHER_CODES[sized_by]


def _room(limit: tuple[SizedBy, Quantity]) -> Quantity:
    return limit[1]
