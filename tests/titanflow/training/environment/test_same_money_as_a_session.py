"""An agent's day in the environment and the same wishes in a fused session lead to the same money, bar by bar."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import ClassVar

import msgspec
import numpy as np
import pytest
import redis

from support.trending_samples import trending_samples
from titanflow.domain.events import (
    BarClosed,
    BarPointReceived,
    ClockAdvanced,
    Event,
    Explanation,
    OrderFilled,
    SessionStarted,
)
from titanflow.domain.instruments import TradingCalendar
from titanflow.domain.portfolio import Portfolio
from titanflow.domain.session_settings import ContenderSpec, ExecutionSettings, FeedSpec, SessionSettings
from titanflow.domain.types import NANOS_PER_SECOND, SCALE, Money, OrderPurpose, Price, Side
from titanflow.gateway.catalogue import load_catalogue
from titanflow.gateway.lifecycle import OPENING
from titanflow.runtime.fused import FusedLoop
from titanflow.runtime.ledgers import new_ledger
from titanflow.signal.features import MarketFeatures
from titanflow.signal.indicators import AverageTrueRange
from titanflow.signal.strategies import STRATEGIES, Opinion, Strategy
from titanflow.signal.strategies.base import ParameterValue
from titanflow.training.environment.market_env import FLAT, LONG, MarketEnv
from titanflow.training.environment.trading_days import Day, TradingDays
from titanflow.training.samples import Samples

NAME = "AAPL.XNYS"
# Contenders and seeds differ between the two, and chance is drawn by them: so noise is off, and prices are so fine that
# none is rounded by chance. Everything else costs what it costs.
SETTINGS = SessionSettings(execution=ExecutionSettings(cost_noise=0, latency_sigma=0))
INSTRUMENTS = {each.id: msgspec.structs.replace(each, price_increment=1) for each in load_catalogue().all()}


class Scripted(Strategy):
    """Says what it was told to say, bar after bar."""

    name: ClassVar[str] = "Scripted"
    actions: ClassVar[list[int]] = []

    def __init__(self, values: Mapping[str, ParameterValue], market: MarketFeatures) -> None:
        super().__init__(values, market)
        self._bars = iter(self.actions)
        self._stance = FLAT

    def on_bar(self, bar: BarClosed) -> Opinion | None:
        stance = next(self._bars, FLAT)
        if stance == self._stance:
            return None
        self._stance = stance
        explanation = Explanation(method="script", base_value=0.0, score=0.0, contributions=())
        return Opinion(Side.BUY if stance == LONG else Side.SELL, 1.0, (), explanation)


def with_live_ranges(samples: Samples) -> Samples:
    """The samples with the average true range that a session knows at each bar."""
    values = []
    for instrument in range(len(samples.instruments)):
        indicator = AverageTrueRange()
        for row in np.flatnonzero(samples.instrument == instrument):
            prices = (round(float(column[row]) * SCALE) for column in (samples.high, samples.low, samples.close))
            values.append((indicator.update(*prices) or np.nan) / SCALE)
    return replace(samples, atr=np.array(values))


def feed(day: Day) -> Iterator[Event]:
    """Every tick of the day, each second's clock before them, and the clock that closes the last bar."""
    second = 0
    for tick in (tick for bar in day.points for tick in bar):
        if tick.at // NANOS_PER_SECOND > second:
            second = tick.at // NANOS_PER_SECOND
            yield ClockAdvanced(second * NANOS_PER_SECOND)
        yield tick
    yield ClockAdvanced(day.closed_at[-1])


def fused_events(redis_url: str, session: str, day: Day, settings: SessionSettings) -> list[Event]:
    instrument = day.instrument
    started = SessionStarted(
        at=day.points[0][0].at,
        identity="s",
        seed=1,
        settings=settings,
        instruments=(instrument,),
        calendars=(TradingCalendar(instrument.calendar, always_open=True, sessions=()),),
        contenders=(ContenderSpec("c", "c", "Scripted", (), (instrument.id,), 60, ""),),
        feed=FeedSpec("", "", ""),
        code_version="",
    )
    ledger = new_ledger(redis.Redis.from_url(redis_url), session)
    ledger.append([started], [OPENING])
    loop = FusedLoop(ledger)
    loop.recover()
    loop.take(feed(day))
    loop.flush(1)
    return [event for block in ledger.read() for event in block.events]


def equity_at_closes(events: list[Event], cash: Money) -> list[Money]:
    portfolio, marks, curve = Portfolio(cash), dict[str, Price](), []
    for event in events:
        if type(event) is OrderFilled:
            portfolio.apply(event.at, event.instrument, event.side, event.quantity, event.price, event.fee)
        elif type(event) is BarPointReceived:
            marks[event.instrument] = event.price
        elif type(event) is BarClosed:
            curve.append(portfolio.equity(marks))
    return curve


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_environments_money_is_the_sessions_money(
    redis_url: str, session_id: str, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    samples = with_live_ranges(trending_samples(2, seed=seed))
    days = TradingDays(samples, samples.usable(1), INSTRUMENTS)
    market = MarketEnv(days, SETTINGS)
    episode = days.episodes[0]
    # The session knows no range before its fifteenth bar: both deny what is wished until then.
    rng = np.random.default_rng(seed)
    actions = np.cumsum(rng.random(episode.decisions) < 0.3).astype(int) % 2
    opening = market.reset(seed=1, options={"episode": 0})[1]
    curve = [info["equity"] for info in (opening, *(market.step(np.int64(action))[4] for action in actions))]

    monkeypatch.setitem(STRATEGIES, "Scripted", Scripted)
    monkeypatch.setattr(Scripted, "actions", [*actions[:-1].tolist(), FLAT])
    events = fused_events(redis_url, session_id, days.day(episode), market.settings)

    fills = [event for event in events if type(event) is OrderFilled]
    assert {fill.instrument for fill in fills} == {NAME}
    assert {OrderPurpose.ENTRY, OrderPurpose.EXIT} <= {fill.purpose for fill in fills}
    assert len(fills) >= 6
    assert sum(fill.fee for fill in fills) == market.session.portfolio.fees > 0
    assert equity_at_closes(events, SETTINGS.starting_cash) == curve
