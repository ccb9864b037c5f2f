"""The books of one contender: cash, positions at average cost, realized and unrealized P&L, in fixed point.

Every fill is one balanced journal entry, and so is every split and dividend. The law that always holds, to the last
unit: cash + dividends not yet paid + cost basis + fees - realized P&L - dividends = starting cash.
"""

from collections.abc import Mapping
from typing import NamedTuple

from titanflow.domain.types import (
    SCALE,
    InstrumentId,
    Money,
    Nanos,
    Price,
    Quantity,
    Ratio,
    Side,
    floor_to,
    scaled,
    worth,
)

NO_FACTORS: Mapping[InstrumentId, Ratio] = {}


class JournalEntry(NamedTuple):
    """Changes that one fill makes to the accounts (1e-9 dollar). Balanced: cash + cost + fee - realized = 0."""

    cash: Money
    cost: Money
    realized: Money
    fee: Money

    @property
    def balanced(self) -> bool:
        """Whether nothing was made or lost."""
        return self.cash + self.cost + self.fee == self.realized


class ActionEntry(NamedTuple):
    """What a split or dividend changes. Balanced: cash + receivable + cost - realized - dividends = 0."""

    before: Quantity
    """Signed quantity held before it."""
    after: Quantity
    cash: Money = 0
    cost: Money = 0
    realized: Money = 0
    receivable: Money = 0
    dividends: Money = 0

    @property
    def balanced(self) -> bool:
        """Whether nothing was made or lost."""
        return self.cash + self.receivable + self.cost == self.realized + self.dividends


class RoundTrip(NamedTuple):
    """A position from its opening out of flat to its return to flat. `pnl` is after the fees of all its fills."""

    instrument: InstrumentId
    side: Side
    opened_at: Nanos
    closed_at: Nanos
    quantity: Quantity
    """Sum of all that was opened."""
    entry_price: Price
    """Average over all that was opened."""
    exit_price: Price
    fees: Money
    pnl: Money
    factor: Ratio = SCALE
    """Account money for one unit of price and quantity."""

    @property
    def opened_value(self) -> Money:
        """What was paid (or received) to open it, in money of the account."""
        return worth(self.entry_price, self.quantity, self.factor)


