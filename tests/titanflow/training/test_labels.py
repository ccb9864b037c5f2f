"""Labels worked out on paper, and what holds of any."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from titanflow.domain.models import LabelSpec
from titanflow.errors import InputError
from titanflow.training.labels import Labels, Prices, label_rows, segments

MINUTE = 60 * 10**9


def spec(method: str, horizon: int, profit: float = 2.0, stop: float = 2.0) -> LabelSpec:
    return LabelSpec(method=method, horizon_bars=horizon, profit=profit, stop=stop, positives=0.0)


def prices(*bars: tuple[float, float, float], days: tuple[int, ...] | None = None, atr: float = 1.0) -> Prices:
    """Bars as (high, low, close)."""
    high, low, close = np.array(bars, dtype=np.float64).T
    segment = np.array(days or [0] * len(bars), dtype=np.int64)
    return Prices(high, low, close, np.full(len(bars), atr), segment)


def flat(*closes: float) -> list[tuple[float, float, float]]:
    return [(close, close, close) for close in closes]


def test_the_profit_barrier_that_a_high_touches_first_gives_one() -> None:
    # Bought at 100 with an ATR of 1: profit at 102, stop at 98. The second bar reaches 102.00 exactly.
    labels = label_rows(
        prices((100, 100, 100), (101.9, 99, 101), (102, 100, 100), *flat(90, 90)), spec("triple_barrier", 3)
    )
    assert (labels.label[0], labels.settled[0]) == (1, 2)
    assert_allclose(labels.forward_return[0], 90 / 100 - 1)  # the close at the time barrier, three bars on


def test_the_stop_that_a_low_touches_first_gives_zero() -> None:
    labels = label_rows(
        prices((100, 100, 100), (101, 98, 101), (110, 101, 110), *flat(110, 110)), spec("triple_barrier", 3)
    )
    assert (labels.label[0], labels.settled[0]) == (0, 1)


def test_a_bar_that_touches_both_is_read_as_the_stop() -> None:
    labels = label_rows(prices((100, 100, 100), (103, 97, 103), *flat(103, 103, 103)), spec("triple_barrier", 3))
    assert (labels.label[0], labels.settled[0]) == (0, 1)


@pytest.mark.parametrize(("close", "label"), [(100.5, 1), (100.0, 0), (99.5, 0)])
def test_at_the_time_barrier_the_close_decides(close: float, label: int) -> None:
    labels = label_rows(prices(*flat(100, 101, close, 150)), spec("triple_barrier", 2))
    assert (labels.label[0], labels.settled[0]) == (label, 2)


def test_barriers_are_as_wide_as_profit_stop_and_range_say() -> None:
    # 0.5 ATR of 2 dollars up: 101; 3 ATR down: 94.
    bars = prices((100, 100, 100), (100.9, 94.1, 100), (101, 95, 101), *flat(101, 101), atr=2.0)
    labels = label_rows(bars, spec("triple_barrier", 3, profit=0.5, stop=3.0))
    assert (labels.label[0], labels.settled[0]) == (1, 2)


def test_a_label_is_settled_by_the_last_bar_of_the_day_and_knows_nothing_of_the_next() -> None:
    days = (0, 0, 0, 1, 1, 1, 1, 1)
    bars = prices(*flat(100, 100, 101, 500, 500, 500, 500, 500), days=days)
    for method in ("triple_barrier", "forward_return"):
        labels = label_rows(bars, spec(method, 4))
        assert_array_equal(labels.label, [1, 1, -1, 0, -1, -1, -1, -1])
        assert_array_equal(labels.settled[:2], [2, 2])
        assert_allclose(labels.forward_return[:2], 0.01)


def test_near_the_end_of_the_data_no_label_is_known_even_where_a_barrier_was_touched() -> None:
    labels = label_rows(prices(*flat(100, 100, 105)), spec("triple_barrier", 2))
    assert_array_equal(labels.label, [1, -1, -1])
    assert_array_equal(np.isnan(labels.forward_return), [False, True, True])


def test_without_a_range_there_is_no_barrier_and_no_label() -> None:
    bars = prices(*flat(100, 105, 110))
    bars.atr[0] = np.nan
    assert label_rows(bars, spec("triple_barrier", 1)).label[0] == -1
    assert label_rows(bars, spec("forward_return", 1)).label[0] == 1


def test_an_unknown_method_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="'magic' is unknown; choose one of: triple_barrier, forward_return"):
        label_rows(prices(*flat(1, 2)), spec("magic", 1))


def test_a_night_parts_minutes_but_a_weekend_does_not_part_days() -> None:
    minutes = np.array([0, 1, 30, 1000, 1001]) * MINUTE
    assert_array_equal(segments(minutes, 60), [0, 0, 0, 1, 1])
    days = np.array([0, 1, 4, 5, 20]) * 1440 * MINUTE
    assert_array_equal(segments(days, 86_400), [0, 0, 0, 0, 1])
    assert_array_equal(segments(minutes, 60, break_seconds=120), [0, 0, 1, 2, 2])


def one_by_one(bars: Prices, rule: LabelSpec) -> Labels:
    """The definition, bar by bar."""
    count = len(bars.close)
    label, settled, forward = [-1] * count, list(range(count)), [float("nan")] * count
    for row in range(count):
        day = [later for later in range(row + 1, count) if bars.segment[later] == bars.segment[row]]
        ahead = day[: rule.horizon_bars]
        complete = len(ahead) == rule.horizon_bars or bars.segment[row] != bars.segment[-1]
        if not ahead or not complete:
            continue
        upper, lower = (bars.close[row] + side * bars.atr[row] for side in (rule.profit, -rule.stop))
        label[row], settled[row] = int(bars.close[ahead[-1]] > bars.close[row]), ahead[-1]
        forward[row] = bars.close[ahead[-1]] / bars.close[row] - 1
        for later in ahead if rule.method == "triple_barrier" else ():
            if bars.low[later] <= lower or bars.high[later] >= upper:
                label[row], settled[row] = int(bars.low[later] > lower), later
                break
    return Labels(np.array(label, dtype=np.int8), np.array(settled), np.array(forward))


@given(
    steps=st.lists(
        st.tuples(st.integers(-3, 3), st.integers(0, 2), st.integers(0, 2), st.booleans()), min_size=1, max_size=40
    ),
    horizon=st.integers(1, 8),
    method=st.sampled_from(["triple_barrier", "forward_return"]),
)
def test_all_rows_at_once_are_labelled_as_one_by_one(
    steps: list[tuple[int, int, int, bool]], horizon: int, method: str
) -> None:
    close = 100.0 + np.cumsum([step for step, *_ in steps])
    high = close + np.array([up for _, up, *_ in steps])
    low = close - np.array([down for _, _, down, _ in steps])
    day = np.cumsum([new for *_, new in steps])
    bars = Prices(high, low, close, np.full(len(close), 1.5), day)
    for made, expected in zip(
        label_rows(bars, spec(method, horizon)), one_by_one(bars, spec(method, horizon)), strict=True
    ):
        assert_allclose(made, expected, rtol=1e-12)
