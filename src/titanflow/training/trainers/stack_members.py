"""The models that a stacking model learns from: which they are, whether they fit, and what they said out of fold.

Every score here was made by a model that had not seen its row: the samples that a stack learns from leak nothing.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from titanflow.domain.models import POSITION, LabelSpec, ModelManifest, TrainingWindow
from titanflow.errors import InputError
from titanflow.models.registry import SHORT, RegisteredModel, Registry
from titanflow.models.stages import Stage
from titanflow.signal.features import FEATURE_MEANINGS
from titanflow.training.results import VALIDATION_FILE
from titanflow.training.samples import Samples
from titanflow.training.trainers import TRAINERS

LARGEST_LOGIT = 10.0
"""Calibrated log odds beyond it (a probability of 0.99995) count as much: no member decides alone."""
DEFAULT_MEMBERS = ("lightgbm", "lstm", "tft")
"""The kinds that ship and foresee the label from the market alone."""

Key = NDArray[np.void]
_KEY = np.dtype([("instrument", np.int32), ("closed_at", np.int64)])


@dataclass(frozen=True)
class Target:
    """What members must have in common with the stack that is to be trained."""

    window: TrainingWindow
    bar_seconds: int
    label: LabelSpec


class Member(NamedTuple):
    """One model that the stack reads."""

    name: str
    digest: str
    manifest: ModelManifest
    validation: bytes
    """Its validation.npz."""


def choose_members(registry: Registry, references: Sequence[str], target: Target) -> tuple[Member, ...]:
    """The models that are meant, in the order in which they are named.

    A name is its champion, where that was trained on the same data, else the newest model of that name that was; what
    else `Registry.find` knows is found by it. Raises InputError that says what to train first, or what differs.
    """
    members = tuple(_chosen(registry, reference, target) for reference in references)
    digests = [member.digest for member in members]
    if len(digests) < 2 or len(set(digests)) < len(digests):
        raise InputError(f"model.stack.members = {list(references)}: expected two or more models, each named once")
    return members


def stack_inputs(members: Sequence[Member]) -> tuple[tuple[str, ...], int]:
    """The features of all members together, in the order of the feature vector, and the longest member's window."""
    read = {code.name for member in members for code in member.manifest.features}
    return tuple(name for name in FEATURE_MEANINGS if name in read), max(each.manifest.window for each in members)


def stack_samples(samples: Samples, members: Sequence[Member]) -> Samples:
    """The same rows with each member's log odds, scored out of fold, for features; NaN where one said nothing.

    Scores are in units of the member's final model and go through its one calibration, as in a session; each fold's
    own would put folds on scales that differ a thousandfold. It adds no knowledge of later labels: one slope and one
    intercept for a whole column change nothing for a stack that standardises. Raises InputError where a member's scores
    are of no row of these, or its labels are not these rows' labels.
    """
    columns = [_logits(samples, member) for member in members]
    names = tuple(f"{member.name} {member.digest[:SHORT]}" for member in members)
    return replace(samples, features=np.stack(columns, axis=1), feature_names=names)


def _chosen(registry: Registry, reference: str, target: Target) -> Member:
    models = [model for model in registry.models() if model.name == reference]
    if not models:
        if reference in TRAINERS:
            raise InputError(
                f"the stack needs a model {reference!r} and there is none: run `titanflow train {reference} --data …` "
                f"on the same data first"
            )
        models = [registry.model(registry.find(reference))]
    fitting = [model for model in models if model.manifest and not differences(model.manifest, target)]
    if not fitting:
        raise InputError(_no_fit(reference, models, target))
    # Python's sort is stable: models come by time of training, so the newest is last, and any champion after it.
    best = sorted(fitting, key=lambda model: model.stage is Stage.CHAMPION)[-1]
    return _read(registry, best.digest)


def differences(manifest: ModelManifest, target: Target) -> list[str]:
    """What keeps a model from being a member; [] where nothing does."""
    found = []
    if any(code.name == POSITION for code in manifest.features):
        found.append("its score depends on its own position, not on the market alone")
    if manifest.members:
        found.append("it is a stack itself")
    compared = (
        ("data", manifest.training.sha256[:SHORT], target.window.sha256[:SHORT]),
        ("bar_seconds", manifest.bar_seconds, target.bar_seconds),
        *(
            (f"label.{field}", getattr(manifest.label, field), getattr(target.label, field))
            for field in ("method", "horizon_bars", "profit", "stop")
        ),
    )
    return found + [f"{name} {has} where {wanted} is expected" for name, has, wanted in compared if has != wanted]


def _no_fit(reference: str, models: Sequence[RegisteredModel], target: Target) -> str:
    newest = models[-1]
    if newest.manifest is None:
        return f"model {newest.digest[:SHORT]} ({reference}) is damaged; `titanflow models verify` tells more"
    return (
        f"no model {reference!r} fits the stack; the newest, {newest.digest[:SHORT]}, differs: "
        f"{'; '.join(differences(newest.manifest, target))}. Run `titanflow train {newest.manifest.kind}` on the same "
        f"data with the same label first"
    )


def _read(registry: Registry, digest: str) -> Member:
    manifest, files = registry.manifest(digest), registry.read(digest)
    if VALIDATION_FILE not in files:
        raise InputError(f"model {digest[:SHORT]} ({manifest.name}) has no {VALIDATION_FILE}: train it again")
    return Member(manifest.name, digest, manifest, files[VALIDATION_FILE])


def _logits(samples: Samples, member: Member) -> NDArray[np.float64]:
    with np.load(io.BytesIO(member.validation), allow_pickle=False) as said:
        known = np.isin(said["instrument"], samples.instruments)
        place = np.searchsorted(samples.instruments, said["instrument"][known])
        theirs = _keys(place, said["closed_at"][known])
        score, label = said["score"][known].astype(np.float64), said["label"][known]
    ours = _keys(samples.instrument, samples.closed_at)
    _, rows, entries = np.intersect1d(ours, theirs, assume_unique=True, return_indices=True)
    if not len(rows):
        raise InputError(f"model {member.digest[:SHORT]} ({member.name}) was validated on none of these bars")
    unequal = int(np.sum((samples.label[rows] >= 0) & (samples.label[rows] != label[entries])))
    if unequal:
        raise InputError(
            f"model {member.digest[:SHORT]} ({member.name}) learned other labels: {unequal:,} of {len(rows):,} differ; "
            f"train it again on the same data"
        )
    logits = np.full(len(ours), np.nan)
    calibration = member.manifest.calibration
    odds = calibration.slope * score[entries] + calibration.intercept
    logits[rows] = np.clip(odds, -LARGEST_LOGIT, LARGEST_LOGIT)
    return logits


def _keys(instrument: NDArray[np.generic], closed_at: NDArray[np.generic]) -> Key:
    keys = np.empty(len(instrument), dtype=_KEY)
    keys["instrument"], keys["closed_at"] = instrument, closed_at
    return keys
