"""How fast a recorded feed is played: event time mapped to wall-clock time, with a clock and a sleep from outside."""

import time
from collections.abc import Callable
from decimal import Decimal
from math import inf
from typing import Literal, Protocol

from titanflow.domain.types import NANOS_PER_SECOND, Nanos
from titanflow.errors import InputError

LONGEST_SILENCE_SECONDS = 5.0
Speed = Decimal | float | Literal["max"]
"""Event seconds a wall-clock second; `max` does not wait at all."""


class StopSignal(Protocol):
    """What `threading.Event` offers: somebody else sets it to stop."""

    def is_set(self) -> bool:
        """Whether to stop."""
        ...

    def wait(self, timeout: float) -> bool:
        """Sleep up to `timeout` seconds, less if it is set meanwhile; whether it is set."""
        ...


class Pace:
    """Real time, so many times faster, or full speed.

    A step of event time is due its length divided by the speed after the one before, but never more than
    `longest_silence_seconds` of wall-clock time: a night passes quickly.
    """

    def __init__(
        self,
        speed: Speed,
        *,
        clock: Callable[[], float] = time.monotonic,
        longest_silence_seconds: float = LONGEST_SILENCE_SECONDS,
    ) -> None:
        """`clock` in wall-clock seconds. Raises InputError for a speed that is not above zero."""
        self.speed = inf if speed == "max" else float(speed)
        if not self.speed > 0:
            raise InputError(f"speed is {speed}; expected a number above 0, or max")
        self._clock = clock
        self._longest = longest_silence_seconds
        self._last: Nanos | None = None
        self._due = 0.0

    def is_due(self, at: Nanos) -> bool:
        """Whether what happened at `at` may be said now. Ask in order of event time, as often as you like."""
        return self.speed == inf or self._seconds_until(at) <= 0

    def wait(self, at: Nanos, stop: StopSignal) -> bool:
        """Sleep until `at` is due, or until `stop` is set; whether it is due."""
        while not self.is_due(at):
            if stop.wait(self._seconds_until(at)):
                return False
        return True

    def resume(self) -> None:
        """Go on from now after a halt: what became due meanwhile is not caught up with in a rush."""
        self._due = max(self._due, self._clock())

    def _seconds_until(self, at: Nanos) -> float:
        if self._last is None:
            self._due = self._clock()
        elif at > self._last:
            self._due += min((at - self._last) / NANOS_PER_SECOND / self.speed, self._longest)
        self._last = at
        return self._due - self._clock()
