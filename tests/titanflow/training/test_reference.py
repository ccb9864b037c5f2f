"""The picture of a training set: bins, distances and background windows, each against numpy."""

import dataclasses
from bisect import bisect_right

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from support.tiny_samples import tiny_samples
from titanflow.domain.models import ModelReference
from titanflow.signal.drift import HOUR_NANOS, stability_index
from titanflow.training.reference import distances, hours_of, reference_of


def made(rows: int = 4000, window: int = 1) -> tuple[ModelReference, np.ndarray]:  # type: ignore[type-arg]
    samples = tiny_samples(rows // 2)
    chosen = samples.usable(window)
    return reference_of(samples, chosen, window, seed=3), samples.features[chosen]


def test_bins_hold_about_equal_shares_and_the_training_set_itself_has_not_drifted() -> None:
    reference, values = made()
    for feature, column in zip(reference.features, values.T, strict=True):
        assert_allclose((feature.mean, feature.deviation), (column.mean(), column.std()))
        counts = np.bincount([bisect_right(feature.edges, value) for value in column], minlength=10)
        assert_allclose(feature.shares, counts / len(column))
        assert_allclose(feature.shares, 0.1, atol=0.001)


def test_values_that_repeat_share_a_bin() -> None:
    samples = tiny_samples(500)
    features = samples.features.copy()
    features[:, 0] = 1.0
    features[:, 1] = np.where(features[:, 1] > 1.0, 5.0, 0.0)
    samples = dataclasses.replace(samples, features=features)
    constant, two_valued, _ = reference_of(samples, samples.usable(1), 1, seed=1).features
    assert (constant.edges, constant.shares, constant.deviation) == ((1.0,), (0.0, 1.0), 1.0)
    assert two_valued.edges == (0.0, 5.0)
    assert sum(two_valued.shares) == 1.0


def test_one_row_in_a_hundred_lies_beyond_the_limit() -> None:
    reference, values = made()
    mean = np.array([feature.mean for feature in reference.features])
    deviation = np.array([feature.deviation for feature in reference.features])
    standard = (values - mean) / deviation
    found = distances(standard, np.array(reference.precision))
    assert_allclose(np.mean(found > reference.distance_limit), 0.01, atol=0.001)
    # Features that do not hang together: the distance is nearly the Euclidean one.
    assert_allclose(found, np.linalg.norm(standard, axis=1), rtol=0.1)


def test_features_that_move_together_make_a_row_that_parts_them_far() -> None:
    samples = tiny_samples(2000)
    features = samples.features.copy()
    features[:, 1] = features[:, 0] + 0.1 * features[:, 1]
    samples = dataclasses.replace(samples, features=features)
    reference = reference_of(samples, samples.usable(1), 1, seed=1)
    together, apart = distances(np.array([[2.0, 2.0, 0.0], [2.0, -2.0, 0.0]]), np.array(reference.precision))
    assert together < reference.distance_limit < apart


def test_the_background_is_windows_of_training_rows_drawn_by_the_seed() -> None:
    samples = tiny_samples(300, unknown=5)
    rows = samples.usable(4)
    windows = np.array(reference_of(samples, rows, 4, seed=3).background)
    assert windows.shape == (8, 4, 3)
    every = samples.windows(rows, 4)
    for window in windows:
        assert np.min(np.abs(every - window).max(axis=(1, 2))) < 1e-5
    assert_array_equal(windows, np.array(reference_of(samples, rows, 4, seed=3).background))
    assert not np.array_equal(windows, np.array(reference_of(samples, rows, 4, seed=4).background))
    assert len(reference_of(samples, rows[:5], 4, seed=3).background) == 5


def test_an_hour_ends_with_the_bar_that_ends_with_it_and_too_short_ones_are_counted_on() -> None:
    minutes = np.arange(1, 481)[::-1] * (HOUR_NANOS // 60)
    hours = hours_of(minutes)
    assert [len(hour) for hour in hours] == [240, 240]
    assert [int(minutes[hour].max()) for hour in hours] == [4 * HOUR_NANOS, 8 * HOUR_NANOS]


def test_the_usual_drift_is_that_of_the_training_hour_that_was_most_unlike_the_rest() -> None:
    samples = tiny_samples(600)
    rows = samples.usable(1)
    features = samples.features.copy()
    features[rows[-240:], 0] += 3.0
    samples = dataclasses.replace(samples, features=features)
    moved, calm, _ = reference_of(samples, rows, 1, seed=1).features
    indices = []
    for hour in hours_of(samples.closed_at[rows]):
        counts = np.bincount([bisect_right(moved.edges, x) for x in features[rows[hour], 0]], minlength=10)
        indices.append(stability_index(counts.tolist(), moved.shares))
    assert moved.usual_drift == max(indices) > 0.25 > calm.usual_drift > 0.0