class Position:
    """A holding in one instrument: signed quantity and signed cost basis (negative when short)."""

    __slots__ = (
        "_closed_value",
        "_fees",
        "_opened",
        "_opened_value",
        "_realized",
        "cost",
        "factor",
        "instrument",
        "opened_at",
        "quantity",
    )

    def __init__(self, instrument: InstrumentId, factor: Ratio = SCALE) -> None:
        self.instrument = instrument
        self.factor = factor
        """Account money for one unit of price and quantity: the multiplier times the rate of the currency."""
        self.quantity: Quantity = 0
        self.cost: Money = 0
        self.opened_at: Nanos = 0
        self._opened: Quantity = 0
        self._opened_value: Money = 0
        self._closed_value: Money = 0
        self._fees: Money = 0
        self._realized: Money = 0

    @property
    def average_price(self) -> Price:
        """Cost basis a unit, in the instrument's own currency; 0 when flat."""
        return _price_of(abs(self.cost), abs(self.quantity), self.factor) if self.quantity else 0

    def value(self, mark: Price) -> Money:
        """Signed market value at `mark`."""
        return worth(mark, self.quantity, self.factor)

    def open(self, at: Nanos, signed: Quantity, value: Money, fee: Money) -> None:
        """Add `signed` quantity worth `value` (positive) in the position's own direction."""
        if self.quantity == 0:
            self.opened_at = at
            self._opened = self._opened_value = self._closed_value = self._fees = self._realized = 0
        self.quantity += signed
        self.cost += value if signed > 0 else -value
        self._opened += abs(signed)
        self._opened_value += value
        self._fees += fee

    def close(self, at: Nanos, quantity: Quantity, value: Money, fee: Money) -> tuple[Money, Money, RoundTrip | None]:
        """Take `quantity` off for `value` (both positive): (cost released, realized P&L, round trip if now flat)."""
        held = abs(self.quantity)
        long = self.quantity > 0
        # The whole of it needs no division, nor rounding.
        released = self.cost if quantity == held else scaled(abs(self.cost) * quantity, held) * (1 if long else -1)
        realized = value - released if long else -released - value
        self.cost -= released
        self.quantity -= quantity if long else -quantity
        self._closed_value += value
        self._fees += fee
        self._realized += realized
        return released, realized, (None if self.quantity else self._round_trip(at, long))

    def split(
        self, at: Nanos, new: int, old: int, increment: Quantity, last_price: Price
    ) -> tuple[ActionEntry, RoundTrip | None]:
        """Hold `new` for each `old`. The cost stays, but for the part of a fraction below `increment`, which is sold.

        The fraction is paid at `last_price` * old / new, rounded once. A position of which nothing is left ends.
        """
        before, long = self.quantity, self.quantity > 0
        total = abs(before) * new
        whole = floor_to(total // old, increment)
        rest = total - whole * old  # so many old-ths of a unit
        value = scaled(rest * last_price * self.factor, new * SCALE * SCALE)
        released = scaled(abs(self.cost) * rest, total) * (1 if long else -1) if whole else self.cost
        realized = value - released if long else -released - value
        self._opened = max(scaled(self._opened * new, old), 1)
        self.cost -= released
        self.quantity = whole if long else -whole
        self._closed_value += value
        self._realized += realized
        entry = ActionEntry(before, self.quantity, value if long else -value, -released, realized)
        return entry, (None if whole else self._round_trip(at, long))

    def charge(self, amount: Money) -> None:
        """Add a cost of holding it to the fees of its round trip."""
        self._fees += amount

    def _round_trip(self, at: Nanos, long: bool) -> RoundTrip:
        side = Side.BUY if long else Side.SELL
        entry_price = _price_of(self._opened_value, self._opened, self.factor)
        exit_price = _price_of(self._closed_value, self._opened, self.factor)
        pnl = self._realized - self._fees
        times, prices = (self.opened_at, at), (entry_price, exit_price)
        return RoundTrip(self.instrument, side, *times, self._opened, *prices, self._fees, pnl, self.factor)


class Portfolio:
    """One contender's account. `apply` books a fill, `split`, `owe` and `pay` what a company does; all else reads."""

    __slots__ = (
        "_factors",
        "_owed",
        "cash",
        "dividends",
        "fees",
        "positions",
        "realized",
        "receivable",
        "starting_cash",
    )

    def __init__(self, starting_cash: Money, factors: Mapping[InstrumentId, Ratio] = NO_FACTORS) -> None:
        """`factors`: account money for one unit of price and quantity, of instruments for which that is not one."""
        self._factors = factors
        self._owed: dict[tuple[InstrumentId, Nanos], Money] = {}
        """(instrument, ex date's opening) -> what that dividend comes to."""
        self.starting_cash = starting_cash
        self.dividends: Money = 0
        """Earned, paid or not; what short positions owe is taken off."""
        self.receivable: Money = 0
        """Of the dividends, what is not yet paid."""
        self.cash = starting_cash
        self.realized: Money = 0
        self.fees: Money = 0
        self.positions: dict[InstrumentId, Position] = {}
        """Open positions only, in the order in which they were opened."""

    def apply(
        self, at: Nanos, instrument: InstrumentId, side: Side, quantity: Quantity, price: Price, fee: Money
    ) -> tuple[JournalEntry, RoundTrip | None]:
        """Book one fill and return its journal entry, and the round trip that it completed, if any.

        A fill larger than the opposite position closes it and opens the rest the other way round, the fee shared by
        quantity. Raises ValueError for a quantity or price that is not positive.
        """
        if quantity <= 0 or price <= 0:
            raise ValueError(f"a fill needs a positive quantity and price, got {quantity} at {price}")
        factor = self._factors.get(instrument, SCALE)
        value = worth(price, quantity, factor)
        sign = side.sign
        position = self.positions.get(instrument) or Position(instrument, factor)
        held = sign * position.quantity
        closing = min(-held, quantity) if held < 0 else 0
        opening = quantity - closing
        closing_value = worth(price, closing, factor) if opening else value
        closing_fee = scaled(fee * closing, quantity) if opening else fee
        cost = realized = 0
        trip: RoundTrip | None = None
        if closing:
            released, realized, trip = position.close(at, closing, closing_value, closing_fee)
            cost -= released
            if not position.quantity:
                del self.positions[instrument]
        if opening:
            self.positions.setdefault(instrument, position)
            position.open(at, sign * opening, value - closing_value, fee - closing_fee)
            cost += sign * (value - closing_value)
        entry = JournalEntry(-sign * value - fee, cost, realized, fee)
        self.cash += entry.cash
        self.realized += realized
        self.fees += fee
        return entry, trip

    def split(
        self, at: Nanos, instrument: InstrumentId, new: int, old: int, increment: Quantity, last_price: Price
    ) -> tuple[ActionEntry, RoundTrip | None]:
        """Book a split of `new` for `old`; see `Position.split`."""
        position = self.positions.get(instrument)
        if position is None:
            return ActionEntry(0, 0), None
        entry, trip = position.split(at, new, old, increment, last_price)
        if trip is not None:
            del self.positions[instrument]
        self.cash += entry.cash
        self.realized += entry.realized
        return entry, trip

    def owe(self, instrument: InstrumentId, ex_at: Nanos, amount: Price) -> ActionEntry:
        """Go ex dividend: `amount` a unit is owed to a long position, and by a short one."""
        held = self.quantity(instrument)
        due = worth(amount, held, self._factors.get(instrument, SCALE))
        if due:
            self._owed[instrument, ex_at] = self._owed.get((instrument, ex_at), 0) + due
            self.receivable += due
            self.dividends += due
        return ActionEntry(held, held, receivable=due, dividends=due)

    def pay(self, instrument: InstrumentId, ex_at: Nanos) -> ActionEntry:
        """Take into the cash what has been owed since that ex date."""
        due = self._owed.pop((instrument, ex_at), 0)
        self.receivable -= due
        self.cash += due
        held = self.quantity(instrument)
        return ActionEntry(held, held, cash=due, receivable=-due)

    def charge(self, instrument: InstrumentId, amount: Money) -> JournalEntry:
        """Book a cost of holding a position: a fee of the account, and of the position's round trip."""
        position = self.positions.get(instrument)
        if position:
            position.charge(amount)
        self.cash -= amount
        self.fees += amount
        return JournalEntry(-amount, 0, 0, amount)

    def quantity(self, instrument: InstrumentId) -> Quantity:
        """Signed quantity held; 0 when flat."""
        position = self.positions.get(instrument)
        return position.quantity if position else 0

    def value(self, instrument: InstrumentId, price: Price, quantity: Quantity) -> Money:
        """What `quantity` of an instrument is worth at `price`, in money of the account."""
        return worth(price, quantity, self._factors.get(instrument, SCALE))

    def cost_basis(self) -> Money:
        """Sum of the signed cost of all positions."""
        return sum(position.cost for position in self.positions.values())

    def equity(self, marks: Mapping[InstrumentId, Price]) -> Money:
        """Cash, dividends not yet paid, and the market value of every position (without a mark: its cost)."""
        total = self.cash + self.receivable
        for position in self.positions.values():
            mark = marks.get(position.instrument)
            total += position.cost if mark is None else position.value(mark)
        return total

    def unrealized(self, marks: Mapping[InstrumentId, Price]) -> Money:
        """Market value minus cost of every position that has a mark."""
        return self.equity(marks) - self.cash - self.receivable - self.cost_basis()

    def gross_exposure(self, marks: Mapping[InstrumentId, Price]) -> Money:
        """Sum of the absolute market values of all positions; a position without a mark counts at cost."""
        total = 0
        for position in self.positions.values():
            mark = marks.get(position.instrument)
            total += abs(position.cost if mark is None else position.value(mark))
        return total

    @property
    def conserved(self) -> bool:
        """The conservation law of the books, as at the head of this module."""
        held = self.cash + self.receivable + self.cost_basis()
        return held + self.fees - self.realized - self.dividends == self.starting_cash


def _price_of(value: Money, quantity: Quantity, factor: Ratio) -> Price:
    """What a unit of `quantity` costs, in the currency in which its price is quoted."""
    return scaled(value * SCALE * SCALE, quantity * factor)
