"""Who is being asked, and what is wrong with an answer: reasons for which a contender is set aside, alone.

What is told of a failure is the same in every run that fails alike: no addresses, no paths, nothing of the stack.
"""

import re
from collections.abc import Mapping, Sequence
from math import isfinite

from titanflow.domain.events import Explanation
from titanflow.domain.types import MAX_UNITS, ContenderId, OrderType, SetAsideReason, Side
from titanflow.signal.strategies import Opinion, Withheld

TimedOut = Mapping[ContenderId, int]
"""Contender -> seq of the event from which on it is not asked: there a call of it used up its CPU time."""
NOBODY_TIMED_OUT: TimedOut = {}

MAX_DETAIL = 200
"""Characters of a detail; what is longer is cut."""
_ADDRESS = re.compile(r"0x[0-9a-fA-F]+")
_DIRECTORY = re.compile(r"(?<![\w.])(?:[A-Za-z]:)?[/\\](?:[^\s'\"/\\]+[/\\])+")


class CallStopped(BaseException):
    """A call of a contender used up its CPU time. Raised from outside; the decider that it struck is torn."""

    def __init__(self, contender: ContenderId, seq: int) -> None:
        super().__init__(f"contender {contender} at seq {seq}")
        self.contender = contender
        self.seq = seq


class Unusable(Exception):
    """A contender gave what cannot be a signal."""

    def __init__(self, reason: SetAsideReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class Asking:
    """The call that is under way. It decides nothing: who limits calls looks here, at a time of their own."""

    __slots__ = ("calls", "contender", "seq")

    def __init__(self) -> None:
        self.contender: ContenderId = ""
        """Empty while nobody is asked."""
        self.seq = 0
        """Of the event at which it is asked."""
        self.calls = 0
        """Counts the calls, to tell one from the next."""

    def begin(self, contender: ContenderId, seq: int) -> None:
        """A call begins."""
        self.seq = seq
        self.calls += 1
        self.contender = contender

    def end(self) -> None:
        """It is over."""
        self.contender = ""


def failure(error: BaseException) -> tuple[SetAsideReason, str]:
    """Why a contender that raised this is set aside."""
    if isinstance(error, Unusable):
        return error.reason, told(str(error))
    name = type(error).__name__
    if isinstance(error, RecursionError | MemoryError):
        # Where the limit is met depends on the machine and on who called, and so does the message.
        return SetAsideReason.RAISED, name
    try:
        message = str(error)
    except Exception as unreadable:  # noqa: BLE001 - an exception of a contender's own may fail in any way
        message = f"its message cannot be read: {type(unreadable).__name__}"
    return SetAsideReason.RAISED, told(f"{name}: {message}" if message else name)


def told(text: str) -> str:
    """The text on one line, cut to MAX_DETAIL, without addresses and directories; it can always be encoded."""
    line = " ".join(text.encode("utf-8", "replace").decode().split())
    line = _DIRECTORY.sub("", _ADDRESS.sub("0x…", line))
    return line if len(line) <= MAX_DETAIL else line[: MAX_DETAIL - 1] + "…"


def check_opinion(answer: object) -> None:
    """Raises Unusable for an answer that is neither an Opinion nor Withheld, or holds a number that is none."""
    if isinstance(answer, Withheld):
        _check_side(answer.side)
        _check_numbers("context", tuple(pair for pair in answer.context if not isinstance(pair[1], str)))
        return
    if not isinstance(answer, Opinion) or not isinstance(answer.explanation, Explanation):
        raise _malformed(f"it gave {type(answer).__name__}, which is no opinion with its explanation")
    _check_side(answer.side)
    if not isinstance(answer.order_type, OrderType) or type(answer.closes_only) is not bool:
        raise _malformed(f"order type {answer.order_type!r}, closes only {answer.closes_only!r}")
    if type(answer.order_price) is not int or not 0 <= answer.order_price <= MAX_UNITS:
        raise _malformed(f"order price {answer.order_price!r}")
    _check_numbers("feature", answer.features)
    explanation = answer.explanation
    _check_numbers("contribution", explanation.contributions)
    _check_numbers("weight", explanation.weights)
    sums = ("score", explanation.score), ("base value", explanation.base_value), ("error", explanation.error)
    _check_numbers("", (*sums, ("confidence", answer.confidence)))
    if not 0.0 <= answer.confidence <= 1.0:
        raise _malformed(f"confidence {answer.confidence!r}")


def _check_side(side: object) -> None:
    if not isinstance(side, Side):
        raise _malformed(f"side {side!r}")


def _check_numbers(kind: str, pairs: Sequence[tuple[str, object]]) -> None:
    if type(pairs) is not tuple:
        raise _malformed(f"its {kind}s are {type(pairs).__name__}, no tuple")
    for name, value in pairs:
        if type(name) is not str or not isinstance(value, float | int) or isinstance(value, bool):
            raise _malformed(f"{kind} {name!r} is {type(value).__name__}".strip())
        name.encode()
        if not isfinite(value):
            raise Unusable(SetAsideReason.NOT_FINITE, f"{kind} {name} is {value}".strip())
        if type(value) not in (float, int) or (type(value) is int and abs(value) > MAX_UNITS):
            raise _malformed(f"{kind} {name} is {value!r}".strip())


def _malformed(detail: str) -> Unusable:
    return Unusable(SetAsideReason.MALFORMED, detail)
