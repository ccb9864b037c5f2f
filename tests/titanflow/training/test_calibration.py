"""Platt's scaling against scikit-learn, against known probabilities, and its order kept whatever the data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.calibration import _sigmoid_calibration

from titanflow.training.calibration import SILENT, fit_platt, probabilities, thresholds


def logistic(values: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    return np.asarray(1.0 / (1.0 + np.exp(-values)))


@pytest.mark.parametrize("seed", range(5))
def test_the_fit_is_scikit_learns(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.normal(seed - 2.0, 0.1 + seed, 300)
    labels = (rng.random(300) < logistic((scores - scores.mean()) / scores.std())).astype(np.int8)
    ours = fit_platt(scores, labels)
    slope, intercept = _sigmoid_calibration(scores, labels)  # P = 1 / (1 + exp(slope * score + intercept))
    assert_allclose((ours.slope, ours.intercept), (-slope, -intercept), rtol=2e-3, atol=2e-3)


def test_scores_of_known_odds_become_their_probabilities() -> None:
    rng = np.random.default_rng(3)
    chances = rng.uniform(0.05, 0.95, 60_000)
    labels = (rng.random(60_000) < chances).astype(np.int8)
    scores = 5.0 + 0.3 * np.log(chances / (1 - chances))
    found = probabilities(fit_platt(scores, labels), scores)
    assert_allclose(found, chances, atol=0.02)


@given(
    rows=st.lists(st.tuples(st.floats(-1e6, 1e6), st.integers(0, 1)), min_size=1, max_size=50),
    scale=st.sampled_from([1e-6, 1.0, 1e4]),
)
@settings(max_examples=100, deadline=None)
def test_a_higher_score_is_never_the_lower_probability(rows: list[tuple[float, int]], scale: float) -> None:
    scores = scale * np.array([score for score, _ in rows])
    calibration = fit_platt(scores, np.array([label for _, label in rows], dtype=np.int8))
    assert calibration.slope > 0
    found = probabilities(calibration, np.sort(scores))
    assert np.isfinite(found).all()
    assert (np.diff(found) >= 0).all()


def test_scores_that_point_the_wrong_way_say_next_to_nothing() -> None:
    scores = np.linspace(-1.0, 1.0, 200)
    labels = (scores < 0).astype(np.int8)
    assert_allclose(probabilities(fit_platt(scores, labels), scores), 0.5, atol=0.001)


def test_one_class_alone_gives_no_certainty() -> None:
    found = probabilities(fit_platt(np.zeros(8), np.ones(8, dtype=np.int8)), np.zeros(1))
    assert_allclose(found, 0.9)  # (8 + 1) / (8 + 2)


def test_no_rows_give_the_scores_own_odds() -> None:
    calibration = fit_platt(np.zeros(0), np.zeros(0, dtype=np.int8))
    assert (calibration.slope, calibration.intercept) == (1.0, 0.0)


def test_thresholds_are_quantiles_and_a_model_that_never_differs_stays_silent() -> None:
    speaks = thresholds(np.linspace(0.0, 1.0, 101))
    assert_allclose((speaks.sell_below, speaks.buy_above), (0.1, 0.9))
    assert thresholds(np.full(5, 0.6)) == SILENT
    assert thresholds(np.zeros(0)) == SILENT
    assert thresholds(np.array([0.5] * 99 + [0.6])) == SILENT
