"""Answers "why?": walks the causes from a fill, an order or any seq back to the tick that set it off."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from eventstore.ledger import Ledger
from titanflow.domain.events import (
    BarClosed,
    Event,
    LeaderboardPublished,
    OperatorCommanded,
    OrderApproved,
    OrderCancelled,
    OrderDenied,
    OrderFilled,
    OrderHeld,
    OrderRejected,
    OrderSubmitted,
    Print,
    SessionStarted,
    SignalGenerated,
)

PAGE = 1000


class Link(NamedTuple):
    """One event of a chain, and what it is to the next one."""

    seq: int
    event: Event


OrderEvent = OrderApproved | OrderHeld | OrderSubmitted | OrderFilled | OrderCancelled | OrderRejected | OrderDenied
"""What names the order that it is about."""


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

    Behind an event stand: the event that it names as its cause; the order's earlier steps (held, approved, submitted);
    for a protective stop the entry that it protects, with the fill; for a verdict the signal; for a signal the last
    tick that its contender saw and the bar that it decided on.
    """
    steps = _order_steps(ledger, seq)
    wanted = [seq]
    chain: dict[int, Event] = {}
    while wanted:
        number = wanted.pop()
        if number in chain or number < 1:
            continue
        event = chain[number] = event_at(ledger, number)
        wanted += _behind(ledger, Link(number, event), steps)
    return [Link(number, chain[number]) for number in sorted(chain)]


def _behind(ledger: Ledger[Event], link: Link, steps: Mapping[str, Sequence[Link]]) -> list[int]:
    """The seqs one step back from an event; 0 stands for none."""
    seq, event = link
    behind = [int(getattr(event, "cause", 0))]
    if isinstance(event, OrderEvent):
        behind += [step for step, made in steps.get(event.order_id, ()) if step < seq and type(made) is not OrderFilled]
    if isinstance(event, OrderSubmitted):
        # A protective stop is submitted with the fill that it protects, on the same tick.
        entry = steps.get(event.parent_id, ())
        behind += [step for step, made in entry if type(made) is not OrderFilled or made.cause == event.cause]
    if isinstance(event, OrderApproved | OrderHeld | OrderDenied):
        behind.append(event.signal)
    if isinstance(event, SignalGenerated):
        behind += _last_tick(ledger, event) + _bar_behind(ledger, event, seq)
    return behind


def followers(ledger: Ledger[Event], seq: int) -> list[Link]:
    """What an order's or a signal's event, or an operator's word, led to at once: the events that name it as theirs.

    Empty for ticks, clocks and bars, which everything follows from.
    """
    event = event_at(ledger, seq)
    if not isinstance(event, OrderEvent | SignalGenerated | OperatorCommanded):
        return []
    order = getattr(event, "order_id", "")
    return [
        Link(n, later)
        for n, later in _events(ledger, first=seq + 1)
        if not isinstance(later, LeaderboardPublished)
        and (
            getattr(later, "cause", 0) == seq
            or getattr(later, "signal", 0) == seq
            or (order and order in (getattr(later, "order_id", ""), getattr(later, "parent_id", "")))
        )
    ]


def event_at(ledger: Ledger[Event], seq: int) -> Event:
    """The event at `seq`. Raises LookupError where the ledger ends before it."""
    for block in ledger.read(seq, seq):
        return block.events[0]
    raise LookupError(f"the ledger of session {ledger.session!r} has no event {seq}")


def _order_steps(ledger: Ledger[Event], last: int) -> dict[str, list[Link]]:
    """Order id -> what became of it up to seq `last`: held, approved, submitted, filled."""
    steps: dict[str, list[Link]] = {}
    for seq, event in _events(ledger, last):
        if isinstance(event, OrderHeld | OrderApproved | OrderSubmitted | OrderFilled):
            steps.setdefault(event.order_id, []).append(Link(seq, event))
    return steps


def _last_tick(ledger: Ledger[Event], signal: SignalGenerated) -> list[int]:
    """The last tick of the signal's instrument that its contender had seen; later ones may stand before the signal."""
    for start in range(signal.cause, 0, -PAGE):
        for block in reversed(list(ledger.read(max(1, start - PAGE + 1), start))):
            for seq in range(block.last, block.first - 1, -1):
                event = block.events[seq - block.first]
                if isinstance(event, Print) and event.instrument == signal.instrument:
                    return [seq]
    return []


def _bar_behind(ledger: Ledger[Event], signal: SignalGenerated, before: int) -> list[int]:
    """The bar on whose close a contender decided: it has the same cause as the signal. Empty for one on ticks."""
    started = event_at(ledger, 1)
    specs = started.contenders if isinstance(started, SessionStarted) else ()
    seconds = next((spec.bar_seconds for spec in specs if spec.id == signal.contender), 0)
    wanted = (signal.cause, signal.instrument, seconds)
    return [
        seq
        for seq, event in _events(ledger, before, signal.cause)
        if isinstance(event, BarClosed) and (event.cause, event.instrument, event.seconds) == wanted
    ]


def _events(ledger: Ledger[Event], last: int | None = None, first: int = 1) -> Iterator[tuple[int, Event]]:
    for block in ledger.read(first, last):
        yield from enumerate(block.events, block.first)
