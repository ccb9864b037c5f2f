"""The kill switch: drawdown to the unit, losing streaks, an operator's word, and who may reopen."""

from support.risk_driver import AAPL, COIN, DAY, OPEN, SECOND, Driver, limits, only
from titanflow.domain.events import KillSwitchTripped, OrderApproved, OrderDenied, RiskCommandIssued
from titanflow.domain.session_settings import RiskSettings
from titanflow.domain.types import SCALE, DenialCode, KillTrigger, OperatorAction, RiskCommand, Side, fixed

HALF = limits(max_position=SCALE // 2, risk_per_trade=SCALE, total_max_daily_loss=SCALE, flat_at_close=False)
"""Half of equity in one instrument: 500 shares at 100."""


def long_500(risk: RiskSettings = HALF, contenders: tuple[str, ...] = ("alpha",)) -> Driver:
    session = Driver(contenders, risk=risk)
    session.tick("100")
    order = session.buy()
    assert order.quantity == fixed("500")
    session.fill(order, "100")
    return session


def test_a_drawdown_at_the_limit_trips_and_liquidates_and_one_unit_above_does_not() -> None:
    session = long_500()
    # 3 % of 100,000 is 3,000: 6.00 on each of 500 shares
    session.tick("94.000000001")
    assert session.clock() == []
    session.tick("94")
    tripped, command = session.clock()
    assert isinstance(tripped, KillSwitchTripped)
    assert isinstance(command, RiskCommandIssued)
    assert (tripped.contender, tripped.trigger) == ("alpha", KillTrigger.DAILY_LOSS)
    assert (tripped.equity, tripped.opening_equity, tripped.drawdown) == (
        fixed("97000"),
        fixed("100000"),
        fixed("0.03"),
    )
    assert (command.command, command.contender) == (RiskCommand.LIQUIDATE_ALL, "alpha")


def test_a_kill_switch_trips_once() -> None:
    session = long_500()
    session.tick("90")
    assert len(session.clock()) == 2
    session.tick("80")
    assert session.clock() == []


def test_a_fill_checks_drawdown_without_waiting_for_the_clock() -> None:
    session = long_500()
    order = session.sell()
    decisions = session.fill(order, "94")
    assert [type(each) for each in decisions] == [KillSwitchTripped, RiskCommandIssued]


def test_nothing_is_entered_until_an_operator_resumes_and_then_from_a_new_opening() -> None:
    session = long_500()
    session.tick("94")
    session.clock()
    session.fill(session.sell(), "94")
    (denial,) = session.signal(Side.BUY)
    assert isinstance(denial, OrderDenied)
    assert denial.code is DenialCode.KILL_SWITCH
    assert dict(denial.context) == {"scope": "alpha", "trigger": "daily_loss"}
    (command,) = session.operator(OperatorAction.RESUME, "alpha")
    assert isinstance(command, RiskCommandIssued)
    assert (command.command, command.contender) == (RiskCommand.RESUME, "alpha")
    assert session.buy().quantity
    assert session.guardian.house.books["alpha"].switch.daily.mark == fixed("97000")


def test_a_new_day_opens_at_its_own_equity_but_ends_no_halt() -> None:
    session = long_500()
    session.tick("96")
    assert session.clock(DAY) == []  # opening of day 1: 98,000
    session.tick("90.13")
    assert session.clock() == []  # 95,065 is 2.99 % below 98,000, though 4.9 % below day 0
    session.tick("90.12")
    tripped, _ = session.clock()
    assert isinstance(tripped, KillSwitchTripped)
    assert tripped.opening_equity == fixed("98000")
    session.fill(session.sell(), "90.12")
    session.clock(2 * DAY + OPEN)
    (denial,) = session.signal(Side.BUY)
    assert isinstance(denial, OrderDenied)
    assert denial.code is DenialCode.KILL_SWITCH


def test_a_jump_over_several_midnights_opens_the_last_day() -> None:
    session = long_500()
    session.tick("98")
    session.clock(2 * DAY + 5 * SECOND)
    assert session.guardian.house.books["alpha"].switch.daily.mark == fixed("99000")


def test_losing_round_trips_in_a_row_trip_and_a_win_breaks_the_row() -> None:
    session = Driver(risk=limits(max_consecutive_losses=3))
    for exit_price in ("99.99", "99.99", "100.01", "99.99", "99.99"):
        assert session.round_trip("100", exit_price) == []
    tripped, command = session.round_trip("100", "99.99")
    assert isinstance(tripped, KillSwitchTripped)
    assert isinstance(command, RiskCommandIssued)
    assert (tripped.trigger, tripped.consecutive_losses) == (KillTrigger.CONSECUTIVE_LOSSES, 3)
    assert command.command is RiskCommand.LIQUIDATE_ALL


def test_a_trip_that_loses_only_by_its_fee_is_a_loss() -> None:
    session = Driver(risk=limits(max_consecutive_losses=1))
    session.tick("100")
    session.fill(session.buy(), "100", fee="0.000000001")
    assert len(only(session.fill(session.sell(), "100"), KillSwitchTripped)) == 1


def test_a_trip_at_zero_is_no_loss() -> None:
    session = Driver(risk=limits(max_consecutive_losses=1))
    assert session.round_trip("100", "100") == []


def test_resuming_forgets_the_losses() -> None:
    session = Driver(risk=limits(max_consecutive_losses=2))
    session.round_trip("100", "99.99")
    session.operator(OperatorAction.RESUME)
    assert session.round_trip("100", "99.99") == []
    assert len(session.round_trip("100", "99.99")) == 2


def test_the_losses_of_one_contender_do_not_halt_another() -> None:
    session = Driver(("alpha", "beta"), risk=limits(max_consecutive_losses=1))
    session.round_trip("100", "99.99", "alpha")
    assert session.buy(contender="beta").quantity


def test_the_drawdown_of_all_together_halts_all() -> None:
    risk = limits(
        max_position=SCALE // 2,
        risk_per_trade=SCALE,
        max_daily_loss=SCALE,
        total_max_daily_loss=fixed("0.02"),
        flat_at_close=False,
    )
    session = long_500(risk, ("alpha", "beta"))
    session.tick("96.000000001")  # beta did not trade: 2 % of alpha's 100,000 is 2,000, or 4.00 on each of 500 shares
    assert session.clock() == []
    session.tick("96")
    tripped, command = session.clock()
    assert isinstance(tripped, KillSwitchTripped)
    assert isinstance(command, RiskCommandIssued)
    assert (tripped.contender, tripped.equity) == ("", fixed("198000"))
    assert (command.command, command.contender) == (RiskCommand.LIQUIDATE_ALL, "")
    (denial,) = session.signal(Side.BUY, contender="beta")
    assert isinstance(denial, OrderDenied)
    assert denial.code is DenialCode.KILL_SWITCH


def test_the_drawdown_of_all_together_is_measured_from_the_days_opening_too() -> None:
    risk = limits(max_position=SCALE // 2, risk_per_trade=SCALE, max_daily_loss=SCALE, flat_at_close=False)
    session = long_500(risk)
    session.tick("96")
    assert session.clock(DAY) == []  # opening of day 1: 98,000, of which 3 % is 2,940: 5.88 a share
    session.tick("90.121")
    assert session.clock() == []
    session.tick("90.12")
    tripped, _ = session.clock()
    assert isinstance(tripped, KillSwitchTripped)
    assert (tripped.contender, tripped.opening_equity) == ("", fixed("98000"))


def test_while_all_is_liquidated_no_contender_trips_by_itself() -> None:
    session = long_500()
    session.operator(OperatorAction.LIQUIDATE)
    session.tick("90")
    assert session.clock() == []
    assert session.fill(session.submit_liquidation("alpha", AAPL, fixed("500")), "90") == []


def test_resuming_one_contender_does_not_lift_the_halt_of_all() -> None:
    session = Driver(("alpha", "beta"))
    session.tick("100")
    session.operator(OperatorAction.KILL)
    session.operator(OperatorAction.RESUME, "alpha")
    (denial,) = session.signal(Side.BUY, contender="alpha")
    assert isinstance(denial, OrderDenied)
    assert dict(denial.context) == {"scope": "all", "trigger": "operator"}
    session.operator(OperatorAction.RESUME)
    assert session.buy(contender="alpha").quantity


def test_an_operators_kill_keeps_positions_and_lets_exits_through() -> None:
    session = long_500()
    (tripped,) = session.operator(OperatorAction.KILL, "alpha")
    assert isinstance(tripped, KillSwitchTripped)
    assert tripped.trigger is KillTrigger.OPERATOR
    assert session.sell().quantity == fixed("500")


def test_a_drawdown_after_an_operators_kill_still_liquidates() -> None:
    session = long_500()
    session.operator(OperatorAction.KILL, "alpha")
    session.tick("94")
    tripped, command = session.clock()
    assert isinstance(tripped, KillSwitchTripped)
    assert isinstance(command, RiskCommandIssued)
    assert (tripped.trigger, command.command) == (KillTrigger.DAILY_LOSS, RiskCommand.LIQUIDATE_ALL)


def test_an_operators_liquidation_halts_as_well() -> None:
    session = long_500()
    tripped, command = session.operator(OperatorAction.LIQUIDATE)
    assert isinstance(tripped, KillSwitchTripped)
    assert isinstance(command, RiskCommandIssued)
    assert (tripped.contender, command.command, command.contender) == ("", RiskCommand.LIQUIDATE_ALL, "")
    session.fill(session.submit_liquidation("alpha", AAPL, fixed("500")), "100")
    (denial,) = session.signal(Side.BUY)
    assert isinstance(denial, OrderDenied)
    assert denial.code is DenialCode.KILL_SWITCH


def test_while_a_liquidation_order_works_an_exit_is_pending() -> None:
    session = long_500()
    session.operator(OperatorAction.LIQUIDATE)
    liquidation = session.submit_liquidation("alpha", AAPL, fixed("500"))
    (denial,) = session.signal(Side.SELL)
    assert isinstance(denial, OrderDenied)
    assert denial.code is DenialCode.ORDER_PENDING
    session.fill(liquidation, "100")
    assert session.guardian.house.books["alpha"].working == {}


def test_a_command_to_a_contender_that_does_not_exist_does_nothing() -> None:
    session = long_500()
    for action in (OperatorAction.KILL, OperatorAction.LIQUIDATE, OperatorAction.RESUME):
        assert session.operator(action, "nobody") == []
    session.tick("100", COIN)
    (order,) = session.signal(Side.BUY, COIN)
    assert isinstance(order, OrderApproved)
