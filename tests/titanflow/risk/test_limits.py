"""Every limit on an entry: denied with its code and its numbers, in a defined order; exits pass them all."""

import pytest

from support.risk_driver import AAPL, CALENDARS, CLOSE, COIN, DAY, OPEN, SECOND, VIX, Driver, limits
from titanflow.domain.events import OrderApproved, OrderDenied
from titanflow.domain.types import SCALE, DenialCode, OperatorAction, OrderPurpose, OrderType, Side, fixed


def code_of(decisions: list[object]) -> DenialCode:
    (denial,) = decisions
    assert isinstance(denial, OrderDenied)
    return denial.code


def numbers_of(decisions: list[object]) -> dict[str, object]:
    (denial,) = decisions
    assert isinstance(denial, OrderDenied)
    return dict(denial.context)


def test_a_denial_names_the_signal_that_it_answers() -> None:
    session = Driver()
    (denial,) = session.signal(Side.BUY)
    assert isinstance(denial, OrderDenied)
    assert (denial.signal, denial.cause, denial.contender, denial.instrument, denial.side) == (
        2,
        2,
        "alpha",
        AAPL,
        "BUY",
    )
    assert denial.order_id == ""


def test_an_instrument_without_a_price_is_denied() -> None:
    assert code_of(Driver().signal(Side.BUY)) is DenialCode.NO_PRICE


def test_a_limit_order_without_its_price_is_denied() -> None:
    session = Driver()
    session.tick("100")
    assert code_of(session.signal(Side.BUY, order_type=OrderType.LIMIT)) is DenialCode.NO_PRICE


def test_a_signal_without_volatility_has_no_stop_and_is_denied() -> None:
    session = Driver()
    session.tick("100")
    assert code_of(session.signal(Side.BUY, atr="0")) is DenialCode.NO_STOP


def test_an_instrument_of_no_catalogue_is_denied() -> None:
    assert code_of(Driver().signal(Side.BUY, "GOOG.XNYS")) is DenialCode.SYMBOL_NOT_ALLOWED


def test_an_instrument_that_is_not_on_the_list_is_denied() -> None:
    session = Driver(risk=limits(allowed_instruments=(COIN,)))
    session.tick("100")
    assert code_of(session.signal(Side.BUY, AAPL)) is DenialCode.SYMBOL_NOT_ALLOWED
    session.tick("100", COIN)
    assert session.buy(COIN).instrument == COIN


def test_an_index_cannot_be_traded() -> None:
    session = Driver()
    session.tick("15", VIX)
    decisions = session.signal(Side.BUY, VIX)
    assert code_of(decisions) is DenialCode.NOT_TRADABLE
    assert numbers_of(decisions) == {"kind": "index"}


def test_a_calendar_that_is_not_known_counts_as_closed() -> None:
    session = Driver(calendars=CALENDARS[1:])
    session.tick("100")
    assert code_of(session.signal(Side.BUY)) is DenialCode.OUTSIDE_SESSION


@pytest.mark.parametrize(("confidence", "passes"), [(0.25, True), (0.249999, False), (float("nan"), False)])
def test_confidence_must_reach_the_minimum(confidence: float, passes: bool) -> None:
    session = Driver()
    session.tick("100")
    (verdict,) = session.signal(Side.BUY, confidence=confidence)
    if passes:
        assert isinstance(verdict, OrderApproved)
    else:
        assert isinstance(verdict, OrderDenied)
        assert verdict.code is DenialCode.LOW_CONFIDENCE


def test_a_sell_without_a_position_is_denied_unless_shorting_is_allowed() -> None:
    session = Driver()
    session.tick("100")
    assert code_of(session.signal(Side.SELL)) is DenialCode.SHORTING_DISABLED
    short = Driver(risk=limits(allow_short=True))
    short.tick("100")
    order = short.sell()
    assert (order.purpose, order.side, order.stop_price) == (OrderPurpose.ENTRY, Side.SELL, fixed("102"))


def test_a_signal_that_only_closes_never_opens_a_short() -> None:
    session = Driver(risk=limits(allow_short=True, min_confidence=0.0))
    session.tick("100")
    assert code_of(session.signal(Side.SELL, closes_only=True)) is DenialCode.NOTHING_TO_CLOSE
    session.fill(session.buy(), "100")
    (order,) = session.signal(Side.SELL, closes_only=True)
    assert isinstance(order, OrderApproved)
    assert order.purpose is OrderPurpose.EXIT


def test_an_entry_while_an_order_of_that_instrument_is_pending_is_denied() -> None:
    session = Driver()
    session.tick("100")
    order = session.buy()
    decisions = session.signal(Side.BUY)
    assert code_of(decisions) is DenialCode.ORDER_PENDING
    assert numbers_of(decisions) == {"purpose": "entry", "remaining": order.quantity}


