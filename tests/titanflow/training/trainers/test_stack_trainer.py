"""A stack weighs its members, beats the best of them where they know different things, and never sees its test fold."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.metrics import roc_auc_score

from support.tiny_samples import tiny_samples
from titanflow.errors import InputError
from titanflow.training.samples import Rows, Samples
from titanflow.training.splits import walk_forward
from titanflow.training.trainers.stack_members import LARGEST_LOGIT
from titanflow.training.trainers.stack_trainer import LARGEST_DEVIATION, FittedStack, StackSettings, StackTrainer
from titanflow.training.validation import run_fold

Floats = NDArray[np.float64]
Say = Callable[[Samples], Floats]


def quiet(_what: str, _part: float) -> None:
    """No progress."""


def stacked(*columns: Floats, labels: NDArray[np.int8], bars: int) -> Samples:
    """Samples whose features are what members said of these labels."""
    samples = tiny_samples(bars)
    names = tuple(f"member {number}" for number in range(len(columns)))
    return replace(samples, features=np.stack(columns, axis=1), feature_names=names, label=labels)


def independent(members: int, bars: int = 600, seed: int = 5) -> Samples:
    """Labels that follow the sum of what each member alone knows; a member's log odds are right for what it knows."""
    rng = np.random.default_rng(seed)
    known = rng.standard_normal((members, 2 * bars))
    labels = (rng.random(2 * bars) < 1 / (1 + np.exp(-known.sum(axis=0)))).astype(np.int8)
    return stacked(*known, labels=labels, bars=bars)


def halves(samples: Samples) -> tuple[Rows, Rows, Rows]:
    rows = samples.usable(1)
    first, second = len(rows) // 2, len(rows) * 2 // 3
    return rows[:first], rows[first:second], rows[second:]


def fit(samples: Samples, *penalties: float) -> FittedStack:
    train, early_stop, _ = halves(samples)
    settings = StackSettings(penalties=penalties) if penalties else None
    return StackTrainer(settings).fit(samples, train, early_stop, 1, quiet)


def by_artefact(fitted: FittedStack, samples: Samples, rows: Rows) -> Floats:
    name, content = fitted.artefact()
    assert name == "model.onnx"
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (score,) = session.run(["score"], {"window": samples.windows(rows, 1)})
    assert score.shape == (len(rows),)
    return np.asarray(score, dtype=np.float64)


def test_a_stack_of_members_that_know_different_things_beats_its_best_member() -> None:
    samples = independent(3)
    test = halves(samples)[2]
    labels = samples.label[test]
    alone = [roc_auc_score(labels, samples.features[test, member]) for member in range(3)]
    together = roc_auc_score(labels, fit(samples).scores(samples, test))
    assert together > max(alone) + 0.05


def test_a_member_that_knows_nothing_weighs_next_to_nothing() -> None:
    samples = independent(2)
    noise = np.random.default_rng(9).standard_normal(len(samples.label))
    weighed = fit(stacked(*samples.features.T, noise, labels=samples.label, bars=600)).importance()
    assert sum(weighed.values()) == pytest.approx(1.0)
    assert weighed["member 2"] < 0.1 < min(weighed["member 0"], weighed["member 1"])


def test_the_weights_are_those_of_the_penalised_likelihood() -> None:
    """By scipy's minimiser of the textbook's function: mean log loss and half the penalty times squared weights."""
    samples, penalty = independent(2), 0.05
    train, _, test = halves(samples)
    mean, deviation = samples.features[train].mean(axis=0), samples.features[train].std(axis=0)
    scaled, signs = (samples.features[train] - mean) / deviation, 2.0 * samples.label[train] - 1.0

    def loss(parameters: Floats) -> float:
        odds = scaled @ parameters[:2] + parameters[2]
        return float(np.logaddexp(0.0, -signs * odds).mean() + penalty / 2 * parameters[:2] @ parameters[:2])

    best = minimize(loss, np.zeros(3), tol=1e-12).x
    expected = (samples.features[test] - mean) / deviation @ best[:2] + best[2]
    assert fit(samples, penalty).scores(samples, test) == pytest.approx(expected, abs=1e-4)


