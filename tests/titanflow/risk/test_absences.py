"""Why a figure is absent, and from when on a contender is measured."""

from typing import Any

import msgspec
import pytest

from support.scripted_model import ScriptedModel, learned_contender, surely
from titanflow.domain.session_settings import ContenderSpec, Parameter
from titanflow.domain.types import NANOS_PER_DAY
from titanflow.risk.absences import Absence, absences
from titanflow.risk.first_chance import first_chance

PROVEN: dict[str, Any] = {
    "sharpe": 1.0, "sortino": 2.0, "calmar": 0.5, "profit_factor": 1.5, "sessions": 40, "returns": 40, "trades": 12,
}  # fmt: skip
TRAINED = ScriptedModel(lambda row: surely(0.5)).recorded("champion")
LAST = TRAINED.manifest.training.last_at


def why(**changed: Any) -> dict[str, str]:
    return {figure: absence.value for figure, absence in absences({**PROVEN, **changed}).items()}


def test_a_standing_with_all_figures_has_no_absence() -> None:
    assert why() == {}


def test_few_sessions_or_few_returns_bear_no_ratio() -> None:
    none = {"sharpe": None, "sortino": None, "calmar": None}
    assert set(why(**none, sessions=2).values()) == {"NEEDS_3_SESSIONS"}
    assert set(why(**none, sessions=10, returns=2).values()) == {"NEEDS_3_SESSIONS"}
    assert set(why(**none, sessions=None, returns=0).values()) == {"COULD_NOT_TRADE"}
    assert set(why(**none).values()) == {"NOT_DEFINED"}


def test_under_thirty_sessions_nothing_is_compounded_to_a_year() -> None:
    assert why(calmar=None, sessions=29) == {"calmar": "NEEDS_30_SESSIONS"}
    assert why(calmar=None, sessions=30) == {"calmar": "NO_LOSS"}
    assert why(calmar=None, sortino=None, sharpe=-1.0) == {"calmar": "NOT_DEFINED", "sortino": "NOT_DEFINED"}


def test_a_contender_that_lost_the_same_every_day_is_not_said_to_have_hardly_moved() -> None:
    assert "too alike" in Absence(why(sharpe=None)["sharpe"]).meaning


def test_few_round_trips_bear_no_win_rate() -> None:
    assert why(trades=9) == {"win_rate": "NEEDS_10_TRIPS"}
    assert why(trades=0, profit_factor=None) == {"win_rate": "NO_ROUND_TRIP", "profit_factor": "NO_ROUND_TRIP"}
    assert why(profit_factor=None) == {"profit_factor": "NO_LOSS"}


def test_each_reason_has_its_meaning() -> None:
    assert all(absence.meaning.endswith(".") for absence in Absence)


def learned(*parameters: Parameter, fault: str = "") -> ContenderSpec:
    made = learned_contender(ScriptedModel(lambda row: surely(0.5)), "learned")
    kept = tuple(one for one in made.parameters if one[0] not in dict(parameters))
    return msgspec.structs.replace(made, parameters=(*kept, *parameters), fault=fault)


def test_a_rule_may_trade_from_the_start() -> None:
    assert first_chance(ContenderSpec("r", "r", "s", (), (), 0, "h"), None, 7) == 7


def test_a_trained_model_may_trade_behind_its_training() -> None:
    assert first_chance(learned(), TRAINED, LAST - 5) == LAST
    assert first_chance(learned(), TRAINED, LAST + 5) == LAST + 5


def test_a_trained_model_that_may_trade_in_sample_may_from_the_start() -> None:
    assert first_chance(learned(("in_sample", "trade")), TRAINED, LAST - 5) == LAST - 5


@pytest.mark.parametrize(("days", "chance"), [(9, None), (11, LAST + 10 * NANOS_PER_DAY)])
def test_a_model_that_has_grown_stale_may_never_trade(days: int, chance: int | None) -> None:
    assert first_chance(learned(("max_age_days", days)), TRAINED, LAST + 10 * NANOS_PER_DAY) == chance


def test_a_model_that_could_not_be_loaded_may_never_trade() -> None:
    assert first_chance(learned(fault="torn"), None, 7) is None
