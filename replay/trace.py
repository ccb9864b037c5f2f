"""Answers "why?": walks the causes from a fill, an order or any seq back to the tick that set it off."""

from collections.abc import Iterator
from typing import NamedTuple

from eventstore.ledger import Ledger
from titanflow.domain.events import (
    Event,
    OrderApproved,
    OrderDenied,
    OrderFilled,
    OrderHeld,
    OrderRejected,
    OrderSubmitted,
    SignalGenerated,
)


class Link(NamedTuple):
    """One event of a chain, and what it is to the next one."""

    seq: int
    event: Event


OrderEvent = OrderApproved | OrderHeld | OrderSubmitted | OrderFilled | OrderRejected | OrderDenied


def find(ledger: Ledger[Event], target: str) -> int | None:
    """The seq that `target` names: a seq, a fill id, or an order id (its latest event). None where there is none."""
    if target.isdigit():
        return int(target) if 1 <= int(target) <= ledger.last_seq() else None
    found = None
    for seq, event in _events(ledger):
        if isinstance(event, OrderFilled) and event.fill_id == target:
            return seq
        if isinstance(event, OrderEvent) and event.order_id == target:
            found = seq
    return found


def trace(ledger: Ledger[Event], seq: int) -> list[Link]:
    """The chain of events behind the one at `seq`, oldest first and ending with it.

    An event's causes are the event that it names as its cause and, for a fill, the order that it fills; for an approval
    by a person also the signal. For a bar's signal that reaches back to the tick or clock that closed the bar.
    """
    orders = _orders(ledger, seq)
    wanted, chain = [seq], {}
    while wanted:
        number = wanted.pop()
        if number in chain or number < 1:
            continue
        event = chain[number] = event_at(ledger, number)
        wanted.append(int(getattr(event, "cause", 0)))
        if isinstance(event, OrderFilled | OrderSubmitted):
            wanted += [n for n in orders.get(event.order_id, ()) if n < number]
        if isinstance(event, OrderApproved | OrderHeld):
            wanted.append(event.signal)
        if isinstance(event, SignalGenerated):
            wanted += _last_tick(ledger, event, number)
    return [Link(number, chain[number]) for number in sorted(chain)]


def event_at(ledger: Ledger[Event], seq: int) -> Event:
    """The event at `seq`. Raises LookupError where the ledger ends before it."""
    for block in ledger.read(seq, seq):
        return block.events[0]
    raise LookupError(f"the ledger of session {ledger.session!r} has no event {seq}")


def _orders(ledger: Ledger[Event], last: int) -> dict[str, list[int]]:
    """Order id -> seqs of its approval and submission, up to seq `last`."""
    orders: dict[str, list[int]] = {}
    for seq, event in _events(ledger, last):
        if isinstance(event, OrderApproved | OrderSubmitted):
            orders.setdefault(event.order_id, []).append(seq)
    return orders


def _last_tick(ledger: Ledger[Event], signal: SignalGenerated, before: int) -> list[int]:
    """The last tick of the signal's instrument before it: the one whose price the contender saw."""
    for start in range(before - 1, 0, -1000):
        for block in reversed(list(ledger.read(max(1, start - 999), start))):
            for seq in range(block.last, block.first - 1, -1):
                event = block.events[seq - block.first]
                if getattr(event, "instrument", None) == signal.instrument and getattr(event, "size", 0):
                    return [seq]
    return []


def _events(ledger: Ledger[Event], last: int | None = None) -> Iterator[tuple[int, Event]]:
    for block in ledger.read(1, last):
        yield from enumerate(block.events, block.first)
