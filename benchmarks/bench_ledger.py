"""Measures the ledger beside its bare floor, in one run on one server; prints JSON.

The floor does only what no ledger could leave out: a raw socket, hiredis, a fenced atomic append, msgspec; no
checksums, no retries, no checks of order. Usage: python benchmarks/bench_ledger.py [--redis URL] [--quick]
"""

import argparse
import contextlib
import gc
import json
import socket
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import hiredis
import msgspec
import redis

from eventstore.codec import Codec
from eventstore.keys import session_key
from eventstore.ledger import Ledger, Move

APPEND_BLOCKS = {1: 2_000, 10: 20_000, 100: 100_000, 1000: 300_000}
READ_BLOCKS = {1: 30_000, 100: 200_000, 1000: 300_000}
ROUNDS = 12

FLOOR_SCRIPT = """
local at = redis.call('HGET', KEYS[3], ARGV[1])
if (at or '0') ~= ARGV[2] then return redis.error_reply('STALE') end
local last = redis.call('INCRBY', KEYS[2], ARGV[4])
redis.call('XADD', KEYS[1], string.format('%d-0', last - ARGV[4] + 1), 'n', ARGV[4], 'p', ARGV[5])
redis.call('HSET', KEYS[3], ARGV[1], ARGV[3])
return last
"""


class Tick(msgspec.Struct, tag="tick", array_like=True, frozen=True, gc=False):
    """An event of the size and shape of a real one."""

    instrument: str
    price: int
    quantity: int
    at: int
    received_at: int
    provider: str


TICKS = [
    Tick("SPY", 167_123_400_000 + i, 10**11, 1381152600 * 10**9 + i, 1381152600 * 10**9 + i, "tape")
    for i in range(1000)
]


class Sample(NamedTuple):
    """What one run measured: events a second and the latencies of its appends in microseconds."""

    rate: float
    p50_us: float = 0.0
    p99_us: float = 0.0


class BareSocket:
    """The least that can speak to Redis from Python."""

    def __init__(self, client: redis.Redis) -> None:
        options = client.connection_pool.connection_kwargs
        if path := options.get("path"):
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.connect(path)
        else:
            self._socket = socket.create_connection((options["host"], options["port"]))
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader: Any = hiredis.Reader()
        self._buffer = bytearray(256 * 1024)
        if password := options.get("password"):
            self.call("AUTH", options.get("username") or "default", password)

    def call(self, *command: Any) -> Any:
        """The reply to one command."""
        self._socket.sendall(hiredis.pack_command(command))
        while (reply := self._reader.gets()) is False:
            self._reader.feed(self._buffer, 0, self._socket.recv_into(self._buffer))
        if isinstance(reply, Exception):
            raise reply
        return reply


