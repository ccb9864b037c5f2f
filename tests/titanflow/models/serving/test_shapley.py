"""Sampled Shapley values of groups, held against their definition and against the `shap` package."""

from itertools import combinations, permutations
from math import factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.serving import SPY, as_rows, interacting_network, served, served_network, some_windows
from support.shap_library import shap
from support.tiny_models import SCALES
from titanflow.models.serving.calibrated import ServedModel
from titanflow.models.serving.groups import grouped
from titanflow.models.serving.onnx_session import OnnxSession
from titanflow.models.serving.shapley import (
    GroupedShapley,
    nth_permutation,
    residue,
    sample_permutations,
    standard_errors,
)

FEATURES = ("return_1", "return_5", "rsi", "atr", "macd_line", "macd_histogram", "volume_zscore", "bollinger_width")
GROUPS = grouped(FEATURES)
BARS = 3
NETWORK = interacting_network(BARS, [SCALES[name] for name in FEATURES])
EXPLAINED = ("lstm", "tft", "ppo", "stack")


@pytest.fixture(scope="module")
def model() -> ServedModel:
    return served_network(NETWORK, FEATURES, BARS)


@pytest.fixture(scope="module")
def window(model) -> np.ndarray:
    return some_windows(model, 1)[0]


def coalition_score(model: ServedModel, window: np.ndarray, present: tuple[bool, ...]) -> float:
    """Mean score over the background windows with the present groups' features taken from `window`."""
    mixed = np.array(model.reference.background)
    for here, features in zip(present, GROUPS.values(), strict=True):
        if here:
            mixed[:, :, features] = window[:, features]
    return float(model.scores(SPY, mixed).mean())


def exact_values(model: ServedModel, window: np.ndarray) -> list[float]:
    """Shapley (1953): every group's gain over every coalition of the others, weighed by how often it comes to that."""
    count = len(GROUPS)
    score = {
        present: coalition_score(model, window, present)
        for present in (tuple(bool(bits >> n & 1) for n in range(count)) for bits in range(2**count))
    }
    values = []
    for group in range(count):
        value = 0.0
        others = [other for other in range(count) if other != group]
        for size in range(count):
            weight = factorial(size) * factorial(count - size - 1) / factorial(count)
            for coalition in combinations(others, size):
                without = tuple(n in coalition for n in range(count))
                with_group = tuple(n in coalition or n == group for n in range(count))
                value += weight * (score[with_group] - score[without])
        values.append(value)
    return values


def explainer(model: ServedModel, samples: int = 16) -> GroupedShapley:
    network = OnnxSession(NETWORK, BARS, FEATURES, ())
    return GroupedShapley(network, FEATURES, np.array(model.reference.background), samples)


def test_all_permutations_give_the_exact_values(model, window):
    every = np.array(list(permutations(range(len(GROUPS)))))
    given_to_each = np.tile(every, (len(model.reference.background), 1, 1))
    score = model.infer(SPY, as_rows(window)).score
    values = explainer(model).gains(SPY, as_rows(window), score, given_to_each).mean(axis=(0, 1))
    assert values.tolist() == pytest.approx(exact_values(model, window), abs=1e-6)
    assert np.abs(values).max() > 0.1


def test_shap_finds_the_exact_values_too(model, window):
    def of_groups(present: np.ndarray) -> np.ndarray:
        return np.array([coalition_score(model, window, tuple(row > 0.5)) for row in present])

    count = len(GROUPS)
    kernel = shap.KernelExplainer(of_groups, np.zeros((1, count)))
    values = kernel.shap_values(np.ones(count), nsamples=2**count, silent=True)
    assert list(values) == pytest.approx(exact_values(model, window), abs=1e-5)


def test_sampled_values_are_right_within_the_stated_standard_errors(model, window):
    exact = exact_values(model, window)
    within = []
    for seed in range(60):
        explanation = model.explain(SPY, as_rows(window), seed)
        doubts = dict(explanation.weights)
        within += [
            abs(value - right) <= 2 * doubts[f"standard_error.{name}"]
            for (name, value), right in zip(explanation.contributions, exact, strict=True)
        ]
    assert len(within) == 60 * len(GROUPS)
    assert sum(within) >= 0.95 * len(within)


def test_sampled_values_are_right_on_the_mean(model, window):
    seeds = range(200)
    drawn = np.array([[v for _, v in model.explain(SPY, as_rows(window), seed).contributions] for seed in seeds])
    exact = np.array(exact_values(model, window))
    assert (np.abs(drawn.mean(axis=0) - exact) <= 4 * drawn.std(axis=0) / np.sqrt(len(seeds)) + 1e-6).all()


