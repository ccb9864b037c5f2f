"""How messages reach Redis: one atomic script publishes a batch, renews the hot cache and moves the checkpoint.

So a restarted mirror publishes nothing twice and leaves nothing out. What a message says is not decided here.
"""

from collections.abc import Mapping, Sequence

import redis

from eventstore.errors import FencedError
from eventstore.keys import session_key
from eventstore.wire import Script, Wire
from titanflow.domain.types import Nanos

CHECKPOINT = "mirror"
LATEST_KEY = "titanflow:latest"

_PUBLISH = Script("""
local checkpoints, prices, leaderboard = KEYS[1], KEYS[2], KEYS[3]
local found = redis.call('HGET', checkpoints, ARGV[1]) or '0'
if found ~= ARGV[2] then return found end
redis.call('HSET', checkpoints, ARGV[1], ARGV[2])
local price_end = 6 + 2 * tonumber(ARGV[5])
for i = price_end + 1 + 2 * tonumber(ARGV[6]), #ARGV, 2 do
  local reply = redis.pcall('PUBLISH', ARGV[i], ARGV[i + 1])
  if type(reply) == 'table' and reply.err then return {(i - price_end - 1) / 2, reply.err} end
end
if ARGV[4] ~= '' then redis.call('SET', leaderboard, ARGV[4]) end
for i = 7, price_end, 2 do redis.call('HSET', prices, ARGV[i], ARGV[i + 1]) end
redis.call('HSET', checkpoints, ARGV[1], ARGV[3])
return 1
""")
"""Keys: checkpoints, last prices, leaderboard. Arguments: name, expected and new of the checkpoint, the leaderboard's
JSON (empty: unchanged), the number of prices, the number of messages that were published before, then name and JSON of
each price, then channel and JSON of each message. Replies 1, or as text where the checkpoint stands instead, or
`[messages published, error]` where the server refused one: then nothing has moved.

The first HSET changes nothing: a server without memory refuses it, and so speaks before anything is published.
"""

_RENEW_LATEST = Script("""
local held = redis.call('HMGET', KEYS[1], 'started', 'session')
local started, session = held[1] or '', held[2] or ''
if started > ARGV[1] or (started == ARGV[1] and session > ARGV[2]) then return 0 end
if session ~= ARGV[2] then
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'started', ARGV[1], 'session', ARGV[2])
end
for i = 3, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
return 1
""")
"""Key: the hash of the latest session. Arguments: when this session's ledger began (a fixed number of digits, so that
text compares like time), its id, then field and value of each entry. Writes nothing where a later session holds it.
"""


class Publisher:
    """Publishes one session's messages. The one that moves the checkpoint publishes; any other is fenced off.

    What the server refused in the middle of a batch is published again from there, by this instance.
    """

    def __init__(self, client: redis.Redis, session: str) -> None:
        """`client` lends its address and credentials; the connection is the publisher's own."""
        self._wire = Wire(client)
        self._session = session
        self._keys = (
            session_key(session, "checkpoints"),
            session_key(session, "last_price"),
            session_key(session, "leaderboard"),
        )
        self._published = (0, 0)
        """Expected checkpoint of the batch that was refused last, and how many of its messages had gone out."""

    def publish(
        self,
        expected: int,
        new: int,
        messages: Sequence[tuple[str, bytes]],
        prices: Mapping[str, bytes],
        leaderboard: bytes,
    ) -> None:
        """Publish (channel, JSON) pairs and move the checkpoint from `expected` to `new`, all or nothing.

        `prices` are last-price entries by symbol and by instrument, `leaderboard` is empty where none came. Raises
        FencedError where another mirror of this session has moved the checkpoint, redis.ResponseError where the server
        refuses: the same batch may then be given again.
        """
        losses = self._wire.losses
        cached = [part for entry in prices.items() for part in entry]
        sent = [part for message in messages for part in message]
        before = self._published[1] if self._published[0] == expected else 0
        reply = _PUBLISH(
            self._wire, self._keys, CHECKPOINT, expected, new, leaderboard, len(prices), before, *cached, *sent
        )
        if isinstance(reply, list):
            self._published = (expected, int(reply[0]))
            raise redis.ResponseError(f"publish on {messages[reply[0]][0]}: {reply[1].decode()}")
        # Sent again after a lost connection, the script may find that it had run: then its reply was all that was lost.
        if reply != 1 and (int(reply) != new or self._wire.losses == losses):
            raise FencedError(CHECKPOINT, expected, int(reply))

    def renew_latest(self, started: Nanos, prices: Mapping[str, bytes], leaderboard: bytes) -> None:
        """Bring the un-sessioned cache up to date, unless a session that began later holds it."""
        entries: list[str | bytes] = [part for name, value in prices.items() for part in (f"price:{name}", value)]
        if leaderboard:
            entries += ["leaderboard", leaderboard]
        _RENEW_LATEST(self._wire, (LATEST_KEY,), f"{started:019d}", self._session, *entries)

    def cache(self) -> tuple[dict[str, bytes], bytes]:
        """The session's hot cache as it stands: last prices by name, and the leaderboard (empty where none)."""
        _, prices, leaderboard = self._keys
        flat = self._wire.call("HGETALL", prices)
        names = (name.decode() for name in flat[::2])
        return dict(zip(names, flat[1::2], strict=True)), self._wire.call("GET", leaderboard) or b""

    def close(self) -> None:
        """Let go of the connection."""
        self._wire.close()
