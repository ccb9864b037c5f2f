"""How large an entry may be: a fixed fraction of equity lost at its stop, cut to the head-room of every size limit."""

from titanflow.domain.types import (
    MAX_UNITS,
    SCALE,
    DenialCode,
    Money,
    OrderType,
    Price,
    Quantity,
    Ratio,
    Side,
    floor_to,
    portion,
)
from titanflow.risk.limits import EntryRequest, first_denial
from titanflow.risk.verdicts import Denial, Entry


def stop_distance(price: Price, atr: Price, multiple: Ratio, floor: Ratio, cap: Ratio) -> Price:
    """`multiple` average true ranges, but at least `floor` and at most `cap` of the price."""
    return min(max(portion(atr, multiple), portion(price, floor)), portion(price, cap))


def protective_stop(price: Price, distance: Price, side: Side, increment: Price) -> Price:
    """The stop of an entry at `price`: `distance` away, on the next price increment further away."""
    if side is Side.BUY:
        return floor_to(price - distance, increment)
    return -floor_to(-(price + distance), increment)


def fixed_fraction(equity: Money, risk: Ratio, distance: Price) -> Quantity:
    """The quantity that loses `risk` of `equity` when the price moves by `distance`, rounded down.

    Never more than a field can hold, however small the distance.
    Fixed fractional position sizing: R. Vince, "Portfolio Management Formulas", 1990.
    """
    return min(equity * risk // distance, MAX_UNITS)


def floor_portion(amount: Money, ratio: Ratio) -> Money:
    """`ratio` of `amount`, rounded down: a limit is never passed by rounding."""
    return amount * ratio // SCALE


def judge_entry(entry: EntryRequest) -> Entry | Denial:
    """The size that risk allows for an entry now, or the first limit that forbids it."""
    return first_denial(entry) or _sized(entry)


def _sized(entry: EntryRequest) -> Entry | Denial:
    house, book, signal = entry.house, entry.book, entry.signal
    risk, instrument = house.risk, house.instruments[signal.instrument]
    mark = house.marks[signal.instrument]
    price = mark if signal.order_type is OrderType.MARKET else signal.order_price
    distance = stop_distance(price, signal.atr, risk.atr_stop_multiple, risk.stop_floor, risk.stop_cap)
    stop = protective_stop(price, distance, signal.side, instrument.price_increment)
    if stop <= 0 or stop == price:
        return Denial(DenialCode.NO_STOP, (("atr", signal.atr), ("price", price), ("stop_price", stop)))
    equity = book.portfolio.equity(house.marks)
    committed = book.committed(signal.instrument)
    by_risk = fixed_fraction(equity, risk.risk_per_trade, abs(price - stop)) - committed
    worst = max(mark, price)
    by_position = min(floor_portion(equity, risk.max_position) * SCALE // worst, MAX_UNITS) - committed
    exposure_room = floor_portion(equity, risk.max_gross_exposure) - book.gross_exposure(house.marks)
    total_room = floor_portion(house.equity(), risk.total_max_gross_exposure) - house.gross_exposure()
    by_exposure = min(exposure_room, total_room) * SCALE // worst
    quantity = floor_to(min(by_risk, by_position, by_exposure), instrument.quantity_increment)
    context = (
        ("equity", equity),
        ("committed", committed),
        ("risk_room", by_risk),
        ("position_room", by_position),
        ("exposure_room", exposure_room),
        ("total_exposure_room", total_room),
    )
    if quantity > 0:
        return Entry(quantity, mark, worst, stop, context)
    if committed and min(by_risk, by_position) <= 0:
        return Denial(DenialCode.MAX_POSITION, context)
    if by_exposure <= 0:
        return Denial(DenialCode.GROSS_EXPOSURE, context)
    return Denial(DenialCode.SIZE_IS_ZERO, context)
