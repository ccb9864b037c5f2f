"""What a tape has shown of an instrument's costs does not depend on the form in which it came."""

from hypothesis import given
from hypothesis import strategies as st

from support.minute_bars import MINUTE, MinuteBar, bars_of, points_of, sample_trades
from titanflow.domain.events import OffMarketPrintReceived, TickReceived
from titanflow.execution.simulation.tape import PAIRS, Tape

HOUR = 60 * MINUTE
trades = st.lists(
    st.tuples(st.integers(0, 40 * 10**9), st.integers(90, 110), st.integers(1, 9)), min_size=1, max_size=400
)


def told(ticks: list[TickReceived]) -> Tape:
    tape = Tape()
    for tick in ticks:
        tape.add(tick)
    return tape


def told_in_bars(bars: list[MinuteBar], seconds: int = 60) -> Tape:
    tape = Tape(seconds)
    for bar in bars:
        for point in points_of(bar, "X"):
            tape.add_point(point)
    return tape


@given(trades)
def test_trades_and_their_minutes_show_the_same(drawn: list[tuple[int, int, int]]) -> None:
    at, ticks = 0, []
    for later, price, size in drawn:
        at += later
        ticks.append(TickReceived(at, "X", price * 10**9, size * 10**9))
    as_trades, as_bars = told(ticks).window, told_in_bars(bars_of(ticks)).window
    assert as_trades.pairs == as_bars.pairs
    for name in type(as_trades).__slots__:
        assert getattr(as_trades, name) == getattr(as_bars, name), name


def test_real_trades_and_their_minutes_show_the_same() -> None:
    ticks = sample_trades("BTCUSDT", "BINANCE-SPOT", "X")
    as_trades, as_bars = told(ticks).window, told_in_bars(bars_of(ticks)).window
    assert len(as_trades.pairs) == 10  # twelve minutes, of which the last is not complete
    assert as_trades.pairs == as_bars.pairs


def test_a_pair_is_worked_out_on_paper() -> None:
    # Before: high 102, low 98, close 100. Then open 101, high 104, low 100, close 103.
    tape = told_in_bars(
        [
            MinuteBar(0, 99 * 10**9, 102 * 10**9, 98 * 10**9, 100 * 10**9, 10 * 10**9),
            MinuteBar(MINUTE, 101 * 10**9, 104 * 10**9, 100 * 10**9, 103 * 10**9, 20 * 10**9),
            MinuteBar(2 * MINUTE, 103 * 10**9, 103 * 10**9, 103 * 10**9, 103 * 10**9, 5 * 10**9),
        ]
    )
    (pair,) = tape.window.pairs
    assert pair.opening == (102 - 101) * (202 - 100 - 100) * 10**14
    assert pair.closing == (100 - 100) * (102 + 101 - 200) * 10**14
    assert (pair.openings, pair.closings) == (2, 2)
    assert pair.squared_return == 9 * 10**14
    assert pair.volume == 20 * 10**9


def test_a_bar_that_stands_still_at_the_last_close_tells_nothing_of_the_spread() -> None:
    still = [MinuteBar(n * MINUTE, 10**11, 10**11, 10**11, 10**11, 10**9) for n in range(4)]
    assert {(pair.openings, pair.closings) for pair in told_in_bars(still).window.pairs} == {(0, 0)}


def test_two_bars_with_a_night_between_them_are_no_pair() -> None:
    bars = [MinuteBar(at, 10**11, 10**11, 10**11, 10**11, 10**9) for at in (0, MINUTE, 17 * HOUR, 17 * HOUR + MINUTE)]
    bars.append(MinuteBar(18 * HOUR, 10**11, 10**11, 10**11, 10**11, 10**9))
    assert len(told_in_bars(bars).window.pairs) == 2


def test_days_with_a_long_weekend_between_them_are_a_pair() -> None:
    days = [MinuteBar(n * 24 * HOUR, 10**11, 10**11, 10**11, 10**11, 10**9) for n in (0, 4, 5, 6)]
    assert len(told_in_bars(days, seconds=86_400).window.pairs) == 2


def test_a_day_that_opens_an_hour_earlier_by_the_clock_is_a_day_of_its_own() -> None:
    days = [MinuteBar(at, 10**11, 10**11, 10**11, 10**11, 10**9) for at in (0, 23 * HOUR, 47 * HOUR, 71 * HOUR)]
    assert len(told_in_bars(days, seconds=86_400).window.pairs) == 2


def test_off_market_prints_are_volume_of_the_bar_under_way() -> None:
    tape = Tape()
    for at in (0, MINUTE, 2 * MINUTE):
        tape.add(TickReceived(at, "X", 10**11, 10**9))
        tape.add_volume(OffMarketPrintReceived(at, "X", 5 * 10**11, 3 * 10**9))
    (pair,) = tape.window.pairs
    assert (pair.volume, pair.squared_return) == (4 * 10**9, 0)


@given(st.lists(st.integers(90, 110), min_size=PAIRS + 5, max_size=PAIRS + 40))
def test_the_sums_are_those_of_the_latest_pairs(prices: list[int]) -> None:
    ticks = [TickReceived(n * MINUTE, "X", price * 10**9, 10**9) for n, price in enumerate(prices)]
    window = told(ticks).window
    assert len(window.pairs) == PAIRS
    assert window.opening == sum(pair.opening for pair in window.pairs)
    assert window.closings == sum(pair.closings for pair in window.pairs)
    assert window.cross == sum(pair.opening * pair.closing for pair in window.pairs)
    assert window.squared_returns == sum(pair.squared_return for pair in window.pairs)
    assert window.volume == sum(pair.volume for pair in window.pairs)
