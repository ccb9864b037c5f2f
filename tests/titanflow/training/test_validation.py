"""The verdict is plain and right: a planted edge is found, noise is not, and no fold is judged by itself."""

import dataclasses
import json
import pickle
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from support.tiny_samples import tiny_samples
from titanflow.training.calibration import fit_platt, probabilities
from titanflow.training.data import no_progress
from titanflow.training.results import Validation
from titanflow.training.samples import Rows, Samples
from titanflow.training.splits import walk_forward
from titanflow.training.trading import Market
from titanflow.training.trainer import Progress
from titanflow.training.validation import (
    Judging,
    ScoredFold,
    assemble,
    final_decision,
    judge,
    mean_log_loss,
    on_one_scale,
    on_scale_of,
    out_of_fold,
    run_fold,
)

JUDGING = Judging(Market((0.0, 0.0), 98_280.0), hold_bars=5, permutations=39)


class FirstFeature:
    """A fitted model whose score is its first feature, so that what is to be expected can be reckoned by hand."""

    def scores(self, samples: Samples, rows: Rows) -> NDArray[np.float64]:
        return samples.features[rows, 0]

    def artefact(self) -> tuple[str, bytes]:
        return "model.txt", b""

    def importance(self) -> Mapping[str, float]:
        return {"rsi": 1.0}


class FirstFeatureTrainer:
    kind: ClassVar[str] = "first"
    window = 1

    def fit(self, samples: Samples, train: Rows, early_stop: Rows, seed: int, progress: Progress) -> FirstFeature:
        progress("fitting", 1.0)
        return FirstFeature()


def scored_folds(samples: Samples, folds: int = 3) -> list[ScoredFold]:
    made = walk_forward(samples, samples.usable(1), folds, embargo_bars=2)
    return [run_fold(FirstFeatureTrainer(), samples, fold, 7, no_progress) for fold in made]


def validated(edge: float, *, market: Market = JUDGING.market) -> Validation:
    samples = tiny_samples(600, edge=edge, horizon=3)
    return assemble(samples, scored_folds(samples), dataclasses.replace(JUDGING, market=market))


def test_a_planted_edge_is_found() -> None:
    found = validated(edge=0.8)
    assert found.has_edge
    assert found.verdict.startswith("edge: AUC 0.")
    assert found.metrics["permutation_p"] == 0.025
    assert found.metrics["auc"] > 0.6
    assert found.metrics["compounded_return"] > max(0.0, found.metrics["buy_and_hold_return"])


def test_noise_has_no_edge_and_the_verdict_says_so_with_numbers() -> None:
    found = validated(edge=0.0)
    assert not found.has_edge
    auc, p = found.metrics["auc"], found.metrics["permutation_p"]
    assert found.verdict.startswith(f"no edge: AUC {auc:.3f}, permutation p {p:.3f}; after costs it ")
    assert "where buy and hold " in found.verdict


def test_an_edge_that_costs_eat_up_is_none() -> None:
    assert not validated(edge=0.8, market=Market((0.01, 0.01), 98_280.0)).has_edge


@pytest.mark.parametrize(
    ("p", "earned", "held", "edge"),
    [(0.04, 0.01, 0.0, True), (0.06, 0.01, 0.0, False), (0.04, 0.01, 0.02, False), (0.04, -0.01, -0.02, False)],
)
def test_an_edge_is_significant_and_earns_more_than_every_baseline(
    p: float, earned: float, held: float, edge: bool
) -> None:
    found = {
        "auc": 0.5123,
        "permutation_p": p,
        "compounded_return": earned,
        "buy_and_hold_return": held,
        "sma_crossover_return": -0.0031,
    }
    has_edge, verdict = judge(found)
    assert has_edge is edge
    assert ("lost 1.00%" if earned < 0 else "made 1.00%") in verdict
    assert verdict.endswith("and the SMA crossover lost 0.31%")


