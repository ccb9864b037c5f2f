"""One contract that every rule of the registry passes, and what each of them says on paper."""

import math
from collections.abc import Sequence
from itertools import pairwise

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.signal_worlds import START
from titanflow.domain.events import BarClosed
from titanflow.domain.types import NANOS_PER_SECOND, SCALE, Side
from titanflow.signal.explain import RULE_CONTRIBUTIONS
from titanflow.signal.features import FEATURE_MEANINGS, MarketFeatures
from titanflow.signal.strategies import RULES, Opinion, Strategy
from titanflow.signal.strategies.rsi_mean_reversion import RSIMeanReversion
from titanflow.signal.strategies.sma_crossover import SMACrossover


def make(kind: type[Strategy], market: MarketFeatures | None = None, **values: float | str) -> Strategy:
    defaults = {spec.name: spec.default for spec in kind.parameters}
    return kind(defaults | values, market or MarketFeatures())


def bar(number: int, prices: Sequence[int], volume: int = SCALE) -> BarClosed:
    opened_at = START + number * 60 * NANOS_PER_SECOND
    return BarClosed(
        cause=number + 2,
        at=opened_at + 60 * NANOS_PER_SECOND,
        instrument="A.X",
        seconds=60,
        opened_at=opened_at,
        open=prices[0],
        high=max(prices),
        low=min(prices),
        close=prices[-1],
        volume=volume,
        ticks=len(prices),
    )


def opinions_on_bars(kind: type[Strategy], bars: Sequence[BarClosed], **values: float | str) -> list[Opinion | None]:
    market = MarketFeatures()
    strategy = make(kind, market, **values)
    said = []
    for each in bars:
        market.update(each, 0.001)
        said.append(strategy.on_bar(each))
    return said


def opinions_on_ticks(kind: type[Strategy], dollars: Sequence[float], **values: float | str) -> list[Opinion | None]:
    strategy = make(kind, **values)
    return [strategy.on_tick(round(price * SCALE), SCALE) for price in dollars]


def sides(said: Sequence[Opinion | None]) -> list[tuple[int, Side]]:
    return [(index, opinion.side) for index, opinion in enumerate(said) if opinion is not None]


@pytest.fixture
def recorded_bars(minute_bars: dict[str, pd.DataFrame]) -> list[BarClosed]:
    rows = minute_bars["AAPL"][["open", "high", "low", "close", "volume"]].itertuples(index=False)
    return [bar(n, (row.open, row.high, row.low, row.close), row.volume) for n, row in enumerate(rows)]


def assert_explained(opinion: Opinion) -> None:
    explanation = opinion.explanation
    assert explanation.method == RULE_CONTRIBUTIONS
    total = explanation.base_value + math.fsum(value for _, value in explanation.contributions)
    assert total == pytest.approx(explanation.score, rel=1e-15, abs=1e-15)
    assert 0.0 <= opinion.confidence <= 1.0
    names = [name for name, _ in opinion.features]
    assert len(names) == len(set(names))
    assert all(math.isfinite(value) for _, value in (*opinion.features, *explanation.contributions))
    assert {name for name, _ in explanation.contributions} <= {*names, *FEATURE_MEANINGS, "crossing"}


