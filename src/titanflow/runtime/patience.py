"""How long to wait for an end that nothing brings nearer."""

import time
from collections.abc import Callable, Hashable


class Patience:
    """Spent once the mark has not changed for so many seconds; it begins with the first question."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._mark: Hashable = None
        self._since: float | None = None

    def is_spent(self, mark: Hashable) -> bool:
        """Whether nothing has changed for too long; `mark` is whatever tells one state of the work from the next."""
        now = self._clock()
        if self._since is None or mark != self._mark:
            self._since, self._mark = now, mark
        return now - self._since >= self.seconds
