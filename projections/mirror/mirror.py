"""The mirror: tails one session's ledger and carries it to the legacy channels, the hot cache and the audit file.

Ledger first, always: it knows nothing but what it reads there. What messages say is in `images`.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import redis
import structlog

from eventstore.ledger import Block, Ledger
from eventstore.signs import SILENT, Signs
from eventstore.wire import is_out_of_memory
from projections.mirror.audit_log import AuditLog
from projections.mirror.images import AUDIT_CHANNEL, Images
from projections.mirror.messages import MarketData, PortfolioUpdate
from projections.mirror.publisher import CHECKPOINT, Publisher
from titanflow.domain.events import Event, Print
from titanflow.domain.types import Nanos
from titanflow.errors import ServerError

log = structlog.get_logger()

IDLE_WAIT_S = 0.25
MAX_EVENTS_A_BATCH = 1_000
"""How much is published in one atomic step: the server does nothing else meanwhile."""

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 2.0

_encode = msgspec.json.Encoder().encode


class HinderedError(ServerError):
    """The server refuses to publish (a missing right, no memory): the message says what; nothing has moved."""


class _Batch:
    """Messages that are to be published in one step."""

    __slots__ = ("events", "leaderboard", "messages", "prices", "published", "records")

    def __init__(self) -> None:
        self.events = 0
        self.messages: list[tuple[str, bytes]] = []
        self.prices: dict[str, bytes] = {}
        self.leaderboard = b""
        self.records: list[tuple[int, bytes]] = []
        self.published = False
        """Whether its checkpoint has moved: what remains is the cache of the latest session."""


class Mirror:
    """Mirrors one session. Its checkpoint in the ledger's keys is the last seq whose messages are published."""

    def __init__(
        self,
        ledger: Ledger[Event],
        client: redis.Redis,
        audit_log_path: Path | None = None,
        *,
        signs: Signs = SILENT,
    ) -> None:
        """Recover from the ledger and the audit file; publishes nothing yet.

        Its `signs` say what keeps it from publishing. Raises InputError or ServerError where the audit file cannot be
        used, and the ledger's errors.
        """
        self._ledger = ledger
        self._images = Images(ledger.session)
        self._started: Nanos = 0
        self._audit_log = AuditLog(audit_log_path, ledger.session) if audit_log_path else None
        self._publisher = Publisher(client, ledger.session)
        self._signs = signs
        self._give_up: Callable[[float], bool] = lambda waited: True
        self._owed: deque[_Batch] = deque()
        """Batches that are folded and not yet published."""
        self.position = ledger.checkpoint(CHECKPOINT)
        """Seq of the last event that is mirrored."""
        self._recover()

    def run(
        self, stopping: Callable[[], bool], leaving: Callable[[], bool] = lambda: True, patience: float = 0.0
    ) -> None:
        """Mirror until told to stop, and then what the ledger holds by then. A server that refuses is asked again.

        After the stop it is asked for `patience` seconds still, unless `leaving`. Raises FencedError when another
        mirror of this session has taken over, HinderedError where the server refuses to the end.
        """
        self._give_up = lambda waited: stopping()
        while not stopping():
            try:
                self.step(IDLE_WAIT_S)
            except HinderedError:
                break
        self._give_up = lambda waited: leaving() or waited >= patience
        self.catch_up()

    def catch_up(self) -> None:
        """Mirror everything up to the ledger's present end. Raises HinderedError where the server refuses it."""
        end = self._ledger.last_seq()
        while self.position < end:
            self.step(0)
        self._flush_audit_log()

    def step(self, timeout: float) -> int:
        """Mirror the next events, waiting up to `timeout` seconds for the first; returns how many there were."""
        before = self.position
        if not self._owed:
            self._collect_all(self._ledger.tail(before, timeout))
        while self._owed:
            self._patiently(self._deliver, self._owed[0])
            self._owed.popleft()
        self._flush_audit_log()
        return self.position - before

    def close(self) -> None:
        """Close the audit file and the connection; the ledger is the caller's."""
        self._publisher.close()
        if self._audit_log:
            self._audit_log.close()

    def _recover(self) -> None:
        """Fold what was mirrored before, write what the audit file misses of it, and renew the un-sessioned cache."""
        for block in self._ledger.read(1, self.position) if self.position else ():
            self._signs.recovering(block.last, self.position)
            self._started = self._started or block.recorded_at
            for seq, event in enumerate(block.events, block.first):
                if not isinstance(event, Print):
                    self._fold_again(seq, block.recorded_at, event)
            self._flush_audit_log()
        if self.position:
            try:
                self._publisher.renew_latest(self._started, *self._publisher.cache())
            except redis.ResponseError as error:
                # The next batch will tell whether it lasts.
                log.warning("the hot cache cannot be renewed", session=self._ledger.session, error=str(error))
        log.info("mirror ready", session=self._ledger.session, seq=self.position)

    def _fold_again(self, seq: int, recorded_at: Nanos, event: Event) -> None:
        for channel, message in self._images.of(seq, recorded_at, event):
            if self._audit_log and channel == AUDIT_CHANNEL:
                self._audit_log.add(seq, _encode(message))

    def _collect_all(self, blocks: Sequence[Block[Event]]) -> None:
        batch = _Batch()
        for block in blocks:
            self._started = self._started or block.recorded_at
            for seq, event in enumerate(block.events, block.first):
                self._collect(batch, seq, block.recorded_at, event)
                if batch.events == MAX_EVENTS_A_BATCH:
                    self._owed.append(batch)
                    batch = _Batch()
        if batch.events:
            self._owed.append(batch)

    def _patiently(self, deliver: Callable[[_Batch], None], batch: _Batch) -> None:
        """Deliver a batch, again and again while the server refuses; raises HinderedError when told to stop."""
        told, pause, since = "", _FIRST_PAUSE_S, time.monotonic()
        while True:
            try:
                deliver(batch)
            except redis.ResponseError as error:
                reason = self._hindrance(error)
                if told != reason:
                    log.warning("the mirror cannot publish", session=self._ledger.session, reason=reason)
                    self._signs.trouble(reason)
                    told = reason
                if self._give_up(time.monotonic() - since):
                    raise HinderedError(reason) from error
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
            else:
                if told:
                    self._signs.trouble("")
                return

    def _hindrance(self, error: redis.ResponseError) -> str:
        if is_out_of_memory(error):
            what = "Redis is out of memory (raise its maxmemory, or delete what it holds beside)"
        else:
            what = f"Redis refuses: {str(error).strip()}"
        return f"the mirror waits at seq {self.position}: {what}"

    def _collect(self, batch: _Batch, seq: int, recorded_at: Nanos, event: Event) -> None:
        batch.events += 1
        for channel, message in self._images.of(seq, recorded_at, event):
            line = _encode(message)
            batch.messages.append((channel, line))
            if type(message) is MarketData:
                batch.prices[message.symbol] = batch.prices[message.instrument] = line
            elif type(message) is PortfolioUpdate:
                batch.leaderboard = line
            elif channel == AUDIT_CHANNEL:
                batch.records.append((seq, line))

    def _deliver(self, batch: _Batch) -> None:
        if not batch.published:
            new = self.position + batch.events
            self._publisher.publish(self.position, new, batch.messages, batch.prices, batch.leaderboard)
            self.position = new
            self._signs.reached(new)
            batch.published = True
            if self._audit_log:
                for seq, line in batch.records:
                    self._audit_log.add(seq, line)
        self._publisher.renew_latest(self._started, batch.prices, batch.leaderboard)

    def _flush_audit_log(self) -> None:
        if self._audit_log:
            self._audit_log.flush()
