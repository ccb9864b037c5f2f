"""A planted edge is found, noise is not, and what neighbouring labels share is no evidence."""

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from support.tiny_samples import tiny_samples
from titanflow.training.permutation import permutation_test


def test_a_planted_edge_is_no_luck() -> None:
    samples = tiny_samples(400, edge=0.5, horizon=3)
    rows = samples.usable(1)
    halves = [(half, samples.features[half, 0]) for half in np.array_split(rows, 2)]
    test = permutation_test(samples, halves, permutations=99, seed=1)
    assert test.p_value == 0.01
    expected = np.mean([roc_auc_score(samples.label[half], scores) for half, scores in halves])
    assert test.observed == pytest.approx(expected)
    assert len(test.shuffled) == 99


@pytest.mark.parametrize("seed", range(4))
def test_noise_is_luck(seed: int) -> None:
    samples = tiny_samples(400, edge=0.0, horizon=3, seed=seed)
    rows = samples.usable(1)
    scores = np.random.default_rng(seed).standard_normal(len(rows))
    assert permutation_test(samples, [(rows, scores)], permutations=99, seed=seed).p_value > 0.05


def test_noise_is_called_significant_about_as_often_as_the_level_says() -> None:
    def p_value(seed: int) -> float:
        samples = tiny_samples(200, horizon=10, seed=seed)
        rows = samples.usable(1)
        # A score as persistent as the labels: rows by themselves, shuffled one by one, would seem to foresee them.
        steps = np.cumsum(np.random.default_rng(1000 + seed).standard_normal(len(rows)))
        return permutation_test(
            samples, [(rows, steps - np.convolve(steps, np.ones(20) / 20, "same"))], permutations=39
        ).p_value

    values = np.array([p_value(seed) for seed in range(60)])
    assert np.mean(values <= 0.1) < 0.25
    assert np.mean(values <= 0.5) > 0.25


def test_the_p_value_is_the_share_of_shuffles_that_score_as_well() -> None:
    samples = tiny_samples(200, horizon=3)
    rows = samples.usable(1)
    test = permutation_test(samples, [(rows, samples.features[rows, 1])], permutations=50, seed=3)
    assert test.p_value == (1 + np.sum(test.shuffled >= test.observed)) / 51
    again = permutation_test(samples, [(rows, samples.features[rows, 1])], permutations=50, seed=3)
    assert np.array_equal(test.shuffled, again.shuffled)


def test_the_p_value_of_the_best_of_many_settings_is_as_many_times_as_large_and_at_most_one() -> None:
    samples = tiny_samples(200, horizon=3)
    rows = samples.usable(1)
    folds = [(rows, samples.features[rows, 1])]
    one = permutation_test(samples, folds, permutations=50, seed=3).p_value
    assert permutation_test(samples, folds, permutations=50, seed=3, settings_tried=2).p_value == min(1.0, 2 * one)
    assert permutation_test(samples, folds, permutations=50, seed=3, settings_tried=1000).p_value == 1.0


def test_one_class_alone_says_nothing() -> None:
    samples = tiny_samples(100, horizon=3)
    rows = samples.usable(1)
    one_sided = dataclasses.replace(samples, label=np.ones_like(samples.label))
    test = permutation_test(one_sided, [(rows, samples.features[rows, 0])], permutations=19)
    assert (test.observed, test.p_value) == (0.5, 1.0)
