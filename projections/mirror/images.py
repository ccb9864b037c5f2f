"""The table of images: which events appear on which legacy channel. A pure fold: the same ledger, the same messages."""

from collections.abc import Callable, Mapping
from typing import Any

from projections.mirror import audit, channels
from projections.mirror.messages import Message
from projections.mirror.records import Records
from titanflow.domain.events import (
    BarPointReceived,
    Event,
    KillSwitchTripped,
    LeaderboardPublished,
    ModelRolledBack,
    OrderApproved,
    OrderCancelled,
    OrderDenied,
    OrderFilled,
    OrderHeld,
    OrderRejected,
    OrderSubmitted,
    OrderTriggered,
    RiskCommandIssued,
    SignalGenerated,
    TickReceived,
)
from titanflow.domain.types import DenialCode, Nanos

AUDIT_CHANNEL = "audit_events"

TRADING: Mapping[type[Event], tuple[str, Callable[[Records, int, Any], Message]]] = {
    TickReceived: ("market_data", channels.market_data),
    BarPointReceived: ("market_data", channels.market_data),
    SignalGenerated: ("trade_signals", channels.trade_signal),
    OrderApproved: ("execution_requests", channels.execution_request),
    OrderFilled: ("execution_filled", channels.execution_filled),
    LeaderboardPublished: ("paper_portfolio_updates", channels.portfolio_update),
    RiskCommandIssued: ("risk_commands", channels.risk_command),
}
"""Event type -> its channel, and what makes its message."""

AUDITED: Mapping[type[Event], Callable[[Records, int, Nanos, Any], Message]] = {
    SignalGenerated: audit.signal,
    OrderApproved: audit.approved,
    OrderHeld: audit.held,
    OrderDenied: audit.denied,
    OrderSubmitted: audit.submitted,
    OrderTriggered: audit.triggered,
    OrderRejected: audit.rejected,
    OrderFilled: audit.fill,
    OrderCancelled: audit.cancelled,
    KillSwitchTripped: audit.kill_switch,
    ModelRolledBack: audit.manual_approval,
}
"""Event type -> what makes its audit record."""


def _concerns_no_order(event: Event) -> bool:
    """A person answered for an order that is not held: there is nothing of an order to record."""
    return type(event) is OrderDenied and event.code is DenialCode.UNKNOWN_ORDER


class Images:
    """Shown one session's events in order, it gives their messages."""

    def __init__(self, session: str) -> None:
        self._records = Records(session)

    def of(self, seq: int, recorded_at: Nanos, event: Event) -> list[tuple[str, Message]]:
        """(channel, message) pairs of the event at `seq`, which the ledger recorded at `recorded_at` (wall clock)."""
        images: list[tuple[str, Message]] = []
        self._records.learn(seq, event)
        if (trading := TRADING.get(type(event))) is not None:
            channel, make = trading
            images.append((channel, make(self._records, seq, event)))
        if (make_record := AUDITED.get(type(event))) is not None and not _concerns_no_order(event):
            images.append((AUDIT_CHANNEL, make_record(self._records, seq, recorded_at, event)))
        if type(event) is OrderDenied:
            self._records.forget(event)
        return images
