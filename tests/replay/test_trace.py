"""From what happened back to why."""

from collections.abc import Callable, Sequence

import pytest

from replay.trace import event_at, find, followers, trace
from support.desk import AAPL, desk
from support.projected_session import eventful_session
from titanflow.domain.events import (
    CorporateActionApplied,
    Event,
    KillSwitchTripped,
    OperatorCommanded,
    OrderApproved,
    OrderCancelled,
    OrderDenied,
    OrderFilled,
    OrderHeld,
    OrderSubmitted,
    OrderTriggered,
    RiskCommandIssued,
    SignalGenerated,
    TickReceived,
)
from titanflow.domain.types import CorporateActionKind, OperatorAction, OrderPurpose, Side
from titanflow.runtime.ledgers import EventLedger

Write = Callable[..., EventLedger]


@pytest.fixture
def events() -> Sequence[Event]:
    """A session in which everything happens; the event at index n has seq n + 1."""
    return eventful_session()


@pytest.fixture
def ledger(events: Sequence[Event], write: Write) -> EventLedger:
    return write(events)


def seq_of(events: Sequence[Event], wanted: Callable[[Event], bool]) -> int:
    return next(seq for seq, event in enumerate(events, 1) if wanted(event))


def kinds(links: Sequence[tuple[int, Event]]) -> list[str]:
    return [type(event).__name__ for _, event in links]


def entry_fill(event: Event) -> bool:
    return isinstance(event, OrderFilled) and event.purpose is OrderPurpose.ENTRY


def test_an_entrys_fill_reaches_its_tick_its_approval_its_signal_and_the_tick_behind_that(
    ledger: EventLedger, events: Sequence[Event]
) -> None:
    seq = seq_of(events, entry_fill)
    chain = trace(ledger, seq)
    by_kind = {type(event): (number, event) for number, event in chain}
    fill = events[seq - 1]
    assert isinstance(fill, OrderFilled)
    assert chain[-1] == (seq, fill)
    assert [number for number, _ in chain] == sorted({number for number, _ in chain})
    assert (fill.cause, events[fill.cause - 1]) in chain
    _, approved = by_kind[OrderApproved]
    _, submitted = by_kind[OrderSubmitted]
    assert isinstance(approved, OrderApproved)
    assert isinstance(submitted, OrderSubmitted)
    assert approved.order_id == submitted.order_id == fill.order_id
    assert (approved.signal, events[approved.signal - 1]) in chain
    signal = events[approved.signal - 1]
    assert isinstance(signal, SignalGenerated)
    seen = [n for n, event in chain if isinstance(event, TickReceived) and n <= signal.cause]
    last = max(
        n
        for n, event in enumerate(events[: signal.cause], 1)
        if isinstance(event, TickReceived) and event.instrument == signal.instrument
    )
    assert last in seen


def test_a_signals_tick_is_the_last_that_its_contender_had_seen_though_later_ones_stand_before_it(
    events: Sequence[Event], write: Write
) -> None:
    # As in the services topology, where a signal may be appended behind ticks that its contender had not read.
    seq = seq_of(events, lambda event: isinstance(event, SignalGenerated))
    signal = events[seq - 1]
    assert isinstance(signal, SignalGenerated)
    late = TickReceived(signal.at, signal.instrument, 1, 1)
    chain = trace(write([*events[: seq - 1], late, signal]), seq + 1)
    assert (seq, late) not in chain
    assert any(isinstance(event, TickReceived) and event.instrument == signal.instrument for _, event in chain)


def test_a_stop_loss_reaches_the_entry_that_it_protected(ledger: EventLedger, events: Sequence[Event]) -> None:
    seq = seq_of(events, lambda event: isinstance(event, OrderFilled) and event.purpose is OrderPurpose.STOP_LOSS)
    stopped = events[seq - 1]
    assert isinstance(stopped, OrderFilled)
    chain = trace(ledger, seq)
    (stop,) = [e for _, e in chain if isinstance(e, OrderSubmitted) and e.order_id == stopped.order_id]
    entries = [e for _, e in chain if isinstance(e, OrderFilled) and e.order_id == stop.parent_id]
    assert [entry.cause for entry in entries] == [stop.cause]
    assert sum(entry.quantity for entry in entries) == stop.quantity
    assert any(isinstance(e, OrderApproved) and e.order_id == stop.parent_id for _, e in chain)
    assert any(isinstance(e, SignalGenerated) for _, e in chain)


