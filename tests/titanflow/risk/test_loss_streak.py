"""Losing round trips in a row: which count, and that a row acts only where it is long and costly enough."""

from support.risk_driver import Driver, limits, only
from titanflow.domain.events import GateReported, KillSwitchTripped
from titanflow.domain.types import SCALE, Gate, GateMode, KillTrigger, fixed
from titanflow.risk.loss_streak import LossStreak

CAPITAL = fixed("100000")


def row(*dollars: str, most: int = 3, counts_from: str = "0.0002", cost: str = "0.01") -> LossStreak:
    streak = LossStreak(most, fixed(counts_from), fixed(cost))
    for pnl in dollars:
        streak.add(fixed(pnl), CAPITAL)
    return streak


def test_a_loss_counts_from_its_part_of_the_capital_on() -> None:
    # 2 bp of 100,000 are 20 dollars
    assert row("-20").losses == 1
    assert row("-19.999999999").losses == 0


def test_five_losses_of_which_one_is_34_cents_are_four() -> None:
    assert row("-300", "-250", "-0.34", "-400", "-200", most=5).losses == 4


def test_a_small_loss_does_not_end_a_row_and_a_small_gain_does() -> None:
    assert row("-100", "-1", "-100").losses == 2
    assert row("-100", "0.01", "-100").losses == 1
    assert row("-100", "0", "-100").losses == 1


def test_a_row_acts_once_it_is_long_and_cost_its_part() -> None:
    assert not row("-100", "-100", "-100").reached(CAPITAL), "300 of the 1,000 that it must cost"
    assert not row("-600", "-600").reached(CAPITAL), "two of three"
    assert row("-300", "-300", "-400").reached(CAPITAL)
    assert not row("-300", "-300", "-399.999999999").reached(CAPITAL)
    assert row(*["-100"] * 10).reached(CAPITAL), "a longer row of smaller losses"


def test_a_winner_is_not_halted_by_five_losses_that_cost_little() -> None:
    session = Driver(risk=limits(loss_streak_cost=fixed("0.01")))
    session.round_trip("100", "110")
    for _ in range(4):
        assert session.round_trip("100", "99.9") == []
    assert session.round_trip("100", "99.9") == [], "five losses, 50 dollars together"
    (*_, tripped, _) = [*session.round_trip("100", "90")]
    assert isinstance(tripped, KillSwitchTripped)
    assert (tripped.trigger, tripped.consecutive_losses) == (KillTrigger.CONSECUTIVE_LOSSES, 6)


def test_a_gate_that_reports_tells_of_the_row_and_counts_anew() -> None:
    session = Driver(risk=limits(max_consecutive_losses=2, gates=GateMode.REPORT))
    session.round_trip("100", "99")
    (reported,) = session.round_trip("100", "99")
    assert isinstance(reported, GateReported)
    assert (reported.gate, reported.value, reported.threshold) == (Gate.CONSECUTIVE_LOSSES, 2.0, 2.0)
    assert reported.equity < 100_000 * SCALE
    assert session.round_trip("100", "99") == []
    assert len(only(session.round_trip("100", "99"), GateReported)) == 1
