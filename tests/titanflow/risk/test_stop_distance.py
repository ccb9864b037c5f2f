"""The range behind a stop: bars from prints, aligned to the session, Wilder's average, what stands for it before."""

from hypothesis import given
from hypothesis import strategies as st

from support.risk_driver import AAPL, CALENDARS, CLOSE, COIN, DAY, OPEN, SECOND, Driver, limits, started
from titanflow.domain.events import OrderApproved, TickReceived
from titanflow.domain.types import SCALE, Side, fixed
from titanflow.risk.stop_distance import TrueRanges

MINUTE = 60 * SECOND


def ranges(name: str = AAPL, bars: tuple[tuple[str, int], ...] = (), **risk: object) -> TrueRanges:
    found = TrueRanges()
    found.open(started(("alpha",), "100000", CALENDARS, limits(**risk), bars=bars))
    return found


def play(found: TrueRanges, *prints: tuple[int, str], name: str = AAPL) -> None:
    for at, price in prints:
        found.add(TickReceived(at=at, instrument=name, price=fixed(price), size=SCALE))


def test_the_average_of_the_first_bars_is_their_mean_from_the_third_on() -> None:
    found = ranges(stop_bar_seconds=60)
    play(found, (OPEN, "100"), (OPEN + SECOND, "103"), (OPEN + 2 * SECOND, "101"))
    play(found, (OPEN + MINUTE, "102"), (OPEN + MINUTE + SECOND, "100"))  # from 101 to 102 and 100: 2
    assert found.known(AAPL, OPEN + 2 * MINUTE) == 0, "two bars are too few"
    play(found, (OPEN + 2 * MINUTE, "105"))  # from the close of 100 to 105: 5
    assert found.known(AAPL, OPEN + 3 * MINUTE - 1) == 0, "the third is still open"
    assert found.known(AAPL, OPEN + 3 * MINUTE) == fixed("10") // 3  # 3, 2, 5


def test_from_fourteen_bars_on_it_is_wilders() -> None:
    found = ranges(stop_bar_seconds=60)
    for n in range(14):
        play(found, (OPEN + n * MINUTE, "100"), (OPEN + n * MINUTE + 1, "101"), (OPEN + n * MINUTE + 2, "100"))
    play(found, (OPEN + 14 * MINUTE, "100"), (OPEN + 14 * MINUTE + 1, "115"))
    # 14 bars of 1, then one of 15: 1 + (15 - 1) / 14 = 2
    assert found.known(AAPL, OPEN + 15 * MINUTE) == fixed("2")


def test_bars_begin_at_the_opening_and_a_night_is_no_range_where_positions_are_closed() -> None:
    for flat, expected in ((True, "1"), (False, "4")):
        found = ranges(stop_bar_seconds=3600, flat_at_close=flat)
        for n in range(3):  # 14:30, 15:30, 16:30: hours of the session, not of the clock
            at = OPEN + n * 60 * MINUTE
            play(found, (at, "100"), (at + 59 * MINUTE, "101"), (at + 59 * MINUTE + 1, "100"))
        play(found, (OPEN + DAY, "112"), (OPEN + DAY + 1, "113"))
        ranged = found.known(AAPL, OPEN + DAY + 60 * MINUTE)
        assert ranged == fixed(expected), "1, 1, 1 and then 1 or, with the night, 13"


def test_the_last_bar_of_a_session_ends_with_it() -> None:
    found = ranges(stop_bar_seconds=3600)
    for n in range(6):
        play(found, (OPEN + n * 60 * MINUTE, "100"), (OPEN + n * 60 * MINUTE + 1, "101"))
    play(found, (CLOSE - MINUTE, "108"))
    assert found.known(AAPL, CLOSE - 1) < fixed("1.1")
    wide = found.known(AAPL, CLOSE)  # six bars of 1; half an hour from 101 to 108 is all of the seventh
    assert abs(wide - fixed("13") // 7) < 10


def test_no_bar_is_shorter_than_the_tapes() -> None:
    found = ranges(bars=((AAPL, 300),), stop_bar_seconds=420)  # 600 s
    for n in range(3):
        play(found, (OPEN + n * 600 * SECOND, "100"), (OPEN + n * 600 * SECOND + 599 * SECOND, "101"))
    assert found.known(AAPL, OPEN + 1800 * SECOND - 1) == 0
    assert found.known(AAPL, OPEN + 1800 * SECOND) > 0


def test_a_strategys_range_grows_with_the_square_root_of_time() -> None:
    found = ranges(stop_bar_seconds=2700, bars=((COIN, 300),))
    assert found.scaled(AAPL, fixed("0.3"), 300) == fixed("0.9")  # 9 times as long
    assert found.scaled(AAPL, fixed("0.3"), 0) == int(fixed("0.3") * 45**0.5)  # on ticks: bars of a minute
    assert found.scaled(COIN, fixed("0.3"), 60) == fixed("0.9"), "a minute is five on this tape"
    assert found.scaled(AAPL, fixed("0.3"), 86_400) == fixed("0.3"), "a longer bar is not made shorter"


def test_the_stop_rests_on_the_longer_bars_whatever_bars_the_strategy_decides_on() -> None:
    session = Driver(risk=limits(stop_bar_seconds=3600))
    session.tick("100")
    (order,) = session.signal(Side.BUY, atr="0.1")
    assert isinstance(order, OrderApproved)
    scaled = int(fixed("0.1") * 60**0.5)
    assert dict(order.context)["range"] == scaled, "until three bars have ended: 0.1 of a minute, times root of 60"
    for n in range(3):
        session.at = OPEN + n * 60 * MINUTE
        session.tick("100")
        session.at += MINUTE
        session.tick("102")
        session.tick("100")
    session.cancel(order)
    session.at = OPEN + 180 * MINUTE
    (order,) = session.signal(Side.BUY, atr="0.1")
    assert isinstance(order, OrderApproved)
    assert dict(order.context)["range"] == fixed("2")
    assert order.stop_price == fixed("96"), "two ranges"


@given(st.lists(st.tuples(st.integers(1, 10**6), st.integers(1, 10**12)), min_size=4, max_size=60))
def test_an_average_is_never_above_the_widest_range_nor_below_zero(steps: list[tuple[int, int]]) -> None:
    found = ranges(stop_bar_seconds=1, flat_at_close=False)
    at, prices = OPEN, []
    for wait, price in steps:
        at += wait * 1000
        prices.append(price)
        found.add(TickReceived(at=at, instrument=COIN, price=price, size=SCALE))
    assert 0 <= found.known(COIN, at + DAY) <= max(prices) - min(prices)
