"""Two thousand random cases of stop, limit and market orders against a second market that shares no line with ours."""

import random
from fractions import Fraction

import pytest

from support.desk import BTC, MILLISECOND, START, Desk, bar_points, session_started
from support.reference_market import ONE, Print, ReferenceMarket
from titanflow.domain.events import (
    BarPointReceived,
    Event,
    OrderCancelled,
    OrderFilled,
    OrderSubmitted,
    OrderTriggered,
    TickReceived,
)
from titanflow.domain.types import OrderPurpose, OrderType, Side, decimal_of, fixed

BLOCKS, CASES = 20, 100
LATENCIES = (0, 1, 100 * MILLISECOND, 7_000 * MILLISECOND)
MINUTE = 60_000 * MILLISECOND


def bars(rng: random.Random) -> list[BarPointReceived]:
    """A few bars, one after the other, some with a gap between them, some of one price, some almost without volume."""
    points: list[BarPointReceived] = []
    last, opened_at = 10_000, START + 1
    for _ in range(rng.randint(2, 5)):
        first = last + rng.choice((0, 0, 1, -3, rng.randint(-400, 400)))
        close = first + rng.choice((0, rng.randint(-300, 300)))
        high = max(first, close) + rng.choice((0, 0, rng.randint(1, 300)))
        low = min(first, close) - rng.choice((0, 0, rng.randint(1, 300)))
        prices = [str(decimal_of(cents * ONE // 100)) for cents in (first, high, low, close)]
        volume = rng.choice(("0.00002", "0.4", "2", "80", "4000"))
        points += bar_points(opened_at, prices, volume, instrument=BTC)
        last, opened_at = close, opened_at + MINUTE * rng.choice((1, 1, 2))
    return points


def trades(rng: random.Random) -> list[TickReceived]:
    """A walk of real trades, some at one time, some smaller than an increment."""
    ticks, at, cents = [], START + 1, 10_000
    for _ in range(rng.randint(10, 40)):
        at += rng.choice((0, 1, 50, 100, 3_000)) * MILLISECOND
        cents += rng.choice((0, 1, -1, rng.randint(-150, 150)))
        size = rng.choice(("0.000004", "0.00001", "0.3", "1.23456", "50"))
        ticks.append(TickReceived(at, BTC.id, fixed(decimal_of(cents * ONE // 100)), fixed(size)))
    return ticks


def as_print(event: TickReceived | BarPointReceived) -> Print:
    if isinstance(event, TickReceived):
        return Print(event.at, event.price, event.size)
    return Print(
        event.at, event.price, event.size, event.from_at, event.from_price, event.low, event.high, event.opened_at
    )


class Case:
    """One world, told to the executor and to the reference at once."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = random.Random(seed)
        latency, participation = rng.choice(LATENCIES), rng.choice(("1", "0.5", "0.37"))
        execution = {
            "allow_short": True,
            "participation": fixed(participation),
            "latency_min_nanos": latency,
            "latency_max_nanos": latency,
            "max_order_value": fixed("1000000000"),
        }
        self.desk = Desk(session_started(execution, cash="1000000000"))
        self.reference = ReferenceMarket(latency, Fraction(participation), BTC.price_increment, BTC.quantity_increment)
        self.events: list[TickReceived | BarPointReceived] = [*(bars(rng) if rng.random() < 0.75 else trades(rng))]

    def play(self) -> None:
        """Every print, and before some of them an order at a moment since the last."""
        first = True
        for event in self.events:
            if not first and self.rng.random() < 0.25:
                self.desk.now = self.rng.randint(self.desk.now, max(self.desk.now, event.at))
                self.send()
            self.desk.now = event.at
            self.desk.feed(event)
            self.reference.see(as_print(event))
            first = False

    def send(self) -> None:
        """A random order: an entry of either side with or without a stop, or an exit where a position is held."""
        rng, held, mark = self.rng, self.reference.position, self.desk.executor.marks[BTC.id]
        closes = held != 0 and rng.random() < 0.4
        sign = (-1 if held > 0 else 1) if closes else rng.choice((1, -1))
        kind = rng.choice(tuple(OrderType))
        near = (mark // BTC.price_increment + rng.randint(-250, 250)) * BTC.price_increment
        price = 0 if kind is OrderType.MARKET else near
        quantity = rng.choice((1, 30_000, 150_000, 1_234_567)) * BTC.quantity_increment
        distance = rng.randint(1, 200) * BTC.price_increment
        stop = (
            0 if closes or rng.random() < 0.4 else mark // BTC.price_increment * BTC.price_increment - sign * distance
        )
        self.desk.approve(
            Side.BUY if sign > 0 else Side.SELL,
            str(decimal_of(quantity)),
            instrument=BTC.id,
            order_type=kind,
            price=str(decimal_of(price)),
            stop=str(decimal_of(stop)),
            purpose=OrderPurpose.EXIT if closes else OrderPurpose.ENTRY,
        )
        self.reference.send(self.desk.now, sign, str(kind), price, quantity, closes, stop)

    def told(self) -> list[tuple[object, ...]]:
        """The ledger in the reference's words."""
        numbers: dict[str, int] = {}
        log: list[tuple[object, ...]] = []
        for event in self.desk.ledger:
            log += self._line(event, numbers)
        return log

    @staticmethod
    def _line(event: Event, numbers: dict[str, int]) -> list[tuple[object, ...]]:
        match event:
            case OrderSubmitted():
                numbers[event.order_id] = len(numbers)
                return [("sent", numbers[event.order_id], event.active_at, event.quantity)]
            case OrderTriggered():
                return [("triggered", numbers[event.order_id], event.price, event.met_at, event.active_at)]
            case OrderFilled():
                paid = (event.quantity, event.price, event.reference_price, event.met_at, event.at, event.remaining)
                return [("filled", numbers[event.order_id], *paid)]
        return []

    def ended(self) -> set[int]:
        """Numbers of the orders that the executor cancelled."""
        numbers = {event.order_id: n for n, event in enumerate(self.desk.all_of(OrderSubmitted))}
        return {numbers[event.order_id] for event in self.desk.all_of(OrderCancelled)}


@pytest.mark.parametrize("block", range(BLOCKS))
def test_the_paper_market_does_what_the_reference_does(block: int) -> None:
    for n in range(CASES):
        seed = block * CASES + n
        case = Case(seed)
        case.play()
        assert case.told() == case.reference.log, f"case {seed}"
        assert case.ended() == {o.number for o in case.reference.orders if o.ended == "closed"}, f"case {seed}"
        assert case.desk.book().quantity(BTC.id) == case.reference.position, f"case {seed}"


def test_the_cases_are_no_idle_ones() -> None:
    """Enough of everything that can go wrong happens in them."""
    seen = dict.fromkeys(("fills", "triggers", "same leg", "parts", "gaps", "crossings", "cancels"), 0)
    for seed in range(300):
        case = Case(seed)
        case.play()
        fills, triggers = case.desk.fills, case.desk.all_of(OrderTriggered)
        seen["fills"] += len(fills)
        seen["triggers"] += len(triggers)
        seen["parts"] += sum(fill.remaining > 0 for fill in fills)
        seen["cancels"] += len(case.ended())
        seen["gaps"] += sum(event.price != event.stop_price for event in triggers)
        seen["crossings"] += sum(event.price == event.stop_price for event in triggers)
        sent = {event.order_id: event for event in case.desk.all_of(OrderSubmitted)}
        seen["same leg"] += sum(sent[event.order_id].cause == event.cause for event in triggers)
    assert all(count >= 20 for count in seen.values()), seen
