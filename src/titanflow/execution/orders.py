"""Working orders, and the book of them in one instrument with the bounds within which a print concerns none of them."""

from msgspec import Struct, field

from titanflow.domain.instruments import Instrument
from titanflow.domain.types import (
    ContenderId,
    Money,
    Nanos,
    OrderId,
    OrderPurpose,
    OrderType,
    Price,
    Quantity,
    Side,
)

BEYOND = 1 << 63
"""Above every price and every time."""


class FeeTally(Struct, eq=False):
    """The commission of an order so far; its minimum is due once."""

    rated: Money = 0
    """Of its fills by the schedule's rates."""
    charged: Money = 0
    """What its fills have paid: `rated`, or the schedule's minimum where that is more."""


class WorkingOrder(Struct, kw_only=True, eq=False):
    """An order that was submitted and has not ended; the executor changes it as prints come."""

    id: OrderId
    contender: ContenderId
    instrument: Instrument
    side: Side
    remaining: Quantity
    type: OrderType
    price: Price = 0
    """Limit or stop price; 0 for a market order."""
    stop_price: Price = 0
    """Protective stop to attach to each fill; 0 for none."""
    purpose: OrderPurpose
    closing: bool
    """It only ever reduces a position."""
    decision_price: Price
    worst_price: Price = 0
    """What a unit may cost at worst: the price at which its cash is spoken for; closing orders need none."""
    active_at: Nanos = 0
    ends_at: Nanos = BEYOND
    """When its day ends: of an entry, when positions begin to be closed for the day; else the close of its venue."""
    fills: int = 0
    tally: FeeTally = field(default_factory=FeeTally)
    stop_tally: FeeTally = field(default_factory=FeeTally)
    """Of its protective stops, one for each fill: they count as one order."""
    crossed: Nanos = -1
    """Opening time of the bar whose path crossed its limit: for the rest of that bar it trades at its own price."""
    working: bool = True
    quantity: Quantity = 0
    """What was submitted; `remaining` of it is not yet filled."""
    number: int = 0
    """Counts the contender's submitted orders in this instrument, protective stops included, from 1."""

    @property
    def draw_key(self) -> str:
        """What the order's random draws are keyed by: no id and no seq, which other contenders' doings move."""
        return f"{self.contender}|{self.instrument.id}|{self.number}"

    @property
    def awaits_fall(self) -> bool:
        """Whether a falling price makes it act: a buy limit or a sell stop. A rising one for the other two."""
        return (self.type is OrderType.LIMIT) == (self.side is Side.BUY)

    @property
    def protects(self) -> bool:
        """Whether it is a position's protective stop."""
        return self.purpose is OrderPurpose.STOP_LOSS

    def trigger(self) -> None:
        """A stop order's price was reached: it is a market order, which waits until the ledger says so."""
        self.type = OrderType.MARKET
        self.active_at = BEYOND


class Book:
    """Working orders of one instrument in the order of submission.

    No order acts on a print whose price (for a bar's leg: both its ends) lies strictly between `floor` and `ceiling`
    and whose time is before `due`; the tick path asks these three numbers and nothing else. Orders that ended stay
    until `rebound`: the bounds are then narrower than they need be, which costs a look at most.
    """

    __slots__ = ("ceiling", "due", "floor", "orders")

    def __init__(self) -> None:
        self.orders: list[WorkingOrder] = []
        self.rebound()

    def add(self, order: WorkingOrder) -> None:
        """Let an order work, after those already here."""
        self.orders.append(order)
        self._bound(order)

    def rebound(self) -> None:
        """Drop orders that ended and set the bounds from those that work."""
        self.orders = [order for order in self.orders if order.working]
        self.floor: Price = 0
        self.ceiling: Price = BEYOND
        self.due: Nanos = BEYOND
        for order in self.orders:
            self._bound(order)

    def activate(self, order: WorkingOrder, at: Nanos) -> None:
        """A triggered order is a market order from `at` on."""
        order.active_at = at
        self.due = min(self.due, at)

    def _bound(self, order: WorkingOrder) -> None:
        """Narrow the bounds to what concerns this order too."""
        self.due = min(self.due, order.ends_at)
        if order.type is OrderType.MARKET:
            self.due = min(self.due, order.active_at)
        elif order.awaits_fall:
            self.floor = max(self.floor, order.price)
        else:
            self.ceiling = min(self.ceiling, order.price)
