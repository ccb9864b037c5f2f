"""The rule by which bars become points of a path, against worked examples and a second, slower, writing of it."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from titanflow.domain.types import MAX_UNITS, SCALE
from titanflow.gateway.providers import bars as module
from titanflow.gateway.providers.bars import Bars, Points, points_of

S = 1_000_000_000
MINUTE = 60 * S
Row = tuple[int, int, int, int, int, int, int]
Point = tuple[int, int, int, int]


def bars_of(rows: Sequence[Row], length: int = MINUTE) -> Bars:
    """Bars given as (at, pair, open, high, low, close, volume)."""
    at, *others = np.array(rows, dtype=np.int64).T
    return Bars(at, at + length, *others, np.arange(len(at)))


def whole_points(*rows: Row, length: int = MINUTE, increments: tuple[int, ...] = (SCALE,)) -> list[Points]:
    """Every point with all of its fields, as the columns name them."""
    made = points_of(bars_of(rows, length), np.array(increments, dtype=np.int64))
    return [Points(*each) for part in made for each in zip(*(column.tolist() for column in part), strict=True)]


def points(*rows: Row, length: int = MINUTE, increments: tuple[int, ...] = (SCALE,)) -> list[Point]:
    """(at, pair, price, size) of each point."""
    return [point[:4] for point in whole_points(*rows, length=length, increments=increments)]


def test_a_rising_bar_visits_its_low_before_its_high() -> None:
    # 171.14 opens, 170.70 low, 171.20 high, 171.15 closes; 10 shares by cumulative floor: 2, 3, 2, 3.
    assert points((0, 0, 17114, 17120, 17070, 17115, 10 * SCALE)) == [
        (0, 0, 17114, 2 * SCALE),
        (20 * S, 0, 17070, 3 * SCALE),
        (40 * S, 0, 17120, 2 * SCALE),
        (60 * S - 1, 0, 17115, 3 * SCALE),
    ]


def test_a_falling_bar_visits_its_high_before_its_low() -> None:
    assert [point[2] for point in points((0, 0, 12, 15, 9, 10, 8 * SCALE))] == [12, 15, 9, 10]


def test_a_turning_point_equal_to_the_point_before_it_is_left_out_and_the_close_never_is() -> None:
    # Opens at its low and closes at its high: the low is left out, the close repeats the high.
    assert points((0, 0, 10, 20, 10, 20, 7 * SCALE)) == [
        (0, 0, 10, 2 * SCALE),
        (40 * S, 0, 20, 2 * SCALE),
        (60 * S - 1, 0, 20, 3 * SCALE),
    ]


def test_a_bar_of_one_price_is_its_open_and_its_close() -> None:
    assert points((0, 0, 10, 10, 10, 10, 7 * SCALE)) == [(0, 0, 10, 3 * SCALE), (60 * S - 1, 0, 10, 4 * SCALE)]


def test_a_bar_of_volume_two_stays_two() -> None:
    assert [point[3] for point in points((0, 0, 12, 15, 9, 10, 2 * SCALE))] == [0, SCALE, 0, SCALE]


def test_what_is_less_than_an_increment_of_the_volume_goes_to_the_close() -> None:
    assert [point[3] for point in points((0, 0, 12, 15, 9, 10, 2 * SCALE + 5))] == [0, SCALE, 0, SCALE + 5]


def test_the_largest_volume_is_shared_without_overflow() -> None:
    sizes = [point[3] for point in points((0, 0, 12, 15, 9, 10, MAX_UNITS), increments=(1,))]
    assert sizes == [MAX_UNITS // 4] * 4


def test_every_point_names_the_leg_that_leads_to_it() -> None:
    assert [(p.from_at, p.from_price, p.at, p.price) for p in whole_points((5, 0, 12, 15, 9, 10, 8 * SCALE))] == [
        (5, 12, 5, 12),
        (5, 12, 5 + 20 * S, 15),
        (5 + 20 * S, 15, 5 + 40 * S, 9),
        (5 + 40 * S, 9, 4 + 60 * S, 10),
    ]


def test_every_point_knows_its_bar() -> None:
    for number, point in enumerate(whole_points((5, 0, 12, 15, 9, 10, 8 * SCALE))):
        assert (point.opened_at, point.ends_at, point.low, point.high) == (5, 5 + MINUTE, 9, 15)
        assert point.last is (number == 3)


def slowly(rows: list[Row], length: int, increment: int) -> list[Point]:
    found: list[Point] = []
    for at, pair, first, high, low, close, volume in rows:
        path = [first, low, high, close] if close >= first else [first, high, low, close]
        times = [at, at + length // 3, at + 2 * length // 3, at + length - 1]
        kept = [0, *(index for index in (1, 2) if path[index] != path[index - 1]), 3]
        n, whole = len(kept), volume // increment
        sizes = [(whole * i // n - whole * (i - 1) // n) * increment for i in range(1, n + 1)]
        sizes[-1] += volume % increment
        found += [(times[index], pair, path[index], size) for index, size in zip(kept, sizes, strict=True)]
    return sorted(found, key=lambda point: point[0])


@st.composite
def bar_rows(draw: st.DrawFn) -> list[Row]:
    rows = []
    at = 0
    for _ in range(draw(st.integers(1, 30))):
        at += draw(st.sampled_from([0, 0, 7 * S, MINUTE // 3, MINUTE]))
        prices = sorted(draw(st.lists(st.integers(1, 9), min_size=4, max_size=4)))
        first, close = draw(st.permutations(prices[1:3]))
        rows.append((at, draw(st.integers(0, 1)), first, prices[3], prices[0], close, draw(st.integers(1, 99))))
    return rows


@settings(max_examples=80, deadline=None)
@given(bar_rows(), st.integers(1, 5), st.sampled_from([1, 4]))
def test_bars_in_windows_of_any_size_give_the_points_of_the_rule_in_order(
    rows: list[Row], window: int, increment: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "WINDOW_BARS", window)
        made = points(*rows, increments=(increment, increment))
    assert made == slowly(rows, MINUTE, increment)
    assert all(a[0] <= b[0] for a, b in pairwise(made))
    assert sum(point[3] for point in made) == sum(row[6] for row in rows)
