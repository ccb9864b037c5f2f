"""The one way to write: a fenced, atomic, repeatable append. The script runs on the server, all of it or nothing."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from eventstore.wire import Script

_NAME = re.compile(r"[A-Za-z0-9._:@/-]{1,128}")


class Move(NamedTuple):
    """A checkpoint to move in the same atomic step as the append; with `new == expected` it only fences.

    A checkpoint never goes back, or a retry could not be told from a second append.
    """

    name: str
    expected: int
    new: int


LAST_SEQ = "@seq"
"""A name that stands for the ledger's end: `Move(LAST_SEQ, n, n)` refuses the append unless the last seq is n."""

APPEND = Script("""
local ledger, counter, checkpoints, receipts = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local identity, receipt_of, count = ARGV[1], ARGV[2], tonumber(ARGV[3])
for i = 6, #ARGV, 3 do
  local found = ARGV[i] == '@seq' and redis.call('GET', counter) or redis.call('HGET', checkpoints, ARGV[i]) or '0'
  if found ~= ARGV[i + 1] then
    local receipt = redis.call('HGET', receipts, receipt_of) or ''
    local first, made_by = string.match(receipt, '^(%d+) (.*)$')
    if made_by == identity then return tonumber(first) end
    return {(i - 6) / 3, found}
  end
end
local first = tonumber(redis.call('GET', counter) or '0') + 1
if count > 0 then
  redis.call('XADD', ledger, string.format('%d-0', first), 'h', ARGV[4], 'p', ARGV[5])
  redis.call('INCRBY', counter, count)
end
for i = 6, #ARGV, 3 do
  if ARGV[i + 1] ~= ARGV[i + 2] then redis.call('HSET', checkpoints, ARGV[i], ARGV[i + 2]) end
end
redis.call('HSET', receipts, receipt_of, string.format('%d ', first) .. identity)
return first
""")
"""Keys: ledger, counter, checkpoints, receipts. Arguments: identity, name of the receipt, count, header, payload, then
name, expected and new of each move. Replies the first seq or, when fenced, `[index of the move, value found]`.

The receipt says who made the last move of a checkpoint and where its block went: a writer that lost the reply and asks
again is recognised by its identity. XADD stands before the first other write because it is the only one that can fail.
"""


def advancing(moves: Sequence[Move]) -> str:
    """The name under which an append leaves its receipt: the first checkpoint that it really moves.

    Raises ValueError unless the moves fence the append: at least one moves on, none goes back, none stands twice.
    """
    name = ""
    for move in moves:
        if not 0 <= move.expected <= move.new:
            raise ValueError(f"{move}: a checkpoint moves on from 0 or more, never back")
        if move.name == LAST_SEQ and move.new != move.expected:
            raise ValueError(f"{move}: the last seq can be fenced, not moved")
        if not _NAME.fullmatch(move.name):
            raise ValueError(f"checkpoint name {move.name!r} must be 1 to 128 characters of A-Z a-z 0-9 . _ : @ / -")
        if not name and move.new > move.expected:
            name = move.name
    if not name:
        raise ValueError("an append moves at least one checkpoint on: nothing else would fence it")
    if len(moves) > 1 and len({move.name for move in moves}) < len(moves):
        raise ValueError(f"a checkpoint is moved twice in one append: {[move.name for move in moves]}")
    return name
