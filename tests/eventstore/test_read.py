import struct
from binascii import crc32
from typing import Any, cast

import msgspec
import pytest
import redis
from hypothesis import example, given, settings
from hypothesis import strategies as st

from eventstore.errors import (
    CorruptEntryError,
    ForeignEntryError,
    LedgerGapError,
    LedgerLostError,
    ProblemKind,
    UnknownEventError,
)
from eventstore.ledger import Move
from support.ledger_kit import AnyLedger, OpenLedger, codec, entries, everything, fill, passing_ledger, prices


def stored(client: redis.Redis, key: str, identifier: str, payload: bytes, count: int, checksum: int = -1) -> None:
    """Put an entry into the ledger by hand, as no append would."""
    header = struct.pack("<IIQ", count, crc32(payload) if checksum < 0 else checksum, 0)
    client.xadd(key, {"h": header, "p": payload}, id=identifier)


def test_blocks_come_back_as_they_were_appended(ledger: AnyLedger) -> None:
    fill(ledger, [1], [2, 3], [4, 5, 6])
    blocks = list(ledger.read())
    assert [(block.first, block.last) for block in blocks] == [(1, 1), (2, 3), (4, 6)]
    assert [block.payload for block in blocks] == [codec().encode(block.events) for block in blocks]


@pytest.mark.parametrize("page_events", [1, 7, 100])
@pytest.mark.parametrize("first_page", [1, 2, 50])
def test_the_size_of_a_page_changes_nothing(
    ledger: AnyLedger, monkeypatch: pytest.MonkeyPatch, first_page: int, page_events: int
) -> None:
    monkeypatch.setattr("eventstore.ledger._FIRST_PAGE_BLOCKS", first_page)
    monkeypatch.setattr("eventstore.ledger._PAGE_EVENTS", page_events)
    written = fill(ledger, *[range(size) for size in (1, 1, 5, 2, 9, 1, 1, 1, 4)])
    assert everything(ledger) == written
    assert everything(ledger, 4, 17) == written[3:17]


@settings(max_examples=40, deadline=None)
@example(blocks=[[0, 0, 0]], first=3, last=1)
@given(
    blocks=st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=6), max_size=6),
    first=st.integers(1, 40),
    last=st.none() | st.integers(0, 40),
)
def test_a_range_gives_just_its_events_however_it_cuts_the_blocks(
    redis_url: str, blocks: list[list[int]], first: int, last: int | None
) -> None:
    with passing_ledger(redis_url) as ledger:
        written = fill(ledger, *blocks)
        seq = first
        for block in ledger.read(first, last):
            assert (block.first, block.last) == (seq, seq + len(block.events) - 1)
            assert block.events == written[block.first - 1 : block.last]
            assert block.payload == codec().encode(block.events)
            seq = block.last + 1
        assert seq - first == len(written[first - 1 : last])


def test_a_read_from_before_the_first_event_is_a_mistake(ledger: AnyLedger) -> None:
    with pytest.raises(ValueError, match="first event has seq 1"):
        next(ledger.read(0))


def test_a_reader_follows_a_ledger_that_grows_while_it_reads(ledger: AnyLedger, open_ledger: OpenLedger) -> None:
    written = fill(ledger, *[[n] for n in range(40)])
    reader = open_ledger().read()
    seen = list(next(reader).events)
    written += fill(ledger, [100, 101])
    assert seen + [event for block in reader for event in block.events] == written


@pytest.mark.parametrize(("removed", "expected", "found"), [(1, 1, 3), (3, 3, 6), (6, 6, 10), (10, 10, None)])
def test_a_missing_block_is_a_gap_wherever_it_is(
    ledger: AnyLedger, redis_client: redis.Redis, ledger_key: str, removed: int, expected: int, found: int | None
) -> None:
    fill(ledger, [1, 2], [3, 4, 5], [6, 7, 8, 9], [10])
    redis_client.xdel(ledger_key, f"{removed}-0")
    with pytest.raises(LedgerGapError) as broken:
        everything(ledger)
    assert (broken.value.expected, broken.value.found, broken.value.kind) == (expected, found, ProblemKind.GAP)


def test_a_ledger_without_any_of_its_entries_is_a_gap(
    ledger: AnyLedger, redis_client: redis.Redis, ledger_key: str
) -> None:
    fill(ledger, [1, 2])
    redis_client.delete(ledger_key)
    with pytest.raises(LedgerGapError, match="from seq 1 on are missing"):
        everything(ledger)


@pytest.mark.parametrize("first_page", [1, 50])
def test_events_that_stand_twice_are_found_also_across_pages(
    ledger: AnyLedger, redis_client: redis.Redis, ledger_key: str, monkeypatch: pytest.MonkeyPatch, first_page: int
) -> None:
    monkeypatch.setattr("eventstore.ledger._FIRST_PAGE_BLOCKS", first_page)
    fill(ledger, [1, 2, 3])
    stored(redis_client, ledger_key, "2-0", codec().encode(prices(2)), count=1)
    with pytest.raises(LedgerGapError, match="expected seq 4, found 2: it stands twice or out of order") as broken:
        everything(ledger)
    assert broken.value.kind is ProblemKind.DUPLICATE