@pytest.mark.parametrize("end", ["reject", "cancel"])
def test_an_order_that_was_rejected_or_cancelled_is_pending_no_more(end: str) -> None:
    session = Driver()
    session.tick("100")
    order = session.buy()
    assert getattr(session, end)(order) == []
    assert session.buy().quantity == order.quantity


def test_a_second_contender_is_not_kept_back_by_the_orders_of_the_first() -> None:
    session = Driver(("alpha", "beta"))
    session.tick("100")
    assert session.buy(contender="alpha").quantity == session.buy(contender="beta").quantity


def test_a_contender_whose_equity_is_gone_is_denied() -> None:
    session = Driver(
        risk=limits(
            max_daily_loss=10 * SCALE,
            total_max_daily_loss=10 * SCALE,
            max_drawdown=10 * SCALE,
            total_max_drawdown=10 * SCALE,
        )
    )
    session.tick("100", COIN)
    session.fill(session.buy(COIN), "100", fee="100000")
    session.tick("100")
    decisions = session.signal(Side.BUY)
    assert code_of(decisions) is DenialCode.NO_EQUITY
    assert numbers_of(decisions) == {"equity": 0}


def test_the_order_rate_counts_the_approvals_of_the_last_sixty_seconds() -> None:
    session = Driver(risk=limits(max_orders_per_minute=2))
    session.tick("100")
    for _ in range(2):
        session.reject(session.buy())
    decisions = session.signal(Side.BUY)
    assert code_of(decisions) is DenialCode.ORDER_RATE
    assert numbers_of(decisions) == {"orders": 2, "limit": 2}
    session.at += 60 * SECOND - 1
    assert code_of(session.signal(Side.BUY)) is DenialCode.ORDER_RATE
    session.at += 1
    assert session.buy().quantity


def test_no_entry_before_the_open_nor_after_the_close() -> None:
    for at in (OPEN - 1, CLOSE):
        session = Driver(at=at)
        session.tick("100")
        assert code_of(session.signal(Side.BUY)) is DenialCode.OUTSIDE_SESSION


@pytest.mark.parametrize("at", [CLOSE, CLOSE + 3600 * SECOND])
def test_a_contender_on_daily_bars_enters_at_the_next_open(at: int) -> None:
    session = Driver(at=at, bars=((AAPL, 86_400),))
    session.tick("100")
    assert session.buy().quantity
    late = Driver(at=at, bars=((AAPL, 86_400),), risk=limits(no_entry_after_open_seconds=60))
    late.tick("100")
    assert code_of(late.signal(Side.BUY)) is DenialCode.OUTSIDE_SESSION


def test_no_contender_enters_where_no_further_session_is_known() -> None:
    session = Driver(at=CLOSE + 2 * DAY, bars=((AAPL, 86_400),))
    session.tick("100")
    assert code_of(session.signal(Side.BUY)) is DenialCode.OUTSIDE_SESSION


def test_the_last_minutes_take_no_entry_to_the_nanosecond() -> None:
    session = Driver(at=CLOSE - 300 * SECOND)
    session.tick("100")
    assert code_of(session.signal(Side.BUY)) is DenialCode.CLOSING_SOON
    session.at -= 1
    assert session.buy().quantity


def test_exits_pass_every_limit() -> None:
    session = Driver(risk=limits(max_orders_per_minute=1, allow_short=False))
    session.tick("100")
    entry = session.buy()
    session.fill(entry, "100")
    session.operator(OperatorAction.KILL)
    session.at = CLOSE + SECOND
    (order,) = session.signal(Side.SELL, confidence=0.0, atr="0")
    assert isinstance(order, OrderApproved)
    assert (order.purpose, order.quantity, order.stop_price) == (OrderPurpose.EXIT, entry.quantity, 0)


def test_the_first_limit_of_the_list_speaks() -> None:
    session = Driver(at=OPEN - 1)
    session.operator(OperatorAction.KILL)
    assert code_of(session.signal(Side.SELL, VIX, confidence=0.0)) is DenialCode.KILL_SWITCH
    session.operator(OperatorAction.RESUME)
    assert code_of(session.signal(Side.SELL, VIX, confidence=0.0)) is DenialCode.NOT_TRADABLE
    assert code_of(session.signal(Side.SELL, confidence=0.0)) is DenialCode.SHORTING_DISABLED
    assert code_of(session.signal(Side.BUY, confidence=0.0)) is DenialCode.LOW_CONFIDENCE
    assert code_of(session.signal(Side.BUY)) is DenialCode.OUTSIDE_SESSION
