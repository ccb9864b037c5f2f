"""Evidence of harm: the formula against a plain computation of it, and how often chance alone stops a contender."""

import re
from math import log, sqrt
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from support.risk_driver import SECOND, Driver, limits, only
from titanflow.domain.events import GateReported, ModelRolledBack, OrderHeld, RiskCommandIssued
from titanflow.domain.session_settings import RiskSettings
from titanflow.domain.types import SCALE, Gate, GateMode, OperatorAction, RiskCommand, Side
from titanflow.risk.harm import Evidence, squared_width
from titanflow.settings import field_of

LEVEL = RiskSettings().harm_level
FEWEST = RiskSettings().harm_min_trips
CONTENDERS, TRIPS = 10_000, 1_000


def width(count: int, level: float) -> float:
    """The formula of the paper in plain floats, squared."""
    spent = -2 * log(2 * level)
    squared = (spent + log(spent) + 1) / 50
    weight = count * squared + 1
    return 2 * weight / (count * count * squared) * log(1 + sqrt(weight) / (2 * level))


def evidence_of(returns: list[int], level: int = LEVEL, fewest: int = 2) -> Evidence:
    evidence = Evidence(level, fewest)
    for each in returns:
        evidence.add(each)
    return evidence


@pytest.mark.parametrize("count", [2, 20, 50, 1000, 100_000])
@pytest.mark.parametrize("level", ["0.01", "0.04", "0.2"])
def test_the_width_of_the_bound_is_the_papers(count: int, level: str) -> None:
    assert squared_width(count, round(float(level) * SCALE)) / SCALE == pytest.approx(
        width(count, float(level)), rel=1e-6, abs=2e-9
    )


def test_a_bound_on_paper() -> None:
    # 50 trips, half lose 3 % and half 1 %: mean -2 %, deviation 1 %. At 4 % the width is 0.4053 deviations.
    evidence = evidence_of([-30_000_000, -10_000_000] * 25)
    assert sqrt(width(50, 0.04)) == pytest.approx(0.4053, abs=1e-4)
    assert evidence.upper_bound == pytest.approx(-0.02 + 0.01 * sqrt(width(50, 0.04)), rel=1e-6)
    assert evidence.harmful


@given(st.lists(st.integers(-(10**8), 10**8), min_size=2, max_size=80))
def test_there_is_harm_exactly_where_the_bound_is_below_zero(returns: list[int]) -> None:
    evidence = evidence_of(returns)
    if abs(evidence.upper_bound) > 1e-12:
        assert evidence.harmful == (evidence.upper_bound < 0)


def test_few_trips_are_no_evidence_and_neither_is_a_gain() -> None:
    assert not evidence_of([-10_000_000] * 49, fewest=50).harmful
    assert evidence_of([-10_000_000] * 50, fewest=50).harmful
    assert not evidence_of([10_000_000] * 50).harmful


def shapes(rng: np.random.Generator) -> dict[str, NDArray[np.float64]]:
    """Trips with a true mean of zero: as they fall normally, with wild ones among them, and of a trend follower."""
    size = (CONTENDERS, TRIPS)
    wins = rng.random(size) < 0.35
    return {
        "normal": rng.standard_normal(size),
        "heavy tails": rng.standard_t(3, size),
        "35 % winners": np.where(wins, rng.exponential(0.65 / 0.35, size), -rng.exponential(1, size)),
    }


def stopped(trips: NDArray[np.float64]) -> float:
    """Percent of contenders that are stopped at some time."""
    counts = np.arange(1, TRIPS + 1)
    widths = np.array([width(int(count), LEVEL / SCALE) for count in counts])
    total, squares = np.cumsum(trips, axis=1), np.cumsum(trips * trips, axis=1)
    harmful = (total < 0) & (total * total > widths * (counts * squares - total * total))
    return 100 * float(harmful[:, FEWEST - 1 :].any(axis=1).mean())


def test_the_rate_of_false_stops_is_the_one_that_docs_and_settings_print() -> None:
    rates = {name: stopped(trips) for name, trips in shapes(np.random.default_rng(20_241_128)).items()}
    document = (Path(__file__).parents[3] / "docs" / "risk.md").read_text(encoding="utf-8")
    printed = field_of("risk.harm_level").description or ""
    for name, rate in rates.items():
        in_settings = re.search(rf"{name} ([\d.]+) %", printed)
        in_docs = re.search(rf"\| {name}[^|]*\| ([\d.]+) % \|", document)
        assert in_settings, name
        assert in_docs, name
        assert float(in_settings[1]) == float(in_docs[1])
        assert float(in_docs[1]) == pytest.approx(rate, abs=0.5), name
        assert rate < 5, "hardly more than the level promises, in every shape"


HARM = limits(harm_min_trips=10, max_daily_loss=SCALE, total_max_daily_loss=SCALE, max_consecutive_losses=1000)


def lose(session: Driver, trips: int) -> list[object]:
    """Trips that lose 1 % each, and what the last one made risk say."""
    said: list[object] = []
    for _ in range(trips):
        session.clock(session.at + 10 * SECOND)
        said = list(session.round_trip("100", "99"))
    return said


def test_evidence_of_harm_puts_a_contender_under_manual_approval_with_its_numbers() -> None:
    session = Driver(risk=HARM)
    assert lose(session, 9) == []
    rolled_back, command = lose(session, 1)
    assert isinstance(rolled_back, ModelRolledBack)
    assert isinstance(command, RiskCommandIssued)
    assert (rolled_back.metric, rolled_back.threshold, rolled_back.round_trips) == (Gate.HARM, 0.0, 10)
    assert rolled_back.value == pytest.approx(-0.01)  # no deviation: the bound is the mean
    assert (rolled_back.rolling_sharpe, rolled_back.rolling_accuracy) == (None, 0.0)
    assert (command.command, command.rolling_accuracy) == (RiskCommand.ACTIVATE_MANUAL_APPROVAL, 0.0)
    (held,) = session.signal(Side.BUY)
    assert isinstance(held, OrderHeld)
    session.operator(OperatorAction.RESUME, "alpha")
    session.operator(OperatorAction.DENY, order_id=held.order_id)
    assert lose(session, 9) == [], "the evidence begins anew"


def test_a_floor_that_is_set_takes_the_place_of_evidence() -> None:
    session = Driver(risk=limits(rollback_min_sharpe=-100.0, harm_min_trips=2, max_consecutive_losses=1000))
    assert lose(session, 3) == []


def test_a_gate_that_reports_says_so_once_and_lets_trading_go_on() -> None:
    session = Driver(risk=limits(gates=GateMode.REPORT, harm_min_trips=3, max_consecutive_losses=1000))
    (reported,) = lose(session, 3)
    assert isinstance(reported, GateReported)
    assert (reported.gate, reported.round_trips, reported.contender) == (Gate.HARM, 3, "alpha")
    assert only(lose(session, 3), GateReported) == []
    assert session.buy().quantity
