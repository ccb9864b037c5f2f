"""Could the score be luck? Labels are shuffled in blocks of time, all instruments together, and scored again.

Blocks at least as long as a label keep what neighbouring and simultaneous labels share, so that many rows that say the
same are not taken for much evidence (P. Good, Permutation, Parametric and Bootstrap Tests of Hypotheses, 2005).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from titanflow.training.results import PermutationTest
from titanflow.training.samples import Rows, Samples

STATISTIC = "mean AUC of the folds"

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class _FoldTable:
    """Scores and labels of one fold as a table of moments by instruments, with their ranks taken once."""

    def __init__(self, samples: Samples, rows: Rows, scores: Floats) -> None:
        moments, self._moment = np.unique(samples.closed_at[rows], return_inverse=True)
        self._instrument = samples.instrument[rows]
        self.moments = len(moments)
        self._labels = np.full((len(moments), len(samples.instruments)), -1, dtype=np.int8)
        self._labels[self._moment, self._instrument] = samples.label[rows]
        levels, self._level = np.unique(scores, return_inverse=True)
        self._levels = len(levels)

    def auc(self, order: Integers) -> float | None:
        """AUC where each moment is given the labels of another; None where one class alone is left.

        A row whose new moment has no label of its instrument is left out.
        """
        labels = self._labels[order[self._moment], self._instrument]
        positive = np.bincount(self._level[labels == 1], minlength=self._levels)
        negative = np.bincount(self._level[labels == 0], minlength=self._levels)
        pairs = int(positive.sum()) * int(negative.sum())
        below = np.cumsum(negative) - negative
        return float(np.sum(positive * (below + 0.5 * negative))) / pairs if pairs else None


def permutation_test(
    samples: Samples,
    folds: Sequence[tuple[Rows, Floats]],
    *,
    permutations: int = 200,
    seed: int = 0,
    settings_tried: int = 1,
) -> PermutationTest:
    """Test rows and scores of each fold against `permutations` shuffles.

    The p-value is (1 + shuffles that score as well) / (1 + shuffles), so it is never zero (Phipson and Smyth 2010). Of
    the best of several settings it is that many times as large, at most 1, as each had its chance of luck (Bonferroni).
    """
    tables = [_FoldTable(samples, rows, scores) for rows, scores in folds]
    block = samples.label_spec.horizon_bars + 1
    observed = _mean(tables, [np.arange(table.moments) for table in tables])
    rng = np.random.default_rng(seed)
    shuffled = np.array(
        [_mean(tables, [_shuffled(t.moments, block, rng) for t in tables]) for _ in range(permutations)]
    )
    as_good = int(np.sum(shuffled >= observed))
    p_value = min(1.0, settings_tried * (1 + as_good) / (1 + permutations))
    return PermutationTest(STATISTIC, observed, shuffled, p_value)


def _mean(tables: Sequence[_FoldTable], orders: Sequence[Integers]) -> float:
    """Mean AUC of the folds that have both classes; 0.5, which says nothing, where none has."""
    known = [auc for table, order in zip(tables, orders, strict=True) if (auc := table.auc(order)) is not None]
    return float(np.mean(known)) if known else 0.5


def _shuffled(moments: int, block: int, rng: np.random.Generator) -> Integers:
    """The moments with their blocks in another order, the cuts between blocks falling anywhere."""
    cuts = np.arange(int(rng.integers(1, block + 1)), moments, block)
    blocks = np.split(np.arange(moments), cuts)
    return np.concatenate([blocks[place] for place in rng.permutation(len(blocks))])
