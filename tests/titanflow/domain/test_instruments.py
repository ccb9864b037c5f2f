"""Opening hours and what can be traded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from titanflow.domain.instruments import FeeSchedule, Instrument, InstrumentKind, TradingCalendar

CALENDAR = TradingCalendar(id="XNYS", always_open=False, sessions=((100, 200), (300, 400)))


@pytest.mark.parametrize(
    ("at", "session"),
    [
        (99, None),
        (100, (100, 200)),
        (199, (100, 200)),
        (200, None),
        (299, None),
        (300, (300, 400)),
        (399, (300, 400)),
        (400, None),
    ],
)
def test_a_session_contains_its_open_and_not_its_close(at: int, session: tuple[int, int] | None) -> None:
    assert CALENDAR.session_at(at) == session
    assert CALENDAR.is_open(at) == (session is not None)


@given(st.integers())
def test_a_venue_that_never_closes_is_open_at_any_time_and_has_no_session(at: int) -> None:
    crypto = TradingCalendar(id="24/7", always_open=True, sessions=())
    assert crypto.is_open(at)
    assert crypto.session_at(at) is None


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=20, unique=True), st.integers(-10, 1010))
def test_the_session_found_is_the_one_that_a_search_of_all_finds(bounds: list[int], at: int) -> None:
    ordered = sorted(bounds[: len(bounds) // 2 * 2])
    sessions = tuple(zip(ordered[::2], ordered[1::2], strict=True))
    found = TradingCalendar(id="X", always_open=False, sessions=sessions).session_at(at)
    assert found == next((each for each in sessions if each[0] <= at < each[1]), None)


@pytest.mark.parametrize("kind", InstrumentKind)
def test_everything_but_an_index_can_be_traded(kind: InstrumentKind) -> None:
    instrument = Instrument("X.Y", "X", "Y", kind, 1, 1, "Y", "USD", FeeSchedule())
    assert instrument.tradable == (kind is not InstrumentKind.INDEX)
