"""A block: the events of one append, as one stream entry. Here entries are unpacked and all about them is checked.

An entry's id is `<seq of its first event>-0`; its fields, in this order: `n` count of events, `t` recorded-at (wall
clock, UTC nanoseconds), `c` CRC-32 of the payload, `p` payload (the codec's bytes).
"""

from itertools import accumulate
from operator import add
from typing import Any, Generic, NamedTuple, TypeVar
from zlib import crc32

import msgspec

from eventstore.codec import Codec, join, split
from eventstore.errors import BrokenLedgerError, CorruptEntryError, LedgerGapError, ProblemKind

E = TypeVar("E")
Entry = list[Any]
"""A stream entry as the server replies it: `[id, [field, value, …]]`, all bytes."""

_FIELDS = [b"n", b"t", b"c", b"p"]


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


def unpack(entries: list[Entry], expected: int, codec: Codec[E]) -> Page[E]:
    """The blocks of consecutive entries, the first of which must begin with seq `expected`."""
    try:
        blocks = _unpack_all(entries, expected, codec)
    except (IndexError, ValueError, msgspec.MsgspecError):
        blocks = None
    return Page(blocks, None) if blocks is not None else _unpack_each(entries, expected, codec)


def unpack_one(entry: Entry, expected: int, codec: Codec[E]) -> Block[E]:
    """The block of one entry; raises the BrokenLedgerError that says what is wrong with it."""
    first = first_seq(entry, expected)
    if first != expected:
        raise LedgerGapError(expected, first)
    count, recorded_at, checksum, payload = _stored(entry, first)
    if crc32(payload) != checksum:
        raise CorruptEntryError(first, "the CRC-32 of its block does not match", ProblemKind.CHECKSUM)
    events = codec.decode(payload, first)
    if len(events) != count:
        raise CorruptEntryError(first, f"its block says {count} events and holds {len(events)}", ProblemKind.COUNT)
    return Block(first, first + count - 1, events, recorded_at, payload)


def first_seq(entry: Entry, expected: int) -> int:
    """The seq in an entry's id; CorruptEntryError at `expected` if it is not an id that an append gives."""
    seq, _, part = entry[0].partition(b"-")
    if part != b"0" or not seq.isdigit():
        raise CorruptEntryError(expected, f"entry {entry[0].decode()} was not made by an append", ProblemKind.MALFORMED)
    return int(seq)


def _unpack_all(entries: list[Entry], expected: int, codec: Codec[E]) -> list[Block[E]] | None:
    """All blocks at a stretch, None (or an error of any kind) if anything about any of them is wrong.

    Column by column rather than entry by entry: that is what keeps blocks of one event fast to read.
    """
    fields = [entry[1] for entry in entries]
    counts = [int(values[1]) for values in fields]
    recorded = [int(values[3]) for values in fields]
    checksums = [int(values[5]) for values in fields]
    payloads = [values[7] for values in fields]
    *firsts, _ = accumulate(counts, add, initial=expected)
    events = codec.decode_blocks(payloads)
    sound = (
        [entry[0] for entry in entries] == [b"%d-0" % first for first in firsts]
        and list(map(crc32, payloads)) == checksums
        and list(map(len, events)) == counts
        and all(counts)
        and all(values[::2] == _FIELDS for values in fields)
    )
    if not sound:
        return None
    lasts = [first + count - 1 for first, count in zip(firsts, counts, strict=True)]
    return list(map(Block, firsts, lasts, events, recorded, payloads))


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
    values = entry[1]
    try:
        count, recorded_at, checksum = map(int, values[1:7:2])
        payload: bytes = values[7]
    except (IndexError, ValueError, TypeError) as error:
        raise CorruptEntryError(first, f"its fields are damaged: {error}", ProblemKind.MALFORMED) from error
    if values[::2] != _FIELDS or count < 1:
        raise CorruptEntryError(first, "its fields are not those of a block", ProblemKind.MALFORMED)
    return count, recorded_at, checksum, payload
