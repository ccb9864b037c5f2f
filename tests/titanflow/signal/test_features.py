"""The shared feature vector and the scoring of rules."""

import math
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from titanflow.domain.events import BarClosed
from titanflow.domain.types import NANOS_PER_DAY, NANOS_PER_SECOND, SCALE, Side
from titanflow.errors import InputError
from titanflow.signal.explain import clamped, confidence_of, explain_rule
from titanflow.signal.features import FEATURE_MEANINGS, MarketFeatures
from titanflow.signal.time_of_day import point_of_day

SCORES = st.floats(-1e6, 1e6)


def bar(dollars: int, volume: int = 5) -> BarClosed:
    low, high = (dollars - 1) * SCALE, (dollars + 1) * SCALE
    return BarClosed(2, 60, "A.X", 60, 0, dollars * SCALE, high, low, dollars * SCALE, volume * SCALE, 1)


def test_a_feature_that_is_not_known_yet_is_absent() -> None:
    market = MarketFeatures()
    assert market.vector() == ()
    seen = []
    for number in range(1, 41):
        market.update(bar(100 + number % 3, number), 0.001 if number > 5 else None)
        seen.append({name for name, _ in market.vector()})
    first_seen = {name: next(n for n, names in enumerate(seen, 1) if name in names) for name in FEATURE_MEANINGS}
    assert first_seen == {
        "return_1": 2,
        "return_5": 6,
        "return_15": 16,
        "return_30": 31,
        "volatility_10": 11,
        "volatility_30": 31,
        "rsi": 14,
        "macd_line": 26,
        "macd_signal": 34,
        "macd_histogram": 34,
        "bollinger_percent_b": 20,
        "bollinger_width": 20,
        "atr": 14,
        "volume_zscore": 20,
        "time_sin": 1,
        "time_cos": 1,
        "spread": 6,
    }


def test_features_are_the_parts_that_their_meanings_say() -> None:
    market = MarketFeatures()
    for _ in range(34):
        market.update(bar(100))
    market.update(bar(110, 10), 0.002)
    features = dict(market.vector())
    assert list(features) == list(FEATURE_MEANINGS)
    assert [features[f"return_{n}"] for n in (1, 5, 15, 30)] == [0.1] * 4
    # One change of a tenth among ten, and among thirty.
    assert features["volatility_10"] == pytest.approx((0.01 / 10) ** 0.5)
    assert features["volatility_30"] == pytest.approx((0.01 / 30) ** 0.5)
    assert features["rsi"] == 100.0
    # Ten dollars enter averages of weights 2/13 and 2/27; the ninth's weight is 2/10.
    assert features["macd_line"] == pytest.approx((20 / 13 - 20 / 27) / 110)
    assert features["macd_signal"] == pytest.approx(0.2 * (20 / 13 - 20 / 27) / 110)
    assert features["macd_histogram"] == pytest.approx(0.8 * (20 / 13 - 20 / 27) / 110)
    assert features["atr"] == pytest.approx((2 * 13 + 11) / 14 / 110)
    assert market.atr_price == round((2 * 13 + 11) / 14 * SCALE)
    # Nineteen closes of 100 and one of 110: mean 100.5, distances of 0.5 and 9.5 from it.
    deviation = (19 * 0.25 / 20 + 90.25 / 20) ** 0.5
    assert features["bollinger_percent_b"] == pytest.approx((9.5 + 2 * deviation) / (4 * deviation))
    assert features["bollinger_width"] == pytest.approx(400 * deviation / 100.5)
    assert features["volume_zscore"] == pytest.approx((10 - 5.25) / (deviation / 2))
    assert features["spread"] == 0.002


def test_the_time_of_day_is_that_of_the_bars_end() -> None:
    market = MarketFeatures()
    market.update(BarClosed(2, 25_200_000_000_000, "A.X", 3600, 18_000_000_000_000, 1, 1, 1, 1, 1, 1))
    assert dict(market.vector()) == {"time_sin": 1.0, "time_cos": 0.0}  # opened at five, ended at six


def test_a_reader_gives_the_features_asked_for_in_their_order() -> None:
    market = MarketFeatures()
    pair, alone = market.reader(("spread", "return_1")), market.reader(["return_1"])
    market.update(bar(100), 0.5)
    assert (pair(), alone()) == (None, None)
    market.update(bar(110), 0.25)
    assert (pair(), alone()) == ((0.25, 0.1), (0.1,))
    market.update(bar(110), None)
    assert (pair(), alone()) == (None, (0.0,))


def test_readers_of_the_same_names_are_given_the_very_same_row() -> None:
    market = MarketFeatures()
    first, second, other = (market.reader(names) for names in (("rsi", "atr"), ["rsi", "atr"], ("atr", "rsi")))
    rows = []
    for number in range(40):
        market.update(bar(100 + number % 3))
        assert first() is second() is first()
        rows.append((first(), other()))
    known = [(one, two) for one, two in rows if one and two]
    assert [one for one, _ in known] == [two[::-1] for _, two in known]
    assert len(set(known)) > 1
    assert [one is None for one, _ in rows] == [number < 13 for number in range(40)]


def test_a_feature_that_does_not_exist_cannot_be_read() -> None:
    with pytest.raises(InputError, match="no feature is called 'moon'; there are return_1, "):
        MarketFeatures().reader(("rsi", "moon"))


@given(st.integers(0, NANOS_PER_DAY - 1))
def test_the_point_of_the_day_is_that_of_sine_and_cosine(passed: int) -> None:
    sine, cosine = point_of_day(passed + 5 * NANOS_PER_DAY)
    angle = 2 * math.pi * passed / NANOS_PER_DAY  # rounded, so the library's answers are right to about 1e-15 only
    assert sine == pytest.approx(math.sin(angle), abs=1.2e-15)
    assert cosine == pytest.approx(math.cos(angle), abs=1.2e-15)


PI = Decimal("3.14159265358979323846264338327950288")


def exact_sine(angle: Decimal) -> Decimal:
    """The sum of x - x^3/3! + x^5/5! … to thirty digits."""
    with localcontext() as context:
        context.prec = 40
        term, total, n = angle, Decimal(0), 1
        while abs(term) > Decimal("1e-32"):
            total += term
            term *= -angle * angle / ((n + 1) * (n + 2))
            n += 2
        return total


@given(st.integers(0, NANOS_PER_DAY // 4))
def test_the_point_of_the_day_is_right_to_the_last_bits(passed: int) -> None:
    sine, cosine = point_of_day(passed)
    angle = 2 * PI * passed / NANOS_PER_DAY
    assert abs(Decimal(sine) - exact_sine(angle)) <= Decimal(2) ** -52
    assert abs(Decimal(cosine) - exact_sine(PI / 2 - angle)) <= Decimal(2) ** -52


def test_the_quarters_of_the_day_are_exact() -> None:
    quarters = [point_of_day(hour * 3600 * NANOS_PER_SECOND) for hour in (0, 6, 12, 18)]
    assert quarters == [(0.0, 1.0), (1.0, 0.0), (0.0, -1.0), (-1.0, 0.0)]
    assert "-0.0" not in repr(quarters)


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