def appends(count: int, size: int, append: Callable[[int], None]) -> Sample:
    """Runs enough appends of `size` events, timing each."""
    times = []
    started = time.perf_counter()
    for i in range(count // size):
        begun = time.perf_counter()
        append(i)
        times.append(time.perf_counter() - begun)
    took = time.perf_counter() - started
    cuts = statistics.quantiles(times, n=100)
    return Sample(count / took, cuts[49] * 1e6, cuts[98] * 1e6)


def append_floor(client: redis.Redis, count: int, size: int) -> Sample:
    """Bare appends."""
    bare, encode = BareSocket(client), msgspec.msgpack.Encoder().encode
    session = f"floor-{uuid.uuid4().hex}"
    keys = [session_key(session, part) for part in ("ledger", "seq", "checkpoints")]
    sha = bare.call("SCRIPT", "LOAD", FLOOR_SCRIPT)
    events = TICKS[:size]

    def append(i: int) -> None:
        bare.call("EVALSHA", sha, 3, *keys, "gateway", i, i + 1, size, encode(events))

    sample = appends(count, size, append)
    client.delete(*keys)
    return sample


def append_ledger(client: redis.Redis, count: int, size: int) -> Sample:
    """Appends of the ledger."""
    with ledger(client) as target:
        events = TICKS[:size]
        return appends(count, size, lambda i: use(target.append(events, [Move("gateway", i, i + 1)])))


def use(_: object) -> None:
    """Takes a result and drops it."""


def read_floor(client: redis.Redis, session: str, count: int, size: int) -> Sample:
    """Reads and decodes bare: pages as large as the ledger's own, nothing looked at."""
    bare, decode = BareSocket(client), msgspec.msgpack.Decoder(list[Tick]).decode
    key, page, start, seen = session_key(session, "ledger"), max(1, min(1000, 5_000 // size)), "-", 0
    started = time.perf_counter()
    while entries := bare.call("XRANGE", key, start, "+", "COUNT", page):
        for _, fields in entries:
            seen += len(decode(fields[3]))
        start = b"(" + entries[-1][0]
    return Sample(checked(seen, count) / (time.perf_counter() - started))


def read_ledger(target: Ledger[Tick], count: int) -> Sample:
    """Reads, checks and decodes with the ledger."""
    started = time.perf_counter()
    seen = sum(len(block.events) for block in target.read())
    return Sample(checked(seen, count) / (time.perf_counter() - started))


def tail_ledger(target: Ledger[Tick], count: int) -> Sample:
    """The same through `tail`, as a consumer that catches up does."""
    started, after = time.perf_counter(), 0
    while after < count:
        after = target.tail(after, 1.0)[-1].last
    return Sample(checked(after, count) / (time.perf_counter() - started))


def checked(seen: int, expected: int) -> int:
    """The number itself; a figure about events that were not all there would be worth nothing."""
    if seen != expected:
        raise RuntimeError(f"{seen} events seen, {expected} expected")
    return seen


@contextlib.contextmanager
def ledger(client: redis.Redis) -> Iterator[Ledger[Tick]]:
    """A ledger of its own, deleted afterwards."""
    session = f"bench-{uuid.uuid4().hex}"
    yield Ledger(client, session, Codec(Tick))
    client.delete(*(session_key(session, part) for part in ("ledger", "seq", "checkpoints", "receipts")))


def best(runs: list[Sample]) -> Sample:
    """The fastest run: on a shared machine it is the one that others disturbed least."""
    return max(runs, key=lambda sample: sample.rate)


def bench_append(client: redis.Redis, size: int, count: int) -> dict[str, Any]:
    """Floor and ledger in turns, so that both see the same machine."""
    pairs = [(append_floor(client, count, size), append_ledger(client, count, size)) for _ in range(ROUNDS)]
    floor, own = best([pair[0] for pair in pairs]), best([pair[1] for pair in pairs])
    return {
        "block": size,
        "events_per_second": round(own.rate),
        "p50_us": round(own.p50_us, 1),
        "p99_us": round(own.p99_us, 1),
        "floor_events_per_second": round(floor.rate),
        "floor_p50_us": round(floor.p50_us, 1),
        "floor_p99_us": round(floor.p99_us, 1),
        "ratio": round(own.rate / floor.rate, 3),
    }


def bench_read(client: redis.Redis, size: int, count: int) -> dict[str, Any]:
    """One ledger, read bare, by range and by tail, in turns."""
    with ledger(client) as target:
        for i in range(count // size):
            target.append(TICKS[:size], [Move("gateway", i, i + 1)])
        gc.collect()
        runs = [
            (read_floor(client, target.session, count, size), read_ledger(target, count), tail_ledger(target, count))
            for _ in range(ROUNDS)
        ]
        stored = client.memory_usage(session_key(target.session, "ledger"), samples=0) or 0
    floor, own, tail = (best([run[i] for run in runs]) for i in range(3))
    return {
        "block": size,
        "events_per_second": round(own.rate),
        "tail_events_per_second": round(tail.rate),
        "floor_events_per_second": round(floor.rate),
        "ratio": round(own.rate / floor.rate, 3),
        "tail_ratio": round(tail.rate / floor.rate, 3),
        "redis_bytes_per_event": round(stored / count, 1),
    }


@contextlib.contextmanager
def server(url: str | None) -> Iterator[redis.Redis]:
    """The server named, or one of our own on a directory that goes away."""
    if url:
        with redis.Redis.from_url(url) as client:
            yield client
        return
    from titanflow.embedded.redis import redis_server

    with tempfile.TemporaryDirectory(prefix="tf-") as home:
        embedded = redis_server(Path(home))
        try:
            with redis.Redis.from_url(embedded.start()) as client:
                yield client
        finally:
            embedded.stop()


def main() -> None:
    """Prints one JSON document."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--redis", metavar="URL")
    options.add_argument("--quick", action="store_true", help="a tenth of the events")
    given = options.parse_args()
    share = 10 if given.quick else 1
    with server(given.redis) as client:
        info = client.info()
        result = {
            "benchmark": "ledger",
            "redis": info["redis_version"],
            "appendfsync": client.config_get("appendfsync")["appendfsync"] if info["aof_enabled"] else "off",
            "event_bytes": len(msgspec.msgpack.encode(TICKS[0])),
            "append": [bench_append(client, size, count // share) for size, count in APPEND_BLOCKS.items()],
            "read": [bench_read(client, size, count // share) for size, count in READ_BLOCKS.items()],
        }
    json.dump(result, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