@pytest.mark.parametrize("name", RULES)
class TestEveryStrategy:
    """The contract."""

    def test_is_registered_under_its_own_name_and_documented(self, name: str) -> None:
        assert RULES[name].name == name
        assert RULES[name].__doc__

    def test_declares_defaults_that_it_accepts(self, name: str) -> None:
        kind = RULES[name]
        for spec in kind.parameters:
            assert spec.accepted(spec.default) == spec.default
            assert spec.meaning
        assert kind.complaint({spec.name: spec.default for spec in kind.parameters}) is None

    def test_explains_every_opinion_on_recorded_bars(self, name: str, recorded_bars: list[BarClosed]) -> None:
        said = [opinion for opinion in opinions_on_bars(RULES[name], recorded_bars) if opinion is not None]
        assert len(said) > 10
        for opinion in said:
            assert_explained(opinion)
        assert [n for n, _ in said[-1].features if n in FEATURE_MEANINGS] == list(FEATURE_MEANINGS)

    def test_speaks_on_changes_only(self, name: str, recorded_bars: list[BarClosed]) -> None:
        said = opinions_on_bars(RULES[name], recorded_bars)
        assert len(sides(said)) < len(said) / 5

    def test_says_the_same_when_asked_again(self, name: str, recorded_bars: list[BarClosed]) -> None:
        first, second = (opinions_on_bars(RULES[name], recorded_bars) for _ in range(2))
        assert first == second

    def test_says_on_ticks_what_it_says_on_bars_of_one_tick(self, name: str) -> None:
        if not RULES[name].decides_on_ticks():
            pytest.skip(f"{name} decides on bars only")
        dollars = [100 + 20 * math.sin(n / 8) for n in range(200)]
        strategy = make(RULES[name])
        on_bars = [strategy.on_bar(bar(n, (round(price * SCALE),))) for n, price in enumerate(dollars)]
        on_ticks = opinions_on_ticks(RULES[name], dollars)
        assert on_bars == on_ticks
        assert sides(on_bars)

    def test_says_nothing_of_a_price_that_never_moves(self, name: str) -> None:
        assert sides(opinions_on_bars(RULES[name], [bar(n, (SCALE,)) for n in range(300)])) == []

    @given(dollars=st.lists(st.integers(1, 30), min_size=40, max_size=150))
    @settings(max_examples=25, deadline=None)
    def test_explains_whatever_the_market_does(self, name: str, dollars: list[int]) -> None:
        bars = [bar(n, (price * SCALE, *(p * SCALE for p in dollars[n - 1 : n]))) for n, price in enumerate(dollars)]
        for opinion in opinions_on_bars(RULES[name], bars):
            if opinion is not None:
                assert_explained(opinion)


def test_the_first_comparison_of_the_averages_crosses_nothing() -> None:
    assert sides(opinions_on_ticks(SMACrossover, (1, 2, 3, 4, 5, 6), fast=2, slow=3)) == []


def test_averages_that_meet_without_crossing_say_nothing() -> None:
    """Means of 1 and 2: 2-1.5 above, 2-2 equal, 3-2.5 above again; then 1-2 below: only that is a crossing."""
    assert sides(opinions_on_ticks(SMACrossover, (1, 2, 2, 3, 1), fast=1, slow=2)) == [(4, Side.SELL)]


def test_a_crossing_is_seen_where_floats_would_round_it_away() -> None:
    """A quarter of a billion dollars against a billionth of one more: only exact integers tell the means apart."""
    strategy = make(SMACrossover, fast=1, slow=3)
    base = 250_000_000 * SCALE
    said = [strategy.on_tick(base + move, SCALE) for move in (0, 0, -1, 1)]
    assert sides(said) == [(3, Side.BUY)]


