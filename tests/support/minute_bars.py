"""Trades put into bars of a minute, and the points that a bar is played as, made without the gateway."""

import csv
import gzip
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from titanflow.domain.events import BarPointReceived, TickReceived
from titanflow.domain.types import fixed
from titanflow.gateway.samples import sample_tape

MINUTE = 60 * 10**9


class MinuteBar(NamedTuple):
    """Prices and volume in 1e-9, the opening time in nanoseconds."""

    at: int
    open: int
    high: int
    low: int
    close: int
    volume: int


def bars_of(ticks: Iterable[TickReceived]) -> list[MinuteBar]:
    """The trades' minutes; one without a trade has no bar."""
    minutes: dict[int, list[TickReceived]] = {}
    for tick in ticks:
        minutes.setdefault(tick.at // MINUTE * MINUTE, []).append(tick)
    return [
        MinuteBar(
            at,
            each[0].price,
            max(tick.price for tick in each),
            min(tick.price for tick in each),
            each[-1].price,
            sum(tick.size for tick in each),
        )
        for at, each in minutes.items()
    ]


def points_of(bar: MinuteBar, instrument: str) -> list[BarPointReceived]:
    """Open, two turning points, close; a third of the minute apart, all but a little of the volume at the end."""
    turns = (bar.low, bar.high) if bar.close >= bar.open else (bar.high, bar.low)
    prices = (bar.open, *turns, bar.close)
    times = (bar.at, bar.at + MINUTE // 3, bar.at + 2 * MINUTE // 3, bar.at + MINUTE - 1)
    sizes = (bar.volume // 4,) * 3 + (bar.volume - 3 * (bar.volume // 4),)
    points = []
    before = times[0], prices[0]
    for at, price, size in zip(times, prices, sizes, strict=True):
        points.append(
            BarPointReceived(at, instrument, price, size, bar.at, *before, bar.low, bar.high, last=at == times[-1])
        )
        before = at, price
    return points


def sample_minutes(symbols: Sequence[str]) -> dict[str, list[MinuteBar]]:
    """The shipped bars of US shares, by symbol."""
    found: dict[str, list[MinuteBar]] = {symbol: [] for symbol in symbols}
    for row in _rows("us_equity_minute_2019-02.csv.gz"):
        if row["symbol"] in found:
            numbers = (fixed(row[name]) for name in ("open", "high", "low", "close", "volume"))
            found[row["symbol"]].append(MinuteBar(int(row["ts_ns"]), *numbers))
    return found


def sample_trades(symbol: str, exchange: str, instrument: str) -> list[TickReceived]:
    """The shipped trades of one coin on one exchange, under the name of `instrument`."""
    return [
        TickReceived(int(row["ts_ns"]), instrument, fixed(row["price"]), fixed(row["size"]))
        for row in _rows("binance_trades_20240808.csv.gz")
        if (row["symbol"], row["exchange"]) == (symbol, exchange)
    ]


def _rows(name: str) -> Iterator[dict[str, str]]:
    with gzip.open(sample_tape().with_name(name), "rt") as lines:
        yield from csv.DictReader(lines)
