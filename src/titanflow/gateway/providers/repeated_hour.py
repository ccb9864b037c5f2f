"""The hour that the end of daylight saving repeats: which of its two times a row means is told by the rows' order."""

from collections.abc import Callable, Hashable, Sequence

import numpy as np

from titanflow.domain.types import NANOS_PER_DAY, Nanos
from titanflow.gateway.bad_ticks import BadTickReason
from titanflow.gateway.providers.tape_columns import Numbers

Fault = tuple[BadTickReason, str]


class RepeatedHour:
    """Follows the rows of one file through repeated hours: the first pass means the earlier time, the second the later.

    The second pass begins where time goes back. Rows of different keys (symbols, in a file sorted by symbol) are
    followed each by itself.
    """

    def __init__(self, slack: Nanos) -> None:
        """Going back by `slack` or less is disorder, not a second pass; -1 takes a time that stands still for one."""
        self._slack = slack
        self._last: dict[Hashable, Nanos] = {}
        self._second: set[Hashable] = set()

    def resolve(
        self, times: Numbers, keys: Sequence[Hashable], is_repeated: Callable[[int], bool] = lambda row: False
    ) -> tuple[Numbers, dict[int, Fault]]:
        """The times with those of second passes moved; and the rows that go back a second time, which nobody can place.

        `is_repeated` says of a row whether it only repeats the one before it, with the same time.
        """
        repeats, faults = times.repeats, dict[int, Fault]()
        if repeats is None or not repeats.any():
            return times, faults
        values = times.values.copy()
        for row in np.flatnonzero(repeats).tolist():
            key, at = keys[row], int(values[row])
            last = self._last.get(key)
            if last is None or at - last > NANOS_PER_DAY:
                self._second.discard(key)
            elif last - at > self._slack and not (at == last and is_repeated(row)):
                if key in self._second:
                    detail = "time is in the hour that autumn repeats, and goes back in it a second time"
                    faults[row] = BadTickReason.OUT_OF_ORDER, detail
                    continue
                self._second.add(key)
            self._last[key] = at
            if key in self._second:
                values[row] += repeats[row]
        return times._replace(values=values), faults
