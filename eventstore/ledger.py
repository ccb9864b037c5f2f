"""The ledger of one session: append, read, tail, checkpoints, digest, check. Only the codec knows the events."""

import hashlib
import math
import time
import uuid
from collections.abc import Iterator, Sequence
from typing import Any, Generic, NamedTuple, TypeVar
from zlib import crc32

import redis

from eventstore.append import APPEND, Move, advancing
from eventstore.blocks import Block, Entry, first_seq, header, unpack, unpack_one, within
from eventstore.codec import Codec, body
from eventstore.dead_letters import DeadLetters
from eventstore.errors import (
    BrokenLedgerError,
    FencedError,
    ForeignEntryError,
    LedgerError,
    LedgerGapError,
    LedgerLostError,
    ProblemKind,
)
from eventstore.keys import session_key
from eventstore.wire import PATIENCE_S, Wire

__all__ = ["Block", "Ledger", "LedgerReport", "Move", "Problem"]

E = TypeVar("E")

MAX_EVENTS_A_BLOCK = 100_000
_FIRST_PAGE_BLOCKS = 16
_MAX_PAGE_BLOCKS = 1_000
_PAGE_EVENTS = 5_000
# A blocked reader looks up so often whether the server still holds what it has read; well below the socket's timeout.
_LONGEST_BLOCK_S = 2.0
# What the server says where the next id is not larger than the stream's last one.
_IN_THE_WAY = ("XADD is equal or smaller", "exhausted the last possible ID")


class Problem(NamedTuple):
    """The first thing that is wrong with a ledger."""

    kind: ProblemKind
    seq: int
    detail: str


class LedgerReport(NamedTuple):
    """What `Ledger.check` found; the counts cover the sound part, up to the first problem."""

    events: int
    blocks: int
    bytes: int
    problem: Problem | None


