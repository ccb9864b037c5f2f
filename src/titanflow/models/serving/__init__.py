"""From checked bytes to a model that answers: `serve` makes the scorer and the explainer that a kind of model needs.

Whether the bytes are the ones that the manifest names has been checked before (`titanflow.models.loading`).
"""

from collections.abc import Mapping, Sequence

import numpy as np

from titanflow.domain.models import ModelManifest, ModelReference
from titanflow.errors import ModelError
from titanflow.models.serving.calibrated import ServedModel
from titanflow.models.serving.lightgbm_native import NativeBooster
from titanflow.models.serving.onnx_session import OnnxSession
from titanflow.models.serving.scoring import Remembering, Scorer, Windows, feature_names, market_features
from titanflow.models.serving.shapley import GroupedShapley, ShownWeights, TreeShap
from titanflow.models.serving.stacked import StackedModels
from titanflow.signal.model import LearnedModel


def serve(
    manifest: ModelManifest, files: Mapping[str, bytes], reference: ModelReference, members: Sequence[LearnedModel] = ()
) -> ServedModel:
    """A model ready to infer and explain. `files`: name -> bytes; `members`: the models that a stack reads, any order.

    Raises ModelError where the artefact cannot be read, or does not read what manifest and reference describe.
    """
    try:
        return _served(manifest, files, reference, members)
    except ModelError as error:
        raise ModelError(f"model {manifest.name}, file {manifest.artefact}: {error}") from error


def _served(
    manifest: ModelManifest, files: Mapping[str, bytes], reference: ModelReference, members: Sequence[LearnedModel]
) -> ServedModel:
    if manifest.artefact not in files:
        raise ModelError("the file is missing")
    artefact, names = files[manifest.artefact], feature_names(manifest)
    _check_reference(manifest, reference)
    if manifest.kind == "stack":
        return _sampled(manifest, reference, StackedModels(artefact, manifest, members))
    if manifest.artefact.endswith(".txt"):
        if manifest.window != 1:
            raise ModelError(f"trees read one row, the manifest has a window of {manifest.window}")
        booster = NativeBooster(artefact, names)
        return ServedModel(manifest, reference, booster, TreeShap(booster, names).explain)
    network = OnnxSession(artefact, manifest.window, names, manifest.training.instruments)
    return _sampled(manifest, reference, network, network.weights)


def _sampled(
    manifest: ModelManifest, reference: ModelReference, scorer: Scorer, shown: ShownWeights | None = None
) -> ServedModel:
    background, remembering = _background(manifest, reference), Remembering(scorer)
    explainer = GroupedShapley(remembering, feature_names(manifest), background, manifest.explanation_samples, shown)
    return ServedModel(manifest, reference, remembering, explainer.explain)


def _check_reference(manifest: ModelManifest, reference: ModelReference) -> None:
    names, described = feature_names(manifest), tuple(feature.name for feature in reference.features)
    if described not in (names, market_features(names)):
        raise ModelError(f"the reference describes {', '.join(described)}, the manifest {', '.join(names)}")
    size = len(described)
    if len(reference.precision) != size or any(len(row) != size for row in reference.precision):
        raise ModelError(f"the reference's precision is not a square of {size} features")
    if not reference.distance_limit > 0:
        raise ModelError(f"the reference's distance limit is {reference.distance_limit}, expected more than 0")


def _background(manifest: ModelManifest, reference: ModelReference) -> Windows:
    """The background windows; those that were drawn from the market alone stand for a flat position."""
    width = len(reference.features)
    for window in reference.background:
        if len(window) != manifest.window or any(len(row) != width for row in window):
            raise ModelError(f"the reference's background is not of {manifest.window} bars of {width} features")
    if not reference.background:
        raise ModelError("the reference has no background: nothing can be explained")
    flat = (0.0,) * (len(manifest.features) - width)
    return np.array([[(*row, *flat) for row in window] for window in reference.background], dtype=np.float64)
