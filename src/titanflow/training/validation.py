"""Walk-forward validation: a fold at a time (`run_fold`, which may run anywhere), then all of them judged together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from titanflow.domain.models import Calibration, Thresholds
from titanflow.training import metrics
from titanflow.training.baselines import baselines
from titanflow.training.calibration import deviation_of, fit_platt, probabilities, thresholds
from titanflow.training.permutation import permutation_test
from titanflow.training.results import FoldResult, PermutationTest, Validation
from titanflow.training.samples import Rows, Samples
from titanflow.training.splits import Fold
from titanflow.training.trading import Market, Stance, trade
from titanflow.training.trainer import Progress, Trainer

SIGNIFICANCE = 0.05
"""The permutation test's p-value from which on there is no talk of an edge."""
SHUFFLES_A_SETTING = 20
"""At least: with fewer, no score of the best of so many settings could be significant."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ScoredFold:
    """What one fold leaves behind: all that judging needs of it. Picklable."""

    number: int
    train_rows: int
    purged_rows: int
    early_stop: Rows
    early_stop_scores: Floats
    test: Rows
    scores: Floats
    importance: Mapping[str, float]


@dataclass(frozen=True)
class Judging:
    """How scores become trades, and how hard luck is tried."""

    market: Market
    hold_bars: int
    buy_quantile: float = 0.90
    sell_quantile: float = 0.10
    permutations: int = 200
    seed: int = 0


def run_fold(trainer: Trainer, samples: Samples, fold: Fold, seed: int, progress: Progress) -> ScoredFold:
    """Fit on the fold's training rows and score the rows that the model never saw."""
    fitted = trainer.fit(samples, fold.train, fold.early_stop, seed, progress)
    return ScoredFold(
        number=fold.number,
        train_rows=len(fold.train),
        purged_rows=fold.purged,
        early_stop=fold.early_stop,
        early_stop_scores=fitted.scores(samples, fold.early_stop),
        test=fold.test,
        scores=fitted.scores(samples, fold.test),
        importance=dict(fitted.importance()),
    )


def on_one_scale(fold: ScoredFold) -> ScoredFold:
    """The fold's scores in deviations of its own model's scores of its early-stop rows, which lie before its test.

    Each fold's model spreads its scores by its own measure, tenfold apart where one stopped early; what one fold's
    scores say of the next one's is said by scores on one scale.
    """
    deviation = deviation_of(fold.early_stop_scores)
    return replace(fold, early_stop_scores=fold.early_stop_scores / deviation, scores=fold.scores / deviation)


def on_scale_of(validation: Validation, early_stop_scores: Floats) -> Validation:
    """The validation with all scores in units of the final model, which gave its early-stop rows these scores."""
    deviation = deviation_of(early_stop_scores)
    return replace(validation, folds=tuple(replace(fold, scores=fold.scores * deviation) for fold in validation.folds))


def mean_log_loss(samples: Samples, folds: Sequence[ScoredFold]) -> float:
    """Mean over the folds of the log loss after each one's own calibration: what settings are chosen by."""
    scored, losses = [on_one_scale(fold) for fold in folds], []
    for place, fold in enumerate(scored):
        calibration = fit_platt(*_known_before(samples, scored, place))
        losses.append(metrics.cross_entropy(probabilities(calibration, fold.scores), samples.label[fold.test]))
    return float(np.mean(losses))


def assemble(samples: Samples, folds: Sequence[ScoredFold], judging: Judging, *, settings_tried: int = 1) -> Validation:
    """Calibrate and trade each fold by what was known before it, hold it against the baselines, and judge.

    Scores of the result are on one scale.
    """
    scored, results = [on_one_scale(fold) for fold in folds], []
    for place, fold in enumerate(scored):
        calibration = fit_platt(*_known_before(samples, scored, place))
        speaks = speaking(calibration, fold.early_stop_scores, judging)
        results.append(fold_result(samples, fold, calibration, speaks, judging))
    return judged(samples, results, judging, settings_tried=settings_tried)


def speaking(calibration: Calibration, scores: Floats, judging: Judging) -> Thresholds:
    """Thresholds from a model's own scores of rows that it was not fitted on: how far it spreads them is its own."""
    return thresholds(probabilities(calibration, scores), judging.buy_quantile, judging.sell_quantile)


def final_decision(
    validation: Validation, judging: Judging, early_stop_scores: Floats | None = None
) -> tuple[Calibration, Thresholds]:
    """The manifest's: calibration by the out-of-fold scores of all folds, thresholds as each fold had them.

    Scores are in units of the final model (`on_scale_of`), and so is the slope. `early_stop_scores` are the final
    model's, of the rows that told it when to stop; None: the folds' scores serve.
    """
    scores = np.concatenate([fold.scores for fold in validation.folds])
    calibration = fit_platt(scores, np.concatenate([fold.labels for fold in validation.folds]))
    return calibration, speaking(calibration, scores if early_stop_scores is None else early_stop_scores, judging)


