"""Exits close what is there, also what a working entry yet fills; positions are closed before their venue closes."""

from support.risk_driver import AAPL, CLOSE, COIN, DAY, OPEN, SECOND, Driver, limits
from titanflow.domain.events import Event, OrderApproved, OrderDenied
from titanflow.domain.instruments import TradingCalendar
from titanflow.domain.session_settings import RiskSettings
from titanflow.domain.types import SCALE, DenialCode, OperatorAction, OrderPurpose, Side, fixed

ALWAYS = TradingCalendar("24/7", always_open=True, sessions=())


def only_order(decisions: list[Event]) -> OrderApproved:
    (order,) = decisions
    assert isinstance(order, OrderApproved), order
    return order


def only_denial(decisions: list[Event]) -> OrderDenied:
    (denial,) = decisions
    assert isinstance(denial, OrderDenied), denial
    return denial


def holding(at: int = OPEN, risk: RiskSettings | None = None) -> Driver:
    """100 shares of AAPL bought at 100."""
    session = Driver(at=at, risk=risk or limits())
    session.tick("100")
    session.fill(session.buy(), "100")
    return session


def test_an_exit_closes_the_whole_position() -> None:
    order = holding().sell()
    assert (order.purpose, order.side, order.quantity) == (OrderPurpose.EXIT, Side.SELL, fixed("100"))


def test_a_buy_closes_a_short_position() -> None:
    session = Driver(risk=limits(allow_short=True))
    session.tick("100")
    session.fill(session.sell(), "100")
    order = session.buy()
    assert (order.purpose, order.quantity) == (OrderPurpose.EXIT, fixed("100"))


def test_a_second_exit_and_an_entry_wait_while_an_exit_works() -> None:
    session = holding()
    session.sell()
    assert only_denial(session.signal(Side.SELL)).code is DenialCode.ORDER_PENDING
    assert only_denial(session.signal(Side.BUY)).code is DenialCode.ORDER_PENDING


def test_an_exit_that_was_rejected_may_be_asked_for_again() -> None:
    session = holding()
    session.reject(session.sell(), DenialCode.NOTHING_TO_CLOSE)
    assert session.sell().quantity == fixed("100")


def test_an_exit_that_meets_an_unfilled_entry_follows_its_fills() -> None:
    session = Driver()
    session.tick("100")
    entry = session.buy()
    assert session.signal(Side.SELL) == []
    asked = session.seq
    first = only_order(session.fill(entry, "100", "30"))
    assert (first.quantity, first.signal, first.purpose) == (fixed("30"), asked, OrderPurpose.EXIT)
    second = only_order(session.fill(entry, "100", "70"))
    assert second.quantity == fixed("70")
    session.fill(first, "100")
    session.fill(second, "100")
    assert session.guardian.house.books["alpha"].portfolio.positions == {}


def test_an_exit_of_a_partly_filled_entry_closes_the_rest_as_it_comes() -> None:
    session = Driver()
    session.tick("100")
    entry = session.buy()
    session.fill(entry, "100", "30")
    assert session.sell().quantity == fixed("30")
    assert only_order(session.fill(entry, "100", "70")).quantity == fixed("70")


def test_an_exit_that_was_rejected_may_be_asked_for_again_while_the_entry_still_works() -> None:
    session = Driver()
    session.tick("100")
    entry = session.buy()
    session.fill(entry, "100", "30")
    session.reject(session.sell())
    assert session.sell().quantity == fixed("30")
    assert only_order(session.fill(entry, "100", "70")).quantity == fixed("70")


def test_a_second_exit_is_pending_while_the_first_waits() -> None:
    session = Driver()
    session.tick("100")
    session.buy()
    assert session.signal(Side.SELL) == []
    assert only_denial(session.signal(Side.SELL)).code is DenialCode.ORDER_PENDING


def test_an_exit_whose_entry_never_fills_has_nothing_to_close() -> None:
    for end in ("cancel", "reject"):
        session = Driver()
        session.tick("100")
        entry = session.buy()
        session.signal(Side.SELL)
        asked = session.seq
        denial = only_denial(getattr(session, end)(entry))
        assert (denial.code, denial.signal) == (DenialCode.NOTHING_TO_CLOSE, asked)


def test_a_change_of_mind_takes_a_waiting_exit_back() -> None:
    session = Driver()
    session.tick("100")
    entry = session.buy()
    session.signal(Side.SELL)
    superseded, own = session.signal(Side.BUY)
    assert isinstance(superseded, OrderDenied)
    assert isinstance(own, OrderDenied)
    assert (superseded.code, own.code) == (DenialCode.SUPERSEDED, DenialCode.ORDER_PENDING)
    assert session.fill(entry, "100") == []


