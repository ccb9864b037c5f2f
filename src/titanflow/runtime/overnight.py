"""Prices that leap over a closure as they do at a split: what is said of them where no split was announced."""

from collections.abc import Mapping
from typing import NamedTuple

from titanflow.domain.events import CorporateActionApplied, Print, SessionStarted
from titanflow.domain.instruments import TradingCalendar
from titanflow.domain.types import SCALE, CorporateActionKind, InstrumentId, Nanos, Price, Ratio, ratio_of, scaled

WHOLE = (2, 3, 4, 5, 6, 7, 8, 10, 15, 20)
RATIOS = (*((n, 1) for n in WHOLE), *((1, n) for n in WHOLE), (3, 2), (2, 3))
"""(new, old) shares of the splits that are looked for."""
NEARNESS: Ratio = 50_000_000
"""How far from the split's exact ratio the opening may lie, as a part of it: 5 %."""
_NEVER = 1 << 63


class Leap(NamedTuple):
    """A first price after a closure that is near a simple part or multiple of the last one before it."""

    instrument: InstrumentId
    at: Nanos
    part: Ratio
    """The first price as a part of the last one."""
    new: int
    """The split that would explain it: so many shares …"""
    old: int
    """… for so many."""


class Overnight:
    """Watches each instrument's prices for such leaps. A split that is known has moved the last price already."""

    def __init__(self, started: SessionStarted | None = None) -> None:
        calendars = {calendar.id: calendar for calendar in started.calendars} if started else {}
        self._calendars: Mapping[InstrumentId, TradingCalendar] = (
            {each.id: calendars[each.calendar] for each in started.instruments if each.calendar in calendars}
            if started
            else {}
        )
        self._last: dict[InstrumentId, _Last] = {}
        self.leaps: list[Leap] = []

    def see(self, met: Print) -> None:
        """Take in a price."""
        last = self._last.get(met.instrument)
        if last is not None and met.at < last.until:
            last.price = met.price
            return
        calendar = self._calendars.get(met.instrument)
        if last is not None:
            self._compare(met, last.price)
        change = None if calendar is None or calendar.always_open else calendar.next_change(met.at)
        self._last[met.instrument] = _Last(met.price, _NEVER if change is None else change)

    def act(self, action: CorporateActionApplied) -> None:
        """Follow a split."""
        last = self._last.get(action.instrument)
        if last is not None and action.kind is CorporateActionKind.SPLIT:
            last.price = max(scaled(last.price * action.old, action.new), 1)

    def _compare(self, met: Print, before: Price) -> None:
        for new, old in RATIOS:
            if abs(met.price * new - before * old) * SCALE <= before * old * NEARNESS:
                self.leaps.append(Leap(met.instrument, met.at, ratio_of(met.price, before), new, old))


class _Last:
    """The last price of an instrument, and when its venue opens or closes next."""

    __slots__ = ("price", "until")

    def __init__(self, price: Price, until: Nanos) -> None:
        self.price = price
        self.until = until
