"""The provider contract: what every source of market data offers, and the raw row that it yields.

A provider reads its source and nothing else: judging the rows is the normaliser's, the clock is the feed's.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar, NamedTuple, Protocol

from msgspec import Struct

from titanflow.domain.instruments import Instrument, TradingCalendar
from titanflow.domain.session_settings import FeedSpec
from titanflow.domain.types import Nanos
from titanflow.gateway.bad_ticks import BadTickReason
from titanflow.gateway.catalogue import Catalogue


class RawTick(Struct, frozen=True, gc=False):
    """One print as its source gave it, not yet judged. Price and size may also stand as decimal text, or any other."""

    position: int
    """Number of rows before it in this feed."""
    symbol: str
    venue: str
    at: Nanos | str
    """Nanoseconds UTC."""
    price: int | str
    """1e-9 units."""
    size: int | str
    """1e-9 units."""
    off_market: bool = False
    """True where its sale conditions keep it from setting a price."""
    fault: tuple[BadTickReason, str] | None = None
    """What the provider itself found wrong with the row, and the detail."""
    official: bool = False
    """True where it only repeats an auction that printed already: it is no volume either. Then off-market as well."""
    source: str = ""
    """Name of the file that it stands in; empty where there is none."""
    line: int = 0
    """Its line there, from 1; in Parquet its row."""


class RawQuote(Struct, frozen=True, gc=False):
    """A best bid and offer as its source gave them, not yet judged. Both may stand as decimal text, or any other."""

    position: int
    """Number of rows before it in this feed."""
    symbol: str
    venue: str
    at: Nanos | str
    """Nanoseconds UTC."""
    bid: int | str
    """1e-9 units."""
    ask: int | str
    """1e-9 units."""
    fault: tuple[BadTickReason, str] | None = None
    """What the provider itself found wrong with the row, and the detail."""
    source: str = ""
    line: int = 0
    price: ClassVar[None] = None
    """A quote has neither price nor size, so it never takes the normaliser's short way for trades."""
    size: ClassVar[None] = None
    off_market: ClassVar[bool] = False


class RawBarPoint(Struct, frozen=True, gc=False):
    """A bar of the source, played as far as this point of its path: the fields of `BarPointReceived`.

    Its provider found the bar sound: what is left to judge is its time, once, at the point that opens it.
    """

    position: int
    """Number of rows before it in this feed."""
    symbol: str
    venue: str
    at: Nanos
    price: int
    size: int
    opened_at: Nanos
    from_at: Nanos
    from_price: int
    low: int
    high: int
    last: bool
    ends_at: Nanos
    source: str = ""
    line: int = 0


class RawBar(Struct, frozen=True, gc=False):
    """A bar of the source that cannot be played; prices and volume in 1e-9 units, or the text that was found."""

    position: int
    """Number of rows before it in this feed."""
    symbol: str
    venue: str
    at: Nanos | str
    """Nanoseconds UTC."""
    open: int | str
    high: int | str
    low: int | str
    close: int | str
    volume: int | str
    fault: tuple[BadTickReason, str] | None = None
    """What the provider itself found wrong with the row, and the detail."""
    source: str = ""
    line: int = 0
    price: ClassVar[None] = None
    """Like a quote it has neither."""
    size: ClassVar[None] = None
    off_market: ClassVar[bool] = False


RawRow = RawTick | RawQuote | RawBarPoint | RawBar
"""A row of a feed."""


class ProviderRequest(NamedTuple):
    """What a provider is built from."""

    tapes: tuple[Path, ...]
    """Files to read; empty for providers that read none."""
    seed: int
    options: Mapping[str, object]
    """The provider's own options by name; it refuses names that it does not know."""
    catalogue: Catalogue
    calendars: tuple[TradingCalendar, ...] = ()
    """Opening hours that are known already; a provider that needs others asks the library."""


class Provider(Protocol):
    """A source of market data. Every row of one feed has its place: reading again from there gives the same rows."""

    name: ClassVar[str]
    deterministic: ClassVar[bool]
    """True where the same request gives the same rows whenever and wherever it is read."""

    def __init__(self, request: ProviderRequest) -> None:
        """Open the source. Raises InputError naming what cannot be used and what was expected."""
        ...

    def feed(self) -> FeedSpec:
        """How the ledger names this source."""
        ...

    def instruments(self) -> tuple[Instrument, ...]:
        """The instruments that it may speak of, sorted by id."""
        ...

    def span(self) -> tuple[Nanos, Nanos]:
        """The first and last moment that its rows may have: the calendars of a session cover it."""
        ...

    def rows(self, start: int = 0) -> Iterator[RawRow]:
        """Its rows in order, without the first `start`; `position` counts from 0 whatever `start` is."""
        ...
