"""The services topology's loop: one decider in one process, reading the ledger in order, deciding, appending."""

import time
from collections.abc import Callable, Iterator, Sequence

import structlog

from eventstore.ledger import Block, Move
from eventstore.signs import SILENT, Signs
from titanflow.deciders import DECIDERS, new_deciders, timed_out_in
from titanflow.domain.decider import Handler
from titanflow.domain.events import ContenderTimedOut, Event, SessionEnded
from titanflow.gateway.lifecycle import has_ended
from titanflow.runtime.call_budget import CALL_CPU_SECONDS, CallBudget
from titanflow.runtime.ledgers import EventLedger
from titanflow.runtime.operator_desk import last_event_time
from titanflow.signal.asking import Asking, CallStopped
from titanflow.signal.engine import SignalEngine
from titanflow.signal.model import NO_MODELS, Models

log = structlog.get_logger()

IDLE_WAIT_S = 0.25
SETTLE_WAIT_S = 0.02
"""How long a reader with an unmoved checkpoint, or after the session's end, waits for more before it moves on."""
MOVE_EVERY_S = 0.1
MOVE_EVERY_EVENTS = 200
"""A checkpoint without decisions moves so often, whichever comes first: it tells others how far this decider is.

Seldom, for each move is a write that every server and process shares its processor with, while ticks want it.
"""


class Processor:
    """One decider at work on one ledger.

    Its checkpoint is the last seq whose decisions are in the ledger. A restart folds the ledger up to there without
    emitting and goes on; what it then decides is what it would have decided before, so nothing is doubled or lost.
    Nor is anything where a contender's call was stopped: the decider is thrown away and folded again without that one.
    """

    def __init__(
        self,
        ledger: EventLedger,
        name: str,
        stopping: Callable[[], bool],
        models: Models = NO_MODELS,
        call_cpu_seconds: float = CALL_CPU_SECONDS,
        signs: Signs = SILENT,
    ) -> None:
        """`call_cpu_seconds` is the CPU time that one call of a contender may use."""
        self.name = name
        self._ledger = ledger
        self._stopping = stopping
        self._signs = signs
        self._models = models
        self._call_cpu_seconds = call_cpu_seconds
        self._asking = Asking()
        self._handlers: dict[type[Event], Handler] = {}
        self._position = 0
        self._checkpoint = 0
        self._moved_at = 0.0
        self._ended = False

    def run(self) -> None:
        """Process until the session has ended and every decider has said its last, or until told to stop."""
        while True:
            self._recover()
            budget = CallBudget(self._asking, self._call_cpu_seconds, after=self._checkpoint)
            try:
                with budget:
                    self._follow()
            except CallStopped as stopped:
                self._note_timed_out(stopped, budget)
            else:
                return

    def _follow(self) -> None:
        while not self._stopping():
            settling = self._ended or self._checkpoint < self._position
            blocks = self._ledger.tail(self._position, SETTLE_WAIT_S if settling else IDLE_WAIT_S)
            if blocks:
                self._process(blocks)
            elif self._checkpoint < self._position:
                self._append([])
            elif self._ended and is_quiet(self._ledger):
                return
        self._append([])

    def _recover(self) -> None:
        self._make_decider()
        self._ended = False
        self._checkpoint = self._ledger.checkpoint(self.name)
        for block in self._ledger.read(1, self._checkpoint) if self._checkpoint else ():
            if self._stopping():
                return
            self._decide(block)
            self._signs.recovering(block.last, self._checkpoint)
        self._position = self._checkpoint
        self._signs.reached(self._checkpoint)
        log.info("decider ready", decider=self.name, seq=self._checkpoint)

    def _make_decider(self) -> None:
        asks = self.name == SignalEngine.name
        timed_out = timed_out_in(self._whole_ledger()) if asks else {}
        (decider,) = new_deciders([self.name], self._models, timed_out)
        self._handlers = dict(decider.handlers)
        if isinstance(decider, SignalEngine):
            self._asking = decider.asking

    def _whole_ledger(self) -> Iterator[Event]:
        for block in self._ledger.read():
            if self._stopping():
                return
            yield from block.events

    def _note_timed_out(self, stopped: CallStopped, budget: CallBudget) -> None:
        """Put it into the ledger, for this decider's next fold and for every replay."""
        at = last_event_time(self._ledger)
        late = ContenderTimedOut(at, stopped.contender, stopped.seq, budget.allowed)
        here = Move(self.name, self._checkpoint, self._checkpoint)
        self._ledger.append([late], [here, Move(f"timed-out:{stopped.contender}", 0, stopped.seq)])

    def _process(self, blocks: Sequence[Block[Event]]) -> None:
        decisions = [event for block in blocks for event in self._decide(block)]
        self._position = blocks[-1].last
        behind = self._position - self._checkpoint
        if decisions or behind >= MOVE_EVERY_EVENTS or time.monotonic() - self._moved_at >= MOVE_EVERY_S:
            self._append(decisions)

    def _decide(self, block: Block[Event]) -> list[Event]:
        decisions: list[Event] = []
        handlers = self._handlers
        for seq, event in enumerate(block.events, block.first):
            handle = handlers.get(type(event))
            if handle is not None:
                decided = handle(seq, event)
                if decided:
                    decisions.extend(decided)
            if type(event) is SessionEnded:
                self._ended = True
        return decisions

    def _append(self, decisions: list[Event]) -> None:
        if self._position > self._checkpoint:
            self._ledger.append(decisions, [Move(self.name, self._checkpoint, self._position)])
            self._checkpoint = self._position
            self._signs.reached(self._checkpoint)
            self._moved_at = time.monotonic()


def is_over(ledger: EventLedger) -> bool:
    """Whether the session has ended and every decider has said its last."""
    return has_ended(ledger) and is_quiet(ledger)


def is_quiet(ledger: EventLedger) -> bool:
    """Whether every decider has seen the whole ledger, so that nothing will be decided any more.

    Sound because a decider's outputs and its checkpoint move in one atomic step: if all checkpoints stand at the last
    seq read before them, no output can be missing, and the last seq read after them shows that none came since.
    """
    last = ledger.last_seq()
    checkpoints = ledger.checkpoints()
    return all(checkpoints.get(name, 0) >= last for name in DECIDERS) and ledger.last_seq() == last
