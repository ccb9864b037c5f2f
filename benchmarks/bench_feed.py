"""Measures how fast providers are read and turned into events of a session; prints JSON.

Both shipped tapes are played again and again, and the synthetic provider once, through `Feed`, up to about a million
rows each. `rows` is the provider alone, `events` the whole feed: judged, with clock seconds and feed status.
Usage: python benchmarks/bench_feed.py [--rows N] [--rounds N]
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

from bench_kit import Timing, rates, timed

from titanflow.gateway.samples import sample_tape
from titanflow.runtime.feeds import open_feed, open_provider
from titanflow.settings import Settings, load_settings

SOURCES: Mapping[str, Mapping[str, Any]] = {
    "tape, US equities by the minute": {"feed.tapes": [sample_tape("us_equity_minute_2019-02")]},
    "tape, crypto trades": {"feed.tapes": [sample_tape("binance_trades_20240808")]},
    "synthetic": {
        "feed.provider": "synthetic",
        "feed.options": {"instruments": ["BTCUSDT.BINANCE-SPOT"], "tick_interval_ms": 100},
    },
}


def rows_of(settings: Settings, limit: int) -> int:
    """Read the provider alone; the number of rows."""
    return sum(1 for _, _ in zip(open_provider(settings).rows(), range(limit), strict=False))


def events_of(settings: Settings, limit: int) -> int:
    """Read the whole feed; the number of items."""
    return sum(1 for _, _ in zip(open_feed(settings, open_provider(settings)).items(), range(limit), strict=False))


def repeated(play: Callable[[Settings, int], int], settings: Settings, rows: int) -> tuple[int, Timing]:
    """Play from the beginning until at least `rows` are read; how many there were and how long it took."""
    seen = 0

    def work() -> None:
        nonlocal seen
        while seen < rows:
            seen += play(settings, rows)

    timing = timed(work)
    return seen, timing


def measure(settings: Settings, rows: int, rounds: int) -> dict[str, Any]:
    """Rates of the provider alone and of the feed."""
    figures = {}
    for name, play in (("rows", rows_of), ("events", events_of)):
        runs = [repeated(play, settings, rows) for _ in range(rounds)]
        figures[name] = rates(runs[0][0], [timing for _, timing in runs])
    return figures


def main() -> None:
    """Prints one JSON document."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args()
    result = {
        "benchmark": "feed",
        "python": sys.version.split()[0],
        "sources": {
            name: measure(load_settings(flags, env={}), given.rows, given.rounds) for name, flags in SOURCES.items()
        },
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