def fold_result(
    samples: Samples, fold: ScoredFold, calibration: Calibration, speaks: Thresholds, judging: Judging
) -> FoldResult:
    """Measures and trades of one fold."""
    chances, labels = probabilities(calibration, fold.scores), samples.label[fold.test]
    stance = Stance(speaks.buy_above, speaks.sell_below, judging.hold_bars)
    return FoldResult(
        number=fold.number,
        train_rows=fold.train_rows,
        purged_rows=fold.purged_rows,
        test=fold.test,
        scores=fold.scores,
        probabilities=chances,
        labels=labels,
        accuracy=metrics.accuracy(chances, labels),
        auc=metrics.auc(fold.scores, labels),
        brier=metrics.brier(chances, labels),
        traded=trade(samples, fold.test, chances, stance, judging.market),
        baselines=baselines(samples, fold.test, judging.market),
    )


def judged(samples: Samples, folds: Sequence[FoldResult], judging: Judging, *, settings_tried: int = 1) -> Validation:
    """All folds together: the permutation test, the metrics and the verdict."""
    test = permutation_test(
        samples,
        [(fold.test, fold.scores) for fold in folds],
        permutations=max(judging.permutations, SHUFFLES_A_SETTING * settings_tried),
        seed=judging.seed,
        settings_tried=settings_tried,
    )
    found = _metrics(folds, test)
    has_edge, verdict = judge(found, settings_tried)
    chances = np.concatenate([fold.probabilities for fold in folds])
    labels = np.concatenate([fold.labels for fold in folds])
    curve = metrics.calibration_curve(chances, labels)
    return Validation(tuple(folds), test, found, has_edge, verdict, settings_tried, curve)


def judge(found: Mapping[str, float], settings_tried: int = 1) -> tuple[bool, str]:
    """Whether there is an edge, and one sentence with the numbers.

    An edge is a score that luck seldom gives, and a return after costs above zero and above every baseline's.
    """
    earned, held, crossed = (
        found[name] for name in ("compounded_return", "buy_and_hold_return", "sma_crossover_return")
    )
    has_edge = found["permutation_p"] < SIGNIFICANCE and earned > max(0.0, held, crossed)
    score = f"AUC {found['auc']:.3f}" if "auc" in found else "one class only"
    best_of = f" for the best of {settings_tried} settings" if settings_tried > 1 else ""
    return has_edge, (
        f"{'edge' if has_edge else 'no edge'}: {score}, permutation p {found['permutation_p']:.3f}{best_of}; after "
        f"costs it {_made(earned)} where buy and hold {_made(held)} and the SMA crossover {_made(crossed)}"
    )


def out_of_fold(samples: Samples, validation: Validation) -> dict[str, NDArray[np.generic]]:
    """The columns of validation.npz, by fold and time: what a stacking model learns from.

    Scores are as the validation has them; in units of the final model, the manifest's calibration makes of them the
    log odds that a session would have seen.
    """
    rows = np.concatenate([fold.test for fold in validation.folds])
    return {
        "closed_at": samples.closed_at[rows],
        "instrument": np.array(samples.instruments)[samples.instrument[rows]],
        "score": np.concatenate([fold.scores for fold in validation.folds]),
        "probability": np.concatenate([fold.probabilities for fold in validation.folds]),
        "label": samples.label[rows],
        "fold": np.repeat([fold.number for fold in validation.folds], [len(fold.test) for fold in validation.folds]),
    }


def _known_before(samples: Samples, scored: Sequence[ScoredFold], place: int) -> tuple[Floats, NDArray[np.int8]]:
    """Scores and labels that calibrate a fold: of all folds before it, or of the first's own early-stop rows."""
    if place == 0:
        return scored[0].early_stop_scores, samples.label[scored[0].early_stop]
    begins = int(samples.closed_at[scored[place].test].min())
    scores, rows = (np.concatenate(parts) for parts in zip(*((f.scores, f.test) for f in scored[:place]), strict=True))
    settled = samples.settled_at[rows] < begins
    return scores[settled], samples.label[rows[settled]]


def _metrics(folds: Sequence[FoldResult], test: PermutationTest) -> dict[str, float]:
    """Means over the folds, but the drawdown (the largest) and what is compounded over all of them."""
    found: dict[str, float | None] = {
        "accuracy": _mean([fold.accuracy for fold in folds]),
        "auc": _mean([fold.auc for fold in folds]),
        "brier": _mean([fold.brier for fold in folds]),
        "log_loss": _mean([metrics.cross_entropy(fold.probabilities, fold.labels) for fold in folds]),
        "sharpe": _mean([fold.traded.sharpe for fold in folds]),
        "max_drawdown": max(fold.traded.max_drawdown for fold in folds),
        "total_return": _mean([fold.traded.total_return for fold in folds]),
        "compounded_return": _compounded([fold.traded.total_return for fold in folds]),
        "trades": float(sum(fold.traded.trades for fold in folds)),
        "permutation_p": test.p_value,
        "folds": float(len(folds)),
        "test_rows": float(sum(len(fold.test) for fold in folds)),
    }
    for name in folds[0].baselines:
        found[f"{name}_return"] = _compounded([fold.baselines[name].total_return for fold in folds])
        found[f"{name}_sharpe"] = _mean([fold.baselines[name].sharpe for fold in folds])
    return {name: value for name, value in found.items() if value is not None}


def _mean(values: Sequence[float | None]) -> float | None:
    """Mean of those that are defined; None where none is."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _compounded(returns: Sequence[float]) -> float:
    return prod(1.0 + value for value in returns) - 1.0


def _made(part: float) -> str:
    return f"{'made' if part >= 0 else 'lost'} {abs(part):.2%}"
