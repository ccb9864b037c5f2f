"""The signal decider as a whole: who is asked when, in which order, and that nothing else changes the answer."""

from collections.abc import Iterable

import msgspec
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.signal_worlds import START, clock, contender, decide, session, tick, with_clocks
from titanflow.domain.events import (
    BarClosed,
    ContenderSetAside,
    Event,
    FeatureDriftMeasured,
    ModelReplaced,
    OffMarketPrintReceived,
    QuoteReceived,
    SessionEnded,
    SignalGenerated,
    SignalWithheld,
    TickReceived,
)
from titanflow.domain.types import NANOS_PER_SECOND, SCALE, OrderType, Side, fixed
from titanflow.errors import InputError
from titanflow.signal.engine import SignalEngine

FAST = {"fast": 2, "slow": 3}
RISE_AND_FALL = (10, 9, 8, 11, 12, 9, 7, 12, 13)


def signals(events: list[Event]) -> list[SignalGenerated]:
    return [event for event in events if isinstance(event, SignalGenerated)]


def bars(events: list[Event]) -> list[BarClosed]:
    return [event for event in events if isinstance(event, BarClosed)]


def minutes(closes: Iterable[int]) -> list[Event]:
    """One tick at the start of each minute, and the clock at its end."""
    return [event for m, close in enumerate(closes) for event in (tick(60 * m, close), clock(60 * m + 60))]