class Ledger(Generic[E]):
    """One session's ledger. One instance a process and thread: it owns one connection and is not thread-safe.

    Every call waits out a lost connection or a restarting server for `patience` seconds, then raises
    LedgerUnavailableError.
    """

    def __init__(
        self,
        client: redis.Redis,
        session: str,
        codec: Codec[E],
        *,
        writer: str | None = None,
        patience: float = PATIENCE_S,
    ) -> None:
        """`writer` tells this writer's retries from another writer's appends: one an instance, made up by default."""
        self.session = session
        self.writer = writer or uuid.uuid4().hex
        self._codec = codec
        self._wire = Wire(client, patience)
        self._ledger = session_key(session, "ledger")
        self._counter = session_key(session, "seq")
        self._checkpoints = session_key(session, "checkpoints")
        self._append_keys = (self._ledger, self._counter, self._checkpoints, session_key(session, "receipts"))
        self._anchor: Block[E] | None = None
        self._anchor_losses = 0
        self._tail_limit = _FIRST_PAGE_BLOCKS
        self.dead_letters = DeadLetters(client, session, wire=self._wire)

    def append(self, events: Sequence[E], moves: Sequence[Move]) -> range:
        """Appends the events as one block and moves the checkpoints, all or nothing; returns the seqs given.

        No events: only the checkpoints move and the range is empty. Asking again after a lost reply (same writer,
        events and moves) writes nothing and returns the same seqs. Raises FencedError if a checkpoint is not where a
        move expects it, ForeignEntryError where somebody else's entry stands in the way, ValueError for moves that
        would not fence or more than MAX_EVENTS_A_BLOCK events.
        """
        count = len(events)
        if count > MAX_EVENTS_A_BLOCK:
            raise ValueError(f"{count} events are too many for one block; at most {MAX_EVENTS_A_BLOCK}")
        return self._write(count, self._codec.encode(events) if count else b"", time.time_ns(), moves)

    def append_copy(self, block: Block[E], moves: Sequence[Move]) -> range:
        """Appends a whole block of another ledger as it is stored, recorded when that was. Otherwise as `append`."""
        return self._write(len(block.events), block.payload, block.recorded_at, moves)

    def _write(self, count: int, payload: bytes, recorded_at: int, moves: Sequence[Move]) -> range:
        receipt_of = advancing(moves)
        head = header(count, recorded_at, payload)
        positions = [part for move in moves for part in move]
        identity = f"{self.writer} {count} {crc32(payload)} {positions}"
        reply = self._call_append(identity, receipt_of, count, head, payload, *positions)
        if isinstance(reply, list):
            stale = moves[reply[0]]
            raise FencedError(stale.name, stale.expected, int(reply[1]))
        return range(reply, reply + count)

    def read(self, first: int = 1, last: int | None = None) -> Iterator[Block[E]]:
        """The blocks from seq `first` to `last` (both included), or to wherever the end is when the reader gets there.

        A block that the range cuts is trimmed; its payload keeps the stored bytes of the events that remain. Where
        fewer events exist the reader ends early. Raises LedgerGapError, CorruptEntryError or UnknownEventError at the
        first seq that is not as it was written, LedgerLostError if the ledger vanishes underneath.
        """
        if first < 1:
            raise ValueError(f"the first event has seq 1, not {first}")
        if last is not None and last < first:
            return
        held = self._entry_at(first) if first > 1 else None
        expected = first_seq(held, first) if held else 1
        start = f"{expected}-0" if held else "-"
        stop = "+" if last is None else f"{last}-0"
        promised, limit, numbered = 0, _FIRST_PAGE_BLOCKS, 0
        while last is None or expected <= last:
            entries = self._wire.call("XRANGE", self._ledger, start, stop, "COUNT", limit)
            blocks, problem = unpack(entries, expected, self._codec)
            if blocks and blocks[-1].last > numbered:
                numbered = self.last_seq()
            known = [block for block in blocks if block.last <= numbered]
            yield from within(known, first, last)
            if len(known) < len(blocks):
                raise self._never_numbered(blocks[len(known)], numbered)
            if problem:
                raise self._named(problem)
            at_the_end = len(entries) < limit
            if blocks:
                start = f"({blocks[-1].first}-0"
                limit, expected = _next_limit(blocks), blocks[-1].last + 1
            elif expected <= promised:
                raise LedgerGapError(expected, None)
            if at_the_end:
                end = self.last_seq()
                if end < expected - 1:
                    raise self._lost(expected - 1, end)
                promised = end if last is None else min(end, last)
                if expected > promised:
                    return

    def tail(self, after: int, timeout: float, limit: int | None = None) -> list[Block[E]]:
        """Up to `limit` blocks after seq `after`, waiting up to `timeout` seconds for the first; [] if none came.

        Without a `limit` it follows the size of the blocks, so that a call returns a few thousand events at most.
        If `after` lies inside a block, the rest of that block comes first. Raises as `read` does, and LedgerLostError
        if the server no longer holds the events up to `after`, or holds others in their place.
        """
        deadline = time.monotonic() + timeout
        while True:
            if rest := self._rest_of_block(after):
                return [rest]
            wait = min(deadline - time.monotonic(), _LONGEST_BLOCK_S)
            entries = self._entries_after(after, wait, limit or self._tail_limit)
            if self._anchor_losses != self._wire.losses:
                continue
            if entries:
                return self._taken(entries, after)
            if wait <= 0:
                return []

    def last_seq(self) -> int:
        """The seq of the last event, 0 for an empty ledger."""
        return int(self._wire.call("GET", self._counter) or 0)

    def checkpoint(self, name: str) -> int:
        """Where the checkpoint stands, 0 if it never moved."""
        return int(self._wire.call("HGET", self._checkpoints, name) or 0)

    def checkpoints(self) -> dict[str, int]:
        """All checkpoints that ever moved, by name."""
        flat = self._wire.call("HGETALL", self._checkpoints)
        return {name.decode(): int(value) for name, value in sorted(zip(flat[::2], flat[1::2], strict=True))}

    def digest(self, first: int = 1, last: int | None = None) -> str:
        """SHA-256 (hex) over the stored bytes of the events in order, however they were cut into blocks."""
        sha = hashlib.sha256()
        for block in self.read(first, last):
            sha.update(body(block.payload))
        return sha.hexdigest()

    def check(self) -> LedgerReport:
        """Reads everything; reports what there is and the first problem, instead of raising it."""
        events = blocks = size = 0
        try:
            for block in self.read():
                events, blocks, size = events + len(block.events), blocks + 1, size + len(block.payload)
            self._check_last_id(events)
        except BrokenLedgerError as error:
            return LedgerReport(events, blocks, size, Problem(error.kind, error.seq, str(error)))
        return LedgerReport(events, blocks, size, None)

    def last_id(self) -> str:
        """The largest id that the stream ever had, as the server keeps it; the next entry's must be larger."""
        reply = self._wire.call("XINFO", "STREAM", self._ledger) if self._wire.call("EXISTS", self._ledger) else []
        fields = dict(zip(reply[::2], reply[1::2], strict=True))
        made: bytes = fields.get(b"last-generated-id", b"0-0")
        return made.decode()

    def close(self) -> None:
        """Lets go of the connection; a later call opens it again."""
        self._wire.close()

    def _call_append(self, *arguments: str | bytes | int) -> Any:
        try:
            return APPEND(self._wire, self._append_keys, *arguments)
        except redis.ResponseError as error:
            if any(words in str(error) for words in _IN_THE_WAY):
                self._check_last_id(self.last_seq())
            raise

    def _check_last_id(self, last: int) -> None:
        """Raises ForeignEntryError where the stream's last id leaves no room for the event after seq `last`."""
        made = self.last_id()
        if int(made.partition("-")[0]) > last:
            raise ForeignEntryError(
                last + 1, f"its last id is {made}, and the last event is {last}, so that nothing can be appended"
            )

    def _never_numbered(self, block: Block[E], numbered: int) -> LedgerError:
        """What to say of a block behind the last seq that was given: forged, if it is not the server that lost both."""
        held = self._entry_at(block.first)
        if held and held[0] == b"%d-0" % block.first and self.last_seq() == numbered:
            return ForeignEntryError(block.first, f"its entry stands there, but the last event is {numbered}")
        return self._lost(block.last, numbered)

    def _named(self, problem: BrokenLedgerError) -> BrokenLedgerError:
        """A gap before an entry that was never numbered is none: the entry is somebody else's."""
        if isinstance(problem, LedgerGapError) and problem.found is not None and problem.found > problem.expected:
            last = self.last_seq()
            if problem.found > last:
                return ForeignEntryError(problem.expected, f"entry {problem.found}-0 is beyond the last event, {last}")
        return problem

    def _rest_of_block(self, after: int) -> Block[E] | None:
        """Anchors the reader at `after`: what is left of the block that holds it; nothing to do where it is known."""
        anchor, losses = self._anchor, self._wire.losses
        if after and anchor and anchor.last == after and losses == self._anchor_losses:
            return None
        held = self._held_block(after) if after else None
        if held and anchor and anchor.last == after and held != anchor:
            raise LedgerLostError(f"session {self.session!r}: the server came back with other events up to seq {after}")
        self._anchor, self._anchor_losses = held, losses
        return held.cut(after + 1, None) if held and held.last > after else None

    def _held_block(self, seq: int) -> Block[E]:
        entry = self._entry_at(seq)
        block = unpack_one(entry, first_seq(entry, seq), self._codec) if entry else None
        if block and block.last >= seq:
            return block
        end = self.last_seq()
        if end < seq:
            raise self._lost(seq, end)
        raise LedgerGapError(block.last + 1 if block else 1, None)

    def _entries_after(self, after: int, wait: float, limit: int) -> list[Entry]:
        """The entries after the anchor's, at most `limit`, within `wait` seconds."""
        entries = self._xread(wait, limit)
        if not entries:
            end = self.last_seq()
            if end < after:
                raise self._lost(after, end)
            if end > after:
                entries = self._xread(0, limit)
                if not entries:
                    raise LedgerGapError(after + 1, None)
        return entries

    def _xread(self, wait: float, limit: int) -> list[Entry]:
        # From the anchor's own id, not from `after`: an entry that overlaps the anchor's block must not be skipped.
        start = f"{self._anchor.first}-0" if self._anchor else "0-0"
        block = ("BLOCK", math.ceil(wait * 1000)) if wait > 0 else ()
        reply = self._wire.call("XREAD", "COUNT", limit, *block, "STREAMS", self._ledger, start)
        return reply[0][1] if reply else []

    def _taken(self, entries: list[Entry], after: int) -> list[Block[E]]:
        """The sound blocks in front; what is wrong behind them is raised when the reader comes back for it."""
        blocks, problem = unpack(entries, after + 1, self._codec)
        if problem and not blocks:
            raise self._named(problem)
        self._anchor = blocks[-1]
        self._tail_limit = _next_limit(blocks)
        return blocks

    def _entry_at(self, seq: int) -> Entry | None:
        """The last entry that begins at or before `seq`."""
        entries = self._wire.call("XREVRANGE", self._ledger, f"{seq}-0", "-", "COUNT", 1)
        return entries[0] if entries else None

    def _lost(self, seq: int, end: int) -> LedgerLostError:
        return LedgerLostError(
            f"session {self.session!r}: seq {seq} was read before, but the server's ledger now ends at {end}; "
            "it was emptied or restored from an older state"
        )


def _next_limit(blocks: list[Block[E]]) -> int:
    """How many blocks to ask for next, so that a page holds about the same number of events whatever their size."""
    events = blocks[-1].last - blocks[0].first + 1
    return max(1, min(_MAX_PAGE_BLOCKS, _PAGE_EVENTS * len(blocks) // events))
