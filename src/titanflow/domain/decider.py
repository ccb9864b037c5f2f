"""What a decider is, how derived things get their ids, and where a decider's randomness comes from."""

from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Protocol

from titanflow.domain.events import Event

Decisions = Sequence[Event]
"""What a decider emits for one input event, in order; empty for most."""
Handler = Callable[[int, Any], Decisions]
"""(seq, event) -> decisions; may change the decider's own state, which nobody else touches."""

NOTHING: tuple[Event, ...] = ()
"""No decision: the one empty tuple, so that the tick path allocates nothing."""


class Decider(Protocol):
    """A deterministic state machine over the ledger: it reads no clock, no randomness, no environment, does no I/O.

    It is built empty and configures itself from SessionStarted. `handlers` maps each event type that it cares for to
    the bound method that handles it; the mapping is read once, before the first event. `emits` lists every event type
    that it alone may produce: no other decider emits them, which is how replay knows whose an event is.
    """

    name: str
    emits: tuple[type[Event], ...]

    @property
    def handlers(self) -> Mapping[type[Event], Handler]:
        """Event type -> handler, in no particular order (each event has one type)."""
        ...


def derived_id(identity: str, decider: str, seq: int, n: int = 0) -> str:
    """Id of the n-th thing that `decider` derives from the event at `seq`: unique, and the same in every replay."""
    return f"{identity}-{decider[0]}{seq}-{n}"


def random_bits(seed: int, key: str, n: int = 0) -> int:
    """64 uniform random bits: a pure function of the session's seed, the deriving id and a counter (BLAKE2b)."""
    return int.from_bytes(blake2b(f"{seed}|{key}|{n}".encode(), digest_size=8).digest(), "big")
