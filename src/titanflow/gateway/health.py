"""Health of a feed, instrument by instrument: who fell silent while its venue was open, and who speaks again."""

from collections.abc import Iterable, Mapping, Sequence
from math import inf

from titanflow.domain.events import FeedStatusChanged
from titanflow.domain.instruments import Instrument, TradingCalendar
from titanflow.domain.types import NANOS_PER_SECOND, FeedStatus, InstrumentId, Nanos


class FeedHealth:
    """Reports SILENT when an instrument had no row for over `silence_seconds` of open time, LIVE when it returns.

    Where the silence lasted longer than `max_gap_seconds` of open time, GAP precedes LIVE: what was known of the
    instrument does not connect with what comes. Time while the venue is closed does not count, so nothing is reported
    over night. Every instrument is taken to be live when the feed begins.
    """

    def __init__(
        self,
        instruments: Iterable[Instrument],
        calendars: Iterable[TradingCalendar],
        silence_seconds: int,
        max_gap_seconds: int,
    ) -> None:
        """`silence_seconds` must not exceed `max_gap_seconds`: a gap is a long silence."""
        by_id = {calendar.id: calendar for calendar in calendars}
        self._calendars: Mapping[InstrumentId, TradingCalendar] = {i.id: by_id[i.calendar] for i in instruments}
        self._silence = silence_seconds * NANOS_PER_SECOND
        self._max_gap = max_gap_seconds * NANOS_PER_SECOND
        self._next_check: float = -inf
        self.last: dict[InstrumentId, Nanos] = {}
        """Time of each instrument's last row; whoever accepts a row writes it here."""
        self.silent: set[InstrumentId] = set()
        """Instruments reported silent, for quick look-up; `returned` must be asked about their next row."""

    def on_clock(self, second: Nanos) -> Sequence[FeedStatusChanged]:
        """What is to report at this second, sorted by instrument."""
        if not self.last:
            self.last.update(dict.fromkeys(self._calendars, second))
        if second < self._next_check:
            return ()
        silenced = [instrument for instrument in self._calendars if self._falls_silent(instrument, second)]
        self.silent.update(silenced)
        self._next_check = min((self._deadline(instrument, second) for instrument in self._heard()), default=inf)
        return tuple(self._report(instrument, second, FeedStatus.SILENT) for instrument in sorted(silenced))

    def returned(self, instrument: InstrumentId, at: Nanos) -> Sequence[FeedStatusChanged]:
        """What is to report before the row at `at` of an instrument that was silent."""
        self.silent.discard(instrument)
        self._next_check = -inf
        live = self._report(instrument, at, FeedStatus.LIVE)
        if at - self._quiet_since(instrument, at) > self._max_gap:
            return (self._report(instrument, at, FeedStatus.GAP), live)
        return (live,)

    def _falls_silent(self, instrument: InstrumentId, second: Nanos) -> bool:
        if instrument in self.silent or not self._calendars[instrument].is_open(second):
            return False
        return second - self._quiet_since(instrument, second) > self._silence

    def _heard(self) -> list[InstrumentId]:
        return [instrument for instrument in self._calendars if instrument not in self.silent]

    def _deadline(self, instrument: InstrumentId, second: Nanos) -> Nanos:
        """Earliest second at which the instrument may have to be reported; rows only put it off."""
        if not self._calendars[instrument].is_open(second):
            return second
        return self._quiet_since(instrument, second) + self._silence + 1

    def _quiet_since(self, instrument: InstrumentId, at: Nanos) -> Nanos:
        session = self._calendars[instrument].session_at(at)
        return self.last[instrument] if session is None else max(self.last[instrument], session[0])

    def _report(self, instrument: InstrumentId, at: Nanos, status: FeedStatus) -> FeedStatusChanged:
        return FeedStatusChanged(at, instrument, status, at - self.last[instrument])
