"""The gateway as a service: plays a feed into the ledger at a pace, and holds back while the deciders lag behind."""

from collections.abc import Callable, Iterator

from eventstore.ledger import Ledger, Move
from eventstore.signs import SILENT, Signs
from titanflow.domain.events import Event, SessionEnded
from titanflow.domain.types import Nanos
from titanflow.gateway.bad_ticks import BadTick
from titanflow.gateway.feed import Feed, FeedItem
from titanflow.gateway.lifecycle import ENDING, has_ended
from titanflow.gateway.pace import Pace, StopSignal

CHECKPOINT = "gateway"
"""Checkpoint whose value is the feed position up to which everything is in the ledger or the dead letters."""
DEAD_LETTER_SOURCE = "gateway"
MAX_BLOCK_EVENTS = 1000
LAG_POLL_SECONDS = 0.005

STOPPED = "stopped"
END_OF_FEED = "end of feed"
ALREADY_ENDED = "already ended"


class GatewayService:
    """Appends a feed to a ledger, from where its checkpoint stands. One instance runs at a time: others are fenced."""

    def __init__(
        self,
        ledger: Ledger[Event],
        feed: Feed,
        pace: Pace,
        *,
        lag_of: Callable[[], int],
        max_lag_events: int,
        stop: StopSignal,
        on_progress: Callable[[int, Nanos], None] = lambda position, at: None,
        ends_session: bool = True,
        signs: Signs = SILENT,
    ) -> None:
        """`lag_of` says how many events the slowest decider is behind; `on_progress` hears position and event time.

        `ends_session` False leaves the session open when the service stops, so that another goes on with it.
        """
        self._ledger = ledger
        self._feed = feed
        self._pace = pace
        self._lag_of = lag_of
        self._max_lag_events = max_lag_events
        self._stop = stop
        self._on_progress = on_progress
        self.ends_session = ends_session
        self._signs = signs
        self._position = 0
        self._now: Nanos | None = None
        self._block: list[Event] = []
        self._refused: list[tuple[int, BadTick]] = []

    def run(self) -> str:
        """Play until the feed ends or the stop signal is set; returns which.

        The session must be open (see `lifecycle`). Raises FencedError if another gateway moves its checkpoint.
        """
        if has_ended(self._ledger):
            return ALREADY_ENDED
        self._position = self._ledger.checkpoint(CHECKPOINT)
        reason = STOPPED if self._play(self._feed.items(self._position, self._signs.recovering)) else END_OF_FEED
        if self.ends_session:
            self._end_session(reason)
        return reason

    def _play(self, items: Iterator[FeedItem]) -> bool:
        """Take every item when it is due; whether it was stopped. What was taken is in the ledger on return."""
        taken = self._position
        for item in items:
            if self._stop.is_set() or not self._await(item, taken):
                self._flush(taken)
                return True
            self._take(item)
            taken = item.position
            if len(self._block) + len(self._refused) >= MAX_BLOCK_EVENTS:
                self._flush(taken)
        self._flush(taken)
        return False

    def _take(self, item: FeedItem) -> None:
        self._block += item.events
        if item.bad is not None:
            self._refused.append((item.position, item.bad))
        if item.events:
            self._now = item.events[-1].at

    def _await(self, item: FeedItem, taken: int) -> bool:
        """Return True once the item is due, False when stopped before; what is in hand goes out before a wait."""
        if not item.events or self._pace.is_due(item.events[0].at):
            return True
        self._flush(taken)
        return self._pace.wait(item.events[0].at, self._stop)

    def _flush(self, position: int) -> None:
        """Set refused rows aside, then append what is in hand and move the checkpoint past both."""
        if position == self._position:
            return
        self._hold_back()
        for place, bad in self._refused:
            key = f"{DEAD_LETTER_SOURCE}:{place}"
            self._ledger.dead_letters.add(DEAD_LETTER_SOURCE, bad.reason, bad.detail, bad.payload, key=key)
        self._ledger.append(self._block, [Move(CHECKPOINT, self._position, position)])
        self._block, self._refused, self._position = [], [], position
        self._signs.reached(position)
        self._on_progress(position, self._event_time)

    @property
    def _event_time(self) -> Nanos:
        return self._feed.now if self._now is None else self._now

    def _hold_back(self) -> None:
        """Wait while the slowest decider is too far behind; a stop ends the wait."""
        held = False
        while self._lag_of() > self._max_lag_events and not self._stop.wait(LAG_POLL_SECONDS):
            held = True
        if held:
            self._pace.resume()

    def _end_session(self, reason: str) -> None:
        fence = Move(CHECKPOINT, self._position, self._position)
        self._ledger.append([SessionEnded(self._event_time, reason)], [ENDING, fence])
