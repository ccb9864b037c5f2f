"""How a replay compares: byte for byte; closely where other libraries or processors compute a model's scores.

What the scores do not touch is always compared byte for byte, and so is, of a signal, all that is no score.
"""

from math import isclose
from typing import NamedTuple

import msgspec

from titanflow.domain.events import Event, SessionStarted, SignalGenerated, SignalWithheld

BYTE_FOR_BYTE = "byte for byte"
WITH_TOLERANCE = "tolerance"
TOLERANCE = 1e-4
"""Largest difference of two numbers, absolute or as a part of the larger one, whichever allows more.

Networks compute in single precision, with about seven digits, and add up some thousand terms in an order that depends
on the processor.
"""

Serving = tuple[tuple[str, str], ...]
"""(what, value) of what computes the scores of trained models; see `titanflow.models.serving.environment`."""


class Comparison(NamedTuple):
    """How to compare, and why so."""

    method: str
    """`byte for byte` or `tolerance`."""
    reason: str
    learned: frozenset[str] = frozenset()
    """The contenders whose numbers are compared to the tolerance."""

    def close(self, recorded: Event, recomputed: Event) -> bool:
        """Whether two different events are the same but for the last digits of a model's scores."""
        if not self.learned or type(recorded) is not type(recomputed):
            return False
        if not isinstance(recorded, SignalGenerated | SignalWithheld) or recorded.contender not in self.learned:
            return False
        return _close(msgspec.to_builtins(recorded), msgspec.to_builtins(recomputed))


def comparison_of(started: object, serving: Serving) -> Comparison:
    """How to compare a session that began with `started`, where `serving` computes the scores."""
    if not isinstance(started, SessionStarted) or not started.models:
        return Comparison(BYTE_FOR_BYTE, "no trained model decides in this session")
    if started.serving == serving:
        return Comparison(BYTE_FOR_BYTE, "the models are computed by the libraries and the processor of the recording")
    digests = {model.digest for model in started.models}
    learned = frozenset(spec.id for spec in started.contenders if spec.model_hash in digests)
    recorded, here = dict(started.serving), dict(serving)
    changed = [
        f"{name} {here.get(name) or 'unknown'} here, {recorded.get(name) or 'unknown'} when recorded"
        for name in dict.fromkeys([*recorded, *here])
        if recorded.get(name) != here.get(name)
    ]
    reason = f"scores of trained models to {TOLERANCE:g}, their sides and all else exactly: {'; '.join(changed)}"
    return Comparison(WITH_TOLERANCE, reason, learned)


def _close(recorded: object, recomputed: object) -> bool:
    if isinstance(recorded, float) and isinstance(recomputed, float):
        return isclose(recorded, recomputed, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    if isinstance(recorded, list | tuple) and isinstance(recomputed, list | tuple):
        return len(recorded) == len(recomputed) and all(map(_close, recorded, recomputed))
    return recorded == recomputed
