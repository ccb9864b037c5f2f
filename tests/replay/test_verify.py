"""A ledger that was tampered with is found out, at the right place; an honest one is not."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from eventstore.codec import Codec
from eventstore.ledger import Ledger
from replay.verify import Divergence, verify
from support.short_session import events_of, play_fused, write_session
from titanflow.deciders import new_deciders, owners
from titanflow.domain.events import (
    AnyEvent,
    BarClosed,
    BarPointReceived,
    Event,
    LeaderboardPublished,
    OrderFilled,
    OrderSubmitted,
)
from titanflow.domain.types import ExecutionMode
from titanflow.errors import InputError
from titanflow.runtime.ledgers import CODEC, EventLedger

Write = Callable[..., EventLedger]
History = tuple[Event, ...]
OWNERS = owners()
replace = msgspec.structs.replace


def test_an_untouched_session_is_identical_and_has_the_ledgers_digest(played: EventLedger, history: History) -> None:
    verdict = verify(played, CODEC)
    assert verdict.divergence is None
    assert verdict.identical
    assert (verdict.first, verdict.last, verdict.events) == (1, len(history), len(history))
    assert verdict.decided == sum(type(event) in OWNERS for event in history) > 1_000
    assert verdict.digest == played.digest()


def test_every_kind_of_decision_of_the_paper_market_was_compared(
    history: History, redis_url: str, tmp_path: Path, tape: Path
) -> None:
    """In two sessions: whom the second halts cannot have orders on hold."""
    halted = play_fused(redis_url, tmp_path, tape, risk={"max_consecutive_losses": 2})
    assert verify(halted, CODEC).identical
    made = {type(event).__name__ for event in (*history, *events_of(halted))}
    assert made >= {"SignalGenerated", "OrderApproved", "OrderDenied", "OrderHeld", "OrderFilled", "KillSwitchTripped"}


# --- what is planted -------------------------------------------------------------------------------------------------


def index_of(history: Sequence[Event], kind: type[Event], n: int = 0) -> int:
    return [index for index, event in enumerate(history) if type(event) is kind][n]


def twins(history: History) -> int:
    """Index of the first of two bars that one event closed."""
    return next(
        index
        for index, (one, other) in enumerate(pairwise(history))
        if type(one) is type(other) is BarClosed and one.cause == other.cause
    )


def test_an_altered_fill_is_found_at_its_seq(history: History, write: Write) -> None:
    at = index_of(history, OrderFilled, 5)
    fill = history[at]
    assert isinstance(fill, OrderFilled)
    forged = replace(fill, price=fill.price + 1)
    found = verify(write([*history[:at], forged, *history[at + 1 :]]), CODEC).divergence
    assert found == Divergence(at + 1, "execution", fill.cause, forged, fill)


def test_a_decision_under_another_cause_is_found_at_the_earlier_of_both(history: History, write: Write) -> None:
    at = index_of(history, OrderSubmitted, 3)
    honest = history[at]
    assert isinstance(honest, OrderSubmitted)
    forged = replace(honest, cause=honest.cause - 1)
    found = verify(write([*history[:at], forged, *history[at + 1 :]]), CODEC).divergence
    assert found == Divergence(at + 1, "execution", honest.cause - 1, forged, honest)


def test_a_dropped_decision_is_found_where_the_next_one_stands_in_its_place(history: History, write: Write) -> None:
    at = twins(history)
    first, second = history[at : at + 2]
    assert isinstance(first, BarClosed)
    found = verify(write([*history[:at], *history[at + 1 :]]), CODEC).divergence
    assert found == Divergence(at + 1, "signal", first.cause, second, first)


def test_two_decisions_in_each_others_place_are_found_at_the_first(history: History, write: Write) -> None:
    at = twins(history)
    first, second = history[at : at + 2]
    assert isinstance(first, BarClosed)
    found = verify(write([*history[:at], second, first, *history[at + 2 :]]), CODEC).divergence
    assert found == Divergence(at + 1, "signal", first.cause, second, first)


def test_an_added_decision_is_found_with_nothing_beside_it(history: History, write: Write) -> None:
    added = history[index_of(history, LeaderboardPublished, -1)]
    assert isinstance(added, LeaderboardPublished)
    found = verify(write([*history, added]), CODEC).divergence
    assert found == Divergence(len(history) + 1, "leaderboard", added.cause, added, None)


def test_a_decision_dropped_at_the_very_end_is_found_though_nothing_follows(history: History, write: Write) -> None:
    last = history[-1]
    assert type(last) in OWNERS
    found = verify(write(history[:-1]), CODEC).divergence
    assert found == Divergence(len(history) - 1, OWNERS[type(last)], last.cause, None, last)  # type: ignore[attr-defined]


def test_another_price_from_outside_is_found_at_the_first_decision_on_it(history: History, write: Write) -> None:
    at = index_of(history, BarPointReceived, 30)
    tick = history[at]
    assert isinstance(tick, BarPointReceived)
    forged = replace(tick, price=tick.price * 2)
    found = verify(write([*history[:at], forged, *history[at + 1 :]]), CODEC).divergence
    assert found is not None
    assert found.seq > at + 1
    assert found.cause >= at + 1
    assert found.recorded == history[found.seq - 1] != found.recomputed


def test_a_forged_order_that_a_decider_stumbles_over_is_a_divergence_and_no_crash(
    history: History, write: Write
) -> None:
    at = index_of(history, OrderSubmitted)
    honest = history[at]
    assert isinstance(honest, OrderSubmitted)
    forged = replace(honest, contender="nobody")
    found = verify(write([*history[:at], forged, *history[at + 1 :]]), CODEC).divergence
    assert found == Divergence(at + 1, "execution", honest.cause, forged, honest)


class Tampering(NamedTuple):
    """What is done at the n-th decision."""

    how: str
    n: int

    def done_to(self, history: History) -> list[Event]:
        decided = [index for index, event in enumerate(history) if type(event) in OWNERS]
        at = decided[self.n % (len(decided) - 1)]
        event = history[at]
        match self.how:
            case "drop":
                return [*history[:at], *history[at + 1 :]]
            case "add":
                return [*history[:at], event, *history[at:]]
            case "swap":
                return [*history[:at], history[at + 1], event, *history[at + 2 :]]
            case _:
                return [*history[:at], replace(event, at=event.at + 1), *history[at + 1 :]]  # type: ignore[attr-defined]


def one_by_one(events: Sequence[Event]) -> Divergence | None:
    """The plainest replay there is: one event at a time, everything compared at once."""
    deciders = new_deciders()
    waiting: dict[str, list[Event]] = {decider.name: [] for decider in deciders}
    for seq, event in enumerate(events, 1):
        owner = OWNERS.get(type(event))
        if owner:
            made = waiting[owner].pop(0) if waiting[owner] else None
            if made != event:
                causes = [each.cause for each in (event, made) if each is not None]  # type: ignore[attr-defined]
                return Divergence(seq, owner, min(causes), event, made)
        for decider in deciders:
            if handle := decider.handlers.get(type(event)):
                waiting[decider.name] += handle(seq, event)
    for name, left in waiting.items():
        for made in left:
            return Divergence(len(events), name, made.cause, None, made)  # type: ignore[attr-defined]
    return None


@given(
    tampering=st.builds(Tampering, st.sampled_from(["drop", "add", "swap", "alter"]), st.integers(0, 10_000)),
    size=st.integers(1, 500),
)
@settings(max_examples=12, deadline=None)
def test_whatever_is_tampered_with_is_found_where_the_plainest_replay_finds_it(
    history: History, redis_client: redis.Redis, tampering: Tampering, size: int
) -> None:
    events = tampering.done_to(history[:3_000])
    session = f"tampered-{tampering.how}-{tampering.n}-{size}"
    ledger = write_session(redis_client, session, events, sizes=lambda: size)
    try:
        assert verify(ledger, CODEC).divergence == one_by_one(events)
    finally:
        redis_client.delete(*redis_client.keys(f"titanflow:{{{session}}}:*"))


# --- what is asked for -----------------------------------------------------------------------------------------------


def test_only_what_stands_between_first_and_last_is_compared(history: History, write: Write) -> None:
    at = index_of(history, OrderFilled, 5)
    fill = history[at]
    assert isinstance(fill, OrderFilled)
    ledger = write([*history[:at], replace(fill, slippage=fill.slippage + 1), *history[at + 1 :]])
    assert not verify(ledger, CODEC, first=at + 1, last=at + 1).identical
    before, after = verify(ledger, CODEC, last=at), verify(ledger, CODEC, first=at + 2)
    assert before.identical
    assert after.identical
    compared = sum(type(event) in OWNERS for event in history)
    assert before.decided + after.decided == compared - 1
    assert before.digest == ledger.digest(1, at)
    assert after.digest == ledger.digest()


@pytest.mark.parametrize(("first", "last"), [(7, 6), (1_000_000, None), (1_000_000, 2_000_000)])
def test_a_range_without_events_proves_nothing_and_is_refused(
    played: EventLedger, first: int, last: int | None
) -> None:
    with pytest.raises(InputError, match="no events"):
        verify(played, CODEC, first=first, last=last)


def test_progress_ends_at_the_last_seq(played: EventLedger, history: History) -> None:
    heard: list[int] = []
    verify(played, CODEC, on_progress=heard.append)
    assert heard == sorted(heard)
    assert heard[-1] == len(history)


# --- what is still owed ----------------------------------------------------------------------------------------------


def cut_before_a_decision(history: History) -> int:
    """Length of a history whose last event led to a bar that is not in it."""
    return next(
        index
        for index, event in enumerate(history)
        if type(event) is BarClosed and event.cause == index and index > 500
    )


def test_what_a_killed_session_still_owes_is_no_divergence(history: History, write: Write) -> None:
    end = cut_before_a_decision(history)
    reached = dict.fromkeys(("signal", "risk", "execution", "leaderboard"), end - 1)
    assert verify(write(history[:end], checkpoints=reached), CODEC).identical


def test_a_decision_that_its_checkpoint_has_passed_is_missing(history: History, write: Write) -> None:
    end = cut_before_a_decision(history)
    reached = dict.fromkeys(("risk", "execution", "leaderboard"), end - 1) | {"signal": end}
    found = verify(write(history[:end], checkpoints=reached), CODEC).divergence
    assert found == Divergence(end, "signal", end, None, history[end])


# --- older versions --------------------------------------------------------------------------------------------------


class OldFill(msgspec.Struct, tag="order_filled@0", array_like=True, frozen=True):
    """A fill as an older version might have recorded it: without the mode."""

    cause: int
    at: int
    fill_id: str
    order_id: str
    contender: str
    instrument: str
    side: str
    quantity: int
    price: int
    fee: int
    slippage: int
    remaining: int
    purpose: str
    realized_pnl: int
    met_at: int
    reference_price: int
    basis: str
    costs: tuple[tuple[str, int | float | str], ...]


def test_a_ledger_of_an_older_version_compares_equal(
    history: History, write: Write, redis_client: redis.Redis, session_id: str
) -> None:
    def as_old(event: Event) -> object:
        if not isinstance(event, OrderFilled):
            return event
        return OldFill(**{name: getattr(event, name) for name in OldFill.__struct_fields__})

    write([as_old(event) for event in history])
    known = OldFill.__struct_fields__.index("realized_pnl") + 2
    upcasting = Codec(
        AnyEvent, {"order_filled@0": lambda raw: ["order_filled", *raw[1:known], ExecutionMode.PAPER, *raw[known:]]}
    )
    ledger: EventLedger = Ledger(redis_client, session_id, upcasting)
    verdict = verify(ledger, upcasting)
    assert verdict.divergence is None
    assert verdict.digest == ledger.digest()
    assert any(type(event) is OrderFilled for block in ledger.read() for event in block.events)
