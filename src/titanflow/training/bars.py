"""Events folded into columns of bars, by the builders and by the order of the signal engine: equal to the live ones.

Who reads the events is `data`; what is made of the bars is `dataset`.
"""

from array import array
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from titanflow.domain.events import (
    BarClosed,
    BarPointReceived,
    ClockAdvanced,
    CorporateActionApplied,
    Event,
    OffMarketPrintReceived,
    Print,
    QuoteReceived,
    SessionEnded,
    TickReceived,
)
from titanflow.domain.instruments import TradingCalendar
from titanflow.domain.types import SCALE, CorporateActionKind, InstrumentId, Nanos
from titanflow.errors import InputError
from titanflow.signal.bars import BarBuilder, BarSpread
from titanflow.signal.price_basis import PriceBasis

_NEVER = 1 << 63
NO_SEQ = 0
"""Bars that are not appended to a ledger have no cause."""


@dataclass(frozen=True)
class Bars:
    """One instrument's bars in order of time; prices in 1e-9 dollar, one entry a bar in every column."""

    seconds: int
    opened_at: NDArray[np.int64]
    closed_at: NDArray[np.int64]
    """When the event came that closed the bar: its end, or later where nothing was heard."""
    open: NDArray[np.int64]
    high: NDArray[np.int64]
    low: NDArray[np.int64]
    close: NDArray[np.int64]
    volume: NDArray[np.float64]
    """Units of 1e-9. A float, as a long bar of many shares may pass 64 bits."""
    spread: NDArray[np.float64]
    """Mean relative spread of its quotes; NaN where no quote is known."""
    ends_at: NDArray[np.int64]
    """When each bar's interval ends."""

    def __len__(self) -> int:
        return len(self.opened_at)

    def dollars(self, column: str) -> NDArray[np.float64]:
        """A column of prices as dollars, or the volume as units."""
        values: NDArray[np.float64] = getattr(self, column) / SCALE
        return values


class _Columns:
    """A growing table of bars, 80 bytes a bar."""

    __slots__ = ("integers", "spread", "volume")

    def __init__(self) -> None:
        self.integers = tuple(array("q") for _ in range(7))
        self.volume = array("d")
        self.spread = array("d")

    def add(self, bar: BarClosed, spread: float | None) -> None:
        values = (bar.opened_at, bar.at, bar.open, bar.high, bar.low, bar.close, bar.ends_at)
        for column, value in zip(self.integers, values, strict=True):
            column.append(value)
        self.volume.append(float(bar.volume))
        self.spread.append(np.nan if spread is None else spread)

    def bars(self, seconds: int) -> Bars:
        opened_at, closed_at, first, high, low, close, ends_at = (
            np.array(column, dtype=np.int64) for column in self.integers
        )
        volume, spread = np.array(self.volume), np.array(self.spread)
        return Bars(seconds, opened_at, closed_at, first, high, low, close, volume, spread, ends_at)


class Venue(NamedTuple):
    """Where an instrument's bars come from."""

    calendar: TradingCalendar | None = None
    tape_seconds: int = 0
    """Length of the source's own bars; 0 for trades."""


class _Series:
    __slots__ = ("basis", "builder", "columns", "spread")

    def __init__(self, instrument: InstrumentId, seconds: int, venue: "Venue") -> None:
        self.basis = PriceBasis()
        self.builder = BarBuilder(instrument, seconds, venue.calendar, venue.tape_seconds)
        self.spread = BarSpread(seconds, venue.calendar)
        self.columns = _Columns()


class BarFolder:
    """Folds events of a feed or of a ledger, in their order. Bars that opened before `whole_from` are left out."""

    def __init__(self, instruments: Mapping[InstrumentId, Venue], seconds: int, *, whole_from: Nanos = 0) -> None:
        """`whole_from`: where the events begin in the middle of a session, so that no torn bar is taken for whole."""
        self._seconds = seconds
        self._series = {instrument: _Series(instrument, seconds, venue) for instrument, venue in instruments.items()}
        self._whole_from = whole_from
        self._next_end: Nanos = _NEVER
        self.last_at: Nanos = 0
        """Event time of the last event that was folded."""
        self._handlers: dict[type[Event], Callable[[Any], None]] = {
            TickReceived: self._on_tick,
            BarPointReceived: self._on_tick,
            OffMarketPrintReceived: self._on_off_market_print,
            QuoteReceived: self._on_quote,
            ClockAdvanced: self._on_clock,
            CorporateActionApplied: self._on_corporate_action,
        }

    def take(self, event: Event) -> None:
        """Fold one event; what says nothing of bars is passed over."""
        handle = self._handlers.get(type(event))
        if handle is not None:
            self.last_at = event.at  # type: ignore[attr-defined]
            handle(event)
        elif isinstance(event, SessionEnded):
            self.finish(event.at)

    def finish(self, at: Nanos) -> None:
        """Close what is complete at `at`. Open bars are dropped, as a session drops them."""
        for series in self._series.values():
            self._keep(series, series.builder.close_due(NO_SEQ, at))

    def bars(self) -> dict[InstrumentId, Bars]:
        """The bars of each instrument that has any."""
        return {
            instrument: series.columns.bars(self._seconds)
            for instrument, series in sorted(self._series.items())
            if series.columns.volume
        }

    def _on_tick(self, tick: Print) -> None:
        series = self._series.get(tick.instrument)
        if series is not None:
            bar = series.builder.add(NO_SEQ, tick)
            self._next_end = min(self._next_end, series.builder.ends_at)
            if bar is not None:
                self._keep(series, bar)

    def _on_off_market_print(self, off_market: OffMarketPrintReceived) -> None:
        series = self._series.get(off_market.instrument)
        if series is not None:
            series.builder.add_volume(off_market)

    def _on_quote(self, quote: QuoteReceived) -> None:
        series = self._series.get(quote.instrument)
        if series is not None:
            series.spread.add(quote)

    def _on_clock(self, clock: ClockAdvanced) -> None:
        if clock.at >= self._next_end:
            self.finish(clock.at)
            ends = (series.builder.ends_at for series in self._series.values())
            self._next_end = min((end for end in ends if end), default=_NEVER)

    def _on_corporate_action(self, action: CorporateActionApplied) -> None:
        series = self._series.get(action.instrument)
        if series is not None and action.kind is CorporateActionKind.SPLIT:
            series.builder.split(action.new, action.old)
            series.basis.split(action.new, action.old)

    def _keep(self, series: _Series, bar: BarClosed | None) -> None:
        if bar is not None and bar.opened_at >= self._whole_from:
            series.columns.add(series.basis.bar(bar), series.spread.of(bar.opened_at))


def joined(parts: Iterable[tuple[str, Bars]], instrument: InstrumentId) -> Bars:
    """The bars of several sources in order of time. Raises InputError naming two that speak of the same time."""
    ordered = sorted(parts, key=lambda part: int(part[1].opened_at[0]))
    for (earlier, before), (later, after) in pairwise(ordered):
        if after.opened_at[0] <= before.opened_at[-1]:
            raise InputError(
                f"data: {earlier} and {later} both have bars of {instrument} from {_moment(after.opened_at[0])} on; "
                "give sources that follow each other"
            )
    every = [bars for _, bars in ordered]
    names = ("opened_at", "closed_at", "open", "high", "low", "close", "volume", "spread", "ends_at")
    return Bars(every[0].seconds, *(np.concatenate([getattr(bars, name) for bars in every]) for name in names))


def _moment(at: int) -> str:
    return f"{np.datetime64(int(at), 'ns').astype('datetime64[s]')}Z"
