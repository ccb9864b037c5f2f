"""The shared feature vector and the scoring of rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from titanflow.domain.events import BarClosed
from titanflow.domain.types import SCALE, Side
from titanflow.signal.explain import clamped, confidence_of, explain_rule
from titanflow.signal.features import FEATURE_MEANINGS, MarketFeatures

SCORES = st.floats(-1e6, 1e6)


def bar(dollars: int, volume: int = 5) -> BarClosed:
    low, high = (dollars - 1) * SCALE, (dollars + 1) * SCALE
    return BarClosed(2, 60, "A.X", 60, 0, dollars * SCALE, high, low, dollars * SCALE, volume * SCALE, 1)


def test_a_feature_that_is_not_known_yet_is_absent() -> None:
    market = MarketFeatures()
    seen = []
    for number in range(1, 41):
        market.update(bar(100 + number % 3, number))
        seen.append({name for name, _ in market.vector()})
    first_seen = {name: next(n for n, names in enumerate(seen, 1) if name in names) for name in FEATURE_MEANINGS}
    assert first_seen == {
        "return": 2,
        "rsi": 14,
        "macd_histogram": 34,
        "bollinger_percent_b": 20,
        "bollinger_width": 20,
        "atr": 14,
        "volume_zscore": 20,
    }


def test_features_are_in_dollars_and_parts_as_their_meanings_say() -> None:
    market = MarketFeatures()
    for _ in range(34):
        market.update(bar(100))
    market.update(bar(110, 10))
    features = dict(market.vector())
    assert list(features) == list(FEATURE_MEANINGS)
    assert features["return"] == 0.1
    assert features["rsi"] == 100.0
    assert features["atr"] == pytest.approx((2 * 13 + 11) / 14)
    assert market.atr_price == round((2 * 13 + 11) / 14 * SCALE)
    # Nineteen closes of 100 and one of 110: mean 100.5, distances of 0.5 and 9.5 from it.
    deviation = (19 * 0.25 / 20 + 90.25 / 20) ** 0.5
    assert features["bollinger_percent_b"] == pytest.approx((9.5 + 2 * deviation) / (4 * deviation))
    assert features["bollinger_width"] == pytest.approx(400 * deviation / 100.5)
    assert features["volume_zscore"] == pytest.approx((10 - 5.25) / (deviation / 2))


def test_the_average_true_range_is_zero_while_unknown() -> None:
    market = MarketFeatures()
    for _ in range(13):
        market.update(bar(100))
    assert market.atr_price == 0
    market.update(bar(100))
    assert market.atr_price == 2 * SCALE


@given(st.lists(SCORES, max_size=8), SCORES)
def test_contributions_and_base_value_add_up_to_the_score(values: list[float], base: float) -> None:
    explanation = explain_rule(tuple((f"f{n}", value) for n, value in enumerate(values)), base)
    total = base
    for _, value in explanation.contributions:
        total += value
    assert total == explanation.score


@given(SCORES, SCORES)
def test_confidence_grows_with_the_score_in_the_direction_of_the_signal(first: float, second: float) -> None:
    low, high = sorted((first, second))
    assert 0.0 <= confidence_of(low, Side.BUY) <= confidence_of(high, Side.BUY) < 1.0
    assert confidence_of(low, Side.BUY) == confidence_of(-low, Side.SELL)


def test_confidence_on_paper() -> None:
    assert confidence_of(1.0, Side.BUY) == 0.5
    assert confidence_of(-3.0, Side.SELL) == 0.75
    assert confidence_of(1.0, Side.SELL) == 0.0


@given(SCORES)
def test_a_clamped_value_stays_within_its_limit(value: float) -> None:
    assert clamped(value, 3.0) == min(3.0, max(-3.0, value))
