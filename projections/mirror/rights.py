"""What the mirror must be allowed to do on its Redis, asked without doing any of it."""

import redis
from redis.exceptions import ResponseError

from eventstore.keys import session_key
from projections.mirror.images import AUDIT_CHANNEL, TRADING
from projections.mirror.publisher import LATEST_KEY

CHANNELS = tuple(sorted({channel for channel, _ in TRADING.values()} | {AUDIT_CHANNEL}))
"""Every channel that the mirror publishes on."""


def missing_rights(client: redis.Redis, session: str) -> tuple[str, ...]:
    """What this user may not do, in words; empty where nothing lacks, or where the server does not let one ask.

    The server judges a command's rights when it is queued in a transaction; that is then discarded.
    """
    pool = client.connection_pool
    connection = pool.get_connection()

    def refused(*command: str) -> bool:
        connection.send_command(*command)  # type: ignore[no-untyped-call]
        try:
            connection.read_response()
        except ResponseError:
            return True
        return False

    try:
        if refused("MULTI"):
            return ()
        missing = tuple(right for right, command in _needed(session) if refused(*command))
        refused("DISCARD")
        return tuple(dict.fromkeys(missing))
    finally:
        connection.disconnect()  # type: ignore[no-untyped-call]
        pool.release(connection)


def remedy(missing: tuple[str, ...]) -> str:
    """What an administrator of the server does about it."""
    channels = [f"&{right.rpartition(' ')[2]}" for right in missing if right.startswith("publish on ")]
    rules = " ".join(channels) if len(channels) < len(CHANNELS) else "allchannels"
    others = [right for right in missing if not right.startswith("publish on ")]
    return f"ACL SETUSER <user> {rules}" if channels and not others else "give this user the rights (ACL SETUSER)"


def _needed(session: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Right in words, and a command that needs it; none of them is executed."""
    keys = [session_key(session, part) for part in ("checkpoints", "last_price", "leaderboard")]
    publishing = tuple((f"publish on {channel}", ("PUBLISH", channel, "")) for channel in CHANNELS)
    running = (("run EVALSHA", ("EVALSHA", "0" * 40, "0")), ("run EVAL", ("EVAL", "return 1", "0")))
    writing = tuple((f"write {key}", ("HSET", key, "", "")) for key in (*keys[:2], LATEST_KEY))
    reading = tuple((f"read {key}", ("HGETALL", key)) for key in (*keys[:2], LATEST_KEY))
    return (*publishing, *running, *writing, (f"write {keys[2]}", ("SET", keys[2], "")), *reading)
