"""A served model: its artefact's raw score, calibrated, with the outlier gate and the reasons why."""

from collections.abc import Callable
from math import exp

from titanflow.domain.events import Explanation
from titanflow.domain.models import Calibration, ModelManifest, ModelReference, digest_of
from titanflow.domain.types import InstrumentId
from titanflow.models.serving.outlier import OutlierGate
from titanflow.models.serving.scoring import Scorer, Scores, Windows, feature_names
from titanflow.signal.model import Inference, Window

Explain = Callable[[InstrumentId, Window, int], Explanation]


class ServedModel:
    """The port `titanflow.signal.model.LearnedModel` over a loaded artefact."""

    def __init__(self, manifest: ModelManifest, reference: ModelReference, scorer: Scorer, explain: Explain) -> None:
        self.digest = digest_of(manifest)
        self.manifest = manifest
        self.reference = reference
        self.explain = explain
        """Why: see the port. Which method, and how exact it is, the explanation says itself."""
        self._scorer = scorer
        self._score = scorer.score
        self._dissimilarity = OutlierGate(reference, feature_names(manifest)).dissimilarity

    def infer(self, instrument: InstrumentId, window: Window) -> Inference:
        """Score a window. A score that is not a finite number comes back as it is: the caller withholds."""
        score = self._score(instrument, window)
        return Inference(score, probability(self.manifest.calibration, score), self._dissimilarity(window[-1]))

    def scores(self, instrument: InstrumentId, windows: Windows) -> Scores:
        """Raw scores of many windows of one instrument."""
        return self._scorer.scores(instrument, windows)

    def logit(self, instrument: InstrumentId, window: Window) -> float:
        """Calibrated logarithm of the odds of label 1 of one window."""
        calibration = self.manifest.calibration
        return calibration.slope * self._score(instrument, window) + calibration.intercept

    def logits(self, instrument: InstrumentId, windows: Windows) -> Scores:
        """Calibrated logarithms of the odds of label 1: what a stacking model reads of its members."""
        calibration = self.manifest.calibration
        return calibration.slope * self.scores(instrument, windows) + calibration.intercept


def probability(calibration: Calibration, score: float) -> float:
    """Platt's scaling of a raw score. The exponent is never positive, so no score, however large, overflows."""
    odds = calibration.slope * score + calibration.intercept
    if odds >= 0.0:
        return 1.0 / (1.0 + exp(-odds))
    small = exp(odds)
    return small / (1.0 + small)
