"""Answers "why?": walks the causes from a fill, an order or any seq back to the tick that set it off."""

from collections.abc import Iterator
from typing import NamedTuple

from eventstore.ledger import Ledger
from titanflow.domain.corporate_actions import book_action
from titanflow.domain.events import (
    BarClosed,
    CorporateActionApplied,
    Event,
    KillSwitchTripped,
    LeaderboardPublished,
    OperatorCommanded,
    OrderAdjusted,
    OrderApproved,
    OrderCancelled,
    OrderDenied,
    OrderFilled,
    OrderHeld,
    OrderRejected,
    OrderSubmitted,
    OrderTriggered,
    Print,
    RiskCommandIssued,
    SessionStarted,
    SignalGenerated,
)
from titanflow.domain.instruments import Instrument
from titanflow.domain.portfolio import Portfolio
from titanflow.domain.types import OrderPurpose

PAGE = 1000


class Link(NamedTuple):
    """One event of a chain, and what it is to the next one."""

    seq: int
    event: Event


OrderEvent = (
    OrderApproved
    | OrderHeld
    | OrderSubmitted
    | OrderAdjusted
    | OrderTriggered
    | OrderFilled
    | OrderCancelled
    | OrderRejected
    | OrderDenied
)
"""What names the order that it is about."""
STEPS = (OrderHeld, OrderApproved, OrderSubmitted, OrderAdjusted, OrderTriggered, OrderFilled)
"""What becomes of an order before it ends."""


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

    Behind an event stand: the event that it names as its cause; the order's earlier steps (held, approved, submitted,
    triggered), and of the order that was asked for its earlier fills; for a protective stop the entry that it
    protects, with the fill; for any other closing order the entries that opened the position; for a liquidation the
    kill switch; for a verdict the signal; for a signal the last tick that its contender saw and the bar that it
    decided on.
    """
    past = _Past(ledger, seq)
    chain: dict[int, Event] = {}
    wanted = [seq]
    while wanted:
        number = wanted.pop()
        if number in chain or number < 1:
            continue
        event = chain[number] = event_at(ledger, number)
        wanted += _behind(ledger, Link(number, event), past)
    asked = getattr(chain.get(seq), "order_id", "")
    for link in past.steps.get(asked, ()) if asked else ():
        if link.seq < seq:
            chain[link.seq] = link.event
    return [Link(number, chain[number]) for number in sorted(chain)]


class _Past:
    """What a ledger tells of orders and positions up to a seq."""

    def __init__(self, ledger: Ledger[Event], last: int) -> None:
        self.steps: dict[str, list[Link]] = {}
        """Order id -> what became of it: its STEPS."""
        self._moves: list[tuple[int, OrderFilled | CorporateActionApplied]] = []
        self._instruments: dict[str, Instrument] = {}
        for seq, event in _events(ledger, last):
            if isinstance(event, STEPS):
                self.steps.setdefault(event.order_id, []).append(Link(seq, event))
            if isinstance(event, OrderFilled | CorporateActionApplied):
                self._moves.append((seq, event))
            if isinstance(event, SessionStarted):
                self._instruments = {each.id: each for each in event.instruments}

    def opened_by(self, contender: str, instrument: str, before: int) -> list[int]:
        """The steps of the entries that opened the position held at a seq, each entry with its first fill only."""
        portfolio = Portfolio(0)
        entries: dict[str, int] = {}
        for seq, move in self._moves:
            if seq >= before or move.instrument != instrument:
                continue
            held = portfolio.quantity(instrument)
            if isinstance(move, CorporateActionApplied):
                book_action(portfolio, move, self._instruments[instrument])
            elif move.contender == contender:
                portfolio.apply(move.at, instrument, move.side, move.quantity, move.price, move.fee)
            after = portfolio.quantity(instrument)
            if held * after <= 0:
                entries.clear()
            if isinstance(move, OrderFilled) and abs(after) > abs(held) * (held * after > 0):
                entries.setdefault(move.order_id, seq)
        steps = [link.seq for order in entries for link in self.steps[order] if not isinstance(link.event, OrderFilled)]
        return [*steps, *entries.values()]


def _behind(ledger: Ledger[Event], link: Link, past: _Past) -> list[int]:
    """The seqs one step back from an event; 0 stands for none."""
    seq, event = link
    behind = [int(getattr(event, "cause", 0))]
    if isinstance(event, OrderEvent):
        steps = past.steps.get(event.order_id, ())
        behind += [step for step, made in steps if step < seq and type(made) is not OrderFilled]
    if isinstance(event, OrderApproved | OrderSubmitted) and _closes(event):
        behind += past.opened_by(event.contender, event.instrument, seq)
    if isinstance(event, OrderSubmitted):
        # A protective stop is submitted with the fill that it protects, on the same print.
        entry = past.steps.get(event.parent_id, ())
        behind += [step for step, made in entry if type(made) is not OrderFilled or made.cause == event.cause]
    if isinstance(event, RiskCommandIssued):
        behind += _kill_switch_behind(ledger, event, seq)
    if isinstance(event, OrderApproved | OrderHeld | OrderDenied):
        behind.append(event.signal)
    if isinstance(event, SignalGenerated):
        behind += _last_tick(ledger, event) + _bar_behind(ledger, event, seq)
    return behind


def _closes(order: OrderApproved | OrderSubmitted) -> bool:
    """Whether an order closes a position that it names no entry of."""
    return order.purpose not in (OrderPurpose.ENTRY, OrderPurpose.STOP_LOSS)


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


def _kill_switch_behind(ledger: Ledger[Event], command: RiskCommandIssued, before: int) -> list[int]:
    """The kill switch that gave a command: of the same scope and cause."""
    wanted = (command.cause, command.contender)
    return [
        seq
        for seq, event in _events(ledger, before, command.cause)
        if isinstance(event, KillSwitchTripped) and (event.cause, event.contender) == wanted
    ]


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
