"""Signs of life: a service's loop gives them by asking whether to stop; its supervisor looks when it last did.

A file a service holds them: its modification time is the last one, its content what the service said of itself.
"""

import os
import threading
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from eventstore.signs import Signs

BEAT_EVERY_S = 0.5


class Told(msgspec.Struct, frozen=True):
    """What a service last said of itself."""

    seq: int = 0
    """How far its work is kept."""
    recovering: int = 0
    """It folds again what was there before it started, and is at this seq …"""
    of: int = 0
    """… of so many; 0 where it does not."""
    trouble: str = ""
    """What it waits for."""
    end: str = ""
    """How it ended, in one word; empty while it lives, and where it had no time to say."""
    reason: str = ""
    """Why it ended."""


class Heartbeat(threading.Event, Signs):
    """The stop signal of a service. Asking it is a sign of life, and so is whatever it is told.

    Times are of the machine's monotonic clock, which all processes share: to set the wall clock makes nobody look dead.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._beaten_at = 0.0
        self._told = Told()
        self._unwritten = True
        self._beat()

    def is_set(self) -> bool:
        """Whether to stop."""
        self._beat()
        return super().is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Sleep up to `timeout` seconds, less if it is set meanwhile; whether it is set."""
        self._beat()
        is_set = super().wait(timeout)
        self._beat()
        return is_set

    def recovering(self, done: int, of: int) -> None:
        """See `Signs`. It is over once `done` has come to `of`."""
        self._tell(recovering=done, of=of if done < of else 0)

    def reached(self, seq: int) -> None:
        """See `Signs`."""
        self._tell(seq=seq, of=0)

    def trouble(self, reason: str) -> None:
        """See `Signs`; written at once."""
        self._tell(trouble=reason)
        self.write()

    def ended(self, end: str, reason: str) -> None:
        """Leave the last words."""
        self._tell(end=end, reason=reason)
        self.write()

    def write(self) -> None:
        """Write what was said last, whole or not at all. A full disk is no reason to stop working."""
        self._beaten_at = now = time.monotonic()
        draft = self._path.with_suffix(".new")
        try:
            draft.write_bytes(msgspec.json.encode(self._told))
            os.utime(draft, (now, now))
            draft.replace(self._path)
        except OSError:
            return
        self._unwritten = False

    def _tell(self, **changes: object) -> None:
        self._told = msgspec.structs.replace(self._told, **changes)
        self._unwritten = True
        self._beat()

    def _beat(self) -> None:
        now = time.monotonic()
        if now - self._beaten_at < BEAT_EVERY_S:
            return
        self._beaten_at = now
        if self._unwritten:
            self.write()
        with suppress(OSError):
            os.utime(self._path, (now, now))


def last_beat(path: Path) -> float:
    """Monotonic time of the last sign of life; 0 where there was none."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def told(path: Path) -> Told:
    """What a service last said of itself; nothing where it has said nothing, or another version of it spoke."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Told)
    except (OSError, msgspec.MsgspecError):
        return Told()
