"""The registry of sessions on a server: which ids exist and when each started. Their ledgers are not touched here."""

import uuid
from typing import NamedTuple

import redis

from eventstore.errors import SessionInUseError
from eventstore.keys import session_key, valid_session_id
from eventstore.wire import Wire

REGISTRY = "titanflow:sessions"
"""A hash: session id -> `<started at, UTC nanoseconds> <token of the registration>`."""


class SessionEntry(NamedTuple):
    """One registered session; `started_at` is in UTC nanoseconds."""

    id: str
    started_at: int


class Sessions:
    """All sessions of one server."""

    def __init__(self, client: redis.Redis) -> None:
        self._wire = Wire(client)

    def register(self, session: str, started_at: int) -> None:
        """Takes the id for a new session, atomically; raises SessionInUseError, or ValueError for a bad id."""
        # The token tells a repeat after a lost reply from another registration of the same id.
        value = f"{started_at} {uuid.uuid4().hex}".encode()
        if self._wire.call("HSETNX", REGISTRY, valid_session_id(session), value):
            return
        if self._wire.call("HGET", REGISTRY, session) != value:
            raise SessionInUseError(
                f"session id {session!r} is in use already; choose another one or resume that session"
            )

    def all(self) -> list[SessionEntry]:
        """Every session, newest first."""
        flat = self._wire.call("HGETALL", REGISTRY)
        entries = (
            SessionEntry(name.decode(), int(value.split()[0]))
            for name, value in zip(flat[::2], flat[1::2], strict=True)
        )
        return sorted(entries, key=lambda entry: (entry.started_at, entry.id), reverse=True)

    def forget(self, session: str) -> None:
        """Takes a name back; the session's keys are left as they are."""
        self._wire.call("HDEL", REGISTRY, valid_session_id(session))

    def remove(self, session: str) -> int:
        """Deletes every key of a session, and its name last; returns how many keys there were. Again does no harm."""
        pattern, cursor, removed = session_key(session, "*"), b"0", 0
        while True:
            cursor, keys = self._wire.call("SCAN", cursor, "MATCH", pattern, "COUNT", 1000)
            if keys:
                removed += self._wire.call("UNLINK", *keys)
            if cursor == b"0":
                break
        self._wire.call("HDEL", REGISTRY, session)
        return removed

    def exists(self, session: str) -> bool:
        """Whether a session of that id was ever registered."""
        return bool(self._wire.call("HEXISTS", REGISTRY, session))
