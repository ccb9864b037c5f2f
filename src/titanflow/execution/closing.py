"""Closing prices: the last price of each session of a venue, remembered when it closes."""

from collections.abc import Mapping

from titanflow.domain.instruments import Instrument
from titanflow.domain.types import InstrumentId, Nanos, Price
from titanflow.execution.hours import VenueHours


class ClosingPrices:
    """What instruments closed at. `marks` (last prices) and `marked_at` (when they printed) are the executor's."""

    def __init__(
        self,
        instruments: Mapping[InstrumentId, Instrument],
        hours: VenueHours,
        marks: Mapping[InstrumentId, Price],
        marked_at: Mapping[InstrumentId, Nanos],
    ) -> None:
        self._instruments = instruments
        self._hours = hours
        self._marks = marks
        self._marked_at = marked_at
        self._closed: dict[InstrumentId, tuple[Nanos, Price]] = {}
        """(close, price) of the latest session in which it traded."""

    def note(self, at: Nanos) -> None:
        """Remember the last prices of sessions that have closed by `at`, before prints after the close replace them."""
        for instrument in self._instruments.values():
            close = self._hours.last_close(instrument, at)
            price = self._mark_in_session(instrument, close) if close is not None else None
            if close is not None and price is not None:
                self._closed[instrument.id] = close, price

    def of(self, instrument: Instrument, close: Nanos) -> Price | None:
        """The last price of the session that closed then; None where it had none."""
        noted = self._closed.get(instrument.id)
        return noted[1] if noted and noted[0] == close else self._mark_in_session(instrument, close)

    def _mark_in_session(self, instrument: Instrument, close: Nanos) -> Price | None:
        """The last price, if it printed in the session that ends with `close`."""
        opened_at = self._hours.opened_at(instrument, close - 1)
        printed_at = self._marked_at.get(instrument.id, -1)
        return self._marks[instrument.id] if opened_at is not None and opened_at <= printed_at < close else None
