"""One contract for all kinds of model: whatever stands in TRAINERS keeps it."""

from typing import Any

import pytest

from support.trainer_contract import assert_keeps_the_contract
from titanflow.errors import InputError
from titanflow.training.trainers import TRAINERS, trainer_class

NETWORK = {"window": 5, "epochs": 2, "patience": 2, "batch": 64}
SMALL: dict[str, dict[str, Any]] = {
    "lightgbm": {"trees": 10, "leaves": 4, "min_rows_per_leaf": 20},
    "lstm": {**NETWORK, "hidden": 8},
    "tft": {**NETWORK, "width": 8, "heads": 2},
    "ppo": {"rounds": 2, "environments": 2, "bars_per_round": 32, "batch": 32, "epochs": 1},
}
"""Settings with which a fit takes no time; a kind that is not named here is fitted by its defaults."""


@pytest.mark.parametrize("kind", TRAINERS)
def test_every_trainer_keeps_the_contract(kind: str) -> None:
    """Settings, determinism, no row read that was not given, the artefact's own scores, shares of importance."""
    assert_keeps_the_contract(kind, trainer_class(kind), SMALL.get(kind, {}))


def test_a_kind_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(InputError, match=f"no kind of model is called 'oracle'; expected one of {', '.join(TRAINERS)}"):
        trainer_class("oracle")
