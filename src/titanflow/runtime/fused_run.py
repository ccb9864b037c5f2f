"""Plays a feed through the fused loop into a ledger: at full speed (a backtest) or at a pace (a fused live session)."""

import threading
from collections.abc import Callable, Iterator

import msgspec
import structlog

from eventstore.append import LAST_SEQ
from eventstore.errors import FencedError
from eventstore.ledger import Block
from eventstore.signs import SILENT, Signs
from titanflow.deciders import timed_out_in
from titanflow.domain.events import ContenderTimedOut, Event, SessionEnded
from titanflow.domain.types import NANOS_PER_SECOND, ContenderId, Nanos
from titanflow.gateway.feed import Feed
from titanflow.gateway.lifecycle import ENDING, has_ended
from titanflow.gateway.pace import Pace
from titanflow.gateway.service import END_OF_FEED, STOPPED
from titanflow.runtime.call_budget import CALL_CPU_SECONDS, CallBudget
from titanflow.runtime.fused import BLOCK_EVENTS, FusedLoop
from titanflow.runtime.ledgers import EventLedger
from titanflow.runtime.operator_desk import session_started
from titanflow.signal.asking import CallStopped
from titanflow.signal.engine import SignalEngine
from titanflow.signal.model import NO_MODELS, Models

log = structlog.get_logger()

OnFlush = Callable[[Nanos, int], None]


class FusedRun:
    """One session in one process; also goes on with one that was killed, in whichever topology it ran."""

    def __init__(
        self,
        ledger: EventLedger,
        feed: Feed,
        models: Models = NO_MODELS,
        call_cpu_seconds: float = CALL_CPU_SECONDS,
        signs: Signs = SILENT,
    ) -> None:
        """`call_cpu_seconds` is the CPU time that one call of a contender may use."""
        self._ledger = ledger
        self._signs = signs
        self._feed = feed
        self._models = models
        self._call_cpu_seconds = call_cpu_seconds
        self._unsaid: dict[ContenderId, ContenderTimedOut] = {}
        """Stopped calls that are not in the ledger yet, as the events at which they were made are not."""

    def run(
        self, *, pace: Pace | None = None, stop: threading.Event | None = None, on_flush: OnFlush = lambda at, seq: None
    ) -> None:
        """Play to the end of the feed, or until `stop` is set, and close the session. No `pace` means full speed.

        Raises SessionStateError for a session that was never opened, FencedError when another process feeds or decides
        this session.
        """
        session_started(self._ledger)
        while True:
            try:
                self._play(pace, stop or threading.Event(), on_flush)
            except FencedError as error:
                # An operator's command came in between: fold the ledger with it, and go on from there. Any other
                # fence means that a second instance runs this session, and this one is to end.
                if error.name != LAST_SEQ:
                    raise
                log.info("taking up what others appended", reason=str(error))
            except CallStopped as stopped:
                # The deciders in hand are torn. New ones fold the ledger, and the feed is played again from its end.
                allowed = round(self._call_cpu_seconds * NANOS_PER_SECOND)
                self._unsaid[stopped.contender] = ContenderTimedOut(0, stopped.contender, stopped.seq, allowed)
            else:
                return

    def _play(self, pace: Pace | None, stop: threading.Event, on_flush: OnFlush) -> None:
        ledger = self._ledger
        timed_out = timed_out_in(event for block in self._whole_ledger() for event in block.events)
        timed_out |= {name: late.seq for name, late in self._unsaid.items()}
        loop = FusedLoop(ledger, self._models, timed_out, self._signs)
        with CallBudget(loop.asking, self._call_cpu_seconds, after=ledger.checkpoint(SignalEngine.name)):
            done = loop.recover()
            self._say_timed_out(loop, loop.at)
            loop.flush(done)
            if not has_ended(ledger):
                self._play_on(loop, done, pace, stop, on_flush)

    def _whole_ledger(self) -> Iterator[Block[Event]]:
        end = self._ledger.last_seq()
        for block in self._ledger.read():
            self._signs.recovering(block.last, end)
            yield block

    def _play_on(self, loop: FusedLoop, done: int, pace: Pace | None, stop: threading.Event, on_flush: OnFlush) -> None:
        """From feed position `done` to the session's end."""
        feed, ledger = self._feed, self._ledger
        take, at = loop.take, loop.at
        for position, events, bad in feed.items(done, self._signs.recovering):
            if pace is not None and not pace.is_due(feed.now):
                loop.flush(done)
                on_flush(feed.now, loop.last_seq)
                pace.wait(feed.now, stop)
            if stop.is_set():
                break
            if bad is not None:
                ledger.dead_letters.add("gateway", bad.reason, bad.detail, bad.payload, key=f"gateway:{position}")
            in_hand = take(events)
            done = position
            if events:
                at = events[-1].at
            if self._unsaid:
                in_hand = self._say_timed_out(loop, at)
            if in_hand >= BLOCK_EVENTS:
                loop.flush(done)
                on_flush(feed.now, loop.last_seq)
        loop.take([SessionEnded(at, STOPPED if stop.is_set() else END_OF_FEED)])
        loop.flush(done, ENDING)
        on_flush(at, loop.last_seq)

    def _say_timed_out(self, loop: FusedLoop, at: Nanos) -> int:
        """Take the stopped calls whose events are in hand by now as events; returns how many events are in hand then.

        Right behind the event of the call, wherever blocks are cut: the same tape gives the same ledger.
        """
        in_hand = loop.take(())
        for name, late in list(self._unsaid.items()):
            if late.seq <= loop.end:
                in_hand = loop.take([msgspec.structs.replace(late, at=at)])
                del self._unsaid[name]
        return in_hand
