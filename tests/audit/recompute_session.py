"""Recomputes a recorded session from its ledger and its tape, by the documented rules alone: no module of ours is used.

Usage: recompute_session.py LEDGER TAPE, where LEDGER is what `titanflow ledger tail SESSION --json -n N` prints and
TAPE is the file of bars that was played. Prints what was compared; exit code 1 where something differs.
"""

import csv
import gzip
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import audit_books
import audit_costs
import audit_fills
import audit_signals
import audit_sizes
from audit_tools import NANOS, UNIT, Differences, units


class Row(NamedTuple):
    """One bar of the tape, in 1e-9 units and nanoseconds."""

    opened_at: int
    open: int
    high: int
    low: int
    close: int
    volume: int


class Session(NamedTuple):
    """What the audit reads: the ledger's events, the tape's bars, and the session's own words about itself."""

    events: list[dict[str, Any]]
    started: dict[str, Any]
    rows: dict[str, list[Row]]
    """Instrument -> its bars that can be played, in order of time."""
    hours: dict[str, list[tuple[int, int]] | None]
    """Instrument -> its venue's sessions; None where it never closes."""
    tape_seconds: dict[str, int]


def main(ledger: Path, tape: Path) -> int:
    """Recompute everything that can be; 0 where nothing differs."""
    session = load(ledger, tape)
    found = Differences()
    bars = compare_bars(session, found)
    audit_signals.compare(session.started, session.events, bars, found)
    audit_sizes.compare(session, found)
    audit_fills.compare(session, found)
    audit_costs.compare(session, found)
    audit_books.compare(session.started, session.events, found)
    found.report()
    return 1 if found.listed else 0


def load(ledger: Path, tape: Path) -> Session:
    """Read the two files."""
    with ledger.open(encoding="utf-8") as lines:
        events = [json.loads(line) for line in lines]
    started = events[0]
    calendars = {
        name: None if always else [tuple(s) for s in sessions] for name, always, sessions in started["calendars"]
    }
    hours = {each[0]: calendars[each[6]] for each in started["instruments"]}
    indices = {each[0] for each in started["instruments"] if each[3] == "index"}
    by_symbol = {each[1]: each[0] for each in started["instruments"]}
    rows: dict[str, list[Row]] = defaultdict(list)
    with gzip.open(tape, "rt", encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            instrument = by_symbol.get(line["symbol"])
            prices = (units(line[name]) for name in ("open", "high", "low", "close", "volume"))
            row = Row(int(line["ts_ns"]), *prices)
            if instrument is not None and (row.volume or instrument in indices):
                rows[instrument].append(row)
    for each in rows.values():
        each.sort()
    return Session(events, started, rows, hours, dict(started["feed"][3]))


# --- bars ------------------------------------------------------------------------------------------------------------

Bars = dict[tuple[str, int], list[tuple[dict[str, Any], Row]]]


def compare_bars(session: Session, found: Differences) -> Bars:
    """Every BarClosed against the tape's rows that lie in it; gives (event, bar) by instrument and length."""
    recorded: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
    for event in session.events:
        if event["type"] == "BarClosed":
            recorded[event["instrument"], event["seconds"]].append(event)
    bars: Bars = {}
    for (instrument, seconds), events in recorded.items():
        made = list(aggregated(session.rows[instrument], session.hours[instrument], seconds))
        # The last bar may have been open when the session ended.
        found.equal(f"number of bars of {instrument} {seconds} s", len(events), len(made), slack=1)
        for event, row in zip(events, made, strict=False):
            names = ("opened_at", "open", "high", "low", "close", "volume")
            found.fields(
                f"bar {instrument} {seconds} s, event {event['seq']}", event, dict(zip(names, row, strict=True))
            )
        bars[instrument, seconds] = list(zip(events, made, strict=False))
    return bars


def aggregated(rows: Iterable[Row], sessions: list[tuple[int, int]] | None, seconds: int) -> Iterator[Row]:
    """Rows put together into bars of `seconds` that begin with the venue's session (or with the epoch)."""
    group: list[Row] = []
    key: tuple[int, int] | None = None
    for row in rows:
        opens = next((o for o, c in sessions if o <= row.opened_at < c), None) if sessions is not None else 0
        if opens is None:
            raise ValueError(f"a row outside its venue's sessions: {row}")
        this = (opens, (row.opened_at - opens) // (seconds * NANOS))
        if group and this != key:
            yield together(group, key, seconds)
            group = []
        key = this
        group.append(row)
    if group:
        yield together(group, key, seconds)


def together(group: list[Row], key: tuple[int, int] | None, seconds: int) -> Row:
    """One bar of several rows."""
    assert key is not None
    opened_at = key[0] + key[1] * seconds * NANOS
    high, low = max(row.high for row in group), min(row.low for row in group)
    return Row(opened_at, group[0].open, high, low, group[-1].close, sum(row.volume for row in group))


__all__ = ["UNIT", "Row", "Session", "load", "main"]

if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
