"""Re-decides a recorded session and compares every decided event, in order, by cause; how, says `comparison`."""

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from eventstore.codec import Codec, body
from eventstore.errors import BrokenLedgerError
from eventstore.ledger import Block, Ledger
from replay.comparison import Comparison, Serving, comparison_of
from titanflow.code_identity import Code, code_of, difference_of_code
from titanflow.deciders import new_deciders, owners, timed_out_in
from titanflow.domain.decider import Handler
from titanflow.domain.events import EVENT_TYPES, Event, SessionStarted
from titanflow.errors import InputError
from titanflow.signal.asking import NOBODY_TIMED_OUT, TimedOut
from titanflow.signal.model import NO_MODELS, Models

UNKNOWN = Code("", "")


class Divergence(NamedTuple):
    """The first place where recorded and recomputed history part."""

    seq: int
    """Where in the ledger: the recorded event's seq, or the last seq where an event is missing at the end."""
    decider: str
    cause: int
    """The seq of the event on which the decider decided otherwise."""
    recorded: Event | None
    """None: the decider decided something that the ledger does not hold."""
    recomputed: Event | None
    """None: the ledger holds something that the decider did not decide."""


class Verdict(NamedTuple):
    """What a replay found. The session is identical when there is no divergence."""

    session: str
    events: int
    decided: int
    """Events that were compared: those decided by deciders, from `first` on."""
    first: int
    last: int
    seconds: float
    digest: str
    """SHA-256 over the recorded events' bytes from seq 1 to `last`."""
    divergence: Divergence | None
    comparison: str
    """`byte for byte`, or `tolerance` where the scores of trained models are computed by something else than then."""
    reason: str
    """Why it was compared so."""
    recorded_code: Code
    """That the session was opened with."""
    code: Code
    """That decided it again."""

    @property
    def identical(self) -> bool:
        """Whether every decision came out as recorded."""
        return self.divergence is None

    @property
    def other_code(self) -> str:
        """In words, how the code here differs from that of the session; empty where it is the same."""
        return difference_of_code(self.recorded_code, self.code)

    @property
    def events_per_second(self) -> float:
        """Events read, decided on and compared in one second."""
        return self.events / self.seconds if self.seconds > 0 else 0.0


class _Diverged(Exception):
    def __init__(self, divergence: Divergence) -> None:
        super().__init__(divergence)
        self.divergence = divergence


Route = tuple[deque[Event] | None, tuple[tuple[Handler, deque[Event]], ...]]
"""Of one event type: decisions of its owner still to be met (None: it comes from outside), and who handles it."""


