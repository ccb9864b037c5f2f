"""Two recorded hours of three shares as a tape, the settings to play it, and short ways to a ledger that holds it."""

import csv
import gzip
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import redis

from eventstore.ledger import Move
from titanflow.deciders import DECIDERS
from titanflow.domain.events import Event, SessionEnded
from titanflow.gateway.lifecycle import ENDING, OPENING
from titanflow.gateway.samples import sample_tape
from titanflow.runtime.fused_run import FusedRun
from titanflow.runtime.ledgers import EventLedger, new_ledger
from titanflow.runtime.session_run import OpenedRun, open_run
from titanflow.settings import Settings

SYMBOLS = ("SPY", "AAPL", "MU")
MINUTE_NANOS = 60 * 10**9
RULES = Path(__file__).with_name("rules.toml")
"""Contenders that need no trained model."""


STRICT = {
    "gates": "enforce",
    "loss_counts_from": 0,
    "loss_streak_cost": 0,
    "rollback_min_sharpe": 0.5,
    "rollback_min_accuracy": 0.5,
}
"""Limits under which a short session sees halts and held orders."""


def write_tape(path: Path, minutes: int = 120) -> Path:
    """The first minutes of the shipped tape, of a few symbols."""
    with gzip.open(sample_tape(), "rt") as lines:
        rows = [row for row in csv.DictReader(lines) if row["symbol"] in SYMBOLS]
    end = min(int(row["ts_ns"]) for row in rows) + minutes * MINUTE_NANOS
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(row for row in rows if int(row["ts_ns"]) < end)
    return path


def settings_of(home: Path, tape: Path, *, topology: str = "fused", speed: Any = "max", **changes: Any) -> Settings:
    """Settings to play a tape, with rules alone unless told otherwise; `changes` are sections or plain settings."""
    feed = {"tapes": [tape], "speed": speed, **changes.pop("feed", {})}
    runtime = {"topology": topology, **changes.pop("runtime", {})}
    risk = {**STRICT, **changes.pop("risk", {})}
    sections = {"feed": feed, "runtime": runtime, "risk": risk}
    return Settings.model_validate({"home": home, "contenders": RULES, **sections, **changes})


def open_fused(url: str, home: Path, tape: Path, session: str | None = None, **changes: Any) -> OpenedRun:
    """A new fused session, opened and not yet played."""
    return open_run(settings_of(home, tape, **changes), url, session)


def play_fused(url: str, home: Path, tape: Path, session: str | None = None, **changes: Any) -> EventLedger:
    """A whole fused session."""
    opened = open_fused(url, home, tape, session, **changes)
    FusedRun(opened.ledger, opened.feed).run()
    return opened.ledger


def events_of(ledger: EventLedger) -> list[Event]:
    return [event for block in ledger.read() for event in block.events]


def write_session(
    client: redis.Redis,
    session: str,
    events: Sequence[Event],
    *,
    sizes: Callable[[], int] = lambda: 200,
    checkpoints: dict[str, int] | None = None,
) -> EventLedger:
    """A ledger of these events in blocks of such sizes; every decider's checkpoint at its end where none are given."""
    ledger = new_ledger(client, session)
    at = 0
    while at < len(events):
        end = min(at + sizes(), len(events))
        ledger.append(events[at:end], [Move("copy", at, end)])
        at = end
    reached = dict.fromkeys(DECIDERS, at) if checkpoints is None else checkpoints
    life = [OPENING, *([ENDING] if any(type(event) is SessionEnded for event in events) else [])]
    for move in [*life, *(Move(name, 0, seq) for name, seq in reached.items() if seq)]:
        ledger.append([], [move])
    return ledger