def test_each_fold_is_calibrated_by_what_was_settled_before_it() -> None:
    samples = tiny_samples(600, edge=0.3, horizon=3)
    scored = scored_folds(samples)
    found = assemble(samples, scored, JUDGING)
    first = fit_platt(scored[0].early_stop_scores, samples.label[scored[0].early_stop])
    assert_allclose(found.folds[0].probabilities, probabilities(first, scored[0].scores))
    spread = [np.std(fold.early_stop_scores) for fold in scored]
    begins = samples.closed_at[scored[2].test].min()
    rows = np.concatenate([scored[0].test, scored[1].test])
    scores = np.concatenate([scored[0].scores / spread[0], scored[1].scores / spread[1]])
    settled = samples.settled_at[rows] < begins
    third = fit_platt(scores[settled], samples.label[rows[settled]])
    assert_allclose(found.folds[2].probabilities, probabilities(third, scored[2].scores / spread[2]))


@given(sizes=st.tuples(*[st.floats(-3, 3).map(lambda power: 10**power)] * 3))
@settings(max_examples=15, deadline=None)
def test_the_measure_by_which_a_folds_model_spreads_its_scores_changes_nothing(sizes: tuple[float, ...]) -> None:
    samples = tiny_samples(300, edge=0.3, horizon=3)
    scored = scored_folds(samples)
    stretched = [
        dataclasses.replace(fold, scores=size * fold.scores, early_stop_scores=size * fold.early_stop_scores)
        for fold, size in zip(scored, sizes, strict=True)
    ]
    plain, other = assemble(samples, scored, JUDGING), assemble(samples, stretched, JUDGING)
    assert mean_log_loss(samples, stretched) == pytest.approx(mean_log_loss(samples, scored), rel=1e-6)
    assert other.metrics["log_loss"] == pytest.approx(plain.metrics["log_loss"], rel=1e-6)
    for one, same in zip(plain.folds, other.folds, strict=True):
        assert_allclose(same.probabilities, one.probabilities, rtol=1e-6)


def test_scores_that_were_all_alike_when_the_fit_stopped_stay_as_they_are() -> None:
    (fold, *_) = scored_folds(tiny_samples(300, horizon=3))
    for alike in (np.zeros_like(fold.early_stop_scores), np.full_like(fold.early_stop_scores, 0.1)):
        same = on_one_scale(dataclasses.replace(fold, early_stop_scores=alike))
        assert_array_equal(same.scores, fold.scores)


def test_a_fold_is_scaled_by_rows_before_its_test_and_by_nothing_in_it() -> None:
    (fold, *_) = scored_folds(tiny_samples(300, horizon=3))
    wild = dataclasses.replace(fold, scores=np.append(fold.scores[:-1], 1e9))
    assert_array_equal(on_one_scale(wild).scores[:-1], on_one_scale(fold).scores[:-1])
    assert np.std(on_one_scale(fold).early_stop_scores) == pytest.approx(1.0)


def test_labels_of_a_fold_do_not_change_its_own_probabilities_or_trades() -> None:
    samples = tiny_samples(600, edge=0.3, horizon=3)
    scored = scored_folds(samples)
    honest = assemble(samples, scored, JUDGING)
    label = samples.label.copy()
    label[scored[-1].test] = 1 - label[scored[-1].test]
    turned = assemble(dataclasses.replace(samples, label=label), scored, JUDGING)
    assert_array_equal(turned.folds[-1].probabilities, honest.folds[-1].probabilities)
    assert_array_equal(turned.folds[-1].traded.equity, honest.folds[-1].traded.equity)
    assert turned.folds[-1].auc == pytest.approx(1 - (honest.folds[-1].auc or 0.0))


def test_metrics_are_finite_numbers_of_all_folds() -> None:
    found = validated(edge=0.3)
    assert json.loads(json.dumps(found.metrics, allow_nan=False)) == found.metrics
    assert_allclose(found.metrics["accuracy"], np.mean([fold.accuracy for fold in found.folds]))
    assert_allclose(
        found.metrics["compounded_return"], np.prod([1 + fold.traded.total_return for fold in found.folds]) - 1
    )
    assert found.metrics["test_rows"] == sum(len(fold.test) for fold in found.folds)
    assert sum(rows for *_, rows in found.calibration_curve) == found.metrics["test_rows"]


def test_settings_are_chosen_by_the_mean_log_loss_of_calibrated_folds() -> None:
    samples = tiny_samples(600, edge=0.5, horizon=3)
    good = scored_folds(samples)
    noise = np.random.default_rng(1)
    bad = [dataclasses.replace(fold, scores=noise.standard_normal(len(fold.scores))) for fold in good]
    assert mean_log_loss(samples, good) == pytest.approx(assemble(samples, good, JUDGING).metrics["log_loss"])
    assert mean_log_loss(samples, good) < mean_log_loss(samples, bad)


