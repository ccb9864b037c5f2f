"""Measures the projector beside a bare floor, in one run on the same servers; prints JSON.

Sessions come from the real deciders on a seeded random walk: `trades` ticks twenty times a second, `bars` once, so that
clocks and publications outnumber its ticks. The floor reads and decodes the same ledger without folding, then
copies as many ready-made lines into a table without any constraint, with twenty upserts and a checkpoint a batch.
Usage: python benchmarks/bench_projector.py [--redis URL --database URL] [--quick]
"""

import argparse
import contextlib
import gc
import json
import random
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import structlog

from eventstore.ledger import Ledger, Move
from projections.database import Connection, connect
from projections.migrate import migrate
from projections.projector import Projector
from projections.rebuild import rebuild
from projections.verify import verify
from projections.writer import BATCH_EVENTS
from titanflow.deciders import new_deciders
from titanflow.domain.events import ClockAdvanced, Event, SessionEnded, SessionStarted, TickReceived
from titanflow.domain.instruments import FeeSchedule, Instrument, InstrumentKind, TradingCalendar
from titanflow.domain.session_settings import ContenderSpec, FeedSpec, SessionSettings
from titanflow.domain.types import NANOS_PER_SECOND, SCALE
from titanflow.embedded.servers import start_all, stop_all
from titanflow.runtime.ledgers import connect as connect_redis
from titanflow.runtime.ledgers import new_ledger

START = 1_700_000_000 * NANOS_PER_SECOND
ROUNDS = 3
COLUMNS = 10
LINE = "\t".join(["session", "123456", "123455", "contender"] + ["100000.123456789"] * (COLUMNS - 4)) + "\n"


class Shape(NamedTuple):
    """What a session looks like."""

    seconds: int
    ticks_per_second: int


SHAPES = {"trades": Shape(12_000, 20), "bars": Shape(40_000, 1)}


def main() -> None:
    """Prints one JSON document."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--redis", metavar="URL")
    options.add_argument("--database", metavar="URL")
    options.add_argument("--quick", action="store_true", help="a tenth of the events")
    given = options.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with servers(given.redis, given.database) as (redis_url, database):
        migrate(database)
        result = {
            "benchmark": "projector",
            "batch_events": BATCH_EVENTS,
            "sessions": {
                name: measure(redis_url, database, shape._replace(seconds=shape.seconds // (10 if given.quick else 1)))
                for name, shape in SHAPES.items()
            },
        }
    json.dump(result, sys.stdout, indent=2)
    print()


@contextlib.contextmanager
def servers(redis_url: str | None, database: str | None) -> Iterator[tuple[str, str]]:
    """The given servers, or embedded ones in a directory that is removed afterwards."""
    if redis_url and database:
        yield redis_url, database
        return
    with tempfile.TemporaryDirectory(prefix="tf-") as directory:
        home = Path(directory)
        home.chmod(0o711)
        urls = start_all(home)
        try:
            yield redis_url or urls.redis_url, database or urls.database_url
        finally:
            stop_all(home)


def measure(redis_url: str, database: str, shape: Shape) -> dict[str, Any]:
    """Rates over one session: each the best of some rounds."""
    events = session_events(shape)
    with (
        connect_redis(redis_url) as client,
        contextlib.closing(new_ledger(client, f"bench-{uuid.uuid4().hex}")) as ledger,
    ):
        for at in range(0, len(events), 1000):
            block = events[at : at + 1000]
            ledger.append(block, [Move("bench", at, at + len(block))])
        projected = best(lambda: project(database, ledger))
        rows = verify(database, ledger).rows
        rebuilt = best(lambda: rebuild(database, [ledger]))
        verified = best(lambda: verify(database, ledger))
        with connect(database) as connection:
            floor = best(lambda: bare(connection, ledger, rows))
    count = len(events)
    return {
        "events": count,
        "rows": rows,
        "ticks": sum(isinstance(event, TickReceived) for event in events),
        "projector_events_per_s": round(count / projected),
        "floor_events_per_s": round(count / floor),
        "projector_to_floor": round(floor / projected, 3),
        "rebuild_events_per_s": round(count / rebuilt),
        "verify_events_per_s": round(count / verified),
    }


def best(run: Callable[[], object]) -> float:
    """Seconds of the quickest of some rounds."""
    seconds = []
    for _ in range(ROUNDS):
        gc.collect()
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def project(database: str, ledger: Ledger[Event]) -> None:
    """Fill the session's tables from nothing."""
    with connect(database) as connection:
        connection.execute("TRUNCATE titanflow.equity_curve, titanflow.sessions, titanflow.checkpoints CASCADE")
    with Projector(database, ledger) as projector:
        projector.catch_up()


