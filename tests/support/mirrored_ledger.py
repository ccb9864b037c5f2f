"""Filling a ledger for the mirror, and what the channels and the audit file must then say."""

import json
from collections.abc import Sequence

import msgspec

from eventstore.ledger import Move
from projections.mirror.images import AUDIT_CHANNEL, Images
from support.subscriber import Heard
from titanflow.domain.events import Event
from titanflow.runtime.ledgers import EventLedger


def append(ledger: EventLedger, events: Sequence[Event], block: int = 7) -> None:
    """The events in blocks of this size, the last maybe smaller."""
    for start in range(0, len(events), block):
        part = events[start : start + block]
        at = ledger.checkpoint("writer")
        ledger.append(part, [Move("writer", at, at + len(part))])


def expected(ledger: EventLedger) -> Heard:
    """What the whole ledger says on the channels."""
    images = Images(ledger.session)
    return [
        (channel, json.loads(msgspec.json.encode(message)))
        for block in ledger.read()
        for seq, event in enumerate(block.events, block.first)
        for channel, message in images.of(seq, block.recorded_at, event)
    ]


def audit_records(ledger: EventLedger) -> list[dict[str, object]]:
    """What the audit file must hold of the session."""
    return [body for channel, body in expected(ledger) if channel == AUDIT_CHANNEL]
