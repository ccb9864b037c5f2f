"""The rule by which bars become ticks, against worked examples and a second, slower, writing of it."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from titanflow.domain.types import SCALE
from titanflow.gateway.providers import bars as module
from titanflow.gateway.providers.bars import Bars, shortest_gap, ticks_of

S = 1_000_000_000
MINUTE = 60 * S
Row = tuple[int, int, int, int, int, int, int]
Tick = tuple[int, int, int, int]


def ticks(*rows: Row, length: int = MINUTE, increments: tuple[int, ...] = (SCALE,)) -> list[Tick]:
    """(at, pair, price, size) of bars given as (at, pair, open, high, low, close, volume)."""
    columns = np.array(rows, dtype=np.int64).T
    steps = np.array(increments, dtype=np.int64)
    made = ticks_of(Bars(*columns), length, steps, np.zeros(len(steps), dtype=np.bool_))
    return [tick for part in made for tick in zip(*(column.tolist() for column in part), strict=True)]


def test_a_rising_bar_visits_its_low_before_its_high() -> None:
    # 171.14 opens, 170.70 low, 171.20 high, 171.15 closes; 10 shares: two each, the remaining four at the close.
    assert ticks((0, 0, 17114, 17120, 17070, 17115, 10 * SCALE)) == [
        (0, 0, 17114, 2 * SCALE),
        (20 * S, 0, 17070, 2 * SCALE),
        (40 * S, 0, 17120, 2 * SCALE),
        (60 * S - 1, 0, 17115, 4 * SCALE),
    ]


def test_a_falling_bar_visits_its_high_before_its_low() -> None:
    assert [tick[2] for tick in ticks((0, 0, 12, 15, 9, 10, 8 * SCALE))] == [12, 15, 9, 10]


def test_a_price_equal_to_the_one_before_is_left_out_and_its_volume_goes_to_the_others() -> None:
    # Opens at its low and closes at its high: two ticks, and seven shares are three and four.
    assert ticks((0, 0, 10, 20, 10, 20, 7 * SCALE)) == [(0, 0, 10, 3 * SCALE), (40 * S, 0, 20, 4 * SCALE)]


def test_a_bar_of_one_price_is_one_tick() -> None:
    assert ticks((0, 0, 10, 10, 10, 10, 7 * SCALE)) == [(0, 0, 10, 7 * SCALE)]


def test_every_tick_has_at_least_one_increment() -> None:
    assert [tick[3] for tick in ticks((0, 0, 12, 15, 9, 10, 2 * SCALE))] == [SCALE, SCALE, SCALE, 2 * SCALE]


def test_a_bar_without_volume_and_one_of_an_unknown_instrument_stay_one_row() -> None:
    assert ticks((0, 0, 12, 15, 9, 10, 0)) == [(0, 0, 12, 0)]
    assert ticks((0, 0, 12, 15, 9, 10, 5), increments=(0,)) == [(0, 0, 12, 5)]


def test_the_length_of_a_bar_is_the_smallest_gap_of_one_instrument() -> None:
    rows = [(0, 0), (5, 1), (180, 0), (240, 0), (245, 1)]
    columns = np.array([(at, pair, 1, 1, 1, 1, 1) for at, pair in rows], dtype=np.int64).T
    assert shortest_gap(Bars(*columns)) == 60
    assert shortest_gap(Bars(*columns[:, :2])) is None


def slowly(rows: list[Row], length: int, increment: int) -> list[Tick]:
    found: list[Tick] = []
    for at, pair, first, high, low, close, volume in rows:
        path = [first, low, high, close] if close >= first else [first, high, low, close]
        times = [at, at + length // 3, at + 2 * length // 3, at + length - 1]
        kept = [0] + [index for index in (1, 2, 3) if path[index] != path[index - 1]]
        share = volume // increment // len(kept) * increment
        sizes = [share] * (len(kept) - 1) + [volume - share * (len(kept) - 1)]
        found += [
            (times[index], pair, path[index], max(size, increment)) for index, size in zip(kept, sizes, strict=True)
        ]
    return sorted(found, key=lambda tick: tick[0])


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
def test_bars_in_windows_of_any_size_give_the_ticks_of_the_rule_in_order(
    rows: list[Row], window: int, increment: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "WINDOW_BARS", window)
        made = ticks(*rows, increments=(increment, increment))
    assert made == slowly(rows, MINUTE, increment)
    assert all(a[0] <= b[0] for a, b in pairwise(made))
