"""Signs of life: a service's loop gives them by asking whether to stop; its supervisor looks when it last did."""

import os
import threading
import time
from pathlib import Path

BEAT_EVERY_S = 0.5


class Heartbeat(threading.Event):
    """The stop signal of a service. Asking it is a sign of life, left as the modification time of a file.

    The time is the machine's monotonic clock, which all processes share: setting the wall clock makes nobody look dead.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._beaten_at = 0.0
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

    def _beat(self) -> None:
        now = time.monotonic()
        if now - self._beaten_at >= BEAT_EVERY_S:
            self._beaten_at = now
            self._path.touch()
            os.utime(self._path, (now, now))


def last_beat(path: Path) -> float:
    """Monotonic time of the last sign of life; 0 where there was none."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
