"""Measures the cost of indicators, strategies and the signal decider on one core; prints JSON, nanoseconds each.

The market is a walk that needs no file. `loop` is the bare loop around each measurement and is not subtracted. The
budget for RSI, MACD, Bollinger and ATR together is 3,000 ns an update. Usage: python benchmarks/bench_indicators.py
"""

import gc
import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from titanflow.domain.events import BarClosed, ClockAdvanced, Event, SessionStarted, TickReceived
from titanflow.domain.instruments import FeeSchedule, Instrument, InstrumentKind
from titanflow.domain.session_settings import FeedSpec, SessionSettings
from titanflow.domain.types import NANOS_PER_SECOND, SCALE
from titanflow.signal.bars import BarBuilder
from titanflow.signal.contenders import parse_contenders
from titanflow.signal.engine import SignalEngine
from titanflow.signal.features import MarketFeatures
from titanflow.signal.indicators import (
    AverageTrueRange,
    BollingerBands,
    ExponentialMovingAverage,
    MovingAverageConvergenceDivergence,
    RelativeStrengthIndex,
    SimpleMovingAverage,
    ZScore,
)
from titanflow.signal.strategies import RULES

UPDATES = 200_000
ROUNDS = 5
BUDGET_NANOS = 3_000
TICKS_PER_SECOND = 100
START = 1_700_000_040 * NANOS_PER_SECOND
COIN = Instrument(
    "COIN.X", "COIN", "X", InstrumentKind.CRYPTO_SPOT, SCALE // 100, SCALE // 1000, "always", "USD", FeeSchedule()
)

Run = Callable[[], None]


def walk(length: int) -> list[int]:
    """Prices around 50,000 dollars that move by whole cents, up to a dollar a step."""
    prices, price, state = [], 50_000 * SCALE, 1
    for _ in range(length):
        state = (state * 6_364_136_223_846_793_005 + 1_442_695_040_888_963_407) % (1 << 64)
        price += ((state >> 40) % 201 - 100) * (SCALE // 100)
        prices.append(price)
    return prices


PRICES = walk(UPDATES)
TICKS = [
    TickReceived(START + n * (NANOS_PER_SECOND // TICKS_PER_SECOND), COIN.id, p, SCALE) for n, p in enumerate(PRICES)
]


def each_price(make: Callable[[], Callable[[int], Any]]) -> Run:
    """A fresh indicator fed with every price."""

    def run() -> None:
        update = make()
        for price in PRICES:
            update(price)

    return run


def four_together() -> Callable[[int], None]:
    """RSI, MACD, Bollinger and ATR updated with one price."""
    rsi, macd = RelativeStrengthIndex().update, MovingAverageConvergenceDivergence().update
    bands, atr = BollingerBands().update, AverageTrueRange().update

    def update(price: int) -> None:
        rsi(price)
        macd(price)
        bands(price)
        atr(price + SCALE, price - SCALE, price)

    return update


def one_true_range() -> Callable[[int], Any]:
    """ATR of bars two dollars wide."""
    update = AverageTrueRange().update
    return lambda price: update(price + SCALE, price - SCALE, price)


def each_bar(read: bool) -> Run:
    """All features updated with bars two dollars wide, and where `read` computed for every bar."""
    bars = [
        BarClosed(0, n * NANOS_PER_SECOND, COIN.id, 1, n * NANOS_PER_SECOND, p, p + SCALE, p - SCALE, p, p % SCALE, 1)
        for n, p in enumerate(PRICES)
    ]

    def run() -> None:
        market = MarketFeatures()
        for bar in bars:
            market.update(bar)
            if read:
                market.values()

    return run


def each_bar_tick() -> None:
    """Minute bars of the ticks."""
    add = BarBuilder(COIN.id, 60).add
    for seq, tick in enumerate(TICKS):
        add(seq, tick)


def each_strategy_tick(name: str) -> Run:
    """A strategy with its defaults, asked at every tick."""
    strategy = RULES[name]

    def run() -> None:
        on_tick = strategy({spec.name: spec.default for spec in strategy.parameters}, MarketFeatures()).on_tick
        for price in PRICES:
            on_tick(price, SCALE)

    return run


def each_event(name: str, bar_seconds: int) -> Run:
    """The whole decider with one contender, dispatched by type as the runtime does."""
    text = f'[[contender]]\nid = "c"\nstrategy = "{name}"\ninstruments = "*"\nbar_seconds = {bar_seconds}'
    contenders = parse_contenders(text, (COIN,), "benchmark")
    settings, feed = SessionSettings(), FeedSpec("benchmark", "", "")
    started = SessionStarted(START, "b", 1, settings, (COIN,), (), contenders, feed, "")
    events = with_clocks(TICKS)

    def run() -> None:
        engine = SignalEngine()
        handlers = engine.handlers
        engine.on_session_started(1, started)
        for seq, event in enumerate(events, start=2):
            handlers[type(event)](seq, event)

    return run


def with_clocks(ticks: Sequence[TickReceived]) -> list[Event]:
    """The ticks with a clock before those of each second."""
    events: list[Event] = []
    for tick in ticks:
        if tick.at % NANOS_PER_SECOND == 0:
            events.append(ClockAdvanced(tick.at))
        events.append(tick)
    return events


MEASUREMENTS: dict[str, Run] = {
    "loop": each_price(lambda: lambda price: None),
    "rsi_macd_bollinger_atr": each_price(four_together),
    "sma": each_price(lambda: SimpleMovingAverage(30).update),
    "ema": each_price(lambda: ExponentialMovingAverage(12).update),
    "rsi": each_price(lambda: RelativeStrengthIndex().update),
    "macd": each_price(lambda: MovingAverageConvergenceDivergence().update),
    "bollinger": each_price(lambda: BollingerBands().update),
    "atr": each_price(one_true_range),
    "zscore": each_price(lambda: ZScore().update),
    "features_updated": each_bar(read=False),
    "features_read": each_bar(read=True),
    "bar_tick": each_bar_tick,
    **{f"{name}_tick": each_strategy_tick(name) for name in RULES},
    **{f"engine_{name}_on_ticks": each_event(name, 0) for name in RULES},
    **{f"engine_{name}_on_minutes": each_event(name, 60) for name in RULES},
}


def nanos_each(run: Run) -> int:
    """Processor time, the best of several rounds: what the code costs when the machine leaves it alone."""
    best = float("inf")
    for _ in range(ROUNDS):
        gc.collect()
        began = time.process_time()
        run()
        best = min(best, time.process_time() - began)
    return round(best / UPDATES * 1e9)


def main() -> None:
    """Measure everything and print one JSON document."""
    figures = {name: nanos_each(run) for name, run in MEASUREMENTS.items()}
    document = {
        "benchmark": "indicators",
        "python": sys.version.split()[0],
        "updates": UPDATES,
        "budget_ns": {"rsi_macd_bollinger_atr": BUDGET_NANOS},
        "ns_each": figures,
    }
    print(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