def test_the_manifest_is_calibrated_by_all_out_of_fold_scores() -> None:
    samples = tiny_samples(600, edge=0.5, horizon=3)
    found = assemble(samples, scored_folds(samples), JUDGING)
    calibration, speaks = final_decision(found, JUDGING)
    scores = np.concatenate([fold.scores for fold in found.folds])
    assert calibration == fit_platt(scores, np.concatenate([fold.labels for fold in found.folds]))
    chances = probabilities(calibration, scores)
    assert_allclose((speaks.sell_below, speaks.buy_above), np.quantile(chances, (0.1, 0.9)))
    _, own = final_decision(found, JUDGING, scores * 2)
    assert own.buy_above > speaks.buy_above


def test_the_slope_of_the_manifest_is_in_units_of_the_final_models_scores() -> None:
    samples = tiny_samples(600, edge=0.5, horizon=3)
    found = assemble(samples, scored_folds(samples), JUDGING)
    own_scores = np.random.default_rng(1).normal(0.3, 0.02, 500)
    deviation = np.std(own_scores)
    common, _ = final_decision(found, JUDGING)
    rescaled = on_scale_of(found, own_scores)
    served, speaks = final_decision(rescaled, JUDGING, own_scores)
    assert served.slope == pytest.approx(common.slope / deviation)
    assert served.intercept == pytest.approx(common.intercept)
    assert_allclose((speaks.sell_below, speaks.buy_above), np.quantile(probabilities(served, own_scores), (0.1, 0.9)))
    # What a stack reads from validation.npz by the manifest's calibration is on the scale of a session's log odds.
    written = out_of_fold(samples, rescaled)["score"].astype(np.float64)
    scores = np.concatenate([fold.scores for fold in found.folds])
    assert_allclose(served.slope * written + served.intercept, common.slope * scores + common.intercept)


def test_the_best_of_many_settings_must_be_as_many_times_less_likely_to_be_luck() -> None:
    samples = tiny_samples(600, edge=0.1, horizon=3)
    scored = scored_folds(samples)
    judging = dataclasses.replace(JUDGING, permutations=199)
    one, best = assemble(samples, scored, judging), assemble(samples, scored, judging, settings_tried=4)
    assert best.metrics["permutation_p"] == min(1.0, 4 * one.metrics["permutation_p"]) == best.permutation.p_value
    assert f"permutation p {best.permutation.p_value:.3f} for the best of 4 settings; after costs" in best.verdict
    assert "settings" not in one.verdict


def test_many_settings_are_shuffled_often_enough_for_one_of_them_to_be_significant() -> None:
    samples = tiny_samples(600, edge=0.8, horizon=3)
    found = assemble(samples, scored_folds(samples), JUDGING, settings_tried=10)
    assert len(found.permutation.shuffled) == 200
    assert found.metrics["permutation_p"] == pytest.approx(10 / 201)
    assert found.has_edge


def test_two_days_of_test_have_no_annualised_sharpe_ratio() -> None:
    found = validated(edge=0.8)
    assert all(fold.traded.sharpe is None for fold in found.folds)
    assert not [name for name in found.metrics if "sharpe" in name]


def test_what_a_fold_leaves_behind_travels_between_processes() -> None:
    samples = tiny_samples(300, horizon=3)
    (fold, *_) = scored_folds(samples)
    again = pickle.loads(pickle.dumps(fold))
    assert_array_equal(again.scores, fold.scores)
    assert (again.number, again.importance) == (1, {"rsi": 1.0})


def test_out_of_fold_columns_name_each_row_once() -> None:
    samples = tiny_samples(300, horizon=3)
    found = assemble(samples, scored_folds(samples), JUDGING)
    columns = out_of_fold(samples, found)
    assert list(columns) == ["closed_at", "instrument", "score", "probability", "label", "fold"]
    assert len({len(column) for column in columns.values()}) == 1
    pairs = set(zip(columns["closed_at"].tolist(), columns["instrument"].tolist(), strict=True))
    assert len(pairs) == len(columns["fold"])
    assert set(columns["instrument"].tolist()) == {"AAPL.XNYS", "SPY.XNYS"}
    assert (np.diff(columns["fold"]) >= 0).all()
