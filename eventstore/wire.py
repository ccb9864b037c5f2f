"""One connection of our own to Redis: redis-py connects, hiredis packs and parses, a server's restart is waited out."""

import hashlib
import time
import weakref
from typing import Any

import hiredis
import redis
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    ConnectionError,
    NoScriptError,
    ReadOnlyError,
    ResponseError,
    TimeoutError,
)
from redis.retry import Retry

from eventstore.errors import LedgerUnavailableError

Argument = str | bytes | int

SOCKET_TIMEOUT_S = 15.0
"""A server that says nothing for so long is taken for lost; a blocking read must wait for less."""
PATIENCE_S = 30.0
_READ_BUFFER_BYTES = 256 * 1024
_FIRST_PAUSE_S = 0.01
_LONGEST_PAUSE_S = 0.5
# ConnectionError covers LOADING (a server still reading its append-only file); READONLY is a master just replaced.
_PASSING = (ConnectionError, TimeoutError, ReadOnlyError)
_LASTING = (AuthenticationError, AuthorizationError)


class Wire:
    """Sends one command at a time and returns its reply as hiredis parsed it (bytes, int, list, None).

    A command is sent again after a lost connection, so every command given here must bear being executed twice.
    Not for several threads, nor across a fork.
    """

    def __init__(self, client: redis.Redis, patience: float = PATIENCE_S) -> None:
        """`client` lends its address and credentials only; `patience` is how long to try again, in seconds."""
        pool = client.connection_pool
        options = {k: v for k, v in pool.connection_kwargs.items() if not k.startswith("retry")}
        options |= {
            "socket_timeout": SOCKET_TIMEOUT_S,
            "socket_read_size": _READ_BUFFER_BYTES,
            "decode_responses": False,
            "protocol": 2,
            "retry": Retry(NoBackoff(), 0),
        }
        self._connection = pool.connection_class(**options)
        # Whoever forgets `close` leaves no open socket to the garbage collector.
        weakref.finalize(self, self._connection.disconnect)
        self._patience = patience
        self.losses = 0
        """How often the connection was lost so far: a reader looks whether the server that came back is the same."""

    def call(self, *command: Argument) -> Any:
        """The reply; raises redis.ResponseError if the server refuses, LedgerUnavailableError when patience ends."""
        packed = hiredis.pack_command(command)  # type: ignore[arg-type]  # the stub types a tuple of one
        try:
            return self._exchange(packed)
        except _LASTING:
            raise
        except _PASSING as error:
            return self._call_again(packed, error)

    def close(self) -> None:
        """Lets go of the connection; the next call opens it again."""
        self._connection.disconnect()

    def _exchange(self, packed: bytes) -> Any:
        try:
            self._connection.send_packed_command([packed], check_health=False)
            return self._connection.read_response()
        except ResponseError:
            raise
        except BaseException:
            # An interrupt between the two lines would leave a reply behind for the next command to take as its own.
            self._connection.disconnect()
            raise

    def _call_again(self, packed: bytes, error: Exception) -> Any:
        deadline = time.monotonic() + self._patience
        pause = _FIRST_PAUSE_S
        while time.monotonic() + pause < deadline:
            self.losses += 1
            self._connection.disconnect()
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)
            try:
                return self._exchange(packed)
            except _LASTING:
                raise
            except _PASSING as again:
                error = again
        raise LedgerUnavailableError(f"Redis did not answer for {self._patience:g} s: {error}") from error


class Script:
    """A server-side script, called by its hash and loaded where the server does not know it (any more)."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    def __call__(self, wire: Wire, keys: tuple[str, ...], *arguments: Argument) -> Any:
        """Runs it atomically; the reply as the script returns it."""
        try:
            return wire.call("EVALSHA", self._sha, len(keys), *keys, *arguments)
        except NoScriptError:
            return wire.call("EVAL", self._text, len(keys), *keys, *arguments)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the server refused for want of memory, also where a script's words stand around its own."""
    # redis-py takes the code OOM off a plain reply; in a script's it stands in the middle.
    return isinstance(error, ResponseError) and "command not allowed when used memory >" in str(error)
