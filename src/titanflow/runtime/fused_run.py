"""Plays a feed through the fused loop into a ledger: at full speed (a backtest) or at a pace (a fused live session)."""

import threading
from collections.abc import Callable

import structlog

from eventstore.append import LAST_SEQ
from eventstore.errors import FencedError
from titanflow.domain.events import SessionEnded
from titanflow.domain.types import Nanos
from titanflow.gateway.feed import Feed
from titanflow.gateway.lifecycle import ENDING, has_ended
from titanflow.gateway.pace import Pace
from titanflow.gateway.service import END_OF_FEED, STOPPED
from titanflow.runtime.fused import BLOCK_EVENTS, FusedLoop
from titanflow.runtime.ledgers import EventLedger
from titanflow.runtime.operator_desk import session_started
from titanflow.signal.model import NO_MODELS, Models

log = structlog.get_logger()

OnFlush = Callable[[Nanos, int], None]


class FusedRun:
    """One session in one process; also goes on with one that was killed, in whichever topology it ran."""

    def __init__(self, ledger: EventLedger, feed: Feed, models: Models = NO_MODELS) -> None:
        self._ledger = ledger
        self._feed = feed
        self._models = models

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
            else:
                return

    def _play(self, pace: Pace | None, stop: threading.Event, on_flush: OnFlush) -> None:
        feed, ledger = self._feed, self._ledger
        loop = FusedLoop(ledger, self._models)
        done = loop.recover()
        loop.flush(done)
        if has_ended(ledger):
            return
        take, at = loop.take, loop.at
        for position, events, bad in feed.items(done):
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
            if in_hand >= BLOCK_EVENTS:
                loop.flush(done)
                on_flush(feed.now, loop.last_seq)
        loop.take([SessionEnded(at, STOPPED if stop.is_set() else END_OF_FEED)])
        loop.flush(done, ENDING)
        on_flush(at, loop.last_seq)
