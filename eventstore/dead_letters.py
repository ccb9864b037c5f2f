"""Dead letters: what came from outside and could not be accepted, set aside with its reason beside the ledger."""

import time
from typing import NamedTuple

import redis

from eventstore.keys import session_key
from eventstore.wire import Script, Wire

_ADD = Script("""
local letters, keys, reasons = KEYS[1], KEYS[2], KEYS[3]
local key = ARGV[5]
local known = key ~= '' and redis.call('HGET', keys, key)
if known then return known end
local id = redis.call('XADD', letters, '*', 'source', ARGV[1], 'reason', ARGV[2], 'detail', ARGV[3],
  'payload', ARGV[4], 'key', key, 'recorded_at', ARGV[6])
if key ~= '' then redis.call('HSET', keys, key, id) end
redis.call('HINCRBY', reasons, ARGV[2], 1)
return id
""")

_REMOVE = Script("""
local letters, reasons = KEYS[1], KEYS[2]
local found = redis.call('XRANGE', letters, ARGV[1], ARGV[1])
if #found == 0 then return 0 end
local reason = found[1][2][4]
redis.call('XDEL', letters, ARGV[1])
if redis.call('HINCRBY', reasons, reason, -1) == 0 then redis.call('HDEL', reasons, reason) end
return 1
""")


class DeadLetter(NamedTuple):
    """One thing set aside; `recorded_at` is wall-clock time in UTC nanoseconds."""

    id: str
    source: str
    reason: str
    detail: str
    payload: bytes
    recorded_at: int
    key: str


class DeadLetters:
    """The dead letters of one session, in the order in which they were set aside."""

    def __init__(self, client: redis.Redis, session: str, *, wire: Wire | None = None) -> None:
        """`wire` shares the connection of a ledger; without it they have their own."""
        self._wire = wire or Wire(client)
        self._letters = session_key(session, "dead")
        self._keys = session_key(session, "dead:keys")
        self._reasons = session_key(session, "dead:reasons")

    def add(self, source: str, reason: str, detail: str, payload: bytes, *, key: str = "", recorded_at: int = 0) -> str:
        """Sets one aside and returns its id.

        With a `key` it is set aside once: the same key again, even after `remove`, returns the first id. Without one
        a call that is repeated after a lost connection may set it aside twice. `recorded_at` is that of a copied one.
        """
        keys = (self._letters, self._keys, self._reasons)
        made: bytes = _ADD(self._wire, keys, source, reason, detail, payload, key, recorded_at or time.time_ns())
        return made.decode()

    def list(self, after: str = "", limit: int = 100) -> "list[DeadLetter]":
        """Up to `limit` letters behind the one whose id is `after`, oldest first."""
        start = f"({after}" if after else "-"
        entries = self._wire.call("XRANGE", self._letters, start, "+", "COUNT", limit)
        return [_letter(identifier, values) for identifier, values in entries]

    def count(self) -> int:
        """How many are set aside now."""
        return int(self._wire.call("XLEN", self._letters))

    def remove(self, identifier: str) -> bool:
        """Takes one away (it was dealt with); False if there is none of that id."""
        return bool(_REMOVE(self._wire, (self._letters, self._reasons), identifier))

    def counts_by_reason(self) -> dict[str, int]:
        """How many are set aside for each reason, in the order of the reasons' names."""
        flat = self._wire.call("HGETALL", self._reasons)
        return {reason.decode(): int(count) for reason, count in sorted(zip(flat[::2], flat[1::2], strict=True))}


def _letter(identifier: bytes, values: "list[bytes]") -> DeadLetter:
    source, reason, detail, payload, key, recorded_at = values[1::2]
    return DeadLetter(
        identifier.decode(), source.decode(), reason.decode(), detail.decode(), payload, int(recorded_at), key.decode()
    )
