"""A stacking model: a small network over the calibrated log odds of other models, its members."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from titanflow.domain.models import ModelManifest
from titanflow.domain.types import InstrumentId
from titanflow.errors import ModelError
from titanflow.models.serving.calibrated import ServedModel
from titanflow.models.serving.onnx_session import OnnxSession
from titanflow.models.serving.scoring import Scores, Windows, feature_names
from titanflow.signal.model import LearnedModel, Window


class _Member(NamedTuple):
    model: ServedModel
    bars: int
    columns: tuple[int, ...]
    """Of the stack's features, those that the member reads, in its order."""
    reads_all: bool
    """Whether these are all, in the stack's order: then its rows are the stack's."""

    def part_of(self, window: Window) -> Window:
        """What the member reads of a window of the stack."""
        rows = window[-self.bars :]
        return rows if self.reads_all else tuple(tuple(row[column] for column in self.columns) for row in rows)


class StackedModels:
    """Scores windows of the union of the members' features: each member reads its own part of them."""

    def __init__(self, artefact: bytes, manifest: ModelManifest, members: Sequence[LearnedModel]) -> None:
        """Raises ModelError where a member is missing, or reads a feature or a bar that the stack does not have."""
        by_digest = {member.digest: member for member in members}
        missing = [digest for digest in manifest.members if digest not in by_digest]
        if missing or not manifest.members:
            raise ModelError(f"the stack {manifest.name} lacks its members {', '.join(missing) or '(it names none)'}")
        self._members = [_placed(by_digest[digest], manifest) for digest in manifest.members]
        self._meta = OnnxSession(artefact, 1, manifest.members, ())

    def score(self, instrument: InstrumentId, window: Window) -> float:
        """Raw score of one window. What a member has just been asked for its own contender, it remembers."""
        read = tuple(member.model.logit(instrument, member.part_of(window)) for member in self._members)
        return self._meta.score(instrument, (read,))

    def scores(self, instrument: InstrumentId, windows: Windows) -> Scores:
        """Raw scores: every member is asked once for all windows, then the network."""
        read = [member.model.logits(instrument, windows[:, -member.bars :, member.columns]) for member in self._members]
        return self._meta.scores(instrument, np.stack(read, axis=-1)[:, None, :])


def _placed(member: LearnedModel, stack: ModelManifest) -> _Member:
    if not isinstance(member, ServedModel):
        raise TypeError(f"{member!r} is not a model that `serve` made")
    names, union = feature_names(member.manifest), feature_names(stack)
    unread = [name for name in names if name not in union]
    if unread or member.manifest.window > stack.window:
        raise ModelError(
            f"the stack {stack.name} has {stack.window} bars of {', '.join(union)}; its member {member.manifest.name} "
            f"reads {member.manifest.window} bars{' and ' + ', '.join(unread) if unread else ''}"
        )
    return _Member(member, member.manifest.window, tuple(map(union.index, names)), names == union)