def test_the_penalty_that_foresees_the_early_stop_rows_best_is_taken() -> None:
    samples = independent(2)
    test = halves(samples)[2]
    mild, harsh = fit(samples, 1e-3).scores(samples, test), fit(samples, 1e3).scores(samples, test)
    assert np.ptp(harsh) < 0.1 < np.ptp(mild)
    assert fit(samples, 1e3, 1e-3).scores(samples, test) == pytest.approx(mild)


def test_the_artefact_scores_as_the_fitted_stack_does() -> None:
    samples = independent(3)
    test = halves(samples)[2]
    fitted = fit(samples)
    assert by_artefact(fitted, samples, test) == pytest.approx(fitted.scores(samples, test), abs=1e-6)


def test_log_odds_beyond_the_largest_count_as_the_largest() -> None:
    samples = independent(2)
    fitted, test = fit(samples), halves(samples)[2]
    wild = replace(samples, features=np.full_like(samples.features, 1e4))
    largest = replace(samples, features=np.full_like(samples.features, LARGEST_LOGIT))
    expected = pytest.approx(fitted.scores(largest, test))
    assert fitted.scores(wild, test) == expected
    assert by_artefact(fitted, wild, test) == expected


def test_rows_of_one_class_are_refused() -> None:
    samples = independent(2)
    with pytest.raises(InputError, match="rows that all have the same label"):
        fit(replace(samples, label=np.ones_like(samples.label)))


def test_no_label_from_the_test_fold_on_changes_its_scores() -> None:
    samples = independent(3)
    for fold in walk_forward(samples, samples.usable(1), 4, embargo_bars=2):
        later = samples.closed_at >= samples.closed_at[fold.test].min()
        flipped = replace(samples, label=np.where(later, 1 - samples.label, samples.label).astype(np.int8))
        honest, altered = (run_fold(StackTrainer(), each, fold, 1, quiet) for each in (samples, flipped))
        assert honest.scores.tobytes() == altered.scores.tobytes()


def test_a_member_that_knows_the_answers_of_one_fold_alone_does_not_win_that_fold() -> None:
    """A stack that had seen the fold would trust the cheat blindly; one that had not has no reason to."""
    honest = independent(1)
    rows = honest.usable(1)
    folds = walk_forward(honest, rows, 3, embargo_bars=2)
    cheat = np.random.default_rng(2).standard_normal(len(honest.label))
    last = folds[-1].test
    cheat[last] = np.abs(cheat[last]) * np.where(honest.label[last] == 1, 1.0, -1.0)
    samples = stacked(honest.features[:, 0], cheat, labels=honest.label, bars=600)
    labels = samples.label[last]

    fair = roc_auc_score(labels, run_fold(StackTrainer(), samples, folds[-1], 1, quiet).scores)
    peeking = replace(folds[-1], train=rows, early_stop=last)
    seen = roc_auc_score(labels, run_fold(StackTrainer(), samples, peeking, 1, quiet).scores)
    assert fair == pytest.approx(roc_auc_score(labels, samples.features[last, 0]), abs=0.05)
    assert seen > fair + 0.05


def test_a_member_that_becomes_surer_than_it_was_in_training_does_not_shout_the_others_down() -> None:
    samples = independent(2)
    train, early_stop, test = halves(samples)
    quiet_then_loud = samples.features.copy()
    quiet_then_loud[:, 0] *= 0.01
    learned = replace(samples, features=quiet_then_loud)
    fitted = StackTrainer().fit(learned, train, early_stop, 1, quiet)
    loud = learned.features.copy()
    mean, deviation = loud[train, 0].mean(), loud[train, 0].std()
    loud[test, 0] = mean + LARGEST_DEVIATION * deviation
    at_most = fitted.scores(replace(learned, features=loud), test)
    loud[test, 0] = mean + 100 * deviation
    shouting = replace(learned, features=loud)
    np.testing.assert_allclose(fitted.scores(shouting, test), at_most, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(by_artefact(fitted, shouting, test), fitted.scores(shouting, test), rtol=1e-5, atol=1e-6)
