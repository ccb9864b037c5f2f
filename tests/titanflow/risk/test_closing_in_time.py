"""Flat at the close on tapes of any bars: closing orders meet a print of the tape, and no entry is closed at once."""

import csv
import random
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pytest

from support.short_session import events_of, play_fused
from titanflow.domain.events import BarClosed, BarPointReceived, Event, Explanation, OrderApproved, OrderFilled
from titanflow.domain.session_settings import RiskSettings
from titanflow.domain.types import NANOS_PER_SECOND, FillBasis, OrderPurpose, Side
from titanflow.signal.features import MarketFeatures
from titanflow.signal.strategies import STRATEGIES, Opinion, Strategy
from titanflow.signal.strategies.base import ParameterValue

SECOND = NANOS_PER_SECOND
OPENS = [(day * 86_400 + 14 * 3600 + 1800) * SECOND for day in range(17938, 17943)]
"""Of the NYSE, from Monday 2019-02-11 to Friday, in UTC."""
SESSION = 23_400


class Buys(Strategy):
    """Buys at every bar's close: whatever is flat again will be entered again."""

    name: ClassVar[str] = "Buys"

    def __init__(self, values: Mapping[str, ParameterValue], market: MarketFeatures) -> None:
        super().__init__(values, market)

    def on_bar(self, bar: BarClosed) -> Opinion | None:
        return Opinion(Side.BUY, 1.0, (), Explanation(method="script", base_value=0.0, score=0.0, contributions=()))


def write_tape(path: Path, seconds: int, *, missing: int = 0) -> Path:
    """Five days of bars; of each day the last `missing` are not there."""
    rng, cents = random.Random(seconds), 10_000
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["ts_ns", "symbol", "open", "high", "low", "close", "volume"])
        for opens in OPENS:
            starts = list(range(0, SESSION, seconds))
            for start in starts[: len(starts) - missing]:
                first, cents = cents, cents + rng.randint(-3, 3)
                prices = (first, max(first, cents) + 2, min(first, cents) - 2, cents)
                writer.writerow([opens + start * SECOND, "AAPL", *(f"{each / 100:.2f}" for each in prices), 700_000])
    return path


@pytest.fixture
def play(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.setitem(STRATEGIES, "Buys", Buys)
    contenders = tmp_path / "buys.toml"

    def play_one(seconds: int, missing: int = 0) -> list[Event]:
        contenders.write_text(
            f'[[contender]]\nid = "buys"\nname = "Buys"\nstrategy = "Buys"\ninstruments = "*"\n'
            f"bar_seconds = {seconds}\nparameters = {{}}\n"
        )
        tape = write_tape(tmp_path / f"{seconds}-{missing}.csv", seconds, missing=missing)
        return events_of(play_fused(redis_url, tmp_path, tape, contenders=contenders))

    return play_one


def closings(events: list[Event]) -> list[OrderFilled]:
    fills = [each for each in events if isinstance(each, OrderFilled)]
    return [each for each in fills if each.purpose is OrderPurpose.SESSION_CLOSE]


def assert_no_entry_was_closed_at_once(events: list[Event], seconds: int) -> None:
    """Between an entry's fill and the order that closes it lies a bar of the tape, or most of the day's last one."""
    entered = 0
    for each in events:
        if isinstance(each, OrderFilled) and each.purpose is OrderPurpose.ENTRY:
            entered = each.met_at
        if isinstance(each, OrderApproved) and each.purpose is OrderPurpose.SESSION_CLOSE:
            assert each.at - entered >= min(seconds, 1500) * SECOND


@pytest.mark.parametrize("seconds", [60, 300, 3600, 86_400])
def test_every_closing_order_meets_a_print_before_the_close(seconds: int, play) -> None:  # type: ignore[no-untyped-def]
    events = play(seconds)
    found = closings(events)
    assert len({fill.order_id for fill in found}) >= (4 if seconds < 86_400 else 2), "three days until a range is known"
    for fill in found:
        opens = max(each for each in OPENS if each <= fill.met_at)
        assert fill.basis is FillBasis.BAR_PATH
        assert fill.met_at < opens + SESSION * SECOND
    assert_no_entry_was_closed_at_once(events, seconds)


@pytest.mark.parametrize("seconds", [60, 300])
def test_a_closing_order_meets_the_last_print_where_the_last_bar_is_missing(seconds: int, play) -> None:  # type: ignore[no-untyped-def]
    events = play(seconds, missing=1)
    last = {each.at // (86_400 * SECOND): each.at for each in events if isinstance(each, BarPointReceived)}
    found = closings(events)
    assert found
    for fill in found:
        assert fill.basis is FillBasis.BAR_PATH
        assert fill.met_at <= last[fill.met_at // (86_400 * SECOND)]


def test_the_lead_is_two_short_bars_and_never_less_than_it_is_set() -> None:
    risk = RiskSettings()
    assert [risk.closing_lead(bar) for bar in (0, 1, 60, 300, 301, 86_400)] == [60, 60, 120, 600, 60, 60]
    assert RiskSettings(flatten_before_close_seconds=900).closing_lead(300) == 900
