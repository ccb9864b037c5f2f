"""What is known of a trained model: the manifest that stands beside its artefact and is recorded in SessionStarted.

A model is a folder of files named by the SHA-256 of its manifest, which holds the SHA-256 of every other file. So one
digest names the bytes that decide, the data and the code behind them, and the evidence for them.
"""

from hashlib import sha256

import msgspec
from msgspec import Struct

from titanflow.domain.types import InstrumentId, Nanos

MANIFEST_FILE = "manifest.json"
POSITION = "position"
"""The one feature that is not the market's: 1 where the contender wants to be long, else 0."""


class ModelFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file of a model."""

    name: str
    sha256: str
    size: int
    """Bytes."""


class FeatureCode(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One feature that a model reads, and the fingerprint of the code that computes it."""

    name: str
    fingerprint: str
    """SHA-256 of what the live code computes for it on fixed probe bars; see `titanflow.signal.fingerprint`."""


class LabelSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a model was taught to foresee."""

    method: str
    """`triple_barrier` or `forward_return`."""
    horizon_bars: int
    """The time barrier: bars after the decision at which the label is settled at the latest."""
    profit: float
    """Upper barrier in average true ranges above the close; 0 where the method has none."""
    stop: float
    """Lower barrier in average true ranges below the close; 0 where the method has none."""
    positives: float
    """Share of the training rows with label 1."""


class TrainingWindow(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The data that a model has seen: the barrier before which it must not be validated, nor trade."""

    source: str
    """File names of tapes, or `session NAME`."""
    sha256: str
    """Digest of the tapes' bytes, or of the session's events."""
    first_at: Nanos
    last_at: Nanos
    """When the last label was settled: the end of what the model has seen."""
    session: str = ""
    first_seq: int = 0
    last_seq: int = 0
    """Of a recorded session: the ledger's seqs that it has seen; 0 for tapes."""
    rows: int = 0
    instruments: tuple[InstrumentId, ...] = ()
    """Sorted. A model that reads the instrument knows the first of them as number 1; 0 is one that it never saw."""


class Calibration(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Platt's scaling of a raw score: P(label 1) = 1 / (1 + exp(-(slope * score + intercept))).

    Fitted on out-of-fold scores (Platt 1999, Probabilistic outputs for support vector machines).
    """

    slope: float
    intercept: float


class Thresholds(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a model speaks, unless its contender's parameters say otherwise: calibrated probabilities of label 1."""

    buy_above: float
    sell_below: float


class ModelManifest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The evidence of one trained model."""

    name: str
    """What its successors share: the model's place in the registry, such as `lightgbm`."""
    kind: str
    """lightgbm, lstm, tft, stack, ppo, or a kind that was added: what trained it."""
    artefact: str
    """Name of the file that decides: model.txt (LightGBM) or model.onnx."""
    files: tuple[ModelFile, ...]
    """Every file but the manifest, sorted by name."""
    features: tuple[FeatureCode, ...]
    """In the order in which the artefact reads them."""
    window: int
    """Bars that one inference reads, the newest last; 1 for a model of single rows."""
    bar_seconds: int
    label: LabelSpec
    training: TrainingWindow
    calibration: Calibration
    thresholds: Thresholds
    explanation_samples: int
    """Permutations behind one sampled Shapley explanation; 0 where the method is exact."""
    seed: int
    versions: dict[str, str]
    """Library -> version that the artefact was made with; the serving ones must fit what is installed."""
    metrics: dict[str, float]
    """Mean over the validation folds, and what the permutation test said; see docs/models.md."""
    has_edge: bool
    """Whether validation found an edge after costs; most models on little data have none."""
    trained_at: Nanos
    """Wall clock."""
    code_version: str
    parent: str = ""
    """Digest of the champion that it would replace; empty for the first of its name."""
    members: tuple[str, ...] = ()
    """Digests of the models that a stacking model reads."""


class FeatureReference(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One feature over the training rows: what live values are held against."""

    name: str
    mean: float
    deviation: float
    """Standard deviation; 1 where the feature never varied."""
    edges: tuple[float, ...]
    """Inner edges of its quantile bins, ascending."""
    shares: tuple[float, ...]
    """Share of the training rows in each bin: one more than edges."""
    usual_drift: float = 0.0
    """Largest population stability index of any hour of the training rows themselves; 0 where none was measured."""


class ModelReference(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the training set looked like (file reference.json): for the outlier gate, drift, and explanations."""

    features: tuple[FeatureReference, ...]
    precision: tuple[tuple[float, ...], ...]
    """Inverse of the correlation matrix of the features (shrunk), for the Mahalanobis distance."""
    distance_limit: float
    """99th percentile of that distance over the training rows: a dissimilarity of 1."""
    background: tuple[tuple[tuple[float, ...], ...], ...]
    """Windows (each bars x features) that stand for an absent feature in sampled Shapley values."""
    base_value: float
    """Mean raw score over the background."""


REFERENCE_FILE = "reference.json"


class RecordedModel(Struct, frozen=True, array_like=True):
    """A model as SessionStarted records it."""

    digest: str
    stage: str
    """Stage when the session opened: candidate, champion or retired."""
    manifest: ModelManifest


def manifest_bytes(manifest: ModelManifest) -> bytes:
    """The bytes of manifest.json: one text for one manifest."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def digest_of(manifest: ModelManifest) -> str:
    """The name of the model: SHA-256 of its manifest's bytes."""
    return sha256(manifest_bytes(manifest)).hexdigest()