class Replayer:
    """Deciders in their initial state, and what each decided that the ledger has not shown yet."""

    def __init__(
        self,
        codec: Codec[Event],
        comparison: Comparison,
        first: int = 1,
        models: Models = NO_MODELS,
        timed_out: TimedOut = NOBODY_TIMED_OUT,
    ) -> None:
        """`timed_out` are those whose calls were stopped in the session, and the event of each."""
        self._codec = codec
        self._comparison = comparison
        self._first = first
        self._deciders = new_deciders(models=models, timed_out=timed_out)
        self._owners = owners()
        self.waiting: dict[str, deque[Event]] = {decider.name: deque() for decider in self._deciders}
        self._routes = {event_type: self._route(event_type) for event_type in EVENT_TYPES}
        self.decided = 0

    def feed(self, block: Block[Event]) -> None:
        """Show a block to every decider and compare its decided events with what they decided. Raises _Diverged."""
        events, routes = block.events, self._routes
        made: list[Event | None] | None = None
        try:
            for seq, event in enumerate(events, block.first):
                waiting, handlers = routes[type(event)]
                if waiting is not None:
                    if made is None:
                        made = list(events)
                    made[seq - block.first] = waiting.popleft() if waiting else None
                for handle, decisions in handlers:
                    decided = handle(seq, event)
                    if decided:
                        decisions.extend(decided)
        finally:
            # Also where a decider stumbled: over something that was never decided, if this finds a divergence.
            if made is not None:
                self._compare(block, made)

    def _route(self, event_type: type[Event]) -> Route:
        owner = self._owners.get(event_type)
        handlers = tuple(
            (handle, self.waiting[decider.name])
            for decider in self._deciders
            if (handle := decider.handlers.get(event_type)) is not None
        )
        return self.waiting[owner] if owner else None, handlers

    def _compare(self, block: Block[Event], made: Sequence[Event | None]) -> None:
        # One encoding of the whole block is the quick way; it differs also where the ledger holds older versions.
        whole = [event for event in made if event is not None]
        if self._first > block.first or len(whole) < len(made) or self._codec.encode(whole) != block.payload:
            for seq, (recorded, recomputed) in enumerate(zip(block.events, made, strict=True), block.first):
                if seq >= self._first and not self._same(recorded, recomputed):
                    raise _Diverged(self._divergence(seq, recorded, recomputed))
        compared = block.events[max(0, self._first - block.first) :]
        self.decided += len([event for event in compared if type(event) in self._owners])

    def _same(self, recorded: Event, recomputed: Event | None) -> bool:
        if recomputed is None:
            return False
        same_bytes = self._codec.encode_one(recorded) == self._codec.encode_one(recomputed)
        return same_bytes or self._comparison.close(recorded, recomputed)

    def _divergence(self, seq: int, recorded: Event, recomputed: Event | None) -> Divergence:
        decider = self._owners[type(recorded)]
        causes = [int(getattr(event, "cause", 0)) for event in (recorded, recomputed) if event is not None]
        return Divergence(seq, decider, min(causes), recorded, recomputed)

    def owed(self, checkpoints: dict[str, int], last: int) -> Divergence | None:
        """A decision that should be in the ledger, since its decider's checkpoint is past its cause, and is not."""
        for name, waiting in self.waiting.items():
            for event in waiting:
                cause = int(getattr(event, "cause", 0))
                if cause <= checkpoints.get(name, 0):
                    return Divergence(last, name, cause, None, event)
        return None


def verify(
    ledger: Ledger[Event],
    codec: Codec[Event],
    *,
    first: int = 1,
    last: int | None = None,
    models: Models = NO_MODELS,
    serving: Serving = (),
    code: Code = UNKNOWN,
    on_progress: Callable[[int], None] = lambda seq: None,
) -> Verdict:
    """Replay a session from its first event (a decider's state needs all of them), comparing from `first` to `last`.

    `models` are the session's own, `serving` what computes their scores here, `code` what decides here. Raises
    InputError for a range without events, as nothing would be proven, ModelError for models that are missing, and the
    ledger's own errors for a gap, a duplicate, a wrong order or a corrupt entry.
    """
    end = ledger.last_seq() if last is None else min(last, ledger.last_seq())
    if first > end:
        raise InputError(f"session {ledger.session!r} has no events from seq {first} to {last or end} to compare")
    opening = next(ledger.read(1, 1)).events[0]
    comparison = comparison_of(opening, serving)
    replayer = Replayer(codec, comparison, first, models, timed_out_in(_sound_events(ledger)))
    digest = hashlib.sha256()
    # Taken before reading: what these checkpoints promise is in the ledger by the time we read it.
    checkpoints = ledger.checkpoints() if last is None else {}
    started = time.perf_counter()
    seq = 0
    divergence: Divergence | None = None
    try:
        for block in ledger.read(1, last):
            digest.update(body(block.payload))
            seq = block.last
            replayer.feed(block)
            on_progress(seq)
        divergence = replayer.owed(checkpoints, seq)
    except _Diverged as diverged:
        divergence = diverged.divergence
    seconds = time.perf_counter() - started
    return Verdict(
        session=ledger.session,
        events=seq,
        decided=replayer.decided,
        first=first,
        last=seq,
        seconds=seconds,
        digest=digest.hexdigest(),
        divergence=divergence,
        comparison=comparison.method,
        reason=comparison.reason,
        recorded_code=code_of(opening) if isinstance(opening, SessionStarted) else UNKNOWN,
        code=code,
    )


def _sound_events(ledger: Ledger[Event]) -> Iterator[Event]:
    """Every event up to the first that cannot be read: what is wrong there is for the replay itself to meet."""
    try:
        for block in ledger.read():
            yield from block.events
    except BrokenLedgerError:
        return
