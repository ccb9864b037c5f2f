"""Copies the sound part of a ledger into a new one, with checkpoints that are true of it."""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from eventstore.errors import BrokenLedgerError
from eventstore.ledger import Block, Ledger, Move
from titanflow.deciders import DECIDERS, new_deciders, owners, timed_out_in
from titanflow.domain.events import ContenderTimedOut, Event, SessionEnded
from titanflow.gateway.lifecycle import ENDING, MIRRORED, OPENING
from titanflow.signal.model import NO_MODELS, Models

COPY = "copy"
"""Name of the checkpoint that the copying moves: how far it came."""
_PAGE = 1000


class Copied(NamedTuple):
    """What came of a copy."""

    events: int
    blocks: int
    left_out: int
    """Events that were numbered and are not in the copy."""
    dead_letters: int


def copy_sound_part(source: Ledger[Event], target: Ledger[Event], models: Models = NO_MODELS) -> Copied:
    """Copy every whole block in front of the first problem, byte for byte, and the dead letters; `target` is empty.

    A decider's checkpoint stands where it stood, or where the first of its decisions is missing. That of the gateway is
    copied only where nothing is left out: else nobody knows where in its feed the copy ends.
    """
    blocks = 0
    for block in _sound_blocks(source):
        target.append_copy(block, [Move(COPY, block.first - 1, block.last)])
        blocks += 1
    events = target.last_seq()
    left_out = max(0, source.last_seq() - events)
    for move in _life(target):
        target.append([], [move])
    for name, at in _checkpoints(source, target, models, whole=not left_out).items():
        if at:
            target.append([], [Move(name, 0, at)])
    return Copied(events, blocks, left_out, _copy_dead_letters(source, target))


def _sound_blocks(ledger: Ledger[Event]) -> Iterator[Block[Event]]:
    try:
        yield from ledger.read()
    except BrokenLedgerError:
        return


def _life(ledger: Ledger[Event]) -> list[Move]:
    ended = any(type(event) is SessionEnded for block in ledger.read() for event in block.events)
    return [OPENING, ENDING] if ended else [OPENING]


def _checkpoints(source: Ledger[Event], target: Ledger[Event], models: Models, *, whole: bool) -> dict[str, int]:
    """Those of the copy, by name; what stands at 0 is left out."""
    stood, end = source.checkpoints(), target.last_seq()
    reached = decided_up_to(target, models)
    made = {name: min(stood.get(name, 0), reached[name]) for name in DECIDERS}
    made["mirror"] = min(stood.get("mirror", 0), end)
    made |= {name: at for name, at in stood.items() if name.startswith("dead-letter:")}
    made |= {f"timed-out:{late.contender}": late.seq for late in _late_calls(target)}
    if whole:
        made |= {name: stood.get(name, 0) for name in ("gateway", MIRRORED)}
    return made


def _late_calls(ledger: Ledger[Event]) -> list[ContenderTimedOut]:
    return [event for block in ledger.read() for event in block.events if isinstance(event, ContenderTimedOut)]


def decided_up_to(ledger: Ledger[Event], models: Models = NO_MODELS) -> Mapping[str, int]:
    """Decider -> the last seq up to which everything that it decides is in the ledger."""
    timed_out = timed_out_in(event for block in ledger.read() for event in block.events)
    tables = [(decider.name, decider.handlers) for decider in new_deciders(models=models, timed_out=timed_out)]
    owner_of = owners()
    waiting: dict[str, deque[int]] = {name: deque() for name, _ in tables}
    seq = 0
    for block in ledger.read():
        for seq, event in enumerate(block.events, block.first):
            owner = owner_of.get(type(event))
            if owner and waiting[owner]:
                waiting[owner].popleft()
            for name, handlers in tables:
                handle = handlers.get(type(event))
                if handle is not None:
                    waiting[name].extend(seq for _ in handle(seq, event))
    return {name: causes[0] - 1 if causes else seq for name, causes in waiting.items()}


def _copy_dead_letters(source: Ledger[Event], target: Ledger[Event]) -> int:
    after, copied = "", 0
    while letters := source.dead_letters.list(after, _PAGE):
        for each in letters:
            target.dead_letters.add(
                each.source, each.reason, each.detail, each.payload, key=each.key, recorded_at=each.recorded_at
            )
        after, copied = letters[-1].id, copied + len(letters)
    return copied
