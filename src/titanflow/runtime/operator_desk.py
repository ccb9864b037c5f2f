"""An operator's commands on their way into the ledger, checked against the session first."""

import difflib
import uuid
from collections.abc import Iterable

from eventstore.errors import FencedError
from eventstore.ledger import Move
from titanflow.domain.events import (
    Event,
    OperatorCommanded,
    OrderApproved,
    OrderDenied,
    OrderHeld,
    SessionStarted,
)
from titanflow.domain.types import ContenderId, Nanos, OperatorAction, OrderId
from titanflow.errors import InputError, SessionStateError
from titanflow.gateway.lifecycle import SESSION, WHILE_OPEN, has_ended
from titanflow.runtime.ledgers import EventLedger


def command(
    ledger: EventLedger,
    action: OperatorAction,
    operator: str,
    *,
    contender: ContenderId = "",
    order_id: OrderId = "",
    reason: str = "",
) -> int:
    """Append an OperatorCommanded and return its seq. Its event time is that of the ledger's last event.

    Raises SessionStateError when the session has ended, InputError for a contender that it does not have, or that has
    no parent to use or uses it already.
    """
    if has_ended(ledger):
        raise _too_late(ledger, action)
    started = session_started(ledger)
    contenders = [spec.id for spec in started.contenders]
    if contender and contender not in contenders:
        have = suggested(contender, contenders)
        raise InputError(f"contender {contender!r} is unknown: session {ledger.session!r} has {have}")
    if action is OperatorAction.USE_PARENT:
        _check_parent(ledger, started, contender)
    event = OperatorCommanded(
        at=last_event_time(ledger),
        action=action,
        operator=operator,
        contender=contender,
        order_id=order_id,
        reason=reason,
    )
    try:
        (seq,) = ledger.append([event], [WHILE_OPEN, Move(f"operator:{uuid.uuid4().hex}", 0, 1)])
    except FencedError as error:
        if error.name != SESSION:
            raise
        raise _too_late(ledger, action) from error
    return seq


def suggested(name: str, known: Iterable[str]) -> str:
    """What could have been meant: the nearest of the known names first, then all of them."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    return ", ".join(names) + (f"; did you mean {near[0]!r}?" if near else "")


def not_held(ledger: EventLedger, order_id: OrderId) -> InputError:
    """What to raise for an order that is not held: what became of it, or which ones are."""
    held: dict[OrderId, OrderHeld] = {}
    fate = ""
    for block in ledger.read(2):
        for event in block.events:
            if isinstance(event, OrderHeld):
                held[event.order_id] = event
            elif isinstance(event, OrderApproved | OrderDenied) and event.order_id in held:
                del held[event.order_id]
                told = "approved" if isinstance(event, OrderApproved) else f"denied ({event.code})"
                fate = told if event.order_id == order_id else fate
    if fate:
        return InputError(f"order {order_id!r} waits for nobody any more: it was {fate}")
    now = f"held are {suggested(order_id, held)}" if held else "none is held now"
    return InputError(f"order {order_id!r} is not held in session {ledger.session!r}: {now} (`titanflow status`)")


def _too_late(ledger: EventLedger, action: OperatorAction) -> SessionStateError:
    """After the end: what is left of it, and where to look for a session that still runs."""
    error = ended_meanwhile(ledger, action)
    return SessionStateError(f"{error}; no order works any more. `titanflow sessions` lists those that are open")


def _check_parent(ledger: EventLedger, started: SessionStarted, contender: ContenderId) -> None:
    """Raises InputError where no parent of the contender's model was loaded at the opening, or it was used already."""
    if not contender:
        raise InputError("name the contender whose model its parent shall replace; `titanflow status` lists them")
    parents = {spec.id: spec.parent_hash for spec in started.contenders if spec.parent_hash and not spec.fault}
    if contender not in parents:
        have = f"those that have one: {', '.join(parents)}" if parents else "no contender of this session has one"
        rules = {spec.id for spec in started.contenders if spec.stage == "rule"}
        why = "it is a rule" if contender in rules else "nothing could take its model's place"
        raise InputError(f"contender {contender!r} has no parent model: {why}; {have}")
    commands = (event for block in ledger.read(2) for event in block.events if isinstance(event, OperatorCommanded))
    if any((each.action, each.contender) == (OperatorAction.USE_PARENT, contender) for each in commands):
        raise InputError(f"contender {contender!r} has been given its parent model already in this session")


def ended_meanwhile(ledger: EventLedger, intent: str) -> SessionStateError:
    """What to raise when something from outside comes after the session's end."""
    left = "no model decides any more" if intent == OperatorAction.USE_PARENT else f"there is nothing left to {intent}"
    return SessionStateError(f"session {ledger.session!r} has ended: {left}")


def last_event_time(ledger: EventLedger) -> Nanos:
    """Event time of the ledger's last event."""
    return getattr(_event_at(ledger, ledger.last_seq()), "at", 0)


def session_started(ledger: EventLedger) -> SessionStarted:
    """The first event of a session. Raises SessionStateError where it never got that far."""
    event = _event_at(ledger, 1)
    if not isinstance(event, SessionStarted):
        raise SessionStateError(f"session {ledger.session!r} was registered but never opened")
    return event


def _event_at(ledger: EventLedger, seq: int) -> Event | None:
    return next((block.events[0] for block in ledger.read(seq, seq)), None) if seq else None