def test_more_samples_come_nearer(model, window):
    exact = exact_values(model, window)

    def error(samples: int) -> float:
        by_seed = (explainer(model, samples).explain(SPY, as_rows(window), seed) for seed in range(15))
        values = np.array([[value for _, value in explanation.contributions] for explanation in by_seed])
        return float(np.sqrt(((values - exact) ** 2).mean()))

    assert error(256) < error(16) / 2


@pytest.mark.parametrize("kind", EXPLAINED)
def test_base_value_and_contributions_add_up_to_the_score_to_the_stated_error(kind):
    members = [served("lightgbm"), served("lstm")] if kind == "stack" else []
    model = served(kind, members)
    for seed, each in enumerate(some_windows(model, 10)):
        explanation = model.explain(SPY, as_rows(each), seed)
        total = explanation.base_value + sum(value for _, value in explanation.contributions)
        assert explanation.method == "grouped_shapley_sampling"
        assert explanation.score == model.infer(SPY, as_rows(each)).score
        assert abs(total - explanation.score) <= explanation.error <= 1e-12


def test_the_base_value_is_the_mean_score_of_the_background(model, window):
    background = np.array(model.reference.background)
    assert model.explain(SPY, as_rows(window), 1).base_value == pytest.approx(model.scores(SPY, background).mean())


def test_contributions_are_named_by_group_in_the_order_of_the_features(model, window):
    names = [name for name, _ in model.explain(SPY, as_rows(window), 1).contributions]
    assert names == ["momentum", "volatility", "trend", "volume", "bands"]


def test_a_seed_gives_the_same_explanation_whatever_was_explained_before(window):
    fresh, used = served_network(NETWORK, FEATURES, BARS), served_network(NETWORK, FEATURES, BARS)
    for seed, other in enumerate(some_windows(used, 5)):
        used.explain("AAPL.XNYS", as_rows(other), seed)
    assert used.explain(SPY, as_rows(window), 42) == fresh.explain(SPY, as_rows(window), 42)
    assert used.explain(SPY, as_rows(window), 43) != fresh.explain(SPY, as_rows(window), 42)


def test_a_window_of_the_background_itself_is_explained_against_the_others(model):
    rows = model.reference.background[0]
    explanation = model.explain(SPY, rows, 3)
    assert explanation.score == model.infer(SPY, rows).score


def test_one_group_alone_takes_the_whole_difference():
    features = ("return_1", "rsi")
    model = served_network(interacting_network(2, [SCALES[name] for name in features]), features, 2)
    explanation = model.explain(SPY, as_rows(some_windows(model, 1)[0]), 1)
    ((name, value),) = explanation.contributions
    assert name == "momentum"
    assert value == pytest.approx(explanation.score - explanation.base_value, abs=1e-12)


def test_every_coalition_is_computed_once_and_all_in_one_call(model, window):
    calls: list[int] = []

    class Counting:
        def score(self, instrument, window):
            return model.infer(instrument, window).score

        def scores(self, instrument, windows):
            calls.append(len(windows))
            return model.scores(instrument, windows)

    background = np.array(model.reference.background)
    GroupedShapley(Counting(), FEATURES, background, 10_000).explain(SPY, as_rows(window), 1)
    # The background windows once; then, with so many permutations, every coalition that is neither none nor all.
    assert calls == [len(background), len(background) * (2 ** len(GROUPS) - 2)]


@given(st.integers(1, 7), st.integers(1, 4), st.integers(1, 3), st.integers(0, 2**64 - 1))
@settings(max_examples=50)
def test_permutations_come_in_antithetic_pairs_and_are_a_function_of_the_seed(groups, backgrounds, pairs, seed):
    drawn = sample_permutations(groups, backgrounds, pairs, seed)
    assert drawn.shape == (backgrounds, 2 * pairs, groups)
    assert (np.sort(drawn, axis=-1) == np.arange(groups)).all()
    assert (drawn[:, 0::2] == drawn[:, 1::2, ::-1]).all()
    assert (drawn == sample_permutations(groups, backgrounds, pairs, seed)).all()


def test_each_number_below_the_factorial_is_another_permutation():
    drawn = {tuple(nth_permutation(number, 5)) for number in range(factorial(5))}
    assert drawn == set(permutations(range(5)))
    assert nth_permutation(factorial(5) + 17, 5) == nth_permutation(17, 5)


def test_the_standard_error_of_a_worked_example():
    # One group, two background windows, a pair each: 1 and 3 (half the difference 1), 2 and 8 (3).
    gains = np.array([[[1.0], [3.0]], [[2.0], [8.0]]])
    assert standard_errors(gains).tolist() == pytest.approx([np.sqrt(10) / 2])


def test_what_is_left_over_is_stated():
    assert residue(1.0, (0.5, 0.25), 1.75) < 1e-15
    assert residue(1.0, (0.5, 0.25), 1.7501) == pytest.approx(1e-4)
