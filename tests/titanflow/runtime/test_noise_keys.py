"""Chance is a contender's own: nothing that leaves its orders as they are changes how they fill."""

import gzip
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from support.short_session import events_of, play_fused, write_tape
from titanflow.domain.events import OrderFilled, OrderSubmitted, SessionStarted
from titanflow.runtime.ledgers import EventLedger

CONTENDER = """
[[contender]]
id = "{id}"
name = "{id}"
strategy = "SMACrossover"
instruments = "*"
bar_seconds = 60
parameters = {{ fast = {fast}, slow = {slow} }}
"""


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tape(tmp_path_factory.mktemp("tapes") / "short.csv", minutes=60)


TWO = ((3, 7), (4, 9))
Play = Callable[..., EventLedger]


@pytest.fixture
def play(redis_url: str, tmp_path: Path, tape: Path) -> Play:
    """A fused session of some crossovers: by default of two, on the tape."""

    def played(
        tape: Path = tape, *, crossovers: Sequence[tuple[int, int]] = ((3, 7), (4, 9)), **changes: Any
    ) -> EventLedger:
        contenders = tmp_path / f"contenders-{len(crossovers)}.toml"
        contenders.write_text("".join(CONTENDER.format(id=f"sma-{f}-{s}", fast=f, slow=s) for f, s in crossovers))
        return play_fused(redis_url, tmp_path, tape, contenders=contenders, **changes)

    return played


def fills_by_contender(ledger: EventLedger) -> dict[str, list[Any]]:
    """Instrument, side, price, quantity, time and fee of each contender's fills, in order."""
    fills: dict[str, list[Any]] = {}
    for event in events_of(ledger):
        if isinstance(event, OrderFilled):
            row = (event.instrument, event.side, event.price, event.quantity, event.at, event.fee)
            fills.setdefault(event.contender, []).append(row)
    return fills


def latencies_by_contender(ledger: EventLedger) -> dict[str, list[int]]:
    drawn: dict[str, list[int]] = {}
    for event in events_of(ledger):
        if isinstance(event, OrderSubmitted):
            drawn.setdefault(event.contender, []).append(event.active_at - event.at)
    return drawn


def identity(ledger: EventLedger) -> str:
    (started,) = [event for event in events_of(ledger) if isinstance(event, SessionStarted)]
    return started.identity


def test_a_tape_by_another_name_fills_the_same(play: Play, tmp_path: Path, tape: Path) -> None:
    usual, renamed = play(), tmp_path / "another.csv"
    renamed.write_bytes(tape.read_bytes())
    other = play(renamed)
    assert identity(other) != identity(usual), "the digest still names its inputs"
    assert [len(fills) > 4 for fills in fills_by_contender(usual).values()] == [True, True]
    assert fills_by_contender(other) == fills_by_contender(usual)
    assert latencies_by_contender(other) == latencies_by_contender(usual)


def test_a_compressed_tape_fills_the_same(play: Play, tmp_path: Path, tape: Path) -> None:
    usual, compressed = play(), tmp_path / "short.csv.gz"
    compressed.write_bytes(gzip.compress(tape.read_bytes()))
    other = play(compressed)
    assert identity(other) != identity(usual), "the digest still names its inputs"
    assert fills_by_contender(other) == fills_by_contender(usual)


@pytest.mark.parametrize("leaderboard", [{"sample_seconds": 7}, {"publish_seconds": 31}])
def test_another_sampling_of_the_leaderboard_fills_the_same(play: Play, leaderboard: dict[str, int]) -> None:
    assert fills_by_contender(play(leaderboard=leaderboard)) == fills_by_contender(play())


def test_one_contender_more_changes_nobody_elses_fills(play: Play) -> None:
    usual = fills_by_contender(play())
    other = fills_by_contender(play(crossovers=((2, 5), (3, 7), (4, 9))))
    assert other.pop("sma-2-5")
    assert other == usual


def test_another_seed_draws_other_latencies(play: Play) -> None:
    assert latencies_by_contender(play(seed=8)) != latencies_by_contender(play())
