"""A block: the events of one append, as one stream entry. Here entries are unpacked and all about them is checked.

An entry's id is `<seq of its first event>-0`; its fields, in this order: `h` header (little-endian u32 count of events,
u32 CRC-32 of the payload, u64 recorded-at in UTC nanoseconds), `p` payload (the codec's bytes).
"""

import struct
from itertools import accumulate
from typing import Any, Generic, NamedTuple, TypeVar
from zlib import crc32

import msgspec

from eventstore.codec import Codec, join, split
from eventstore.errors import BrokenLedgerError, CorruptEntryError, ForeignEntryError, LedgerGapError, ProblemKind

E = TypeVar("E")
Entry = list[Any]
"""A stream entry as the server replies it: `[id, [field, value, …]]`, all bytes."""

# One packed header rather than a field for each number: entries of one event travel and unpack a third faster.
_HEADER = struct.Struct("<IIQ")
_FIELDS = [b"h", b"p"]


class Block(msgspec.Struct, Generic[E], frozen=True, gc=False):
    """The events of one append (or a part of them, where a range cut the block)."""

    first: int
    """seq of the first event."""
    last: int
    """seq of the last event."""
    events: list[E]
    recorded_at: int
    """Wall-clock time of the append, UTC nanoseconds: informs, never orders."""
    payload: bytes
    """The events' stored bytes as a msgpack array; a part keeps the stored bytes of its own events."""

    def cut(self, first: int, last: int | None) -> "Block[E]":
        """The part of this block that lies within seq `first` to `last`; there must be one."""
        start = max(first, self.first)
        stop = self.last if last is None else min(last, self.last)
        if start == self.first and stop == self.last:
            return self
        part = slice(start - self.first, stop - self.first + 1)
        payload = join(split(self.payload, self.first)[part])
        return Block(start, stop, self.events[part], self.recorded_at, payload)


class Page(NamedTuple, Generic[E]):
    """What came of some entries: the sound blocks in front, and what is wrong with the entry behind, if anything."""

    blocks: list[Block[E]]
    problem: BrokenLedgerError | None


def within(blocks: list[Block[E]], first: int, last: int | None) -> list[Block[E]]:
    """The consecutive blocks of a page, its outermost ones cut to the range of seq `first` to `last`."""
    if blocks and blocks[0].first < first:
        blocks = [blocks[0].cut(first, last), *blocks[1:]] if blocks[0].last >= first else blocks[1:]
    if blocks and last is not None and blocks[-1].last > last:
        blocks = [*blocks[:-1], blocks[-1].cut(first, last)]
    return blocks


def header(count: int, recorded_at: int, payload: bytes) -> bytes:
    """The header that an append stores beside the payload of `count` events."""
    return _HEADER.pack(count, crc32(payload), recorded_at)


def unpack(entries: list[Entry], expected: int, codec: Codec[E]) -> Page[E]:
    """The blocks of consecutive entries, the first of which must begin with seq `expected`."""
    try:
        blocks = _unpack_all(entries, expected, codec)
    except (ValueError, struct.error, msgspec.MsgspecError):
        blocks = []
    return Page(blocks, None) if blocks else _unpack_each(entries, expected, codec)


def unpack_one(entry: Entry, expected: int, codec: Codec[E]) -> Block[E]:
    """The block of one entry; raises the BrokenLedgerError that says what is wrong with it."""
    first = first_seq(entry, expected)
    _check_fields(entry, expected)
    if first != expected:
        raise LedgerGapError(expected, first)
    count, checksum, recorded_at, payload = _stored(entry, first)
    if crc32(payload) != checksum:
        raise CorruptEntryError(first, "the CRC-32 of its block does not match", ProblemKind.CHECKSUM)
    events = codec.decode(payload, first)
    if not count or len(events) != count:
        raise CorruptEntryError(first, f"its block says {count} events and holds {len(events)}", ProblemKind.COUNT)
    return Block(first, first + count - 1, events, recorded_at, payload)


def first_seq(entry: Entry, expected: int) -> int:
    """The seq in an entry's id; ForeignEntryError at `expected` if it is not an id that an append gives."""
    seq, _, part = entry[0].partition(b"-")
    if part != b"0" or not seq.isdigit():
        raise ForeignEntryError(expected, f"entry {entry[0].decode()} has an id that no append gives")
    return int(seq)


def _check_fields(entry: Entry, expected: int) -> None:
    """An append writes two fields, in this order; ForeignEntryError at `expected` where others stand."""
    names = entry[1][::2] if entry[1] else []
    if names != _FIELDS:
        told = ", ".join(name.decode(errors="replace") for name in names)[:80]
        raise ForeignEntryError(expected, f"entry {entry[0].decode()} has the fields {told!r}, not those of an append")


def _unpack_all(entries: list[Entry], expected: int, codec: Codec[E]) -> list[Block[E]]:
    """All blocks at a stretch; nothing, or an error of any kind, if anything about any of them is wrong.

    Column by column rather than entry by entry: that is what keeps blocks of one event fast to read.
    """
    headers = b"".join([head for _, (_, head, _, _) in entries])
    payloads = [payload for _, (_, _, _, payload) in entries]
    counts, checksums, recorded = zip(*_HEADER.iter_unpack(headers), strict=True)
    firsts = list(accumulate(counts[:-1], initial=expected))
    events = codec.decode_blocks(payloads)
    ids = b" ".join([identifier for identifier, _ in entries])
    sound = (
        ids == b" ".join([b"%d-0"] * len(firsts)) % tuple(firsts)
        and tuple(map(crc32, payloads)) == checksums
        and tuple(map(len, events)) == counts
        and all(counts)
    )
    lasts = [first + count - 1 for first, count in zip(firsts, counts, strict=True)]
    return list(map(Block, firsts, lasts, events, recorded, payloads)) if sound else []


def _unpack_each(entries: list[Entry], expected: int, codec: Codec[E]) -> Page[E]:
    blocks: list[Block[E]] = []
    for entry in entries:
        try:
            block = unpack_one(entry, expected, codec)
        except BrokenLedgerError as problem:
            return Page(blocks, problem)
        blocks.append(block)
        expected = block.last + 1
    return Page(blocks, None)


def _stored(entry: Entry, first: int) -> tuple[int, int, int, bytes]:
    """Count, checksum, recorded-at and payload."""
    try:
        _, head, _, payload = entry[1]
        count, checksum, recorded_at = _HEADER.unpack(head)
    except (ValueError, struct.error) as error:
        raise CorruptEntryError(first, f"its fields are damaged: {error}", ProblemKind.MALFORMED) from error
    return count, checksum, recorded_at, payload
