"""Ends a session that no feed can go on with: what its deciders owe is decided, then it is closed."""

from titanflow.deciders import timed_out_in
from titanflow.domain.events import SessionEnded
from titanflow.gateway.lifecycle import ENDING, has_ended
from titanflow.runtime.fused import FusedLoop
from titanflow.runtime.ledgers import EventLedger
from titanflow.signal.model import NO_MODELS, Models


def close_session(ledger: EventLedger, reason: str, models: Models = NO_MODELS) -> None:
    """Decide what is owed, and end the session if it has not ended; the gateway stays where it is."""
    timed_out = timed_out_in(event for block in ledger.read() for event in block.events)
    loop = FusedLoop(ledger, models, timed_out)
    gateway = loop.recover()
    loop.flush(gateway)
    if not has_ended(ledger):
        loop.take([SessionEnded(loop.at, reason)])
        loop.flush(gateway, ENDING)