def test_an_order_that_a_person_approved_reaches_the_person_the_hold_and_the_signal(
    ledger: EventLedger, events: Sequence[Event]
) -> None:
    by_hand = {
        event.order_id: seq
        for seq, event in enumerate(events, 1)
        if isinstance(event, OrderApproved) and isinstance(events[event.cause - 1], OperatorCommanded)
    }
    seq = seq_of(events, lambda event: isinstance(event, OrderFilled) and event.order_id in by_hand)
    fill = events[seq - 1]
    assert isinstance(fill, OrderFilled)
    chain = trace(ledger, seq)
    assert any(isinstance(e, OperatorCommanded) and e.order_id == fill.order_id for _, e in chain)
    (held,) = [e for _, e in chain if isinstance(e, OrderHeld)]
    assert held.order_id == fill.order_id
    assert any(isinstance(e, SignalGenerated) and n == held.signal for n, e in chain)


def test_a_liquidations_fill_reaches_the_command_and_who_gave_it(ledger: EventLedger, events: Sequence[Event]) -> None:
    seq = seq_of(events, lambda event: isinstance(event, OrderFilled) and event.purpose is OrderPurpose.LIQUIDATION)
    found = kinds(trace(ledger, seq))
    assert RiskCommandIssued.__name__ in found
    assert found[-1] == OrderFilled.__name__


def test_a_kill_switch_reaches_the_clock_or_fill_that_tripped_it(ledger: EventLedger, events: Sequence[Event]) -> None:
    seq = seq_of(events, lambda event: isinstance(event, KillSwitchTripped))
    assert len(trace(ledger, seq)) > 1


def test_a_liquidation_reaches_the_kill_switch_with_its_numbers_and_the_entry_that_it_closes(
    ledger: EventLedger, events: Sequence[Event]
) -> None:
    tripped = {
        (event.cause, event.contender): seq
        for seq, event in enumerate(events, 1)
        if isinstance(event, KillSwitchTripped)
    }
    seq = seq_of(
        events,
        lambda event: (
            isinstance(event, OrderFilled)
            and event.purpose is OrderPurpose.LIQUIDATION
            and any(type(e) is OrderSubmitted and e.order_id == event.order_id for e in events)
        ),
    )
    closed = events[seq - 1]
    assert isinstance(closed, OrderFilled)
    chain = trace(ledger, seq)
    (command,) = [event for _, event in chain if isinstance(event, RiskCommandIssued)]
    assert tripped[command.cause, command.contender] in [number for number, _ in chain]
    place = (closed.contender, closed.instrument, closed.side.opposite)
    filled = [event for _, event in chain if isinstance(event, OrderFilled) and entry_fill(event)]
    assert place in [(each.contender, each.instrument, each.side) for each in filled]
    assert any(isinstance(event, SignalGenerated) and event.contender == closed.contender for _, event in chain)


def test_an_exit_reaches_the_entries_of_its_position_and_of_no_other(
    ledger: EventLedger, events: Sequence[Event]
) -> None:
    held: dict[tuple[str, str], int] = {}
    opened: dict[tuple[str, str], set[str]] = {}
    checked = 0
    for event in events:
        if not isinstance(event, OrderFilled):
            continue
        place = (event.contender, event.instrument)
        if event.purpose is OrderPurpose.EXIT and checked < 5:
            approved = seq_of(events, lambda e, of=event: isinstance(e, OrderApproved) and e.order_id == of.order_id)
            found = {e.order_id for _, e in trace(ledger, approved) if isinstance(e, OrderFilled) and entry_fill(e)}
            assert found == opened[place]
            checked += 1
        before = held.get(place, 0)
        held[place] = before + event.side.sign * event.quantity
        if before * held[place] <= 0:
            opened[place] = set()
        if held[place] and event.purpose is OrderPurpose.ENTRY:
            opened[place].add(event.order_id)
    assert checked == 5


