"""The names of a session's keys. The braces are a Redis Cluster hash tag: all keys of a session live in one slot."""

import re

_SESSION_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def session_key(session: str, part: str) -> str:
    """The key of one part of a session; ValueError if the session id is not 1 to 64 of `A-Z a-z 0-9 . _ -`."""
    return f"titanflow:{{{valid_session_id(session)}}}:{part}"


def valid_session_id(session: str) -> str:
    """The id itself; ValueError if it is not 1 to 64 of `A-Z a-z 0-9 . _ -`."""
    if not _SESSION_ID.fullmatch(session):
        raise ValueError(f"session id {session!r} must be 1 to 64 characters of A-Z a-z 0-9 . _ -")
    return session
