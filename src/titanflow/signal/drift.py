"""Feature drift: an hour of a contender's live features held against its model's training set. Warns; decides nothing.

The measure is the population stability index: sum over the bins of (live - trained) * ln(live / trained) of their
shares, with the customary limits of 0.1 and 0.25 (Siddiqi 2006, Credit Risk Scorecards, chapter 9).
"""

from bisect import bisect_right
from collections.abc import Sequence
from decimal import Context, Decimal

from titanflow.domain.events import FeatureDriftMeasured
from titanflow.domain.models import POSITION
from titanflow.domain.types import NANOS_PER_SECOND, ContenderId, Nanos
from titanflow.signal.model import FeatureRow, LearnedModel

HOUR_NANOS = 3_600 * NANOS_PER_SECOND
MIN_ROWS = 200
"""Fewer rows say nothing: then the count goes on until there are as many."""
DRIFT_LIMIT = 0.25
"""For independent rows. The bars of one hour are much alike, so that most hours of the training itself lie beyond it:
a feature has drifted where its index is also larger than in every such hour (`usual_drift`)."""
UNMEASURED = frozenset({"time_sin", "time_cos", POSITION})
"""No features of the market: an hour has its own time of day, so these would drift at every hour."""
SMALLEST_SHARE = Decimal("0.0001")
"""Stands for the share of an empty bin, whose logarithm would be infinite."""
_PRECISION = Context(prec=28)
"""Decimal logarithms are rounded correctly: the same on every machine, unlike those of the C library."""


class FeatureDrift:
    """Counts the rows of one contender's instruments into the bins of its model's training set."""

    def __init__(self, contender: ContenderId, model: LearnedModel) -> None:
        self._contender = contender
        self.watch(model)

    def watch(self, model: LearnedModel) -> None:
        """Hold against `model` from now on, and start counting anew."""
        self._model_hash = model.digest
        self._features = tuple(
            (place, feature) for place, feature in enumerate(model.reference.features) if feature.name not in UNMEASURED
        )
        self._start()

    def count(self, at: Nanos, row: FeatureRow) -> None:
        """Count one bar's features, in the order of the model's."""
        if not self._rows:
            self._since = at
            self._due = at - at % HOUR_NANOS + HOUR_NANOS
        self._rows += 1
        for counts, (place, feature) in zip(self._counts, self._features, strict=True):
            counts[bisect_right(feature.edges, row[place])] += 1

    def measured(self, seq: int, at: Nanos) -> FeatureDriftMeasured | None:
        """What was counted, once the hour is over and there is enough of it; the next count starts from nothing."""
        if self._rows < MIN_ROWS or at < self._due or not self._features:
            return None
        indices = [
            (feature.name, stability_index(counts, feature.shares))
            for counts, (_, feature) in zip(self._counts, self._features, strict=True)
        ]
        indices.sort(key=lambda pair: (-pair[1], pair[0]))
        usual = {feature.name: feature.usual_drift for _, feature in self._features}
        beyond = tuple(name for name, index in indices if index >= DRIFT_LIMIT and index > usual[name])
        drift = FeatureDriftMeasured(
            cause=seq,
            at=at,
            contender=self._contender,
            since=self._since,
            rows=self._rows,
            indices=tuple(indices),
            drifted=bool(beyond),
            model_hash=self._model_hash,
            beyond=beyond,
        )
        self._start()
        return drift

    def _start(self) -> None:
        self._counts = [[0] * len(feature.shares) for _, feature in self._features]
        self._rows = 0
        self._since = self._due = 0


def stability_index(counts: Sequence[int], shares: Sequence[float]) -> float:
    """Population stability index of live `counts` against training `shares`, bin by bin."""
    total = Decimal(sum(counts))
    index = Decimal(0)
    for count, share in zip(counts, shares, strict=True):
        live = max(_PRECISION.divide(Decimal(count), total), SMALLEST_SHARE)
        trained = max(_PRECISION.create_decimal_from_float(share), SMALLEST_SHARE)
        ratio = _PRECISION.ln(_PRECISION.divide(live, trained))
        index = _PRECISION.fma(_PRECISION.subtract(live, trained), ratio, index)
    return float(index)
