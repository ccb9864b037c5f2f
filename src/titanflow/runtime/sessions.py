"""What is known of each session without reading all of it."""

from dataclasses import asdict, dataclass
from typing import Any

from eventstore.errors import BrokenLedgerError
from titanflow.domain.events import SessionStarted
from titanflow.domain.types import Nanos
from titanflow.gateway.lifecycle import has_ended
from titanflow.runtime.ledgers import EventLedger
from titanflow.runtime.processor import is_quiet


@dataclass(frozen=True)
class SessionSummary:
    """One line of `titanflow sessions`."""

    id: str
    opened_at: Nanos
    """Wall clock."""
    state: str
    """`empty` (registered, never opened), `open`, `ending` (deciders owe decisions), `ended`, or `broken`."""
    events: int
    feed: str
    first_at: Nanos
    last_at: Nanos

    def as_json(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)


def describe(ledger: EventLedger, opened_at: Nanos) -> SessionSummary:
    """Look at the first and the last event of a session; one that cannot be read is `broken`."""
    last = ledger.last_seq()
    if last == 0:
        return SessionSummary(ledger.session, opened_at, "empty", 0, "", 0, 0)
    try:
        first_event, last_event = (next(ledger.read(seq, seq)).events[0] for seq in (1, last))
    except BrokenLedgerError:
        return SessionSummary(ledger.session, opened_at, "broken", last, "", 0, 0)
    feed = first_event.feed if isinstance(first_event, SessionStarted) else None
    return SessionSummary(
        id=ledger.session,
        opened_at=opened_at,
        state="open" if not has_ended(ledger) else "ended" if is_quiet(ledger) else "ending",
        events=last,
        feed=f"{feed.provider} {feed.source}" if feed else "",
        first_at=getattr(first_event, "at", 0),
        last_at=getattr(last_event, "at", 0),
    )
