"""A model that answers what a test tells it to, behind a real manifest: for tests of who asks it, and what for."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from support.tiny_models import tiny_model_files
from titanflow.domain.events import Explanation
from titanflow.domain.models import (
    REFERENCE_FILE,
    ModelManifest,
    ModelReference,
    RecordedModel,
    TrainingWindow,
    digest_of,
)
from titanflow.domain.session_settings import ContenderSpec
from titanflow.signal.model import FeatureRow, Inference
from titanflow.signal.strategies import LearnedModelStrategy

Answer = Callable[[FeatureRow], Inference]


def surely(probability: float, dissimilarity: float = 0.5) -> Inference:
    """An answer of this probability."""
    return Inference(probability - 0.5, probability, dissimilarity)


class ScriptedModel:
    """Answers by the newest row. What it was asked is in `asked` (windows) and `explained` (instrument, seed)."""

    def __init__(
        self, answer: Answer, kind: str = "lightgbm", *, trained_from: int = 0, trained_until: int = 0, **changes: Any
    ) -> None:
        # The window of tiny models is that of their kind; here it is whatever the test says.
        window = changes.pop("window", 1)
        made, files = tiny_model_files(kind, **{"features": ("return_1",), **changes})
        training: TrainingWindow = msgspec.structs.replace(made.training, first_at=trained_from, last_at=trained_until)
        self.manifest: ModelManifest = msgspec.structs.replace(made, window=window, training=training)
        self.digest = digest_of(self.manifest)
        self.reference = msgspec.json.decode(files[REFERENCE_FILE], type=ModelReference)
        self.asked: list[tuple[FeatureRow, ...]] = []
        self.explained: list[tuple[str, int]] = []
        self._answer = answer

    def infer(self, instrument: str, window: Sequence[FeatureRow]) -> Inference:
        self.asked.append(tuple(window))
        return self._answer(window[-1])

    def explain(self, instrument: str, window: Sequence[FeatureRow], seed: int) -> Explanation:
        self.explained.append((instrument, seed))
        return Explanation("scripted", 0.0, window[-1][0], (("return_1", window[-1][0]),))

    def recorded(self, stage: str = "champion") -> RecordedModel:
        return RecordedModel(self.digest, stage, self.manifest)


def learned_contender(
    model: ScriptedModel, name: str = "learned", instruments: Sequence[str] = ("A.X",), **parameters: float | str
) -> ContenderSpec:
    """A contender that decides by this model, with every parameter."""
    values = {spec.name: spec.default for spec in LearnedModelStrategy.parameters} | parameters
    return ContenderSpec(
        name, name, "LearnedModel", tuple(sorted(values.items())), tuple(instruments), model.manifest.bar_seconds,
        model.digest, "champion", model.manifest.parent,
    )  # fmt: skip
