"""Why a model scored a window as it did: exact TreeSHAP of trees, Shapley values of groups by sampling for the rest.

Both give contributions that add up, with the base value and from left to right, to the raw score; what 64-bit floats
leave over is the explanation's `error`.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from titanflow.domain.decider import random_bits
from titanflow.domain.events import Explanation, Features
from titanflow.domain.types import InstrumentId
from titanflow.models.serving.groups import grouped
from titanflow.models.serving.lightgbm_native import NativeBooster
from titanflow.models.serving.scoring import Scorer, Scores, Windows, as_window
from titanflow.signal.model import Window

TREE_SHAP = "tree_shap"
GROUPED_SHAPLEY_SAMPLING = "grouped_shapley_sampling"
RANDOM_KEY = "shapley"
EPSILON = 2.0**-52

ShownWeights = Callable[[InstrumentId, Window], Features]


class TreeShap:
    """Exact Shapley values of each feature, by the trees' own path-dependent expectations."""

    def __init__(self, booster: NativeBooster, names: tuple[str, ...]) -> None:
        self._booster = booster
        self._names = names

    def explain(self, instrument: InstrumentId, window: Window, seed: int) -> Explanation:
        """Contributions of the newest row's features, in their order."""
        *values, base = self._booster.contributions(window[-1])
        score = self._booster.score(instrument, window)
        return Explanation(
            TREE_SHAP, base, score, tuple(zip(self._names, values, strict=True)), (), residue(base, values, score)
        )


class GroupedShapley:
    """Shapley values of groups of features, by sampled permutations in antithetic pairs, all in one batched call.

    The value of a coalition is the score of a window whose other features are those of a background window of the
    training data. Each background window meets the same number of permutations, each of which is also walked backwards
    (Castro, Gómez and Tejada 2009, Polynomial calculation of the Shapley value based on sampling; Mitchell, Cooper,
    Frank and Holmes 2022, Sampling permutations for Shapley value estimation: antithetic pairs).
    """

    def __init__(
        self,
        scorer: Scorer,
        names: tuple[str, ...],
        background: Windows,
        samples: int,
        shown: ShownWeights | None = None,
    ) -> None:
        """`samples`: permutations, rounded up until every background window meets the same whole number of pairs."""
        groups = grouped(names)
        self._scorer = scorer
        self._background = background
        self._names = tuple(groups)
        self._pairs = max(1, -(-samples // (2 * len(background))))
        self._shown = shown
        group_of_feature = {feature: n for n, features in enumerate(groups.values()) for feature in features}
        self._group_of_feature = np.array([group_of_feature[feature] for feature in range(len(names))])
        self._base_scores: dict[InstrumentId, Scores] = {}

    def explain(self, instrument: InstrumentId, window: Window, seed: int) -> Explanation:
        """Contributions of the groups, and each one's standard error among the weights as `standard_error.<group>`."""
        permutations = sample_permutations(len(self._names), len(self._background), self._pairs, seed)
        score = self._scorer.score(instrument, window)
        gains = self.gains(instrument, window, score, permutations)
        base = float(self._empty(instrument).mean())
        values = gains.mean(axis=(0, 1)).tolist()
        shown = self._shown(instrument, window) if self._shown else ()
        doubts = zip(self._names, standard_errors(gains).tolist(), strict=True)
        return Explanation(
            GROUPED_SHAPLEY_SAMPLING,
            base,
            score,
            tuple(zip(self._names, values, strict=True)),
            (*shown, *((f"standard_error.{name}", doubt) for name, doubt in doubts)),
            residue(base, values, score),
        )

    def gains(
        self, instrument: InstrumentId, window: Window, score: float, permutations: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """(background windows, permutations, groups): by how much the score moves as each group joins those before it.

        Their mean over both is the Shapley value: exactly, where all permutations are given. `permutations` has the
        same axes; the last one is the order in which the groups join.
        """
        backgrounds, each, groups = permutations.shape
        known = np.empty((backgrounds, each, groups + 1))
        known[:, :, 0] = self._empty(instrument)[:, None]
        known[:, :, 1:-1] = self._coalition_scores(instrument, as_window(window), permutations)
        known[:, :, -1] = score
        gains = np.empty(permutations.shape)
        np.put_along_axis(gains, permutations, np.diff(known, axis=-1), axis=-1)
        return gains

    def _coalition_scores(
        self, instrument: InstrumentId, window: Windows, permutations: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Scores of the coalitions between none and all; one that is met twice is computed once."""
        backgrounds, each, groups = permutations.shape
        joined = np.cumsum(np.left_shift(1, permutations), axis=-1)[:, :, :-1]
        keyed = joined + np.left_shift(np.arange(backgrounds), groups)[:, None, None]
        distinct, place = np.unique(keyed, return_inverse=True)
        if not len(distinct):
            return np.empty((backgrounds, each, 0))
        present = np.right_shift(distinct[:, None], self._group_of_feature) & 1
        absent = self._background[np.right_shift(distinct, groups)]
        scores = self._scorer.scores(instrument, np.where(present[:, None, :], window, absent))
        return scores[place].reshape(joined.shape)

    def _empty(self, instrument: InstrumentId) -> Scores:
        """Scores of the background windows, asked for in a call of their own: the same floats whatever is explained."""
        if instrument not in self._base_scores:
            self._base_scores[instrument] = self._scorer.scores(instrument, self._background)
        return self._base_scores[instrument]


def sample_permutations(groups: int, backgrounds: int, pairs: int, seed: int) -> NDArray[np.int64]:
    """(backgrounds, 2 x pairs, groups): permutations, each followed by its reverse; a pure function of the seed."""
    drawn = [nth_permutation(random_bits(seed, RANDOM_KEY, n), groups) for n in range(backgrounds * pairs)]
    forward = np.array(drawn, dtype=np.int64).reshape(backgrounds, pairs, 1, groups)
    both = np.concatenate((forward, forward[..., ::-1]), axis=2)
    return both.reshape(backgrounds, 2 * pairs, groups)


def nth_permutation(number: int, length: int) -> list[int]:
    """A permutation by its number in the factorial number system; number and number + length! are the same one.

    From 64 random bits all are alike likely to within length! / 2^64.
    """
    left = list(range(length))
    permutation = []
    for size in range(length, 0, -1):
        number, place = divmod(number, size)
        permutation.append(left.pop(place))
    return permutation


def standard_errors(gains: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard error of each group's mean gain, from how much the two walks of each antithetic pair differ.

    Half that difference estimates the error of the pair's mean as if its walks were independent. They err in opposite
    directions as a rule, so the true error is rather smaller.
    """
    halves = (gains[:, 0::2] - gains[:, 1::2]) / 2
    errors: NDArray[np.float64] = np.sqrt((halves**2).sum(axis=(0, 1))) / (halves.shape[0] * halves.shape[1])
    return errors


def residue(base: float, contributions: Sequence[float], score: float) -> float:
    """Bound of |base + contributions - score|: what is left when they are added in turn, and what rounding may add."""
    total, size = base, abs(base)
    for contribution in contributions:
        total += contribution
        size += abs(contribution)
    return abs(total - score) + len(contributions) * EPSILON * size
