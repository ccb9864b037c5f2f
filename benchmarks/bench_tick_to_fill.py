"""Measures how long a tick takes through the service processes, beside bare sockets in the same run; prints JSON.

Processes: this one as gateway and reader, and the real services signal, risk and execution. Two times are taken, each
from just before a tick is appended until the decided event is decoded by a reader of the ledger:
`order`: tick -> SignalGenerated -> OrderApproved -> OrderSubmitted, three hops through three services, and
`fill`: a later tick -> OrderFilled, the one hop that remains.
The floor is three relays over the same server: blocking XREAD, then XADD of 500 bytes, hiredis on a bare socket, no
script, nothing decoded. Ticks come a few milliseconds apart, so that each finds idle services: light load.
Usage: python benchmarks/bench_tick_to_fill.py [--probes N] [--tcp]
"""

import argparse
import contextlib
import gc
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hiredis
import msgspec
import redis
from bench_kit import FREE_TRADING, drop, server

from eventstore.ledger import Move
from titanflow.domain.events import ClockAdvanced, Event, OrderFilled, OrderSubmitted, SessionStarted, TickReceived
from titanflow.domain.types import NANOS_PER_SECOND, SCALE, OrderPurpose
from titanflow.runtime.feeds import open_feed, open_provider
from titanflow.runtime.ledgers import EventLedger, connect
from titanflow.runtime.opening import open_session, opening_event
from titanflow.runtime.roster import open_roster
from titanflow.settings import load_settings

SERVICES = ("signal", "risk", "execution")
COIN = "BTCUSDT.BINANCE-SPOT"
CONTENDERS = f"""
[[contender]]
id = "turncoat"
strategy = "SMACrossover"
instruments = ["{COIN}"]
bar_seconds = 0
[contender.parameters]
fast = 1
slow = 2
"""
"""The means of one and of two prices cross at every turn of the price: each probe is a signal."""
WARM_UP_MINUTES = 20
"""Bars until the average true range is known, without which nothing is sized."""
PAUSE_S = 0.004
PATIENCE_S = 20.0
FLOOR_KEY = "bench:relay"
FLOOR_BYTES = b"x" * 500


class Bare:
    """The least that can speak to Redis from Python."""

    def __init__(self, url: str) -> None:
        options = redis.ConnectionPool.from_url(url).connection_kwargs
        if path := options.get("path"):
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.connect(path)
        else:
            self._socket = socket.create_connection((options["host"], options["port"]))
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader: Any = hiredis.Reader()
        self._last = b"0-0"
        if password := options.get("password"):
            self.call("AUTH", options.get("username") or "default", password)

    def call(self, *command: Any) -> Any:
        """The reply to one command."""
        self._socket.sendall(hiredis.pack_command(command))
        while (reply := self._reader.gets()) is False:
            self._reader.feed(self._socket.recv(65536))
        if isinstance(reply, Exception):
            raise reply
        return reply

    def hops(self) -> list[int]:
        """The numbers of the next entries, as soon as there is one."""
        reply = self.call("XREAD", "COUNT", 100, "BLOCK", 500, "STREAMS", FLOOR_KEY, self._last)
        if not reply:
            return []
        self._last = reply[0][1][-1][0]
        return [int(fields[1]) for _, fields in reply[0][1]]

    def pass_on(self, hop: int) -> None:
        """Append an entry with this number."""
        self.call("XADD", FLOOR_KEY, "*", "h", hop, "p", FLOOR_BYTES)


def relay(url: str, hop: int) -> None:
    """One relay of the floor, until its parent is gone: passes on what carries its number."""
    bare, parent = Bare(url), os.getppid()
    while os.getppid() == parent:
        if hop in bare.hops():
            bare.pass_on(hop + 1)


