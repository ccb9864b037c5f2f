"""What the executor's last gate will let through, less room for slippage and fees: what risk approves, it accepts.

Between the approval and the gate the price may move, and the fill may slip: the allowance of the session is kept free
for each. The gate's own rules are in `titanflow.execution.validator`.
"""

from titanflow.domain.instruments import FeeSchedule, Instrument
from titanflow.domain.types import SCALE, Money, Price, Quantity, Ratio, SizedBy
from titanflow.risk.books import Book, House

Rooms = tuple[tuple[SizedBy, Quantity], ...]
"""Each limit with the quantity that it leaves; negative where it is passed already."""


def gate_rooms(house: House, book: Book, instrument: Instrument, worst: Price, committed: Quantity) -> Rooms:
    """The quantity at `worst` that each limit of the last gate leaves; `committed` is held or on order already."""
    limits, marks = house.execution, house.marks
    allowance = limits.slippage_allowance
    dear = raised(worst, allowance)
    exposed = book.portfolio.gross_exposure(marks)
    least_equity = book.portfolio.equity(marks) - (raised(exposed, allowance) - exposed)
    unit_cost = raised(dear, allowance)
    unit_cost += fee_of_one(instrument.fees, unit_cost)
    power = buying_power(house, book) - instrument.fees.minimum
    return (
        (SizedBy.ORDER_VALUE, limits.max_order_value * SCALE // dear),
        (SizedBy.CONCENTRATION, least_equity * limits.max_concentration // dear - committed),
        (SizedBy.BUYING_POWER, power * SCALE // unit_cost),
    )


def buying_power(house: House, book: Book) -> Money:
    """Cash that is not yet spoken for: shorts are collateralised in full, entries under way cost what they may."""
    allowance = house.execution.slippage_allowance
    power = book.portfolio.cash + min(book.portfolio.receivable, 0)
    for position in book.portfolio.positions.values():
        if position.quantity < 0:
            mark = house.marks.get(position.instrument, position.average_price)
            power += 2 * position.value(raised(mark, allowance))
    for order in book.working.values():
        if order.is_entry:
            fees = house.instruments[order.instrument].fees
            price = raised(raised(order.price, allowance), allowance)
            power -= (price + fee_of_one(fees, price)) * order.remaining // SCALE + fees.minimum + 1
    return power


def raised(amount: int, ratio: Ratio) -> int:
    """`amount` and `ratio` of it, rounded up."""
    return -(-amount * (SCALE + ratio) // SCALE)


def fee_of_one(fees: FeeSchedule, price: Price) -> Price:
    """Commission of one unit at `price`, rounded up, the minimum of an order left aside."""
    return raised(price, fees.notional_ratio) - price + fees.per_unit
