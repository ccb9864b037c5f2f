"""What is shown of a running session is what its ledger says."""

from collections import Counter

import msgspec
import pytest
import redis

from eventstore.ledger import Block
from support.projected_session import CONTENDERS, eventful_session, opening
from support.short_session import write_session
from titanflow.cli.progress import model_warnings
from titanflow.domain.events import (
    ContenderSetAside,
    CorporateActionApplied,
    FeatureDriftMeasured,
    KillSwitchTripped,
    LeaderboardPublished,
    OrderApproved,
    OrderDenied,
    OrderFilled,
    OrderHeld,
    SessionStarted,
    SignalGenerated,
    SignalWithheld,
    TickReceived,
    tag_of,
)
from titanflow.domain.types import SCALE, CorporateActionKind, SetAsideReason, Side, WithheldReason
from titanflow.runtime.observer import Observer


@pytest.fixture(params=[1, 1000])
def observer(request: pytest.FixtureRequest, redis_client: redis.Redis, session_id: str) -> Observer:
    ledger = write_session(redis_client, session_id, eventful_session(), sizes=lambda: request.param)
    seen = Observer()
    for block in ledger.read():
        seen.feed(block)
    return seen


def test_it_counts_every_event_by_its_kind(observer: Observer) -> None:
    events = eventful_session()
    assert observer.counts() == Counter(tag_of(type(event)) for event in events)
    assert observer.count(TickReceived, OrderFilled) == sum(type(e) in (TickReceived, OrderFilled) for e in events)
    assert observer.last_seq == len(events)


def test_it_knows_beginning_and_end(observer: Observer) -> None:
    first = eventful_session()[0]
    assert isinstance(first, SessionStarted)
    assert observer.started == first
    assert observer.first_at == first.at
    assert observer.at == max(event.at for event in eventful_session())  # type: ignore[attr-defined]
    assert observer.ended


def test_positions_are_the_sum_of_the_fills_by_the_splits_without_the_flat_ones(observer: Observer) -> None:
    held: Counter[tuple[str, str]] = Counter()
    for event in eventful_session():
        if isinstance(event, OrderFilled):
            held[event.contender, event.instrument] += event.quantity * event.side.sign
        elif isinstance(event, CorporateActionApplied) and event.kind is CorporateActionKind.SPLIT:
            for (contender, instrument), quantity in held.items():
                if instrument == event.instrument:
                    whole = abs(quantity) * event.new // event.old // SCALE * SCALE
                    held[contender, instrument] = whole if quantity > 0 else -whole
    assert observer.positions == {key: quantity for key, quantity in held.items() if quantity}
    assert {contender for contender, _ in held} <= {spec.id for spec in CONTENDERS}


def test_orders_wait_until_somebody_or_time_decides(observer: Observer) -> None:
    events = eventful_session()
    held = [event.order_id for event in events if isinstance(event, OrderHeld)]
    decided = {event.order_id for event in events if isinstance(event, OrderApproved | OrderDenied)}
    assert held
    assert list(observer.held) == [order for order in held if order not in decided]


def test_it_shows_the_last_standings_and_every_trip(observer: Observer) -> None:
    events = eventful_session()
    assert observer.leaderboard == [event for event in events if isinstance(event, LeaderboardPublished)][-1]
    assert observer.tripped == [event for event in events if isinstance(event, KillSwitchTripped)]


def test_it_knows_faulty_models_what_they_withhold_and_how_their_features_drift(
    redis_client: redis.Redis, session_id: str
) -> None:
    faulty, *others = opening().contenders
    started = msgspec.structs.replace(
        opening(), contenders=(msgspec.structs.replace(faulty, fault="model.txt was changed"), *others)
    )
    silent, name = others[0].id, faulty.id
    withheld = SignalWithheld(1, 2, silent, "A.X", Side.BUY, WithheldReason.STALE, (), "h")
    older, newer = (FeatureDriftMeasured(1, at, silent, 0, 200, (("rsi", 0.1),), False, "h") for at in (3, 4))
    ledger = write_session(redis_client, session_id, [started, withheld, older, withheld, newer])
    seen = Observer()
    for block in ledger.read():
        seen.feed(block)
    assert seen.faults == {name: "model.txt was changed"}
    assert seen.withheld == {silent: 2}
    assert seen.drift == {silent: newer}
    assert seen.silent == {silent: withheld}


def test_a_contender_that_speaks_is_silent_no_more(redis_client: redis.Redis, session_id: str) -> None:
    signal = next(event for event in eventful_session() if isinstance(event, SignalGenerated))
    withheld = SignalWithheld(1, 2, signal.contender, "A.X", Side.BUY, WithheldReason.STALE, (), "h")
    ledger = write_session(redis_client, session_id, [opening(), withheld, signal])
    seen = Observer()
    for block in ledger.read():
        seen.feed(block)
    assert seen.silent == {}


def test_it_knows_who_was_set_aside_and_why() -> None:
    seen = Observer()
    failed = ContenderSetAside(1, 5, "calm", "X.Y", SetAsideReason.RAISED, "ValueError: no")
    seen.feed(Block(1, 2, [opening(), failed], 0, b""))
    assert seen.set_aside == {"calm": failed}
    assert "calm was set aside (raised): ValueError: no" in model_warnings(seen)