def test_after_the_session_no_exit_follows_a_late_fill() -> None:
    session = Driver()
    session.tick("100")
    entry = session.buy()
    session.signal(Side.SELL)
    session.end()
    assert session.fill(entry, "100", "30") == []
    assert only_denial(session.cancel(entry)).code is DenialCode.SESSION_ENDED


def test_a_position_is_closed_a_minute_before_the_close() -> None:
    session = holding()
    assert session.clock(CLOSE - 61 * SECOND) == []
    order = only_order(session.clock(CLOSE - 60 * SECOND))
    assert (order.purpose, order.side, order.quantity, order.signal) == (
        OrderPurpose.SESSION_CLOSE,
        Side.SELL,
        fixed("100"),
        0,
    )
    assert session.clock() == []
    session.fill(order, "100")
    assert session.clock() == []


def test_a_clock_that_jumps_over_the_close_closes_at_once() -> None:
    assert only_order(holding().clock(DAY + 5 * SECOND)).purpose is OrderPurpose.SESSION_CLOSE


def test_a_position_opened_on_a_later_day_waits_for_its_own_close() -> None:
    session = holding(at=DAY + OPEN)
    assert session.clock(DAY + OPEN + SECOND) == []
    assert only_order(session.clock(DAY + CLOSE - 60 * SECOND)).quantity == fixed("100")


def test_an_early_close_is_met() -> None:
    early = OPEN + 3 * 3600 * SECOND
    session = Driver(calendars=(TradingCalendar("XNYS", always_open=False, sessions=((OPEN, early),)), ALWAYS))
    session.tick("100")
    session.fill(session.buy(), "100")
    assert session.clock(early - 61 * SECOND) == []
    assert only_order(session.clock(early - 60 * SECOND)).purpose is OrderPurpose.SESSION_CLOSE


def test_an_entry_that_fills_after_the_closing_order_is_closed_too() -> None:
    session = Driver(at=CLOSE - 301 * SECOND)
    session.tick("100")
    entry = session.buy()
    session.fill(entry, "100", "40")
    first = only_order(session.clock(CLOSE - 60 * SECOND))
    session.fill(first, "100")
    session.fill(entry, "100")
    assert only_order(session.clock()).quantity == fixed("60")


def test_an_entry_that_fills_after_the_close_is_closed_at_the_next_clock() -> None:
    session = Driver(at=CLOSE - 301 * SECOND)
    session.tick("100")
    entry = session.buy()
    assert session.clock(CLOSE + SECOND) == []
    session.fill(entry, "100")
    assert only_order(session.clock()).purpose is OrderPurpose.SESSION_CLOSE


def test_a_closing_order_that_was_rejected_is_tried_again_for_the_next_close() -> None:
    session = holding()
    session.reject(only_order(session.clock(CLOSE - 60 * SECOND)), DenialCode.NOTHING_TO_CLOSE)
    assert session.clock() == []
    assert only_order(session.clock(DAY + CLOSE - 60 * SECOND)).quantity == fixed("100")


def test_an_exit_under_way_needs_no_closing_order() -> None:
    session = holding()
    session.sell()
    assert session.clock(CLOSE - 60 * SECOND) == []


def test_a_position_of_a_venue_that_never_closes_is_kept() -> None:
    session = Driver()
    session.tick("100", COIN)
    session.fill(session.buy(COIN), "100")
    assert session.clock(CLOSE) == []
    assert session.clock(2 * DAY) == []


def test_positions_are_kept_where_they_need_not_be_flat() -> None:
    session = holding(risk=limits(flat_at_close=False))
    assert session.clock(CLOSE) == []


def test_every_position_of_every_contender_gets_its_own_closing_order() -> None:
    session = Driver(("alpha", "beta"))
    session.tick("100")
    for contender in ("alpha", "beta"):
        session.fill(session.buy(contender=contender), "100")
    orders = session.clock(CLOSE - 60 * SECOND)
    assert [each.contender for each in orders if isinstance(each, OrderApproved)] == ["alpha", "beta"]


def test_a_held_entry_is_not_approved_in_the_last_minutes() -> None:
    session = Driver(at=CLOSE - 301 * SECOND, risk=limits(hold_expiry_seconds=3600))
    session.guardian.house.books["alpha"].manual_approval = True
    session.tick("100")
    session.signal(Side.BUY)
    held = next(iter(session.guardian.house.books["alpha"].held))
    session.at = CLOSE - 300 * SECOND
    denial = only_denial(session.operator(OperatorAction.APPROVE, order_id=held))
    assert (denial.code, denial.order_id) == (DenialCode.CLOSING_SOON, held)


def test_no_entry_is_taken_that_would_be_closed_at_once() -> None:
    settings = limits(no_entry_before_close_seconds=0, flatten_before_close_seconds=60, max_position=SCALE)
    session = Driver(at=CLOSE - 60 * SECOND, risk=settings)
    session.tick("100")
    assert only_denial(session.signal(Side.BUY, AAPL)).code is DenialCode.CLOSING_SOON
