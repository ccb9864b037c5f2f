"""After a split all that rolls goes on as if it had never been; what is told is in the shares of the day."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from titanflow.domain.events import (
    BarClosed,
    ClockAdvanced,
    CorporateActionApplied,
    Event,
    SessionEnded,
    SessionStarted,
    SignalGenerated,
    TickReceived,
)
from titanflow.domain.instruments import FeeSchedule, Instrument, InstrumentKind, TradingCalendar
from titanflow.domain.session_settings import ContenderSpec, FeedSpec, SessionSettings
from titanflow.domain.types import NANOS_PER_SECOND, SCALE, CorporateActionKind, fixed
from titanflow.signal.engine import SignalEngine
from titanflow.signal.price_basis import PriceBasis

S = NANOS_PER_SECOND
START = 1_549_895_400 * S
SHARE = Instrument("A.X", "A", "X", InstrumentKind.EQUITY, SCALE // 100, SCALE, "24/7", "USD", FeeSchedule())
MINUTES = 120
SPLIT_AT = 61


def opening(bar_seconds: int) -> SessionStarted:
    parameters = (("fast", 3), ("slow", 9))
    contender = ContenderSpec("c", "C", "SMACrossover", parameters, (SHARE.id,), bar_seconds, "h")
    calendar = TradingCalendar("24/7", always_open=True, sessions=())
    return SessionStarted(
        START, "s", 1, SessionSettings(), (SHARE,), (calendar,), (contender,), FeedSpec("", "", ""), "t"
    )


def market(new: int) -> list[Event]:
    """Prices in whole multiples of the ratio, so that a split leaves no fraction; `new` 1 is no split."""
    events: list[Event] = []
    for minute in range(MINUTES):
        at = START + minute * 60 * S
        events.append(ClockAdvanced(at))
        if minute == SPLIT_AT and new > 1:
            kind = CorporateActionKind.SPLIT
            events.append(CorporateActionApplied(at, SHARE.id, kind, new, 1, 0, fixed("700"), at, 0))
        by = new if minute >= SPLIT_AT else 1
        for part in range(3):
            price = (7_000 + 70 * ((minute * 7 + part * 3) % 23) - 35 * (minute % 40)) * SCALE // 10
            events.append(TickReceived(at + part * 7 * S, SHARE.id, price // by, 14 * SCALE * by))
    return [*events, SessionEnded(START + MINUTES * 60 * S, "end")]


def decided(bar_seconds: int, new: int) -> list[Event]:
    engine, said = SignalEngine(), []
    for seq, event in enumerate([opening(bar_seconds), *market(new)], 1):
        if handle := engine.handlers.get(type(event)):
            said += handle(seq, event)
    return said


@pytest.mark.parametrize("bar_seconds", [60, 0])
@pytest.mark.parametrize("new", [2, 7])
def test_the_same_is_decided_with_a_split_and_without(bar_seconds: int, new: int) -> None:
    plain = [event for event in decided(bar_seconds, 1) if isinstance(event, SignalGenerated)]
    split = [event for event in decided(bar_seconds, new) if isinstance(event, SignalGenerated)]
    assert len(plain) > 5
    assert [(s.at, s.side, s.confidence, s.features) for s in split] == [
        (s.at, s.side, s.confidence, s.features) for s in plain
    ]
    for before, after in zip(plain, split, strict=True):
        by = new if after.at >= START + SPLIT_AT * 60 * S + S else 1
        if after.at != START + SPLIT_AT * 60 * S:
            assert after.price == before.price // by, "told in the shares of the day"
            assert abs(after.atr - before.atr / by) <= 1


def test_bars_are_told_in_the_shares_of_their_day() -> None:
    plain = [event for event in decided(60, 1) if isinstance(event, BarClosed)]
    split = [event for event in decided(60, 7) if isinstance(event, BarClosed)]
    assert len(plain) == len(split) > 100
    for before, after in zip(plain, split, strict=True):
        by = 7 if before.opened_at >= START + SPLIT_AT * 60 * S else 1
        assert (after.close, after.volume) == (before.close // by, before.volume * by)


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(1, 50)), max_size=5), st.integers(1, 10**13))
def test_a_basis_turns_prices_there_and_back(splits: list[tuple[int, int]], price: int) -> None:
    basis = PriceBasis()
    for new, old in splits:
        basis.split(new, old)
    told, size = basis.tick(price, SCALE)
    assert abs(basis.today(told) - price) <= 1 + basis.old // basis.new
    assert size >= 0
