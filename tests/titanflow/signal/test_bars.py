"""Bars: right at open, close and gaps, none invented, and equal to pandas on the recorded trades."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.signal_worlds import START, tick
from titanflow.domain.events import BarClosed, OffMarketPrintReceived, QuoteReceived, TickReceived
from titanflow.domain.types import NANOS_PER_SECOND, SCALE
from titanflow.signal.bars import BarBuilder, BarSpread


def off_market(seconds: float, size: int) -> OffMarketPrintReceived:
    return OffMarketPrintReceived(START + round(seconds * NANOS_PER_SECOND), "A.X", 1, size * SCALE)


def fold(builder: BarBuilder, ticks: list[TickReceived]) -> list[BarClosed]:
    closed = (builder.add(seq, each) for seq, each in enumerate(ticks, start=2))
    return [bar for bar in closed if bar is not None]


def test_a_bar_on_paper() -> None:
    builder = BarBuilder("A.X", 60)
    fold(builder, [tick(1, 10, 5), tick(2, 12, 1), tick(3, 9, 2), tick(59.5, 11, 4)])
    assert builder.close_due(8, START + 60 * NANOS_PER_SECOND) == BarClosed(
        cause=8,
        at=START + 60 * NANOS_PER_SECOND,
        instrument="A.X",
        seconds=60,
        opened_at=START,
        open=10 * SCALE,
        high=12 * SCALE,
        low=9 * SCALE,
        close=11 * SCALE,
        volume=12 * SCALE,
        ticks=4,
        ends_at=START + 60 * NANOS_PER_SECOND,
    )


def test_a_tick_at_the_end_of_a_bar_closes_it_before_it_opens_the_next() -> None:
    builder = BarBuilder("A.X", 60)
    (first,) = fold(builder, [tick(59.999999999, 10), tick(60, 99)])
    assert (first.close, first.ticks, first.cause) == (10 * SCALE, 1, 3)
    second = builder.close_due(9, START + 120 * NANOS_PER_SECOND)
    assert second is not None
    assert (second.opened_at, second.open) == (START + 60 * NANOS_PER_SECOND, 99 * SCALE)


def test_a_bar_stays_open_until_its_last_nanosecond_is_over() -> None:
    builder = BarBuilder("A.X", 60)
    builder.add(2, tick(0, 10))
    assert builder.close_due(3, START + 60 * NANOS_PER_SECOND - 1) is None
    assert builder.close_due(3, START + 60 * NANOS_PER_SECOND) is not None


def test_no_bar_is_invented_for_an_interval_without_a_tick() -> None:
    builder = BarBuilder("A.X", 60)
    bars = fold(builder, [tick(30, 10), tick(60 * 60 * 18 + 5, 20), tick(60 * 60 * 18 + 65, 21)])
    assert [(bar.opened_at - START) // NANOS_PER_SECOND for bar in bars] == [0, 60 * 60 * 18]
    assert builder.close_due(9, START + 60 * 60 * 19 * NANOS_PER_SECOND) is not None
    assert builder.close_due(10, START + 60 * 60 * 20 * NANOS_PER_SECOND) is None


def test_an_off_market_print_adds_volume_only_and_never_opens_a_bar() -> None:
    builder = BarBuilder("A.X", 60)
    builder.add_volume(off_market(0, 1_000))
    assert builder.close_due(2, START + 60 * NANOS_PER_SECOND) is None
    builder.add(3, tick(61, 10, 5))
    builder.add_volume(off_market(62, 7))
    bar = builder.close_due(4, START + 120 * NANOS_PER_SECOND)
    assert bar is not None
    assert (bar.open, bar.low, bar.volume, bar.ticks) == (10 * SCALE, 10 * SCALE, 12 * SCALE, 1)


def test_an_off_market_print_past_the_end_of_the_open_bar_is_not_its_volume() -> None:
    builder = BarBuilder("A.X", 60)
    builder.add(2, tick(1, 10, 5))
    builder.add_volume(off_market(60, 7))
    bar = builder.close_due(3, START + 61 * NANOS_PER_SECOND)
    assert bar is not None
    assert bar.volume == 5 * SCALE


@given(
    seconds=st.integers(1, 3_600),
    rows=st.lists(
        st.tuples(st.integers(0, 3 * 10**12), st.integers(1, 10**15), st.integers(0, 10**15)), min_size=1, max_size=60
    ),
)
@settings(max_examples=80, deadline=None)
def test_bars_hold_every_tick_once_and_bound_their_prices(seconds: int, rows: list[tuple[int, int, int]]) -> None:
    ticks = [TickReceived(START + at, "A.X", price, size) for at, price, size in sorted(rows)]
    builder = BarBuilder("A.X", seconds)
    bars = fold(builder, ticks)
    last = builder.close_due(99, START + 10**14)
    assert last is not None
    bars.append(last)
    assert sum(bar.ticks for bar in bars) == len(ticks)
    assert sum(bar.volume for bar in bars) == sum(each.size for each in ticks)
    for bar in bars:
        inside = [t.price for t in ticks if bar.opened_at <= t.at < bar.opened_at + seconds * NANOS_PER_SECOND]
        assert (bar.open, bar.high, bar.low, bar.close) == (inside[0], max(inside), min(inside), inside[-1])
        assert bar.ticks == len(inside)
        assert bar.opened_at % (seconds * NANOS_PER_SECOND) == 0
        assert bar.at >= bar.opened_at + seconds * NANOS_PER_SECOND
    assert [bar.opened_at for bar in bars] == sorted({bar.opened_at for bar in bars})


@pytest.mark.parametrize("seconds", [1, 7, 60])
def test_bars_equal_pandas_resample_on_the_recorded_trades(
    crypto_trades: dict[str, pd.DataFrame], seconds: int
) -> None:
    for name, trades in crypto_trades.items():
        builder = BarBuilder(name, seconds)
        rows = zip(trades["ts_ns"], trades["price"], trades["size"], strict=True)
        bars = fold(builder, [TickReceived(at, name, price, size) for at, price, size in rows])
        last = builder.close_due(0, 2 * 10**18)
        assert last is not None
        bars.append(last)
        index = pd.to_datetime(trades["ts_ns"], utc=True)
        resampler = trades.set_index(index).resample(f"{seconds}s", origin="epoch")
        expected = resampler["price"].ohlc().assign(volume=resampler["size"].sum(), ticks=resampler["price"].count())
        expected = expected[expected["ticks"] > 0]
        assert [bar.opened_at for bar in bars] == list(expected.index.as_unit("ns").asi8)
        for column in ("open", "high", "low", "close", "volume", "ticks"):
            assert [getattr(bar, column) for bar in bars] == list(expected[column].astype("int64")), column


def quote(seconds: int, bid: int, ask: int) -> QuoteReceived:
    return QuoteReceived(START + seconds * NANOS_PER_SECOND, "A.X", bid * SCALE, ask * SCALE)


def opening(minute: int) -> int:
    return START + 60 * minute * NANOS_PER_SECOND


def test_the_spread_of_a_bar_is_the_mean_of_its_quotes() -> None:
    """Two dollars around 100 are 0.02, four are 0.04."""
    spread = BarSpread(60)
    assert spread.of(opening(0)) is None
    spread.add(quote(1, 99, 101))
    spread.add(quote(59, 98, 102))
    assert spread.of(opening(0)) == pytest.approx(0.03, rel=1e-15)


def test_quotes_of_an_interval_without_a_bar_do_not_count_in_the_next() -> None:
    spread = BarSpread(60)
    spread.add(quote(1, 50, 150))
    spread.add(quote(61, 99, 101))
    assert spread.of(opening(1)) == 0.02


def test_a_bar_without_quotes_has_the_spread_that_stood_before_it() -> None:
    spread = BarSpread(60)
    spread.add(quote(1, 50, 150))
    spread.add(quote(2, 99, 101))
    assert spread.of(opening(7)) == 0.02


def test_a_locked_market_has_no_spread_and_knows_it() -> None:
    spread = BarSpread(60)
    spread.add(quote(1, 100, 100))
    assert spread.of(opening(0)) == 0.0