def bare(connection: Connection, ledger: Ledger[Event], rows: int) -> None:
    """What no projector could leave out."""
    events = sum(len(block.events) for block in ledger.read())
    numbers = ", ".join(f"n{place} numeric(38, 9)" for place in range(COLUMNS - 4))
    connection.execute("DROP TABLE IF EXISTS bare, bare_latest")
    connection.execute(f"CREATE TABLE bare (session text, seq bigint, cause bigint, contender text, {numbers})")
    connection.execute("CREATE TABLE bare_latest (name int PRIMARY KEY, value bigint)")
    batches = max(1, events // BATCH_EVENTS)
    upsert = "INSERT INTO bare_latest VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value"
    for batch in range(batches):
        with connection.transaction(), connection.cursor() as cursor:
            with cursor.copy("COPY bare FROM STDIN") as copy:
                copy.write(LINE * (rows // batches))
            cursor.executemany(upsert, [(name, batch) for name in range(21)])


def session_events(shape: Shape) -> list[Event]:
    """The ledger of a session: the deciders' answers behind each event from outside, until all is quiet."""
    ledger: list[Event] = []
    handlers = [decider.handlers for decider in new_deciders()]
    seq = 0
    for outside in outside_events(shape):
        ledger.append(outside)
        while seq < len(ledger):
            event = ledger[seq]
            seq += 1
            for table in handlers:
                if handle := table.get(type(event)):
                    ledger.extend(handle(seq, event))
    return ledger


def outside_events(shape: Shape) -> Iterator[Event]:
    """A clock and some ticks each second."""
    fees = FeeSchedule(notional_ratio=1_000_000)
    coins = tuple(
        Instrument(f"{name}.TEST", name, "TEST", InstrumentKind.CRYPTO_SPOT, SCALE // 100, 10_000, "24/7", "USDT", fees)
        for name in ("BTC", "ETH")
    )
    everything = tuple(coin.id for coin in coins)
    contenders = tuple(
        ContenderSpec(f"sma-{slow}", "", "SMACrossover", (("fast", slow // 3), ("slow", slow)), everything, 60, "0")
        for slow in (9, 20, 30, 60)
    )
    yield SessionStarted(
        at=START,
        identity="bench",
        seed=1,
        settings=SessionSettings(),
        instruments=coins,
        calendars=(TradingCalendar("24/7", True, ()),),
        contenders=contenders,
        feed=FeedSpec("synthetic", "", ""),
        code_version="bench",
    )
    rng = random.Random(1)
    cents = 6_000_000
    for second in range(shape.seconds):
        at = START + second * NANOS_PER_SECOND
        yield ClockAdvanced(at)
        for tick in range(shape.ticks_per_second):
            cents += rng.randrange(-300, 301)
            moment = at + tick * NANOS_PER_SECOND // shape.ticks_per_second
            yield TickReceived(moment, coins[(second + tick) % 2].id, cents * (SCALE // 100), SCALE)
    yield SessionEnded(START + shape.seconds * NANOS_PER_SECOND, "end")


if __name__ == "__main__":
    main()
