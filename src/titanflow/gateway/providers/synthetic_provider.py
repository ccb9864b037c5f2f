"""The synthetic market: what SyntheticDataProvider offers. The walk itself is made in `random_walk`."""

from collections.abc import Iterator
from decimal import Decimal
from hashlib import sha256
from itertools import islice
from typing import ClassVar

from titanflow.domain.instruments import Instrument
from titanflow.domain.session_settings import FeedSpec
from titanflow.domain.types import NANOS_PER_SECOND, Nanos
from titanflow.errors import InputError
from titanflow.gateway.providers.base import ProviderRequest, RawTick
from titanflow.gateway.providers.options import Options
from titanflow.gateway.providers.random_walk import RandomWalk
from titanflow.gateway.providers.trading_time import TradingTime

DEFAULT_INSTRUMENTS = ("AAPL.XNYS", "MSFT.XNYS", "SPY.XNYS")
DEFAULT_START = "2024-01-02T14:30:00+00:00"
NANOS_PER_MILLISECOND = 1_000_000


class SyntheticDataProvider:
    """Seeded random walks with an intraday shape of volatility and volume and rare jumps; the same on every machine.

    Options: `instruments` (ids that share one calendar), `start` (a moment; the first open one from there counts),
    `tick_interval_ms` (between two ticks of the whole feed), `ticks` or `duration_seconds` of open time (none: a year),
    `start_price`, `volatility` (a year's, as a part of one). No ticks come while the venue is closed.
    """

    name: ClassVar[str] = "synthetic"
    deterministic: ClassVar[bool] = True

    def __init__(self, request: ProviderRequest) -> None:
        """Raises InputError for a bad option, an unknown instrument or instruments that keep different hours."""
        options = Options(self.name, request.options)
        ids = options.texts("instruments", DEFAULT_INSTRUMENTS)
        start = options.moment("start", DEFAULT_START)
        interval_ms = options.number("tick_interval_ms", 250, above=0, upto=86_400_000)
        ticks = options.integer("ticks", None, upto=10_000_000_000)
        duration = options.integer("duration_seconds", None, upto=366 * 24 * 3600)
        price = options.number("start_price", 100, above=0, upto=1_000_000)
        volatility = options.number("volatility", Decimal("0.25"), above=0, upto=10)
        options.finish()
        self._instruments = tuple(request.catalogue.instrument(i) for i in sorted(set(ids)))
        interval = int(interval_ms * NANOS_PER_MILLISECOND)
        time = TradingTime(_first_of_shared_calendar(self._instruments), start)
        limits = [time.length // interval, ticks, None if duration is None else duration * NANOS_PER_SECOND // interval]
        count = max(1, min(limit for limit in limits if limit is not None))
        self._walk = RandomWalk(self._instruments, time, request.seed, interval, count, float(price), float(volatility))
        self._source = f"random walk of {', '.join(i.id for i in self._instruments)}"
        parameters = f"from {start}, {count} ticks each {interval} ns, at {price}, {volatility}, seed {request.seed}"
        self._digest = sha256(f"{self._source} {parameters}".encode()).hexdigest()

    def feed(self) -> FeedSpec:
        """What walks, and a digest over every parameter and the seed: equal digests, equal rows."""
        return FeedSpec(self.name, self._source, self._digest)

    def instruments(self) -> tuple[Instrument, ...]:
        """The instruments that walk, sorted by id."""
        return self._instruments

    def span(self) -> tuple[Nanos, Nanos]:
        """Times of the first and the last tick."""
        return self._walk.span()

    def rows(self, start: int = 0) -> Iterator[RawTick]:
        """The walk from its beginning, without the first `start` ticks."""
        return islice(self._walk.ticks(), start, None)


def _first_of_shared_calendar(instruments: tuple[Instrument, ...]) -> Instrument:
    odd = next((i for i in instruments if i.calendar != instruments[0].calendar), None)
    if odd is not None:
        raise InputError(
            f"option instruments of provider 'synthetic': {odd.id} keeps the hours {odd.calendar}, "
            f"{instruments[0].id} those of {instruments[0].calendar}; choose instruments of one calendar"
        )
    return instruments[0]
