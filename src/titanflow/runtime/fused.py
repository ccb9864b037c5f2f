"""The fused topology's loop: one process, one writer, every decider; one outside event at a time until all is quiet."""

from collections.abc import Iterable

from eventstore.append import LAST_SEQ, Move
from eventstore.signs import SILENT, Signs
from titanflow.deciders import new_deciders
from titanflow.domain.decider import Handler
from titanflow.domain.events import EVENT_TYPES, Event
from titanflow.domain.types import Nanos
from titanflow.runtime.ledgers import EventLedger
from titanflow.signal.asking import NOBODY_TIMED_OUT, Asking, TimedOut
from titanflow.signal.engine import SignalEngine
from titanflow.signal.model import NO_MODELS, Models

BLOCK_EVENTS = 1000
"""A block is written when it holds at least so many events; how blocks are cut changes no event and no digest."""


class FusedLoop:
    """All deciders in one process. `recover` first, then `take` events from outside, and `flush` what is in hand.

    The block in hand is also the queue of events still to be shown to the deciders: outputs go to its end, and every
    decider sees every event in ledger order, first come first served, until no one has more to say.
    """

    def __init__(
        self,
        ledger: EventLedger,
        models: Models = NO_MODELS,
        timed_out: TimedOut = NOBODY_TIMED_OUT,
        signs: Signs = SILENT,
    ) -> None:
        """`timed_out` are those whose calls were stopped in this session, and the event of each."""
        self._ledger = ledger
        self._signs = signs
        self._deciders = new_deciders(models=models, timed_out=timed_out)
        self._block: list[Event] = []
        self.last_seq = 0
        """Seq of the last event that is in the ledger."""
        self.at: Nanos = 0
        """Event time of the last event that the ledger held on recovery."""
        self._gateway = 0
        tables = [decider.handlers for decider in self._deciders]
        self._routes: dict[type[Event], tuple[Handler, ...]] = {
            event_type: tuple(table[event_type] for table in tables if event_type in table)
            for event_type in EVENT_TYPES
        }

    @property
    def asking(self) -> Asking:
        """Whom the signal decider asks at this moment."""
        return next(decider.asking for decider in self._deciders if isinstance(decider, SignalEngine))

    @property
    def end(self) -> int:
        """Seq of the last event in hand."""
        return self.last_seq + len(self._block)

    def recover(self) -> int:
        """Fold what the ledger holds, decide what is still owed, and return the feed position to go on from.

        A decider whose checkpoint is behind (the session was killed, or ran as services) decides what it had not.
        """
        checkpoints = self._ledger.checkpoints()
        self._gateway = checkpoints.get("gateway", 0)
        end = self._ledger.last_seq()
        for block in self._ledger.read():
            for seq, event in enumerate(block.events, block.first):
                for decider in self._deciders:
                    handle = decider.handlers.get(type(event))
                    decided = handle(seq, event) if handle else ()
                    if seq > checkpoints.get(decider.name, 0):
                        self._block.extend(decided)
            self.last_seq = block.last
            self._signs.recovering(block.last, end)
            self.at = getattr(block.events[-1], "at", self.at)
        self._checkpoints = {decider.name: checkpoints.get(decider.name, 0) for decider in self._deciders}
        self._drain(0)
        return self._gateway

    def take(self, events: Iterable[Event]) -> int:
        """Show events from outside to the deciders, each until quiet; returns how many events are in hand now."""
        block, routes, last = self._block, self._routes, self.last_seq
        for event in events:
            block.append(event)
            end = len(block)
            # Most events lead to nothing: the hot path is this loop alone.
            for handle in routes[type(event)]:
                decided = handle(last + end, event)
                if decided:
                    block.extend(decided)
            if len(block) > end:
                self._drain(end)
        return len(block)

    def _drain(self, index: int) -> None:
        """Show the events from `index` on to the deciders, and what they decide on those, until quiet."""
        block, routes, base = self._block, self._routes, self.last_seq + 1
        while index < len(block):
            event = block[index]
            for handle in routes[type(event)]:
                decided = handle(base + index, event)
                if decided:
                    block.extend(decided)
            index += 1

    def flush(self, gateway: int, *extra: Move) -> None:
        """Append the block in hand, moving every checkpoint to its end and the gateway's to feed position `gateway`.

        Raises FencedError when the ledger is not as this loop left it: somebody else (an operator) appended, so the
        seqs in hand are wrong. The caller then starts again with a new loop and `recover`, and loses nothing.
        """
        block = self._block
        end = self.last_seq + len(block)
        moves = [Move(name, at, end) for name, at in self._checkpoints.items()]
        moves += [Move("gateway", self._gateway, gateway), *extra]
        if any(move.new > move.expected for move in moves):
            moves.append(Move(LAST_SEQ, self.last_seq, self.last_seq))
            self._ledger.append(block, moves)
        self._block = []
        self.last_seq = end
        self._gateway = gateway
        self._checkpoints = dict.fromkeys(self._checkpoints, end)
        self._signs.reached(end)
