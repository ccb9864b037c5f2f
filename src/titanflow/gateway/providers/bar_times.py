"""How long the bars of a tape last, and when each begins and ends: by their spacing and by their venue's hours."""

from collections.abc import Sequence

import numpy as np

from titanflow.domain.instruments import TradingCalendar
from titanflow.domain.types import NANOS_PER_DAY
from titanflow.gateway.bad_ticks import BadTickReason
from titanflow.gateway.providers.bars import Bars, Booleans, Integers

Fault = tuple[BadTickReason, str]
RARELY = 2
"""A time between bars that is more than so many times rarer than another one says nothing of how long bars last."""


def usual_gaps(bars: Bars, pairs: int) -> Integers:
    """How long the bars of each pair last: the most frequent time from one of them to the next.

    Of what trades thinly many bars are missing: a shorter time counts instead where it divides the most frequent one
    and is at least half as frequent. A pair with one bar takes the time of all pairs; 0 where none has two bars.
    """
    order = np.lexsort((bars.at, bars.pair))
    at, pair = bars.at[order], bars.pair[order]
    follows = (pair[1:] == pair[:-1]) & (at[1:] > at[:-1])
    gaps, of_pair = np.diff(at)[follows], pair[1:][follows]
    found = np.full(pairs, _usual(gaps), dtype=np.int64)
    for each in np.unique(of_pair).tolist():
        found[each] = _usual(gaps[of_pair == each])
    return found


def _usual(gaps: Integers) -> int:
    if not len(gaps):
        return 0
    values, counts = np.unique(gaps, return_counts=True)
    most = int(np.argmax(counts))
    fitting = (values[most] % values == 0) & (RARELY * counts >= counts[most])
    return int(values[fitting].min())


def placed(bars: Bars, lengths: Integers, calendars: Sequence[TradingCalendar | None]) -> tuple[Bars, dict[int, Fault]]:
    """The bars with the times at which they begin and end, and those, by row, that no session of their venue holds.

    `lengths` and `calendars` are those of each pair. Without a calendar, or with one that never closes, a bar lasts its
    length. In a session it ends at the close at the latest. One that begins before an open begins with it. One of a day
    or longer is made of whole sessions: from the first to the last that lies in it; where it stands at midnight UTC it
    names a date, and its first session is that date's.
    """
    at, length = bars.at.copy(), lengths[bars.pair]
    ends_at = at + length
    faults: dict[int, Fault] = {}
    for calendar in {id(each): each for each in calendars if each is not None and not each.always_open}.values():
        chosen = np.array([each is calendar for each in calendars], dtype=np.bool_)[bars.pair]
        hours = _Hours(calendar)
        chosen &= (at + NANOS_PER_DAY > hours.opens[0]) & (at < hours.closes[-1])
        for kind, place in ((length < NANOS_PER_DAY, hours.of_short), (length >= NANOS_PER_DAY, hours.of_long)):
            rows = np.flatnonzero(chosen & kind)
            at[rows], ends_at[rows], known = place(at[rows], length[rows])
            for row in rows[~known].tolist():
                day = np.datetime64(int(bars.at[row]), "ns").astype("datetime64[D]")
                faults[row] = BadTickReason.BAD_ROW, f"{calendar.id} has no session in the bar that begins on {day}"
    return bars._replace(at=at, ends_at=ends_at), faults


def without_overlap(bars: Bars, calendars: Sequence[TradingCalendar | None]) -> Bars:
    """The bars, each ending where its pair's next one begins, at the latest; a long one at the last close before."""
    order = np.lexsort((bars.at, bars.pair))
    at, ends_at, pair = bars.at[order], bars.ends_at[order], bars.pair[order]
    cut = np.flatnonzero((pair[1:] == pair[:-1]) & (at[1:] < ends_at[:-1]))
    for place in cut.tolist():
        end, calendar = int(at[place + 1]), calendars[int(pair[place])]
        close = calendar.last_close(end - 1) if calendar is not None else None
        ends_at[place] = close if close is not None and at[place] < close < end else end
    uncut = bars.ends_at.copy()
    uncut[order] = ends_at
    return bars._replace(ends_at=uncut)


class _Hours:
    """A venue's sessions as columns."""

    def __init__(self, calendar: TradingCalendar) -> None:
        self.opens, self.closes = np.array(calendar.sessions, dtype=np.int64).reshape(-1, 2).T
        self.days = (self.closes - 1) // NANOS_PER_DAY
        """A session is of the day on which it closes (UTC)."""

    def of_short(self, at: Integers, length: Integers) -> tuple[Integers, Integers, Booleans]:
        """Begin and end of bars shorter than a day. Outside of every session they last their length."""
        session = np.minimum(np.searchsorted(self.closes, at, side="right"), len(self.closes) - 1)
        opened, closes = self.opens[session], self.closes[session]
        touches = (opened < at + length) & (at < closes)
        ends_at = np.where(touches, np.minimum(at + length, closes), at + length)
        return np.where(touches, np.maximum(at, opened), at), ends_at, np.ones(len(at), dtype=np.bool_)

    def of_long(self, at: Integers, length: Integers) -> tuple[Integers, Integers, Booleans]:
        """Begin and end of bars of a day or longer, and whether a session lies in them."""
        day, days = at // NANOS_PER_DAY, -(-length // NANOS_PER_DAY)
        dated = at % NANOS_PER_DAY == 0
        by_day = np.searchsorted(self.days, day, side="left"), np.searchsorted(self.days, day + days, side="left")
        by_time = (
            np.searchsorted(self.closes, at, side="right"),
            np.searchsorted(self.closes, at + length, side="right"),
        )
        first, last = (np.where(dated, one, other) for one, other in zip(by_day, by_time, strict=True))
        known = first < last
        first, last = np.minimum(first, len(self.opens) - 1), np.maximum(last - 1, 0)
        begin = np.where(dated, self.opens[first], np.maximum(at, self.opens[first]))
        return np.where(known, begin, at), np.where(known, self.closes[last], at + length), known