@given(prices=st.lists(st.integers(1, 50), min_size=5, max_size=120), fast=st.integers(1, 6), more=st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_crossovers_are_those_of_the_definition(prices: list[int], fast: int, more: int) -> None:
    """The sign of fast mean less slow mean, as fractions of whole windows summed anew, zeros passed over."""
    slow = fast + more
    signs = [
        (end - 1, slow * sum(prices[end - fast : end]) - fast * sum(prices[end - slow : end]))
        for end in range(slow, len(prices) + 1)
    ]
    told = [(index, gap > 0) for index, gap in signs if gap]
    expected = [(now[0], Side.BUY if now[1] else Side.SELL) for was, now in pairwise(told) if was[1] != now[1]]
    assert sides(opinions_on_ticks(SMACrossover, prices, fast=fast, slow=slow)) == expected


def test_a_crossing_with_momentum_is_surer_than_one_without() -> None:
    """Contributions on paper: 1 for the crossing, half of (price - slow mean) / ATR, no volume known."""
    market = MarketFeatures()
    for n in range(14):
        market.update(bar(n, (98 * SCALE, 102 * SCALE, 100 * SCALE)))
    strategy = make(SMACrossover, market, fast=1, slow=2)
    opinions = [strategy.on_tick(price * SCALE, SCALE) for price in (100, 98, 100)]
    last = opinions[-1]
    assert last is not None
    assert last.explanation.contributions == (("crossing", 1.0), ("momentum", 0.125), ("volume_zscore", 0.0))
    assert last.confidence == 1.125 / 2.125


def test_rsi_speaks_on_entering_a_zone() -> None:
    """RSI of two prices on paper, from smoothed gains to losses, each halved at every step before the change joins.

    12: 1 to 0, RSI 100 (overbought); 11: 1/2 to 1/2, 50; 10: 1/4 to 3/4, 25 (oversold); 9: 1/8 to 7/8, 12.5.
    """
    said = opinions_on_ticks(RSIMeanReversion, (10, 12, 11, 10, 9, 10), period=2, oversold=30.0, overbought=80.0)
    assert sides(said) == [(1, Side.SELL), (3, Side.BUY)]


def test_rsi_speaks_on_leaving_a_zone_with_the_furthest_value_that_it_saw() -> None:
    """The same prices: RSI leaves 100 for 50 at the third, and the oversold zone, after 12.5, at the last."""
    said = opinions_on_ticks(
        RSIMeanReversion, (10, 12, 11, 10, 9, 10), period=2, oversold=30.0, overbought=80.0, trigger="leave"
    )
    assert sides(said) == [(2, Side.SELL), (5, Side.BUY)]
    last = said[5]
    assert last is not None
    assert dict(last.features)["rsi_extreme"] == pytest.approx(12.5)
    assert dict(last.explanation.contributions)["rsi_extreme"] == pytest.approx((50 - 12.5) / 20)


def test_a_deeper_fall_is_a_surer_buy() -> None:
    def confidence(low: float) -> float:
        said = opinions_on_ticks(RSIMeanReversion, (10, 12, 11, low), period=2)
        return next(opinion.confidence for opinion in said if opinion is not None and opinion.side is Side.BUY)

    assert confidence(5) > confidence(9) > 0.5


@settings(max_examples=80, deadline=None)
@given(
    kind=st.sampled_from(list(RULES.values())),
    prices=st.lists(st.integers(50, 150), min_size=30, max_size=60),
    length=st.integers(2, 9),
    trigger=st.sampled_from(["enter", "leave"]),
)
def test_no_rule_speaks_before_its_warm_up(kind: type[Strategy], prices: list[int], length: int, trigger: str) -> None:
    values: dict[str, float | str] = {"fast": 1, "slow": length, "period": length, "trigger": trigger}
    known = {spec.name for spec in kind.parameters}
    given_values = {name: value for name, value in values.items() if name in known}
    said = opinions_on_ticks(kind, prices, **given_values)
    earliest = next((number for number, opinion in enumerate(said, 1) if opinion), len(said) + 1)
    defaults = {spec.name: spec.default for spec in kind.parameters}
    assert earliest >= kind.warm_up(defaults | given_values)


@pytest.mark.parametrize(
    ("kind", "values", "prices"),
    [
        (SMACrossover, {"fast": 1, "slow": 3}, [9, 8, 7, 12]),
        (RSIMeanReversion, {"period": 3, "trigger": "enter"}, [9, 8, 7]),
        (RSIMeanReversion, {"period": 3, "trigger": "leave"}, [9, 8, 7, 9]),
    ],
)
def test_a_rule_may_speak_as_soon_as_its_warm_up_is_over(
    kind: type[Strategy], values: dict[str, float | str], prices: list[float]
) -> None:
    defaults = {spec.name: spec.default for spec in kind.parameters}
    assert len(prices) == kind.warm_up(defaults | values)
    assert opinions_on_ticks(kind, prices, **values)[-1] is not None
