"""The feed: raw rows become the external events of a session, in ledger order. A pure function of its provider's rows.

It does not know the ledger or the wall clock: `service` plays it into a ledger at a pace, the fused loop at full speed.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from titanflow.domain.events import (
    BarPointReceived,
    ClockAdvanced,
    CorporateActionApplied,
    FeedStatusChanged,
    OfficialPrintReceived,
    OffMarketPrintReceived,
    QuoteReceived,
    TickReceived,
)
from titanflow.domain.instruments import TradingCalendar
from titanflow.domain.types import CorporateActionKind, FeedStatus, Nanos, Ratio
from titanflow.errors import InputError
from titanflow.gateway.bad_ticks import BadTick
from titanflow.gateway.calendars import calendars_for
from titanflow.gateway.clock import SecondHand
from titanflow.gateway.corporate_actions import ActionSchedule, KnowsActions
from titanflow.gateway.health import FeedHealth
from titanflow.gateway.normaliser import Normaliser, longest_jump_seconds
from titanflow.gateway.print_band import PRINT_BAND, PrintBand
from titanflow.gateway.providers.base import Provider

SILENCE_SECONDS = 60
MAX_GAP_SECONDS = 300
SKIPPED_AT_ONCE = 5_000
"""Items that are read again between two signs of life."""


FeedEvent = (
    TickReceived
    | BarPointReceived
    | OffMarketPrintReceived
    | OfficialPrintReceived
    | QuoteReceived
    | CorporateActionApplied
    | ClockAdvanced
    | FeedStatusChanged
)
"""What a feed says; the session's start and end are not its own."""


class FeedItem(NamedTuple):
    """One step of a feed: either events that are due at the same time, or one row that was refused."""

    position: int
    """Place in the feed: number of items up to and with this one. A feed goes on behind it with `items(position)`."""
    events: tuple[FeedEvent, ...]
    bad: BadTick | None


class Feed:
    """Events of one provider: clock, prints, off-market prints, quotes, changes of status, and ENDED at the end."""

    def __init__(
        self,
        provider: Provider,
        *,
        calendars: Sequence[TradingCalendar] | None = None,
        silence_seconds: int = SILENCE_SECONDS,
        max_gap_seconds: int = MAX_GAP_SECONDS,
        max_jump_seconds: int | None = None,
        print_band: Ratio = PRINT_BAND,
    ) -> None:
        """See `FeedHealth`, `SecondHand`, `Normaliser` and `PrintBand` for the limits (`print_band` 0: no band).

        `calendars` None means the library's.

        Raises InputError where silence would be reported later than a gap.
        """
        if not 0 < silence_seconds <= max_gap_seconds:
            raise InputError(
                f"silence_seconds {silence_seconds} is not between 1 and max_gap_seconds {max_gap_seconds}"
            )
        self.provider = provider
        self.instruments = provider.instruments()
        first, last = provider.span()
        self.calendars = tuple(calendars_for(self.instruments, first, last) if calendars is None else calendars)
        self.now: Nanos = first
        """Event time of the last item; before the first, the beginning of the provider's span."""
        self._silence_seconds = silence_seconds
        self._max_gap_seconds = max_gap_seconds
        self._max_jump_seconds = max_jump_seconds
        self._print_band = print_band

    def items(self, start: int = 0, on_skipped: Callable[[int, int], None] | None = None) -> Iterator[FeedItem]:
        """The items after position `start`, to the end.

        Everything before is read again without being given, so that clock, status and last times are what they were:
        the items after any `start` are the same as those of one uninterrupted run. `on_skipped` hears now and then how
        many of `start` have been read again.
        """
        every = self._items()
        return self._behind(every, start, on_skipped) if start else every

    @staticmethod
    def _behind(
        every: Iterator[FeedItem], start: int, on_skipped: Callable[[int, int], None] | None
    ) -> Iterator[FeedItem]:
        for item in every:
            if item.position > start:
                yield item
                break
            if on_skipped and (item.position % SKIPPED_AT_ONCE == 0 or item.position == start):
                on_skipped(item.position, start)
        yield from every

    def _items(self) -> Iterator[FeedItem]:
        max_jump_seconds = self._max_jump_seconds or longest_jump_seconds(self.provider.feed().bars)
        judge = Normaliser(self.instruments, calendars=self.calendars, max_jump_seconds=max_jump_seconds).judge
        hand = SecondHand(self.calendars, self._max_gap_seconds)
        health = FeedHealth(self.instruments, self.calendars, self._silence_seconds, self._max_gap_seconds)
        band = PrintBand(self.instruments, self.calendars, self._print_band, self._max_gap_seconds)
        ranges, banded = band.ranges, self._print_band > 0
        schedule = self._schedule()
        watched, last_prices = not schedule.is_empty, schedule.prices
        silent, new_tuple = health.silent, tuple.__new__
        position, next_second = 0, 0
        for row in self.provider.rows():
            event = judge(row)
            if event is None:
                continue
            if isinstance(event, BadTick):
                position += 1
                yield FeedItem(position, (), event)
                continue
            at = event.at
            if at >= next_second:
                for second in hand.advance(at):
                    position += 1
                    self.now = second
                    acted = schedule.due(second) if second >= schedule.next_at else ()
                    for action in acted:
                        if action.kind is CorporateActionKind.SPLIT:
                            band.forget(action.instrument)
                    yield FeedItem(position, (ClockAdvanced(second), *acted, *health.on_clock(second)), None)
                next_second = hand.next_second
            position += 1
            self.now = at
            instrument = event.instrument
            if banded and type(event) is TickReceived:
                recent = ranges[instrument]
                if recent.near_floor <= event.price <= recent.near_ceiling:
                    recent.prices.append(event.price)
                    recent.last_at = at
                else:
                    event = band.judge(event)
            if watched and isinstance(event, (TickReceived, BarPointReceived)):
                last_prices[instrument] = event.price
            if instrument in silent:
                yield FeedItem(position, (*health.returned(instrument, at), event), None)
            else:
                # What most rows come to: made without FeedItem's own, slower, constructor.
                yield new_tuple(FeedItem, (position, (event,), None))
            health.last[instrument] = at
        yield FeedItem(position + 1, (FeedStatusChanged(self.now, "", FeedStatus.ENDED, 0),), None)

    def _schedule(self) -> ActionSchedule:
        actions = self.provider.actions() if isinstance(self.provider, KnowsActions) else ()
        return ActionSchedule(actions, self.instruments, self.calendars)
