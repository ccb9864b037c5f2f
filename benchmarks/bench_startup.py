"""Measures how long things take to be there: `titanflow live` to its first tick, a decider to its work; prints JSON.

`first_start` begins with an empty home (servers are set up), `second_start` finds the first one's data, with the
servers stopped in between, `warm_start` finds the servers running.
Usage: python benchmarks/bench_startup.py [--rounds N]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from eventstore.sessions import Sessions
from titanflow.domain.events import TickReceived
from titanflow.embedded.redis import redis_server
from titanflow.runtime.ledgers import EventLedger, connect, open_ledger

TITANFLOW = [sys.executable, "-m", "titanflow"]
LIVE = [*TITANFLOW, "live", "--provider", "synthetic", "--duration", "10", "--speed", "60", "--json"]
HEAVY = (
    "torch",
    "lightgbm",
    "shap",
    "pandas",
    "pyarrow",
    "numpy",
    "sqlalchemy",
    "psycopg",
    "pydantic",
    "redis",
    "typer",
)
"""Packages whose import is felt; a decider's process should hold few of them."""


def environment(home: Path, **more: str) -> dict[str, str]:
    """Variables of a process that lives in `home`."""
    return {**os.environ, "TITANFLOW_HOME": str(home), **more}


def live(home: Path) -> tuple[str, float]:
    """Name of a short live session, and seconds from its command to its first tick in the ledger."""
    begun = time.time_ns()
    result = subprocess.run(LIVE, env=environment(home), capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(f"titanflow live failed: {result.stderr}")
    client = connect(redis_server(home).start())
    newest = Sessions(client).all()[0].id
    return newest, (first_tick_recorded_at(open_ledger(client, newest)) - begun) / 1e9


def first_tick_recorded_at(ledger: EventLedger) -> int:
    """Wall-clock nanoseconds."""
    for block in ledger.read():
        if any(type(event) is TickReceived for event in block.events):
            return block.recorded_at
    raise RuntimeError("the session has no tick")


def stop_servers(home: Path) -> None:
    """As an operator does."""
    subprocess.run([*TITANFLOW, "servers", "stop"], env=environment(home), capture_output=True, check=True)


def decider_ready(home: Path, session: str, name: str) -> float:
    """Seconds from the start of a decider's process to its word that it has read the session and is ready."""
    url = redis_server(home).start()
    begun = time.perf_counter()
    with subprocess.Popen(
        [*TITANFLOW, "service", name, "--session", session],
        env=environment(home, TITANFLOW_REDIS_URL=url, PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        ready = next((time.perf_counter() for line in process.stdout if "decider ready" in line), None)
        process.kill()
    if ready is None:
        raise RuntimeError(f"{name} never became ready")
    return ready - begun


def modules_of_a_decider() -> list[str]:
    """Which heavy packages the code of a decider's process brings along."""
    modules = "titanflow.cli.service, titanflow.runtime.services"
    code = f"import {modules}, sys; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()


def import_seconds(module: str, rounds: int) -> float:
    """Seconds that a fresh interpreter needs more than an idle one."""
    spans = []
    for code in ("pass", f"import {module}"):
        times = []
        for _ in range(rounds):
            begun = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            times.append(time.perf_counter() - begun)
        spans.append(min(times))
    return spans[1] - spans[0]


def measure(home: Path, rounds: int) -> dict[str, Any]:
    """Everything, in one home that is empty at first."""
    session, first = live(home)
    second, warm = [], []
    for _ in range(rounds):
        stop_servers(home)
        second.append(live(home)[1])
        warm.append(live(home)[1])
    ready = {
        name: round(median(decider_ready(home, session, name) for _ in range(rounds)), 2)
        for name in ("signal", "risk", "execution", "leaderboard")
    }
    return {
        "first_start_s": round(first, 2),
        "second_start_s": round(median(second), 2),
        "warm_start_s": round(median(warm), 2),
        "decider_ready_s": ready,
        "decider_heavy_modules": modules_of_a_decider(),
        "import_s": {
            module: round(import_seconds(module, rounds), 3)
            for module in ("titanflow.cli", "titanflow.deciders", "titanflow.runtime.services", "redis", "pydantic")
        },
    }


def main() -> None:
    """Prints one JSON document."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=2)
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="tf-") as place:
        home = Path(place)
        home.chmod(0o711)
        try:
            result = {"benchmark": "startup", "python": sys.version.split()[0], **measure(home, given.rounds)}
        finally:
            stop_servers(home)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
