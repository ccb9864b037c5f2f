"""What the signal decider asks of a trained model. Who loads one and how it computes is `titanflow.models`.

A model has no state: the same window gives the same answer, on one machine to the bit.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from titanflow.domain.events import Explanation
from titanflow.domain.models import ModelManifest, ModelReference
from titanflow.domain.types import InstrumentId

FeatureRow = tuple[float, ...]
"""One bar's features, in the order of the manifest."""
Window = Sequence[FeatureRow]
"""The last `manifest.window` rows, the newest last."""


class Inference(NamedTuple):
    """What a model makes of a window."""

    score: float
    """Raw: the margin, logit or standardised return that an explanation adds up to."""
    probability: float
    """Calibrated probability that the label is 1 (the price rises first)."""
    dissimilarity: float
    """Distance of the newest row from the training set, in parts of the limit: above 1 it is an outlier."""


class LearnedModel(Protocol):
    """A loaded, checked artefact."""

    digest: str
    manifest: ModelManifest
    reference: ModelReference

    def infer(self, instrument: InstrumentId, window: Window) -> Inference:
        """Score a window. A score that is not a finite number comes back as it is: the caller withholds."""
        ...

    def explain(self, instrument: InstrumentId, window: Window, seed: int) -> Explanation:
        """Why: contributions of the features that add up, with the base value, to the raw score.

        `seed` is all the randomness that a sampling method may use.
        """
        ...


Models = Mapping[str, LearnedModel]
"""Digest -> model, of all models that a session may ask."""
NO_MODELS: Models = {}
