"""What the benchmarks share: a server of their own, sessions to measure on, clocks that bear a busy machine."""

import contextlib
import gc
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

import msgspec
import redis

from titanflow.domain.session_settings import ExecutionSettings, RiskSettings, SessionSettings
from titanflow.domain.types import SCALE
from titanflow.embedded.redis import redis_server
from titanflow.runtime.feeds import open_feed, open_provider
from titanflow.runtime.ledgers import connect
from titanflow.runtime.opening import open_session, opening_event
from titanflow.runtime.roster import open_roster
from titanflow.runtime.session_run import OpenedRun
from titanflow.settings import load_settings

FREE_TRADING = SessionSettings(
    starting_cash=10**9 * SCALE,
    risk=RiskSettings(
        max_drawdown=SCALE,
        total_max_drawdown=SCALE,
        max_consecutive_losses=10**9,
        max_position=1_000,
        max_orders_per_minute=10**6,
        min_confidence=0.0,
        performance_check_interval=10**9,
    ),
    execution=ExecutionSettings(max_order_value=10**9 * SCALE),
)
"""Settings under which no limit stops a strategy: every crossing trades, as in a library that has no risk limits."""


class Timing(NamedTuple):
    """How long something took, in seconds."""

    wall: float
    cpu: float
    """Of this process alone: time that others took from it, and time that it waited, are not in it."""


def timed(work: Callable[[], object]) -> Timing:
    """Do it once, from a clean heap."""
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Timing(time.perf_counter() - wall, time.process_time() - cpu)


def rates(count: int, timings: list[Timing]) -> dict[str, int]:
    """`count` a second: the median by the wall clock, and by this process's own time."""
    return {
        "per_second": round(count / median(timing.wall for timing in timings)),
        "per_cpu_second": round(count / median(timing.cpu for timing in timings)),
    }


@contextlib.contextmanager
def server(*, tcp: bool = False) -> Iterator[tuple[str, Path]]:
    """URL of a Redis of our own, as sessions run on it, and a home directory; both go away."""
    with tempfile.TemporaryDirectory(prefix="tf-") as home:
        embedded = redis_server(Path(home))
        try:
            loopback = embedded.start()
            yield loopback if tcp else embedded.socket_url or loopback, Path(home)
        finally:
            embedded.stop()


def sma_contenders(home: Path, count: int, windows: tuple[int, int]) -> Path:
    """A contenders file: `count` crossovers of so many prices (fast, slow), each asked at every tick."""
    path = home / "contenders.toml"
    fast, slow = windows
    path.write_text(
        "\n".join(
            f'[[contender]]\nid = "sma-{n}"\nstrategy = "SMACrossover"\ninstruments = "*"\nbar_seconds = 0\n'
            f"parameters = {{ fast = {fast}, slow = {slow} }}"
            for n in range(count)
        )
    )
    return path


def open_walk(
    url: str, home: Path, session: str, ticks: int, contenders: int, windows: tuple[int, int] = (10, 30)
) -> OpenedRun:
    """A new session on a synthetic market: one coin, a trade each 100 ms, nothing that holds the contenders back."""
    options = {
        "instruments": ["BTCUSDT.BINANCE-SPOT"],
        "tick_interval_ms": 100,
        "ticks": ticks,
        "start_price": "50000",
    }
    flags = {"home": home, "feed.provider": "synthetic", "feed.options": options}
    settings = load_settings(flags | {"contenders": sma_contenders(home, contenders, windows)}, env={})
    provider = open_provider(settings)
    feed = open_feed(settings, provider)
    asked = opening_event(settings, feed, open_roster(settings, provider), session, repeatable=True)
    started = msgspec.structs.replace(asked, settings=FREE_TRADING)
    return OpenedRun(open_session(connect(url), session, started), feed)


def drop(client: redis.Redis, session: str) -> None:
    """Delete a session's keys, so that the next measurement finds the server as the first did."""
    for key in client.scan_iter(f"titanflow:{{{session}}}:*"):
        client.delete(key)
