"""Population stability on paper, and when an hour of features is held against the training set."""

import math

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.scripted_model import ScriptedModel, surely
from titanflow.domain.models import FeatureReference
from titanflow.domain.types import NANOS_PER_SECOND
from titanflow.signal.drift import HOUR_NANOS, MIN_ROWS, FeatureDrift, stability_index

SECOND = NANOS_PER_SECOND
NINE = 472_233 * HOUR_NANOS
"""A whole hour."""


def quarters(name: str) -> FeatureReference:
    return FeatureReference(name=name, mean=0.0, deviation=1.0, edges=(-1.0, 0.0, 1.0), shares=(0.25,) * 4)


def drift_of(*names: str) -> FeatureDrift:
    model = ScriptedModel(lambda row: surely(0.5), features=names)
    model.reference = msgspec.structs.replace(model.reference, features=tuple(map(quarters, names)))
    return FeatureDrift("learned", model)


def test_the_index_on_paper() -> None:
    """Half and half against four fifths and a fifth: 0.3 ln(0.8/0.5) + (-0.3) ln(0.2/0.5) = 0.3 ln 4."""
    assert stability_index((80, 20), (0.5, 0.5)) == pytest.approx(0.3 * math.log(4), rel=1e-15)


def test_the_same_shares_have_an_index_of_zero() -> None:
    assert stability_index((25, 75), (0.25, 0.75)) == 0.0


def test_an_empty_bin_counts_as_one_in_ten_thousand() -> None:
    expected = (0.0001 - 0.5) * math.log(0.0001 / 0.5) + 0.5 * math.log(2)
    assert stability_index((0, 10), (0.5, 0.5)) == pytest.approx(expected, rel=1e-12)


@given(counts=st.lists(st.integers(0, 500), min_size=4, max_size=4).filter(any))
@settings(max_examples=50, deadline=None)
def test_the_index_is_what_the_formula_says_and_never_negative(counts: list[int]) -> None:
    shares = (0.1, 0.2, 0.3, 0.4)
    live = [max(count / sum(counts), 0.0001) for count in counts]
    expected = math.fsum((a - b) * math.log(a / b) for a, b in zip(live, shares, strict=True))
    assert stability_index(counts, shares) == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert stability_index(counts, shares) >= 0.0


def test_an_hour_is_measured_at_its_end_and_the_next_begins_anew() -> None:
    drift = drift_of("return_1", "rsi")
    for number in range(240):
        drift.count(NINE + number * SECOND, (float(number % 4) - 1.5, 9.0))
    assert drift.measured(5, NINE + HOUR_NANOS - 1) is None
    measured = drift.measured(6, NINE + HOUR_NANOS)
    assert measured is not None
    assert (measured.cause, measured.at, measured.since, measured.rows) == (6, NINE + HOUR_NANOS, NINE, 240)
    (first, gone), (second, stable) = measured.indices
    assert (first, second, stable) == ("rsi", "return_1", 0.0)
    assert gone == pytest.approx(0.75 * math.log(4) + 3 * (0.0001 - 0.25) * math.log(0.0004), rel=1e-9)
    assert measured.drifted
    assert drift.measured(7, NINE + 2 * HOUR_NANOS) is None


def test_what_stays_in_its_place_has_not_drifted() -> None:
    drift = drift_of("return_1")
    for number in range(MIN_ROWS):
        drift.count(NINE, (float(number % 4) - 1.5,))
    measured = drift.measured(1, NINE + HOUR_NANOS)
    assert measured is not None
    assert not measured.drifted


def test_too_few_rows_say_nothing_and_are_counted_on() -> None:
    drift = drift_of("return_1")
    for _ in range(MIN_ROWS - 1):
        drift.count(NINE, (0.5,))
    assert drift.measured(1, NINE + 3 * HOUR_NANOS) is None
    drift.count(NINE + 4 * HOUR_NANOS, (0.5,))
    measured = drift.measured(2, NINE + 4 * HOUR_NANOS)
    assert measured is not None
    assert (measured.since, measured.rows) == (NINE, MIN_ROWS)


def test_a_value_on_an_edge_belongs_to_the_bin_above_it() -> None:
    drift = drift_of("return_1")
    for number in range(MIN_ROWS):
        drift.count(NINE, ((-2.0, -1.0, 0.0, 1.0)[number % 4],))
    measured = drift.measured(1, NINE + HOUR_NANOS)
    assert measured is not None
    assert measured.indices == (("return_1", 0.0),)


def test_the_position_is_no_feature_of_the_market() -> None:
    model = ScriptedModel(lambda row: surely(0.5), kind="ppo", features=("return_1", "rsi"))
    drift = FeatureDrift("learned", model)
    for _ in range(MIN_ROWS):
        drift.count(NINE, (0.0, 50.0))
    measured = drift.measured(1, NINE + HOUR_NANOS)
    assert measured is not None
    assert {name for name, _ in measured.indices} == {"return_1", "rsi"}


def test_the_time_of_day_is_never_measured() -> None:
    drift = drift_of("time_sin", "return_1", "time_cos")
    for number in range(MIN_ROWS):
        drift.count(NINE, (0.99, float(number % 4) - 1.5, 0.99))
    measured = drift.measured(1, NINE + HOUR_NANOS)
    assert measured is not None
    assert measured.indices == (("return_1", 0.0),)
    assert not measured.drifted


def test_a_model_that_reads_nothing_but_the_clock_is_not_measured() -> None:
    drift = drift_of("time_sin")
    for _ in range(MIN_ROWS):
        drift.count(NINE, (0.99,))
    assert drift.measured(1, NINE + HOUR_NANOS) is None


def test_another_model_is_another_count() -> None:
    drift, other = drift_of("return_1"), ScriptedModel(lambda row: surely(0.5), features=("rsi",))
    for _ in range(MIN_ROWS):
        drift.count(NINE, (0.0,))
    drift.watch(other)
    assert drift.measured(1, NINE + HOUR_NANOS) is None
    for _ in range(MIN_ROWS):
        drift.count(NINE, (50.0,))
    measured = drift.measured(2, NINE + HOUR_NANOS)
    assert measured is not None
    assert (measured.model_hash, measured.indices[0][0]) == (other.digest, "rsi")


def test_a_feature_has_not_drifted_where_an_hour_of_its_training_went_as_far() -> None:
    model = ScriptedModel(lambda row: surely(0.5), features=("return_1", "rsi"))
    wild, calm = msgspec.structs.replace(quarters("return_1"), usual_drift=9.0), quarters("rsi")
    model.reference = msgspec.structs.replace(model.reference, features=(wild, calm))
    drift = FeatureDrift("learned", model)
    for _ in range(MIN_ROWS):
        drift.count(NINE, (5.0, 5.0))
    measured = drift.measured(1, NINE + HOUR_NANOS)
    assert measured is not None
    assert dict(measured.indices)["return_1"] == dict(measured.indices)["rsi"] > 0.25
    assert measured.beyond == ("rsi",)
    assert measured.drifted
