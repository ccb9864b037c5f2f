"""Measures the fused loop (a backtest) and replay of what it recorded, beside a bare loop in the same run; prints JSON.

The strategy is SMA 10/30 at every tick of a synthetic coin, with one contender and with five; all orders flow. A third
session averages 4,999 and 9,999 prices, which seldom cross: that is the tick path with next to no orders. The bare loop
does what no such program could leave out: decode ticks, keep two averages, fill at the next tick, encode.
Usage: python benchmarks/bench_replay.py [--ticks N] [--rounds N] [--peer TICKS_PER_SECOND]
"""

import argparse
import itertools
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from bench_kit import Timing, drop, open_walk, rates, server, timed

from replay.verify import verify
from titanflow.domain.events import TickReceived, tag_of
from titanflow.runtime.fused_run import FusedRun
from titanflow.runtime.ledgers import CODEC, connect, open_ledger

FAST, SLOW = 10, 30
BLOCK = 1000


class Bare(msgspec.Struct, array_like=True, frozen=True, gc=False, tag="fill"):
    """A fill of the bare loop."""

    at: int
    instrument: str
    price: int
    quantity: int


def bare_loop(payloads: list[bytes]) -> int:
    """The floor. Returns the number of bytes written, so that nothing can be skipped."""
    decode = msgspec.msgpack.Decoder(list[TickReceived]).decode
    encode = msgspec.msgpack.Encoder().encode
    window = [0] * SLOW
    index = gap = side = wanted = written = 0
    for payload in payloads:
        out: list[Any] = []
        for tick in decode(payload):
            out.append(tick)
            price = tick.price
            if wanted:
                out.append(Bare(tick.at, tick.instrument, price, wanted))
                wanted = 0
            gap += SLOW * (price - window[index - FAST]) - FAST * (price - window[index])
            window[index] = price
            index = index + 1 if index < SLOW - 1 else 0
            if (gap > 0) is not (side > 0):
                side = 1 if gap > 0 else -1
                wanted = side
        written += len(encode(out))
    return written


class Round(NamedTuple):
    """Timings of one session: recorded, replayed, and the bare loop over its ticks."""

    fused: Timing
    replay: Timing
    bare: Timing
    events: Counter[str]
    digest: str


class Case(NamedTuple):
    """One kind of session."""

    contenders: int
    windows: tuple[int, int]


CASES = (Case(1, (10, 30)), Case(5, (10, 30)), Case(1, (4_999, 9_999)))


def one_round(url: str, home: Path, ticks: int, case: Case, number: int) -> Round:
    """Record a session and replay it."""
    client, session = connect(url), f"bench-{case.contenders}-{case.windows[0]}-{number}"
    opened = open_walk(url, home, session, ticks, *case)
    fused = timed(FusedRun(opened.ledger, opened.feed).run)
    verdicts = []
    replay = timed(lambda: verdicts.append(verify(open_ledger(client, session), CODEC)))
    if not verdicts[0].identical:
        raise RuntimeError(f"the replay differs: {verdicts[0]}")
    recorded = [event for block in open_ledger(client, session).read() for event in block.events]
    events = Counter(tag_of(type(event)) for event in recorded)
    walk = [event for event in recorded if type(event) is TickReceived]
    del recorded
    payloads = [msgspec.msgpack.encode(walk[i : i + BLOCK]) for i in range(0, len(walk), BLOCK)]
    bare = timed(lambda: bare_loop(payloads))
    drop(client, session)
    return Round(fused, replay, bare, events, verdicts[0].digest)


def measure(url: str, home: Path, ticks: int, case: Case, rounds: int, peer: float | None) -> dict[str, Any]:
    """Several rounds of one kind of session."""
    done = [one_round(url, home, ticks, case, number) for number in range(rounds)]
    if len({each.digest for each in done}) > 1:
        raise RuntimeError("the same inputs gave different ledgers")
    fused, replay, bare = (rates(ticks, list(column)) for column in itertools.islice(zip(*done, strict=True), 3))
    events = done[0].events
    return {
        "contenders": case.contenders,
        "windows": case.windows,
        "ticks": ticks,
        "events": events.total(),
        "orders": events["order_submitted"],
        "fills": events["order_filled"],
        "signals": events["signal"],
        "digest": done[0].digest,
        "fused_ticks": fused,
        "replay_ticks": replay,
        "bare_ticks": bare,
        "fused_to_bare": round(fused["per_cpu_second"] / bare["per_cpu_second"], 3),
        "replay_to_bare": round(replay["per_cpu_second"] / bare["per_cpu_second"], 3),
        "replay_to_peer": round(replay["per_second"] / peer, 1) if peer else None,
    }


def main() -> None:
    """Prints one JSON document."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--ticks", type=int, default=300_000)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--peer", type=float, help="ticks a second of another program, measured on this machine")
    given = options.parse_args()
    with server() as (url, home):
        result = {
            "benchmark": "replay",
            "python": sys.version.split()[0],
            "sessions": [measure(url, home, given.ticks, case, given.rounds, given.peer) for case in CASES],
        }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
