"""Limits on losses: of the day and from the peak; whose day it is; what all together are measured on; who goes on."""

import pytest

from support.risk_driver import AAPL, CLOSE, COIN, DAY, OPEN, SECOND, Driver, limits, only
from titanflow.domain.events import KillSwitchTripped, OrderDenied, RiskCommandIssued
from titanflow.domain.instruments import TradingCalendar
from titanflow.domain.types import (
    SCALE,
    DenialCode,
    KillTrigger,
    OperatorAction,
    ResumeMode,
    RiskCommand,
    Side,
    fixed,
)
from titanflow.risk.day_openings import NEVER, DayOpenings

HOUR = 3600 * SECOND
WIDE = {"max_position": SCALE // 2, "risk_per_trade": SCALE, "flat_at_close": False}
LOOSE = {"max_daily_loss": SCALE, "total_max_daily_loss": SCALE}
NYSE = tuple((OPEN + d * DAY, CLOSE + d * DAY) for d in range(3))


def held(at: int = OPEN, contenders: tuple[str, ...] = ("alpha",), **risk: object) -> Driver:
    """Alpha holds 500 shares at 100: half of its equity."""
    session = Driver(contenders, risk=limits(**WIDE | risk), at=at)
    session.tick("100")
    session.fill(session.buy(), "100")
    return session


def test_the_day_of_an_exchange_opens_with_its_session_not_at_midnight() -> None:
    session = held(max_daily_loss=fixed("0.03"), total_max_daily_loss=SCALE)
    for book in session.guardian.house.books.values():
        book.openings = DayOpenings([TradingCalendar("XNYS", always_open=False, sessions=NYSE)])
        book.next_day = book.openings.after(session.at)
    session.tick("96")
    assert session.clock(DAY) == [], "2 % down since the opening"
    session.tick("94.01")
    assert session.clock(DAY + HOUR) == [], "midnight opens no day: 2.995 %"
    session.tick("94")
    tripped, _ = session.clock(DAY + 2 * HOUR)
    assert isinstance(tripped, KillSwitchTripped)
    assert (tripped.trigger, tripped.opening_equity) == (KillTrigger.DAILY_LOSS, fixed("100000"))


@pytest.mark.parametrize(
    ("sessions", "openings"),
    [
        ((NYSE,), [OPEN, OPEN + DAY, OPEN + 2 * DAY]),
        ((((23 * HOUR, 29 * HOUR), (47 * HOUR, 53 * HOUR)),), [23 * HOUR, 47 * HOUR]),  # across midnight UTC
        ((((0, 2 * HOUR), (3 * HOUR, 6 * HOUR)),), [0]),  # a lunch break
        ((NYSE[:1], ((8 * HOUR, 16 * HOUR),)), [8 * HOUR]),  # London opens before New York
        ((NYSE[:2], ((23 * HOUR, 29 * HOUR),)), [OPEN, OPEN + DAY]),  # Sydney follows New York within its day
    ],
)
def test_a_day_opens_with_the_first_opening_of_any_venue_in_a_utc_day(
    sessions: tuple[tuple[tuple[int, int], ...], ...], openings: list[int]
) -> None:
    days = DayOpenings([TradingCalendar(str(n), always_open=False, sessions=each) for n, each in enumerate(sessions)])
    found, at = [], -1
    while (at := days.after(at)) != NEVER:
        found.append(at)
    assert found == openings


def test_a_venue_that_never_closes_has_the_utc_day() -> None:
    days = DayOpenings([TradingCalendar("24/7", always_open=True, sessions=())])
    assert (days.after(0), days.after(DAY - 1), days.after(DAY)) == (DAY, DAY, 2 * DAY)


def test_a_fall_over_days_passes_the_daily_limit_and_not_the_one_from_the_peak() -> None:
    session = held(max_drawdown=fixed("0.1"), total_max_drawdown=SCALE, total_max_daily_loss=SCALE)
    session.tick("110")
    session.clock()  # a peak of 105,000
    at = session.at
    for day, price in enumerate(("105", "100.1", "95.3", "91"), 1):  # each day about 2.4 %: never 3 %
        session.tick(price)
        assert session.clock(day * DAY + at % DAY) == [], price
    session.tick("89.1")  # 94,550 is 9.95 % below 105,000
    assert session.clock() == []
    session.tick("89")
    tripped, command = session.clock()
    assert isinstance(tripped, KillSwitchTripped)
    assert isinstance(command, RiskCommandIssued)
    assert (tripped.trigger, tripped.peak_equity, tripped.equity) == (
        KillTrigger.MAX_DRAWDOWN, fixed("105000"), fixed("94500"),
    )  # fmt: skip
    assert (tripped.drawdown, tripped.until) == (fixed("0.1"), 0)
    assert command.command is RiskCommand.LIQUIDATE_ALL


def test_what_falls_beyond_both_limits_is_halted_for_good() -> None:
    session = held(max_daily_loss=fixed("0.03"), max_drawdown=fixed("0.05"), resume=ResumeMode.NEXT_SESSION)
    session.tick("94")
    tripped, *_ = session.clock()
    assert isinstance(tripped, KillSwitchTripped)
    assert (tripped.trigger, tripped.until) == (KillTrigger.DAILY_LOSS, DAY)
    session.guardian.house.switch.clear()  # the house fell too; here only alpha is looked at
    session.tick("90")  # its stop has not filled yet
    tripped, *rest = session.clock()
    assert isinstance(tripped, KillSwitchTripped)
    assert (tripped.trigger, tripped.until) == (KillTrigger.MAX_DRAWDOWN, 0)
    assert [each for each in rest if each.contender == "alpha"] == [], "it is being liquidated already"
    session.fill(session.submit_liquidation("alpha", AAPL, fixed("500")), "90")
    session.clock(DAY + OPEN)
    (denial,) = session.signal(Side.BUY)
    assert isinstance(denial, OrderDenied)
    assert dict(denial.context)["trigger"] == "max_drawdown"


def halted_by_its_day(**risk: object) -> Driver:
    session = held(max_daily_loss=fixed("0.03"), total_max_daily_loss=SCALE, **risk)
    session.tick("94")
    session.clock()
    session.fill(session.submit_liquidation("alpha", AAPL, fixed("500")), "94")
    return session


def test_the_next_session_ends_a_halt_by_daily_loss_and_measures_from_there() -> None:
    session = halted_by_its_day(resume=ResumeMode.NEXT_SESSION)
    assert session.clock(DAY - SECOND) == []
    (denial,) = session.signal(Side.BUY)
    assert isinstance(denial, OrderDenied)
    assert denial.code is DenialCode.KILL_SWITCH
    (resumed,) = session.clock(DAY)
    assert isinstance(resumed, RiskCommandIssued)
    assert (resumed.command, resumed.contender, resumed.at_opening) == (RiskCommand.RESUME, "alpha", True)
    assert resumed.cause == session.steps[-1][0], "the clock"
    session.tick("10", COIN)
    assert session.buy(COIN).quantity
    assert session.guardian.house.books["alpha"].switch.daily.mark == fixed("97000")
    assert session.guardian.house.books["alpha"].switch.trailing.mark == fixed("100000"), "the peak stays"


def test_where_an_operator_resumes_a_new_session_ends_nothing() -> None:
    session = halted_by_its_day()
    assert session.clock(DAY) == []
    (denial,) = session.signal(Side.BUY)
    assert isinstance(denial, OrderDenied)


def test_the_next_session_ends_no_halt_by_an_operator() -> None:
    session = halted_by_its_day(resume=ResumeMode.NEXT_SESSION)
    session.operator(OperatorAction.KILL, "alpha")
    assert session.clock(DAY) == []
    (denial,) = session.signal(Side.BUY)
    assert isinstance(denial, OrderDenied)
    assert dict(denial.context)["trigger"] == "operator"


def test_the_next_session_ends_a_halt_by_losses_in_a_row_and_the_row() -> None:
    session = Driver(risk=limits(max_consecutive_losses=1, resume=ResumeMode.NEXT_SESSION))
    tripped, _ = session.round_trip("100", "99")
    assert isinstance(tripped, KillSwitchTripped)
    assert (tripped.trigger, tripped.until) == (KillTrigger.CONSECUTIVE_LOSSES, DAY)
    (resumed,) = session.clock(DAY)
    assert isinstance(resumed, RiskCommandIssued)
    session.clock(DAY + OPEN)
    assert session.guardian.house.books["alpha"].streak.losses == 0
    assert session.buy().quantity


def test_manual_approval_outlasts_the_night() -> None:
    session = Driver(risk=limits(harm_min_trips=2, resume=ResumeMode.NEXT_SESSION, max_consecutive_losses=2))
    session.round_trip("100", "99")
    session.round_trip("100", "99")
    session.clock(DAY)
    session.clock(DAY + OPEN)
    assert session.guardian.house.books["alpha"].manual_approval


def test_idle_cash_does_not_dilute_the_loss_of_all_together() -> None:
    session = held(contenders=("alpha", "beta", "gamma"), max_daily_loss=SCALE, total_max_daily_loss=fixed("0.02"))
    session.tick("96.01")
    assert session.clock() == []
    session.tick("96")
    tripped, command = session.clock()
    assert isinstance(tripped, KillSwitchTripped)
    assert isinstance(command, RiskCommandIssued)
    assert (tripped.contender, tripped.drawdown) == ("", fixed("0.02")), "2,000 of alpha's 100,000, not of 300,000"
    assert command.contender == ""


def test_whoever_trades_adds_its_capital_and_a_new_day_begins_without_it() -> None:
    session = held(contenders=("alpha", "beta"), max_daily_loss=SCALE, total_max_daily_loss=fixed("0.02"))
    session.tick("10", COIN)
    session.fill(session.buy(COIN, "beta"), "10")
    session.tick("95")
    assert session.clock() == [], "2,500 of 200,000"
    session.fill(session.sell(COIN, "beta"), "10")
    session.clock(DAY)
    session.tick("91")  # 2,000 below the new opening
    assert len(only(session.clock(), KillSwitchTripped)) == 1, "on alpha's capital alone: it holds a position"


def test_the_drawdown_of_all_is_measured_on_those_that_traded_since_the_peak() -> None:
    session = held(contenders=("alpha", "beta"), max_drawdown=SCALE, total_max_drawdown=fixed("0.05"), **LOOSE)
    session.tick("104")
    session.clock()  # a peak: alpha stands at 102,000
    session.tick("93.81")  # 5,095 of 102,000 are 4.995 %
    assert session.clock() == []
    session.tick("93.8")
    tripped, _ = session.clock()
    assert isinstance(tripped, KillSwitchTripped)
    assert (tripped.contender, tripped.trigger, tripped.peak_equity) == (
        "", KillTrigger.MAX_DRAWDOWN, fixed("202000"),
    )  # fmt: skip


def test_the_next_session_of_all_ends_the_halt_of_all_and_of_nobody_else() -> None:
    session = held(
        contenders=("alpha", "beta"), max_daily_loss=SCALE, total_max_daily_loss=fixed("0.02"),
        resume=ResumeMode.NEXT_SESSION,
    )  # fmt: skip
    session.operator(OperatorAction.KILL, "beta")
    session.tick("96")
    session.clock()
    session.fill(session.submit_liquidation("alpha", AAPL, fixed("500")), "96")
    (resumed,) = session.clock(DAY)
    assert isinstance(resumed, RiskCommandIssued)
    assert (resumed.contender, resumed.at_opening) == ("", True)
    session.tick("10", COIN)
    assert session.buy(COIN, "alpha").quantity
    (denial,) = session.signal(Side.BUY, COIN, "beta")
    assert isinstance(denial, OrderDenied)
    assert dict(denial.context) == {"scope": "beta", "trigger": "operator"}
