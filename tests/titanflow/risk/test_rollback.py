"""Rolling performance of closed round trips and the rollback to manual approval: worked examples."""

import statistics
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.risk_driver import FLOORS, Driver, limits, only
from titanflow.domain.events import ModelRolledBack, OrderApproved, OrderHeld, RiskCommandIssued
from titanflow.domain.portfolio import RoundTrip
from titanflow.domain.types import SCALE, OperatorAction, RiskCommand, Side, fixed
from titanflow.risk.rolling import RollingPerformance, trip_return


def trip(pnl: str, notional: str = "100") -> RoundTrip:
    return RoundTrip("X", Side.BUY, 0, 0, SCALE, fixed(notional), fixed(notional), 0, fixed(pnl))


def filled(window: int, *pnls: str) -> RollingPerformance:
    rolling = RollingPerformance(window, interval=1)
    for pnl in pnls:
        rolling.add(trip(pnl))
    return rolling


def test_a_trips_return_is_its_profit_as_a_part_of_what_it_opened() -> None:
    assert trip_return(trip("2.5", "50")) == fixed("0.05")


def test_the_sharpe_ratio_of_three_trips_on_paper() -> None:
    # returns 1 %, 2 %, 3 %: mean 2 %, deviation 1 %, ratio 2, over three trips 2 sqrt(3)
    assert filled(5, "1", "2", "3").sharpe == pytest.approx(2 * sqrt(3), rel=1e-12)


def test_fewer_than_two_trips_or_equal_returns_have_no_sharpe_ratio() -> None:
    assert filled(5).sharpe is None
    assert filled(5, "1").sharpe is None
    assert filled(5, "-0.1", "-0.1", "-0.1").sharpe is None


def test_accuracy_is_the_part_of_winning_trips_and_a_trip_at_zero_is_no_win() -> None:
    assert filled(5, "1", "0", "-1", "2").accuracy == 0.5
    assert filled(5).accuracy is None


def test_only_the_last_trips_count() -> None:
    rolling = filled(2, "-50", "1", "3")
    assert rolling.round_trips == 2
    assert rolling.accuracy == 1.0
    assert rolling.sharpe == pytest.approx(2 / sqrt(2) * sqrt(2))  # mean 2 %, deviation sqrt(2) %, two trips


@given(st.lists(st.integers(-(10**10), 10**10), min_size=2, max_size=20))
def test_the_sharpe_ratio_equals_the_textbooks(pnls: list[int]) -> None:
    rolling = RollingPerformance(20, interval=5)
    for pnl in pnls:
        rolling.add(RoundTrip("X", Side.BUY, 0, 0, SCALE, 100 * SCALE, 100 * SCALE, 0, pnl))
    returns = [trip_return(RoundTrip("X", Side.BUY, 0, 0, SCALE, 100 * SCALE, 0, 0, pnl)) for pnl in pnls]
    if len(set(returns)) == 1:
        assert rolling.sharpe is None
    else:
        expected = statistics.mean(returns) / statistics.stdev(returns) * sqrt(len(returns))
        assert rolling.sharpe == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_a_check_is_due_once_an_interval() -> None:
    rolling = RollingPerformance(20, interval=3)
    assert [rolling.add(trip("1")) for _ in range(7)] == [False, False, True, False, False, True, False]


POOR = limits(max_consecutive_losses=100, performance_window=4, performance_check_interval=2, **FLOORS)


def test_a_poor_sharpe_ratio_rolls_the_model_back_with_both_numbers() -> None:
    session = Driver(risk=POOR)
    assert session.round_trip("100", "101") == []
    rolled_back, command = session.round_trip("100", "97")
    assert isinstance(rolled_back, ModelRolledBack)
    assert isinstance(command, RiskCommandIssued)
    # returns +1 %, -3 %: mean -1 %, deviation sqrt(8) %, times sqrt(2): -0.5; accuracy 1 of 2
    assert (rolled_back.metric, rolled_back.threshold, rolled_back.round_trips) == ("sharpe", 0.5, 2)
    assert rolled_back.value == pytest.approx(-0.5)
    assert (rolled_back.rolling_sharpe, rolled_back.rolling_accuracy) == (rolled_back.value, 0.5)
    assert command.command is RiskCommand.ACTIVATE_MANUAL_APPROVAL
    assert (command.contender, command.rolling_sharpe, command.rolling_accuracy) == ("alpha", rolled_back.value, 0.5)


def test_a_good_sharpe_ratio_with_poor_accuracy_rolls_back_too() -> None:
    session = Driver(risk=limits(performance_check_interval=3, rollback_min_sharpe=0.1, rollback_min_accuracy=0.5))
    session.round_trip("100", "110")
    session.round_trip("100", "99.99")
    rolled_back, _ = session.round_trip("100", "99.98")
    assert isinstance(rolled_back, ModelRolledBack)
    assert (rolled_back.metric, rolled_back.threshold) == ("accuracy", 0.5)
    assert rolled_back.value == pytest.approx(1 / 3)


def test_trips_that_all_lose_alike_have_no_sharpe_ratio_and_are_judged_by_accuracy() -> None:
    session = Driver(risk=POOR)
    session.round_trip("100", "99")
    rolled_back, _ = session.round_trip("100", "99")
    assert isinstance(rolled_back, ModelRolledBack)
    assert (rolled_back.metric, rolled_back.value, rolled_back.rolling_sharpe) == ("accuracy", 0.0, None)


def test_a_model_is_rolled_back_once_until_an_operator_resumes_it() -> None:
    session = Driver(risk=POOR)
    session.round_trip("100", "99")
    session.round_trip("100", "98")
    assert session.guardian.house.books["alpha"].manual_approval
    session.tick("100")
    (held,) = session.signal(Side.BUY)
    assert isinstance(held, OrderHeld)
    session.operator(OperatorAction.DENY, order_id=held.order_id)
    session.operator(OperatorAction.RESUME, "alpha")
    assert session.round_trip("100", "101") == []
    assert session.round_trip("100", "102") == []  # the trips before count no more
    session.round_trip("100", "90")
    assert len(only(session.round_trip("100", "91"), ModelRolledBack)) == 1


def test_a_model_under_manual_approval_is_not_rolled_back_again() -> None:
    session = Driver(risk=POOR)
    session.guardian.house.books["alpha"].manual_approval = True
    for _ in range(4):
        session.tick("100")
        (held,) = session.signal(Side.BUY)
        assert isinstance(held, OrderHeld)
        (order,) = session.operator(OperatorAction.APPROVE, order_id=held.order_id)
        assert isinstance(order, OrderApproved)
        session.fill(order, "100")
        assert session.fill(session.sell(), "99") == []


def test_performance_at_its_floor_is_good_enough() -> None:
    session = Driver(risk=limits(performance_check_interval=2, rollback_min_sharpe=-1e9, rollback_min_accuracy=0.5))
    assert session.round_trip("100", "101") == []
    assert session.round_trip("100", "99") == []


def test_a_good_model_is_left_alone() -> None:
    session = Driver(risk=POOR)
    for exit_price in ("101", "102", "101", "102"):
        assert session.round_trip("100", exit_price) == []