GOOD = codec().encode(prices(3, 4))
STRANGE = msgspec.msgpack.encode([["note", "fine"], ["from the future", 1]])


@pytest.mark.parametrize(
    ("identifier", "payload", "count", "checksum", "error", "kind", "seq"),
    [
        ("3-0", GOOD, 2, 12345, CorruptEntryError, ProblemKind.CHECKSUM, 3),
        ("3-0", GOOD, 3, -1, CorruptEntryError, ProblemKind.COUNT, 3),
        ("3-0", codec().encode([]), 0, -1, CorruptEntryError, ProblemKind.COUNT, 3),
        ("3-0", GOOD[:-2], 2, -1, CorruptEntryError, ProblemKind.UNDECODABLE, 3),
        ("3-0", STRANGE, 2, -1, UnknownEventError, ProblemKind.UNKNOWN_EVENT, 4),
        ("3-1", GOOD, 2, -1, ForeignEntryError, ProblemKind.FOREIGN, 3),
    ],
)
def test_a_damaged_entry_is_found_after_the_sound_blocks_before_it(
    ledger: AnyLedger,
    redis_client: redis.Redis,
    ledger_key: str,
    identifier: str,
    payload: bytes,
    count: int,
    checksum: int,
    error: type[Exception],
    kind: ProblemKind,
    seq: int,
) -> None:
    fill(ledger, [1, 2])
    stored(redis_client, ledger_key, identifier, payload, count, checksum)
    reader = ledger.read()
    assert next(reader).events == prices(1, 2)
    with pytest.raises(error, match=rf"seq {seq}\b"):
        next(reader)
    report = ledger.check()
    assert (report.events, report.blocks) == (2, 1)
    assert report.problem is not None
    assert (report.problem.kind, report.problem.seq) == (kind, seq)
    with pytest.raises(error, match=rf"seq {seq}\b"):
        ledger.tail(2, timeout=0)


@pytest.mark.parametrize("fields", [{"h": b"short", "p": GOOD}, {"h": b"", "p": GOOD}])
def test_an_entry_with_a_strange_header_is_found(
    ledger: AnyLedger, redis_client: redis.Redis, ledger_key: str, fields: dict[str, bytes]
) -> None:
    redis_client.xadd(ledger_key, cast(Any, fields), id="1-0")
    with pytest.raises(CorruptEntryError, match="seq 1: its fields are damaged"):
        everything(ledger)


def test_one_flipped_bit_is_found(ledger: AnyLedger, redis_client: redis.Redis, ledger_key: str) -> None:
    fill(ledger, [1, 2], [3])
    ((_, first), (_, second)) = entries(redis_client, ledger_key)
    redis_client.delete(ledger_key)
    payload = first[b"p"]
    flipped = payload[:-10] + bytes([payload[-10] ^ 1]) + payload[-9:]
    redis_client.xadd(ledger_key, {"h": first[b"h"], "p": flipped}, id="1-0")
    redis_client.xadd(ledger_key, {"h": second[b"h"], "p": second[b"p"]}, id="3-0")
    with pytest.raises(CorruptEntryError, match="seq 1: the CRC-32"):
        everything(ledger)


def test_check_counts_a_sound_ledger(ledger: AnyLedger) -> None:
    written = fill(ledger, [1, 2], [3], [4, 5, 6])
    size = (
        sum(len(codec().encode_one(event)) for event in written) + 3
    )  # three blocks, an array header of one byte each
    assert ledger.check() == (6, 3, size, None)


def test_a_ledger_that_vanishes_under_a_reader_is_lost(
    ledger: AnyLedger, redis_client: redis.Redis, ledger_key: str, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventstore.ledger._FIRST_PAGE_BLOCKS", 1)
    fill(ledger, [1], [2])
    reader = ledger.read()
    assert next(reader).last == 1
    redis_client.delete(ledger_key, f"titanflow:{{{session_id}}}:seq")
    with pytest.raises(LedgerLostError, match="now ends at 0"):
        next(reader)


def test_upcast_events_keep_their_stored_bytes(ledger: AnyLedger, redis_client: redis.Redis, ledger_key: str) -> None:
    # Fields that a later version dropped: msgspec ignores what stands beyond the last field it knows.
    payload = msgspec.msgpack.encode([["note", "a", b"", "more"], ["note", "b", b"", "more"]])
    stored(redis_client, ledger_key, "1-0", payload, count=2)
    redis_client.set(ledger_key.replace(":ledger", ":seq"), 2)
    (part,) = ledger.read(2, 2)
    assert part.payload == msgspec.msgpack.encode([["note", "b", b"", "more"]])
    assert ledger.append(prices(1), [Move("a", 0, 1)]) == range(3, 4)
