"""The books of one contender: cash, positions at average cost, realized and unrealized P&L, in fixed point.

Every fill is one balanced journal entry. The law that always holds, to the last unit:
cash + cost basis + fees - realized P&L = starting cash.
"""

from collections.abc import Mapping
from typing import NamedTuple

from titanflow.domain.types import SCALE, InstrumentId, Money, Nanos, Price, Quantity, Side, notional, scaled


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


class Position:
    """A holding in one instrument: signed quantity and signed cost basis (negative when short)."""

    __slots__ = (
        "_closed_value",
        "_fees",
        "_opened",
        "_opened_value",
        "_realized",
        "cost",
        "instrument",
        "opened_at",
        "quantity",
    )

    def __init__(self, instrument: InstrumentId) -> None:
        self.instrument = instrument
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
        """Cost basis a unit; 0 when flat."""
        return scaled(abs(self.cost) * SCALE, abs(self.quantity)) if self.quantity else 0

    def value(self, mark: Price) -> Money:
        """Signed market value at `mark`."""
        return notional(mark, self.quantity)

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

    def _round_trip(self, at: Nanos, long: bool) -> RoundTrip:
        side = Side.BUY if long else Side.SELL
        entry_price = scaled(self._opened_value * SCALE, self._opened)
        exit_price = scaled(self._closed_value * SCALE, self._opened)
        pnl = self._realized - self._fees
        return RoundTrip(
            self.instrument, side, self.opened_at, at, self._opened, entry_price, exit_price, self._fees, pnl
        )


class Portfolio:
    """One contender's account. `apply` books a fill; everything else reads."""

    __slots__ = ("cash", "fees", "positions", "realized", "starting_cash")

    def __init__(self, starting_cash: Money) -> None:
        self.starting_cash = starting_cash
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
        value = notional(price, quantity)
        sign = side.sign
        position = self.positions.get(instrument) or Position(instrument)
        held = sign * position.quantity
        closing = min(-held, quantity) if held < 0 else 0
        opening = quantity - closing
        closing_value = notional(price, closing) if opening else value
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

    def quantity(self, instrument: InstrumentId) -> Quantity:
        """Signed quantity held; 0 when flat."""
        position = self.positions.get(instrument)
        return position.quantity if position else 0

    def cost_basis(self) -> Money:
        """Sum of the signed cost of all positions."""
        return sum(position.cost for position in self.positions.values())

    def equity(self, marks: Mapping[InstrumentId, Price]) -> Money:
        """Cash plus the market value of every position; a position without a mark counts at cost."""
        total = self.cash
        for position in self.positions.values():
            mark = marks.get(position.instrument)
            total += position.cost if mark is None else notional(mark, position.quantity)
        return total

    def unrealized(self, marks: Mapping[InstrumentId, Price]) -> Money:
        """Market value minus cost of every position that has a mark."""
        return self.equity(marks) - self.cash - self.cost_basis()

    def gross_exposure(self, marks: Mapping[InstrumentId, Price]) -> Money:
        """Sum of the absolute market values of all positions; a position without a mark counts at cost."""
        total = 0
        for position in self.positions.values():
            mark = marks.get(position.instrument)
            total += abs(position.cost if mark is None else notional(mark, position.quantity))
        return total

    @property
    def conserved(self) -> bool:
        """The conservation law of the books: cash + cost basis + fees - realized P&L = starting cash."""
        return self.cash + self.cost_basis() + self.fees - self.realized == self.starting_cash