def test_a_split_does_not_confuse_which_entries_opened_a_position(write: Write) -> None:
    at = desk()
    at.hold("100", "100")
    first = at.fills[-1].order_id
    at.feed(CorporateActionApplied(at.now, AAPL.id, CorporateActionKind.SPLIT, 2, 1, 0, at.fills[-1].price, at.now, 0))
    at.tick("50", after=1)
    at.approve(Side.SELL, "200", purpose=OrderPurpose.EXIT)
    at.tick("50", after=100)
    at.hold("30", "50")
    second = at.fills[-1].order_id
    at.approve(Side.SELL, "30", purpose=OrderPurpose.EXIT)
    at.tick("50", after=100)
    assert at.book().positions == {}
    ledger = write(at.ledger)
    exits = [seq for seq, event in enumerate(at.ledger, 1) if isinstance(event, OrderFilled) and not entry_fill(event)]
    for seq, entry in zip(exits, (first, second), strict=True):
        assert {e.order_id for _, e in trace(ledger, seq) if isinstance(e, OrderFilled) and entry_fill(e)} == {entry}


def test_an_orders_event_stands_behind_all_its_earlier_fills(ledger: EventLedger, events: Sequence[Event]) -> None:
    parts: dict[str, list[int]] = {}
    for seq, event in enumerate(events, 1):
        if isinstance(event, OrderFilled):
            parts.setdefault(event.order_id, []).append(seq)
    order_id, seqs = max(parts.items(), key=lambda item: len(item[1]))
    assert len(seqs) > 2
    chain = trace(ledger, seqs[-1])
    assert [n for n, e in chain if isinstance(e, OrderFilled) and e.order_id == order_id] == seqs
    first = trace(ledger, seqs[0])
    later = [n for n, e in followers(ledger, seqs[0]) if isinstance(e, OrderFilled) and e.order_id == order_id]
    assert [n for n, e in first if isinstance(e, OrderFilled) and e.order_id == order_id] == seqs[:1]
    assert later == seqs[1:]


def test_a_stop_loss_reaches_its_trigger(ledger: EventLedger, events: Sequence[Event]) -> None:
    seq = seq_of(events, lambda event: isinstance(event, OrderFilled) and event.purpose is OrderPurpose.STOP_LOSS)
    stopped = events[seq - 1]
    assert isinstance(stopped, OrderFilled)
    (triggered,) = [event for _, event in trace(ledger, seq) if isinstance(event, OrderTriggered)]
    assert triggered.order_id == stopped.order_id
    assert triggered.active_at <= stopped.met_at


def test_a_hold_that_came_to_nothing_reaches_who_ended_it_the_hold_and_the_signal(
    ledger: EventLedger, events: Sequence[Event]
) -> None:
    seq = seq_of(events, lambda event: isinstance(event, OrderDenied) and bool(event.order_id and event.signal))
    denied = events[seq - 1]
    assert isinstance(denied, OrderDenied)
    chain = trace(ledger, seq)
    assert (denied.cause, events[denied.cause - 1]) in chain
    assert {SignalGenerated.__name__, OrderHeld.__name__} <= set(kinds(chain))


def test_an_event_from_outside_stands_alone(ledger: EventLedger, events: Sequence[Event]) -> None:
    seq = seq_of(events, lambda e: isinstance(e, OperatorCommanded) and e.action is OperatorAction.LIQUIDATE)
    assert trace(ledger, seq) == [(seq, events[seq - 1])]


def test_things_are_found_by_seq_by_fill_and_by_order(ledger: EventLedger, events: Sequence[Event]) -> None:
    seq = seq_of(events, entry_fill)
    fill = events[seq - 1]
    assert isinstance(fill, OrderFilled)
    assert find(ledger, str(seq)) == seq
    assert find(ledger, fill.fill_id) == seq
    latest = max(n for n, e in enumerate(events, 1) if getattr(e, "order_id", None) == fill.order_id)
    assert find(ledger, fill.order_id) == latest


def test_a_cancelled_order_is_found_at_its_cancellation(ledger: EventLedger, events: Sequence[Event]) -> None:
    seq = seq_of(events, lambda event: isinstance(event, OrderCancelled))
    cancelled = events[seq - 1]
    assert isinstance(cancelled, OrderCancelled)
    assert find(ledger, cancelled.order_id) == seq
    assert any(isinstance(e, OrderSubmitted) and e.order_id == cancelled.order_id for _, e in trace(ledger, seq))


@pytest.mark.parametrize("target", ["0", "99999999", "nothing-like-it"])
def test_what_is_not_there_is_not_found(ledger: EventLedger, target: str) -> None:
    assert find(ledger, target) is None


def test_an_event_behind_the_end_is_an_error(ledger: EventLedger, events: Sequence[Event]) -> None:
    with pytest.raises(LookupError):
        event_at(ledger, len(events) + 1)
