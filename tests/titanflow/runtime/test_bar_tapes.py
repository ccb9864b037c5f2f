"""Sessions on tapes of bars, whole: what is decided at a bar's close fills at the next open, and the day ends flat."""

import csv
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import pytest

from support.short_session import events_of, play_fused
from titanflow.domain.events import (
    BarClosed,
    BarPointReceived,
    ClockAdvanced,
    Event,
    Explanation,
    OrderFilled,
    OrderSubmitted,
)
from titanflow.domain.types import FillBasis, OrderPurpose, Side
from titanflow.signal.features import MarketFeatures
from titanflow.signal.strategies import STRATEGIES, Opinion, Strategy
from titanflow.signal.strategies.base import ParameterValue

HOUR = 3600 * 10**9
OPENS = [(day * 86_400 + 14 * 3600 + 1800) * 10**9 for day in range(17938, 17943)]
"""Of the NYSE, from Monday 2019-02-11 to Friday, in UTC; it closes six and a half hours later."""
JANUARY = [
    (day * 86_400 + 14 * 3600 + 1800) * 10**9
    for day in range(17906, 17934)
    if day % 7 not in (2, 3) and day != 17917  # weekends, and Martin Luther King's day
]
"""Of the NYSE, from Thursday 2019-01-10 to Wednesday 2019-02-06."""
DAY = 13 * HOUR // 2
CONTENDERS = """
[[contender]]
id = "turns"
name = "turns"
strategy = "Turns"
instruments = "*"
bar_seconds = 3600
parameters = {}
"""


class Turns(Strategy):
    """Buys at a bar's close and sells at the next, over and over."""

    name: ClassVar[str] = "Turns"

    def __init__(self, values: Mapping[str, ParameterValue], market: MarketFeatures) -> None:
        super().__init__(values, market)
        self._bars = 0

    def on_bar(self, bar: BarClosed) -> Opinion | None:
        self._bars += 1
        side = Side.BUY if self._bars % 2 else Side.SELL
        return Opinion(side, 1.0, (), Explanation(method="script", base_value=0.0, score=0.0, contributions=()))


class Bar(NamedTuple):
    at: int
    prices: tuple[int, ...]
    """Open, high, low, close in 1e-9."""


def hourly() -> list[Bar]:
    """Five days of bars, each but the last an hour long, with gaps between them."""
    rng, cents, bars = random.Random(7), 10_000, []
    for opens in OPENS:
        for hour in range(7):
            first = cents + rng.randint(-40, 40)
            cents = first + rng.randint(-60, 60)
            high, low = max(first, cents) + rng.randint(0, 30), min(first, cents) - rng.randint(0, 30)
            bars.append(Bar(opens + hour * HOUR, tuple(each * 10**7 for each in (first, high, low, cents))))
    return bars


def daily() -> list[Bar]:
    """Nineteen days in a bar each."""
    rng, cents, bars = random.Random(8), 10_000, []
    for opens in JANUARY:
        first = cents + rng.randint(-80, 80)
        cents = first + rng.randint(-150, 150)
        high, low = max(first, cents) + rng.randint(0, 60), min(first, cents) - rng.randint(0, 60)
        bars.append(Bar(opens, tuple(each * 10**7 for each in (first, high, low, cents))))
    return bars


Play = Callable[[Sequence[Bar]], list[Event]]


@pytest.fixture
def play(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Play:
    """A session on a tape of these bars without latency, costs as they are by default."""

    def played(bars: Sequence[Bar]) -> list[Event]:
        monkeypatch.setitem(STRATEGIES, "Turns", Turns)
        tape, contenders = tmp_path / "bars.csv", tmp_path / "turns.toml"
        with tape.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["ts_ns", "symbol", "open", "high", "low", "close", "volume"])
            writer.writerows(
                [bar.at, "AAPL", *(f"{price / 10**9:.2f}" for price in bar.prices), 700_000] for bar in bars
            )
        contenders.write_text(CONTENDERS)
        still: dict[str, Any] = {"latency_median_ms": 0, "latency_min_ms": 0, "latency_max_ms": 0}
        return events_of(play_fused(redis_url, tmp_path, tape, contenders=contenders, execution=still))

    return played


@pytest.fixture
def events(play: Play) -> list[Event]:
    """The session on hourly bars."""
    return play(hourly())


def test_on_daily_bars_an_entry_fills_at_the_next_open_and_the_day_ends_flat(play: Play) -> None:
    events, opens = play(daily()), {bar.at: bar.prices[0] for bar in daily()}
    fills = [event for event in events if isinstance(event, OrderFilled)]
    entries = {fill.order_id: fill for fill in reversed(fills) if fill.purpose is OrderPurpose.ENTRY}.values()
    assert len(entries) >= 2
    for entry in entries:
        assert entry.reference_price == opens[entry.met_at]
    out = [fill for fill in fills if fill.purpose is OrderPurpose.SESSION_CLOSE]
    assert {fill.basis for fill in out} == {FillBasis.BAR_PATH}
    assert all(JANUARY[-1] + DAY > fill.met_at and (fill.met_at - JANUARY[0]) % (24 * HOUR) < DAY for fill in out)
    assert sum(fill.side.sign * fill.quantity for fill in fills) == 0


def test_what_is_decided_at_a_bars_close_fills_at_the_next_open(events: list[Event]) -> None:
    opens = {bar.at: bar.prices[0] for bar in hourly()}
    sent = {event.order_id: event for event in events if isinstance(event, OrderSubmitted)}
    fills = [
        event
        for event in events
        if isinstance(event, OrderFilled) and event.purpose in (OrderPurpose.ENTRY, OrderPurpose.EXIT)
    ]
    firsts = {fill.order_id: fill for fill in reversed(fills)}.values()
    assert len(firsts) > 8
    for fill in firsts:
        assert fill.met_at in opens, "the instant of an open"
        assert fill.reference_price == opens[fill.met_at]
        assert fill.met_at >= sent[fill.order_id].active_at


def test_no_fill_lies_outside_the_range_of_its_bar(events: list[Event]) -> None:
    checked = 0
    for fill in (event for event in events if isinstance(event, OrderFilled)):
        bar = max((bar for bar in hourly() if bar.at <= fill.met_at), key=lambda bar: bar.at)
        assert bar.prices[2] <= fill.price <= bar.prices[1]
        checked += 1
    assert checked > 8


def test_nothing_fills_and_nothing_is_held_while_the_venue_is_closed(events: list[Event]) -> None:
    held: Counter[str] = Counter()
    nights = 0
    for event in events:
        if isinstance(event, OrderFilled):
            day = max(opens for opens in OPENS if opens <= event.met_at)
            assert event.met_at < day + DAY or event.basis is FillBasis.CLOSING_PRICE
            held[event.instrument] += event.side.sign * event.quantity
        if isinstance(event, ClockAdvanced) and event.at in OPENS[1:]:
            assert not any(held.values())
            nights += 1
    assert nights == len(OPENS) - 1
    assert not any(held.values()), "nor after the tape's end"


def test_the_bars_of_a_tape_are_played_as_paths(events: list[Event]) -> None:
    points = [event for event in events if isinstance(event, BarPointReceived)]
    assert [(point.at, point.price) for point in points if point.at == point.from_at] == [
        (bar.at, bar.prices[0]) for bar in hourly()
    ]
    assert all(
        point.price == point.low or point.price == point.high or point.last or point.at == point.from_at
        for point in points
    )
