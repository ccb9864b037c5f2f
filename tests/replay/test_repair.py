"""The sound part of a ledger, cut anywhere, is a session of its own: proven, and closed with all that it owes."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

import pytest
import redis

from eventstore.ledger import Ledger, Move
from replay.repair import copy_sound_part, decided_up_to
from replay.verify import verify
from support.short_session import events_of, play_fused, write_session, write_tape
from titanflow.deciders import DECIDERS, owners
from titanflow.domain.events import Event, SessionEnded
from titanflow.runtime.closing import close_session
from titanflow.runtime.ledgers import CODEC, EventLedger, new_ledger
from titanflow.runtime.processor import is_over


@pytest.fixture(scope="module")
def whole(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> EventLedger:
    home = tmp_path_factory.mktemp("home")
    return play_fused(redis_url, home, write_tape(home / "tape.csv", minutes=40))


def appends(events: list[Event]) -> Iterator[int]:
    """Sizes of blocks: what one decider decides on one event is appended at once."""
    owner = owners()
    keys = [(owner.get(type(event), str(seq)), getattr(event, "cause", 0)) for seq, event in enumerate(events)]
    return (len(list(group)) for _, group in groupby(keys))


def damaged(client: redis.Redis, session: str, events: list[Event], part: float) -> tuple[EventLedger, int]:
    """The session in blocks as deciders append them, one of which is gone; and the last seq before it."""
    sizes = iter(appends(events))
    ledger = write_session(client, session, events, sizes=lambda: next(sizes))
    ledger.append([], [Move("gateway", 0, 1000)])
    key = f"titanflow:{{{session}}}:ledger"
    entries: Any = client.xrange(key)
    gone = entries[int(part * (len(entries) - 1))][0]
    client.xdel(key, gone)
    return ledger, int(gone.partition(b"-")[0]) - 1


@pytest.mark.parametrize("part", [0.05, 0.3, 0.5, 0.77, 0.9, 1.0])
def test_cut_anywhere_the_copy_is_proven_and_then_closed_with_all_that_it_owes(
    whole: EventLedger, redis_client: redis.Redis, session_id: str, part: float
) -> None:
    events = events_of(whole)
    source, sound = damaged(redis_client, session_id, events, part)
    target = new_ledger(redis_client, f"{session_id}-copy")
    copied = copy_sound_part(source, target)
    assert (copied.events, copied.left_out) == (sound, len(events) - sound)
    assert target.digest() == whole.digest(1, sound)
    assert verify(target, CODEC).identical
    assert target.checkpoint("gateway") == 0, "nobody knows where in its feed it ends"
    close_session(target, "repaired")
    assert is_over(target)
    assert verify(target, CODEC).divergence is None
    assert sum(type(event) is SessionEnded for event in events_of(target)) == 1
    after = events_of(target)[sound:]
    owed = [event for event in after if getattr(event, "cause", sound + 1) <= sound]
    recorded = [event for event in events[sound:] if getattr(event, "cause", sound + 1) <= sound]
    assert owed[: len(recorded)] == recorded, "what was lost of its decisions is decided again"


def test_each_decider_stands_where_the_first_of_its_decisions_is_missing(
    whole: EventLedger, redis_client: redis.Redis, session_id: str
) -> None:
    events = events_of(whole)
    caused = [(seq, event) for seq, event in enumerate(events, 1) if getattr(event, "cause", seq) < seq - 1]
    seq, event = caused[len(caused) // 2]
    ledger = write_session(redis_client, session_id, events[: seq - 1])
    reached = decided_up_to(ledger)
    assert min(reached.values()) <= event.cause - 1  # type: ignore[attr-defined]
    assert set(reached) == set(DECIDERS)
    assert decided_up_to(whole) == dict.fromkeys(DECIDERS, len(events))


def test_dead_letters_come_along_with_their_times(
    whole: EventLedger, redis_client: redis.Redis, session_id: str
) -> None:
    source, _ = damaged(redis_client, session_id, events_of(whole), 0.5)
    source.dead_letters.add("gateway", "BAD_PRICE", "price is -1", b"row", key="gateway:7", recorded_at=12345)
    target: Ledger[Event] = new_ledger(redis_client, f"{session_id}-copy")
    assert copy_sound_part(source, target).dead_letters == 1
    (letter,) = target.dead_letters.list()
    assert (letter.reason, letter.payload, letter.key, letter.recorded_at) == ("BAD_PRICE", b"row", "gateway:7", 12345)
