"""Held orders: an operator approves or denies them, or they end by themselves; each ends exactly once."""

from typing import Any

from support.risk_driver import AAPL, SECOND, Driver, limits
from titanflow.domain.events import KillSwitchTripped, OrderApproved, OrderDenied, OrderHeld
from titanflow.domain.types import SCALE, DenialCode, OperatorAction, OrderPurpose, Side, fixed


def by_hand(**risk: Any) -> Driver:
    """A session whose only contender is under manual approval, at a price of 100."""
    session = Driver(risk=limits(flat_at_close=False, **risk))
    session.guardian.house.books["alpha"].manual_approval = True
    session.tick("100")
    return session


def hold(session: Driver) -> OrderHeld:
    (held,) = session.signal(Side.BUY)
    assert isinstance(held, OrderHeld)
    return held


def denied_as(decisions: list[object], order_id: str) -> DenialCode:
    (denial,) = [each for each in decisions if isinstance(each, OrderDenied) and each.order_id == order_id]
    return denial.code


def test_an_entry_under_manual_approval_is_held_with_the_size_that_risk_would_allow() -> None:
    session = by_hand()
    held = hold(session)
    assert (held.quantity, held.code, held.decision_price) == (fixed("100"), DenialCode.MANUAL_APPROVAL, fixed("100"))
    assert held.expires_at == session.at + 60 * SECOND


def test_what_a_limit_forbids_is_denied_and_not_held() -> None:
    (denial,) = by_hand().signal(Side.BUY, confidence=0.1)
    assert isinstance(denial, OrderDenied)
    assert denial.code is DenialCode.LOW_CONFIDENCE


def test_an_approved_hold_goes_out_under_its_id_sized_anew() -> None:
    session = by_hand()
    held = hold(session)
    session.tick("200")
    (order,) = session.operator(OperatorAction.APPROVE, order_id=held.order_id)
    assert isinstance(order, OrderApproved)
    assert (order.order_id, order.signal, order.cause) == (held.order_id, held.signal, session.seq - 1)
    assert (order.quantity, order.stop_price, order.decision_price) == (fixed("50"), fixed("198"), fixed("200"))
    assert order.purpose is OrderPurpose.ENTRY


def test_an_approval_checks_every_limit_again() -> None:
    session = by_hand()
    held = hold(session)
    session.tick("0.005")
    denial = session.operator(OperatorAction.APPROVE, order_id=held.order_id)
    assert denied_as(denial, held.order_id) is DenialCode.NO_STOP


def test_a_denied_hold_says_who_denied_it() -> None:
    session = by_hand()
    held = hold(session)
    (denial,) = session.operator(OperatorAction.DENY, order_id=held.order_id)
    assert isinstance(denial, OrderDenied)
    assert (denial.code, denial.signal, dict(denial.context)["operator"]) == (
        DenialCode.DENIED_BY_OPERATOR,
        held.signal,
        "ada",
    )


def test_a_hold_expires_at_its_time_and_not_before() -> None:
    session = by_hand()
    held = hold(session)
    assert session.clock(held.expires_at - 1) == []
    assert denied_as(session.clock(held.expires_at), held.order_id) is DenialCode.HOLD_EXPIRED
    assert session.clock(held.expires_at + SECOND) == []


def test_a_clock_that_jumps_over_the_expiry_ends_the_hold() -> None:
    session = by_hand()
    held = hold(session)
    assert denied_as(session.clock(held.expires_at + 3600 * SECOND), held.order_id) is DenialCode.HOLD_EXPIRED


def test_an_answer_after_the_expiry_comes_too_late_even_before_the_clock() -> None:
    session = by_hand()
    held = hold(session)
    session.at = held.expires_at
    denial = session.operator(OperatorAction.APPROVE, order_id=held.order_id)
    assert denied_as(denial, held.order_id) is DenialCode.HOLD_EXPIRED


def test_a_second_answer_names_an_unknown_order() -> None:
    session = by_hand()
    held = hold(session)
    session.operator(OperatorAction.APPROVE, order_id=held.order_id)
    for action in (OperatorAction.APPROVE, OperatorAction.DENY):
        assert denied_as(session.operator(action, order_id=held.order_id), held.order_id) is DenialCode.UNKNOWN_ORDER


def test_while_an_order_is_held_a_further_entry_is_pending() -> None:
    session = by_hand()
    held = hold(session)
    (denial,) = session.signal(Side.BUY)
    assert isinstance(denial, OrderDenied)
    assert (denial.code, dict(denial.context)["held"]) == (DenialCode.ORDER_PENDING, held.order_id)


def test_a_signal_the_other_way_takes_a_held_entry_back() -> None:
    session = by_hand()
    held = hold(session)
    withdrawn, own = session.signal(Side.SELL)
    assert isinstance(withdrawn, OrderDenied)
    assert isinstance(own, OrderDenied)
    assert (withdrawn.order_id, withdrawn.code) == (held.order_id, DenialCode.SUPERSEDED)
    assert own.code is DenialCode.SHORTING_DISABLED


def test_a_kill_switch_denies_what_is_held_in_its_scope() -> None:
    for contender in ("", "alpha"):
        session = by_hand()
        held = hold(session)
        decisions = session.operator(OperatorAction.KILL, contender)
        assert isinstance(decisions[0], KillSwitchTripped)
        assert denied_as(decisions, held.order_id) is DenialCode.KILL_SWITCH


def test_the_end_of_the_session_denies_what_is_held_and_all_that_follows() -> None:
    session = by_hand()
    held = hold(session)
    assert denied_as(session.end(), held.order_id) is DenialCode.SESSION_ENDED
    assert denied_as(session.signal(Side.BUY), "") is DenialCode.SESSION_ENDED


def test_exits_are_approved_without_a_person() -> None:
    session = by_hand()
    held = hold(session)
    (order,) = session.operator(OperatorAction.APPROVE, order_id=held.order_id)
    assert isinstance(order, OrderApproved)
    session.fill(order, "100")
    assert session.sell().purpose is OrderPurpose.EXIT


def test_resuming_ends_manual_approval() -> None:
    session = by_hand(max_gross_exposure=SCALE)
    session.operator(OperatorAction.RESUME, "alpha")
    assert session.buy(AAPL).quantity == fixed("100")