@contextlib.contextmanager
def processes(commands: list[list[str]], environment: dict[str, str]) -> Iterator[None]:
    """Children that live as long as the block."""
    running = [
        subprocess.Popen(command, env=os.environ | environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for command in commands
    ]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def floor(url: str, probes: int) -> list[float]:
    """Seconds of each probe through three bare relays."""
    bare, times = Bare(url), []
    script = str(Path(__file__).resolve())
    relays = [[sys.executable, script, "--relay", str(hop), "--url", url] for hop in range(len(SERVICES))]
    with processes(relays, {}):
        for _ in range(probes):
            begun = time.perf_counter()
            bare.pass_on(0)
            while len(SERVICES) not in bare.hops():
                if time.perf_counter() - begun > PATIENCE_S:
                    raise RuntimeError("the relays do not answer")
            times.append(time.perf_counter() - begun)
            time.sleep(PAUSE_S)
    bare.call("DEL", FLOOR_KEY)
    return times


def opening(home: Path, session: str) -> SessionStarted:
    """A session of one coin and one contender that trades at every turn."""
    contenders = home / "turncoat.toml"
    contenders.write_text(CONTENDERS)
    options = {"instruments": [COIN], "ticks": 1}
    settings = load_settings(
        {"home": home, "feed.provider": "synthetic", "feed.options": options, "contenders": contenders}, env={}
    )
    provider = open_provider(settings)
    feed = open_feed(settings, provider)
    asked = opening_event(settings, feed, open_roster(settings, provider), session, repeatable=False)
    return msgspec.structs.replace(asked, settings=FREE_TRADING)


class Market:
    """The gateway's part: appends ticks and waits for what they lead to."""

    def __init__(self, ledger: EventLedger, at: int) -> None:
        self.ledger = ledger
        self.at = at
        self.position = 0
        self.seen = 1

    def say(self, *events: Event) -> None:
        """Append events of the feed."""
        self.ledger.append(events, [Move("gateway", self.position, self.position + len(events))])
        self.position += len(events)

    def tick(self, price: int) -> TickReceived:
        """The next tick, a second later."""
        self.at += NANOS_PER_SECOND
        return TickReceived(self.at, COIN, price, 1_000 * SCALE)

    def until(self, wanted: type[Event], purposes: tuple[OrderPurpose, ...]) -> None:
        """Read until such an event comes."""
        deadline = time.perf_counter() + PATIENCE_S
        while time.perf_counter() < deadline:
            for block in self.ledger.tail(self.seen, 0.5):
                self.seen = block.last
                for event in block.events:
                    if type(event) is wanted and getattr(event, "purpose", None) in purposes:
                        return
        raise RuntimeError(f"no {wanted.__name__} came")

    def warm_up(self) -> None:
        """Flat-ish minutes, so that the average true range is known."""
        for minute in range(WARM_UP_MINUTES):
            self.at += 59 * NANOS_PER_SECOND
            # The price only rises, so nothing crosses.
            self.say(self.tick((100_000 + minute) * SCALE))
            self.say(ClockAdvanced(self.at + NANOS_PER_SECOND))

    def probe(self, price: int) -> tuple[float, float]:
        """Seconds from a tick that turns the price to its order, and from the next tick to its fill."""
        working = (OrderPurpose.ENTRY, OrderPurpose.EXIT)
        times = []
        for wanted in (OrderSubmitted, OrderFilled):
            tick = self.tick(price)
            begun = time.perf_counter()
            self.say(tick)
            self.until(wanted, working)
            times.append(time.perf_counter() - begun)
            time.sleep(PAUSE_S)
        return times[0], times[1]


def services(url: str, home: Path, probes: int) -> list[tuple[float, float]]:
    """Seconds of each probe through the real services."""
    session, client = "bench-latency", connect(url)
    started = opening(home, session)
    market = Market(open_session(client, session, started), started.at)
    commands = [[sys.executable, "-m", "titanflow", "service", name, "--session", session] for name in SERVICES]
    with processes(commands, {"TITANFLOW_REDIS_URL": url, "TITANFLOW_HOME": str(home)}):
        market.warm_up()
        top, low = (100_000 + WARM_UP_MINUTES) * SCALE, (100_000 + WARM_UP_MINUTES - 5) * SCALE
        market.say(market.tick(top))
        # The first turn is a sell without a position, which is denied: from the second on, each turn trades.
        market.say(market.tick(low))
        gc.disable()
        times = [market.probe(top if number % 2 == 0 else low) for number in range(probes)]
        gc.enable()
    drop(client, session)
    return times


def percentiles(seconds: list[float], skip: int) -> dict[str, float]:
    """Median and 99th percentile in microseconds, without the first `skip`, in which the processes warm up."""
    cuts = statistics.quantiles(seconds[skip:], n=100)
    return {"p50_us": round(cuts[49] * 1e6, 1), "p99_us": round(cuts[98] * 1e6, 1)}


def main() -> None:
    """Prints one JSON document."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--probes", type=int, default=1_000)
    options.add_argument("--tcp", action="store_true", help="over loopback rather than the Unix socket")
    options.add_argument("--relay", type=int, help=argparse.SUPPRESS)
    options.add_argument("--url", default="", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.relay is not None:
        relay(given.url, given.relay)
        return
    with server(tcp=given.tcp) as (url, home):
        skip = given.probes // 10
        bare = [*floor(url, given.probes)]
        own = services(url, home, given.probes)
        bare += floor(url, given.probes)[skip:]
    order, fill = percentiles([each[0] for each in own], skip), percentiles([each[1] for each in own], skip)
    bottom = percentiles(bare, skip)
    result = {
        "benchmark": "tick_to_fill",
        "transport": "tcp" if given.tcp else "unix",
        "probes": given.probes,
        "order_three_hops": order,
        "fill_one_hop": fill,
        "floor_three_hops": bottom,
        "ratio_p50": round(order["p50_us"] / bottom["p50_us"], 2),
        "ratio_p99": round(order["p99_us"] / bottom["p99_us"], 2),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