def test_a_crossover_on_paper() -> None:
    """Closes 10, 9, 8, 11, 12, 9: means of 2 less means of 3 are -0.5, +0.17, +1.17, -0.17 from the third close on.

    So the third close only shows where things stand, the fourth crosses up, and the sixth crosses down.
    """
    closes = (10, 9, 8, 11, 12, 9)
    events = [
        event for minute, close in enumerate(closes) for event in (tick(60 * minute, close), clock(60 * minute + 60))
    ]
    said = signals(decide(session([contender("c", "SMACrossover", **FAST)]), events))
    assert [(s.side, s.price, (s.at - START) // NANOS_PER_SECOND) for s in said] == [
        (Side.BUY, 11 * SCALE, 240),
        (Side.SELL, 9 * SCALE, 360),
    ]
    assert [s.cause for s in said] == [9, 13]
    first = said[0]
    assert (first.contender, first.instrument, first.model_hash) == ("c", "A.X", "hash")
    assert (first.order_type, first.order_price, first.atr) == (OrderType.MARKET, 0, 0)
    features = dict(first.features)
    assert features["sma_fast"] == 9.5
    assert features["sma_slow"] == pytest.approx(28 / 3, rel=1e-15)
    assert features["return_1"] == pytest.approx(3 / 8)


def test_a_signal_carries_the_spread_of_its_bar_where_quotes_came() -> None:
    quotes = [
        QuoteReceived(START + 190 * NANOS_PER_SECOND, "A.X", 99 * SCALE, 101 * SCALE),
        QuoteReceived(START + 191 * NANOS_PER_SECOND, "A.X", 97 * SCALE, 103 * SCALE),
        QuoteReceived(START + 192 * NANOS_PER_SECOND, "B.X", 1 * SCALE, 2 * SCALE),
    ]
    events = sorted([*minutes((10, 9, 8, 11, 12, 9)), *quotes], key=lambda event: event.at)
    first, second = signals(decide(session([contender("c", "SMACrossover", **FAST)]), events))
    assert dict(first.features)["spread"] == pytest.approx(0.04, rel=1e-15)
    assert dict(second.features)["spread"] == pytest.approx(0.06, rel=1e-15)  # the last quote, which still stands
    unquoted, _ = signals(decide(session([contender("c", "SMACrossover", **FAST)]), minutes((10, 9, 8, 11, 12, 9))))
    assert "spread" not in dict(unquoted.features)


def test_a_crossover_on_ticks_speaks_at_the_tick() -> None:
    events = [tick(second, price) for second, price in enumerate((10, 9, 8, 11, 12, 9))]
    said = signals(decide(session([contender("c", "SMACrossover", bar_seconds=0, **FAST)]), events))
    assert [(s.side, s.price, s.cause) for s in said] == [(Side.BUY, 11 * SCALE, 5), (Side.SELL, 9 * SCALE, 7)]


def test_one_bar_is_emitted_however_many_contenders_watch_and_before_their_signals() -> None:
    field = [contender(name, "SMACrossover", **FAST) for name in ("second", "first")]
    events = minutes((10, 9, 8, 11))
    decided = decide(session(field), events)
    assert [type(event).__name__ for event in decided] == ["BarClosed"] * 4 + ["SignalGenerated"] * 2
    assert [s.contender for s in signals(decided)] == ["second", "first"]
    assert {event.cause for event in decided[-3:]} == {9}


def test_bars_come_by_instrument_then_by_length_in_the_order_of_the_session() -> None:
    field = [contender("a", "SMACrossover", ("A.X", "B.X"), 60), contender("b", "SMACrossover", ("B.X", "A.X"), 30)]
    decided = decide(session(field, ("B.X", "A.X")), [tick(1, 5), tick(2, 6, name="B.X"), clock(60)])
    assert [(bar.instrument, bar.seconds) for bar in bars(decided)] == [
        ("B.X", 60),
        ("B.X", 30),
        ("A.X", 60),
        ("A.X", 30),
    ]


def test_a_clock_that_jumps_over_a_silence_closes_the_bar_once() -> None:
    decided = decide(session([contender("c", "SMACrossover")]), [tick(1, 5), clock(3_600 * 18), clock(3_600 * 19)])
    assert [(bar.opened_at, bar.at) for bar in bars(decided)] == [(START, START + 3_600 * 18 * NANOS_PER_SECOND)]


def test_a_bar_closes_at_the_first_clock_at_its_end_whatever_ends_before() -> None:
    field = [contender("a", "SMACrossover", bar_seconds=60), contender("b", "SMACrossover", bar_seconds=7)]
    events: list[Event] = [tick(0, 5), *(clock(second) for second in range(1, 70))]
    assert [(bar.seconds, (bar.at - START) // NANOS_PER_SECOND) for bar in bars(decide(session(field), events))] == [
        (7, -(START // NANOS_PER_SECOND) % 7 or 7),
        (60, 60),
    ]


def test_the_end_of_the_session_emits_complete_bars_but_neither_open_ones_nor_signals() -> None:
    field = [contender("c", "SMACrossover", **FAST), contender("d", "SMACrossover", bar_seconds=3_600)]
    ended = SessionEnded(START + 240 * NANOS_PER_SECOND, "end of tape")
    decided = decide(session(field), [*minutes((10, 9, 8)), tick(180, 11), ended])
    assert [bar.close for bar in bars(decided)] == [10 * SCALE, 9 * SCALE, 8 * SCALE, 11 * SCALE]
    assert signals(decided) == []


def test_the_average_true_range_of_a_contender_on_ticks_is_that_of_minutes() -> None:
    """Fourteen minutes that each trade from 99 to 101 and close at 100 have a true range of 2 dollars."""
    quiet = [tick(60 * m + s, price) for m in range(14) for s, price in ((0, 99), (1, 101), (2, 100))]
    events = with_clocks([*quiet, tick(840, 100), tick(841, 90), tick(842, 120)])
    said = signals(decide(session([contender("c", "SMACrossover", bar_seconds=0, **FAST)]), events))
    assert {s.atr for s in said if s.at < START + 840 * NANOS_PER_SECOND} == {0}
    assert [s.atr for s in said if s.at >= START + 840 * NANOS_PER_SECOND][-1] == 2 * SCALE


def test_an_instrument_that_nobody_watches_is_ignored() -> None:
    started = session([contender("c", "SMACrossover", ("A.X",))], ("A.X", "B.X"))
    print_ = OffMarketPrintReceived(START, "B.X", 1, 1)
    assert decide(started, [tick(0, 5, name="B.X"), print_, tick(61, 5, name="B.X"), clock(120)]) == []


def test_events_of_another_instrument_change_nothing() -> None:
    both = session([contender("c", "SMACrossover", ("A.X", "B.X"), 0, **FAST)], ("A.X", "B.X"))
    own = [tick(10 * n, price) for n, price in enumerate(RISE_AND_FALL)]
    noise = [tick(10 * n + 5, 1 + n * n % 7, name="B.X") for n in range(len(own))]
    mixed = [event for pair in zip(own, noise, strict=True) for event in pair]
    alone, beside = (
        [(s.side, s.at, s.price, s.confidence, s.features, s.explanation) for s in said if s.instrument == "A.X"]
        for said in (signals(decide(both, own)), signals(decide(both, mixed)))
    )
    assert alone == beside
    assert len(alone) == 3


def test_a_strategy_that_this_version_does_not_have_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="contender c: this version has no strategy 'Oracle'; it has SMA"):
        decide(session([contender("c", "Oracle")]), [])


def test_the_engine_declares_what_it_emits_and_does_not_listen_to_itself() -> None:
    engine = SignalEngine()
    assert engine.name == "signal"
    signals = (SignalGenerated, SignalWithheld)
    assert engine.emits == (BarClosed, *signals, FeatureDriftMeasured, ModelReplaced, ContenderSetAside)
    assert not set(engine.emits) & set(engine.handlers)


FIELD = [
    contender("a", "SMACrossover", ("A.X", "B.X"), 0, **FAST),
    contender("b", "SMACrossover", ("A.X", "B.X"), 5, **FAST),
    contender("c", "RSIMeanReversion", ("B.X",), 5, period=3, oversold=40.0, overbought=60.0, trigger="leave"),
    contender("d", "RSIMeanReversion", ("A.X",), 0, period=3, oversold=40.0, overbought=60.0, trigger="enter"),
]


@given(
    rows=st.lists(
        st.tuples(st.sampled_from(("A.X", "B.X")), st.integers(0, 4_000), st.integers(1, 40), st.integers(1, 9)),
        min_size=20,
        max_size=120,
    )
)
@settings(max_examples=40, deadline=None)
def test_the_same_events_give_the_same_bytes(rows: list[tuple[str, int, int, int]]) -> None:
    at, ticks = 0.0, []
    for name, wait, price, size in rows:
        at += wait / 1_000
        ticks.append(tick(at, price, size, name))
    events = with_clocks(ticks)
    started = session(FIELD, ("A.X", "B.X"))
    first, second = (msgspec.msgpack.encode(decide(started, events)) for _ in range(2))
    assert first == second


def test_every_contender_says_the_same_alone_as_beside_others(crypto_trades: dict[str, pd.DataFrame]) -> None:
    name = "ETHUSDT.BINANCE-SPOT"
    trades = crypto_trades[name][:3_000]
    events = with_clocks(
        [
            TickReceived(*row)
            for row in zip(trades["ts_ns"], [name] * 3_000, trades["price"], trades["size"], strict=True)
        ]
    )
    field = [msgspec.structs.replace(each, instruments=(name,)) for each in FIELD]
    together = signals(decide(session(field, (name,)), events))
    for each in field:
        alone = signals(decide(session([each], (name,)), events))
        assert alone == [s for s in together if s.contender == each.id]
        assert alone


def shares(minute_bars: dict[str, pd.DataFrame], symbol: str) -> list[TickReceived]:
    rows = minute_bars[symbol]
    return [TickReceived(at, "A.X", close, fixed("1")) for at, close in zip(rows["ts_ns"], rows["close"], strict=True)]


@pytest.mark.parametrize(
    ("parameters", "means"),
    [({"fast": 5, "slow": 20}, (5, 20)), ({"fast": 10, "slow": 30}, (10, 30))],
)
def test_crossings_on_recorded_minutes_are_where_pandas_sees_them(
    minute_bars: dict[str, pd.DataFrame], parameters: dict[str, int], means: tuple[int, int]
) -> None:
    ticks = shares(minute_bars, "SPY")
    said = signals(decide(session([contender("c", "SMACrossover", bar_seconds=0, **parameters)]), ticks))
    closes = pd.Series([each.price for each in ticks])
    fast, slow = (closes.rolling(window).sum() for window in means)
    gap = (fast * means[1] - slow * means[0]).dropna()
    sign = (gap[gap != 0] > 0).astype(int)
    crossed = sign[sign.diff().fillna(0) != 0]
    assert [(s.at, s.side) for s in said] == [
        (ticks[row].at, Side.BUY if up else Side.SELL) for row, up in crossed.items()
    ]
    assert len(said) > 50
