"""The rules of docs/execution.md in one contender's account and one instrument, once more, with fractions and loops.

It imports nothing of TitanFlow: no formula here can be wrong because the executor's is. Times are nanoseconds, prices
and quantities whole numbers of 1e-9. Costs are none; rounding and cutting are what is left of them.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor

ONE = 1_000_000_000


@dataclass
class Print:
    """A trade, or a point of a bar with the leg that ends there (`bar` is when the bar opened, None for a trade)."""

    at: int
    price: int
    size: int
    from_at: int = 0
    from_price: int = 0
    low: int = 0
    high: int = 0
    bar: int | None = None


@dataclass
class Order:
    """An order as the market sees it; `number` counts submissions from 0."""

    number: int
    sign: int
    kind: str
    price: int
    left: int
    active_at: int
    closes: bool
    protect_at: int = 0
    ended: str = ""
    crossed_in: int | None = None
    met_on: int = -1
    """Index of the last print that it met, or after which it was sent."""


@dataclass
class ReferenceMarket:
    """Feed it orders and prints in the order of time; it notes what happens in `log`."""

    latency: int
    participation: Fraction
    price_step: int
    quantity_step: int
    position: int = 0
    orders: list[Order] = field(default_factory=list)
    log: list[tuple[object, ...]] = field(default_factory=list)
    prints: int = 0

    def send(self, at: int, sign: int, kind: str, price: int, quantity: int, closes: bool, protect_at: int = 0) -> None:
        """An order is decided at `at`. A closing one takes back the entries that still work."""
        if closes:
            for order in self.orders:
                if not order.closes:
                    self._end(order, "closed")
        order = Order(len(self.orders), sign, kind, price, quantity, at + self.latency, closes, protect_at)
        self.orders.append(order)
        self.log.append(("sent", order.number, order.active_at, quantity))

    def see(self, met: Print) -> None:
        """A print arrives."""
        self.prints += 1
        offered = floor(Fraction(met.size) * self.participation / self.quantity_step) * self.quantity_step
        if met.bar is None:
            for order in list(self.orders):
                if not order.ended and order.active_at <= met.at and self._reaches(order, met.price):
                    if order.kind == "stop":
                        order.kind, order.active_at = "market", met.at + self.latency
                        self.log.append(("triggered", order.number, met.price, met.at, order.active_at))
                    else:
                        offered -= self._fill(order, met, met.at, met.price, offered)
            return
        while True:
            meetings = [
                (when, order.number, price)
                for order in self.orders
                if not order.ended and order.met_on < self.prints
                for when, price in self._meeting(order, met)
            ]
            if not meetings:
                return
            when, number, price = min(meetings)
            order = self.orders[number]
            order.met_on = self.prints
            if order.kind == "stop":
                order.kind, order.active_at = "market", when
                self.log.append(("triggered", number, price, when, when))
            elif order.kind == "limit" and price == order.price:
                order.crossed_in = met.bar
            offered -= self._fill(order, met, when, price, offered)

    def _meeting(self, order: Order, leg: Print) -> list[tuple[int, int]]:
        """[(when, price)] at which the leg meets an order, or []."""
        start = max(leg.from_at, order.active_at)
        if start > leg.at:
            return []
        here = self._line(leg, Fraction(start))
        if order.kind == "market":
            return [(start, round(here))]
        if self._reaches(order, here):
            rests = order.kind == "limit" and order.crossed_in == leg.bar
            return [(start, order.price if rests else round(here))]
        if not self._reaches(order, leg.price):
            return []
        part = Fraction(order.price - leg.from_price, leg.price - leg.from_price)
        return [(ceil(leg.from_at + part * (leg.at - leg.from_at)), order.price)]

    @staticmethod
    def _line(leg: Print, when: Fraction) -> Fraction:
        if leg.at == leg.from_at:
            return Fraction(leg.price)
        return leg.from_price + (leg.price - leg.from_price) * (when - leg.from_at) / (leg.at - leg.from_at)

    @staticmethod
    def _reaches(order: Order, price: Fraction | int) -> bool:
        if order.kind == "market":
            return True
        below = (order.kind == "limit") == (order.sign > 0)
        return price <= order.price if below else price >= order.price

    def _fill(self, order: Order, met: Print, when: int, reference: int, offered: int) -> int:
        """What is taken of the print."""
        wanted = min(order.left, abs(self.position)) if order.closes else order.left
        quantity = min(wanted, offered)
        if quantity <= 0:
            return 0
        steps = Fraction(reference, self.price_step)
        price = (ceil(steps) if order.sign > 0 else max(1, floor(steps))) * self.price_step
        if order.kind == "limit":
            price = min(price, order.price) if order.sign > 0 else max(price, order.price)
        if met.bar is not None:
            price = min(price, met.high) if order.sign > 0 else max(price, met.low)
        order.left -= quantity
        self.position += order.sign * quantity
        self.log.append(("filled", order.number, quantity, price, reference, when, met.at, order.left))
        if not order.left:
            order.ended = "filled"
        for other in self.orders:
            if other.closes and other.sign * self.position >= 0:
                self._end(other, "closed")
        if not order.closes and order.protect_at and order.sign * self.position > 0:
            opened = min(quantity, abs(self.position))
            active_at = when + self.latency
            stop = Order(len(self.orders), -order.sign, "stop", order.protect_at, opened, active_at, True)
            stop.met_on = self.prints if met.bar is None else -1
            self.orders.append(stop)
            self.log.append(("sent", stop.number, stop.active_at, opened))
        return quantity

    @staticmethod
    def _end(order: Order, why: str) -> None:
        if not order.ended:
            order.ended = why
