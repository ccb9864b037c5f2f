"""What a kind of model is taught on: the market's features, or of a stack, what its members said out of fold."""

from collections.abc import Sequence
from dataclasses import dataclass

from titanflow.domain.models import LabelSpec
from titanflow.models.loading import Loader
from titanflow.models.registry import Registry
from titanflow.signal.model import LearnedModel
from titanflow.training.causality import refuse_leaks
from titanflow.training.data import BarData
from titanflow.training.dataset import bar_frame, build_samples, default_features
from titanflow.training.samples import Samples
from titanflow.training.trainer import Progress

LEAKS, FEATURES = "looking for leaks", "features and labels"
"""What progress is told of."""


@dataclass(frozen=True)
class Lesson:
    """Rows to learn from, and what the model will read when it is served."""

    samples: Samples
    market: Samples
    """The features that the served model reads on the same bars; for all but a stack the samples themselves."""
    members: tuple[LearnedModel, ...] = ()
    """A stack's, loaded."""
    member_bars: int = 0
    """Bars that a stack's longest member reads; 0 where the trainer's own window counts."""


def market_lesson(data: BarData, names: Sequence[str], label: LabelSpec, progress: Progress) -> Lesson:
    """Features `names` (none: all that the data know) and labels. Raises InputError for one that knows the future."""
    samples = _samples(data, tuple(names) or default_features(data), label, progress)
    return Lesson(samples, samples)


def stack_lesson(
    data: BarData, references: Sequence[str], label: LabelSpec, registry: Registry, progress: Progress
) -> Lesson:
    """The out-of-fold scores of registered models. Raises InputError for members that are missing or do not fit."""
    from titanflow.training.trainers.stack_members import Target, choose_members, stack_inputs, stack_samples

    members = choose_members(registry, references, Target(data.window, data.bar_seconds, label))
    names, bars = stack_inputs(members)
    market = _samples(data, names, label, progress)
    loader = Loader(registry.read)
    loaded = tuple(loader.load(member.digest) for member in members)
    return Lesson(stack_samples(market, members), market, loaded, bars)


def _samples(data: BarData, names: tuple[str, ...], label: LabelSpec, progress: Progress) -> Samples:
    for number, bars in enumerate(data.bars.values()):
        progress(LEAKS, number / len(data.bars))
        refuse_leaks(bar_frame(bars), names)
    progress(LEAKS, 1.0)
    return build_samples(data, names, label, progress=lambda _what, done: progress(FEATURES, done))
