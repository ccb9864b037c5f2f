"""What somebody else writes into a ledger's stream is named as that: by readers, by the check, and where it blocks."""

from typing import Any

import pytest
import redis

from eventstore.blocks import header
from eventstore.errors import ForeignEntryError, LedgerLostError, ProblemKind
from eventstore.ledger import Move
from support.ledger_kit import AnyLedger, codec, everything, fill, prices

BEYOND = "18446744073709551615-0"
SOMETHING = {"hello": "world"}


def block(*values: int) -> Any:
    """The fields of a well-formed block, as a forger would make it."""
    payload = codec().encode(prices(*values))
    return {"h": header(len(values), 0, payload), "p": payload}


@pytest.mark.parametrize(
    ("identifier", "fields", "told"),
    [
        ("*", SOMETHING, "has the fields 'hello', not those of an append"),
        ("3-0", SOMETHING, "entry 3-0 has the fields 'hello', not those of an append"),
        ("3-0", {"p": "x", "h": "y"}, "entry 3-0 has the fields 'p, h', not those of an append"),
        ("2-7", block(3), "entry 2-7 has an id that no append gives"),
        ("3-5", block(3), "entry 3-5 has an id that no append gives"),
        ("9-0", block(3), "entry 9-0 is beyond the last event, 2"),
        (BEYOND, block(3), f"entry {BEYOND} is beyond the last event, 2"),
        (BEYOND, SOMETHING, "has the fields 'hello', not those of an append"),
        ("3-0", block(3), "its entry stands there, but the last event is 2"),
    ],
)
def test_a_foreign_entry_is_named_behind_the_sound_events(
    ledger: AnyLedger, redis_client: redis.Redis, ledger_key: str, identifier: str, fields: Any, told: str
) -> None:
    written = fill(ledger, [1, 2])
    redis_client.xadd(ledger_key, fields, id=identifier)
    reader = ledger.read()
    assert next(reader).events == written
    with pytest.raises(ForeignEntryError, match="somebody else wrote into the ledger's stream, at seq 3") as found:
        next(reader)
    assert told in str(found.value)
    report = ledger.check()
    assert (report.events, report.blocks) == (2, 1)
    assert report.problem is not None
    assert (report.problem.kind, report.problem.seq) == (ProblemKind.FOREIGN, 3)


@pytest.mark.parametrize("identifier", ["3-0", "*", BEYOND])
def test_a_writer_whose_way_it_blocks_is_told_so(
    ledger: AnyLedger, redis_client: redis.Redis, ledger_key: str, identifier: str
) -> None:
    fill(ledger, [1, 2])
    made: Any = redis_client.xadd(ledger_key, SOMETHING, id=identifier)
    with pytest.raises(ForeignEntryError, match=f"its last id is {made.decode()}, and the last event is 2"):
        fill(ledger, [3])
    assert ledger.last_seq() == 2


def test_a_follower_is_told_when_it_comes_to_it(ledger: AnyLedger, redis_client: redis.Redis, ledger_key: str) -> None:
    fill(ledger, [1, 2])
    redis_client.xadd(ledger_key, SOMETHING, id=BEYOND)
    assert ledger.tail(0, timeout=0)[-1].last == 2
    with pytest.raises(ForeignEntryError, match="at seq 3"):
        ledger.tail(2, timeout=0)


@pytest.mark.parametrize("events", [0, 2])
def test_a_last_id_that_leaves_no_room_is_found_though_no_entry_shows_it(
    ledger: AnyLedger, redis_client: redis.Redis, ledger_key: str, events: int
) -> None:
    if events:
        fill(ledger, range(events))
        redis_client.execute_command("XSETID", ledger_key, BEYOND)
    else:
        redis_client.xdel(ledger_key, redis_client.xadd(ledger_key, SOMETHING, id=BEYOND))  # type: ignore[arg-type]
    assert len(everything(ledger)) == events
    report = ledger.check()
    assert report.problem is not None
    assert report.problem.kind is ProblemKind.FOREIGN
    assert f"its last id is {BEYOND}" in report.problem.detail
    with pytest.raises(ForeignEntryError, match="nothing can be appended"):
        fill(ledger, [3])


def test_an_id_that_was_skipped_within_a_block_is_no_matter(
    ledger: AnyLedger, redis_client: redis.Redis, ledger_key: str
) -> None:
    fill(ledger, [1, 2, 3])
    redis_client.execute_command("XSETID", ledger_key, "2-5")
    assert ledger.check().problem is None
    fill(ledger, [4])
    assert ledger.check().problem is None


def test_a_server_that_lost_its_last_events_is_still_told_from_a_forger(
    ledger: AnyLedger, redis_client: redis.Redis, ledger_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the reading of a page and the look at the count the server comes back with an older state."""
    fill(ledger, [1, 2], [3])
    look = ledger.last_seq

    def lost() -> int:
        redis_client.xdel(ledger_key, "3-0")
        redis_client.set(ledger_key.replace(":ledger", ":seq"), 2)
        return look()

    monkeypatch.setattr(ledger, "last_seq", lost)
    with pytest.raises(LedgerLostError, match="now ends at 2"):
        everything(ledger)


def test_what_it_says_of_the_checkpoints_of_a_blocked_ledger_is_true(
    ledger: AnyLedger, redis_client: redis.Redis, ledger_key: str
) -> None:
    fill(ledger, [1, 2])
    redis_client.execute_command("XSETID", ledger_key, BEYOND)
    with pytest.raises(ForeignEntryError):
        ledger.append(prices(3), [Move("filler", 1, 2)])
    assert ledger.checkpoints() == {"filler": 1}
    ledger.append([], [Move("filler", 1, 2)])
    assert ledger.checkpoint("filler") == 2
