"""Training reads data as a session does: the same bars from a tape, from its backtest, and from parts of either."""

from pathlib import Path

import numpy as np
import pytest
import redis
from numpy.testing import assert_array_equal

from support.short_session import SYMBOLS, events_of, play_fused, write_tape
from titanflow.domain.events import BarClosed
from titanflow.domain.types import NANOS_PER_SECOND
from titanflow.errors import InputError
from titanflow.gateway.samples import CRYPTO, sample_tape
from titanflow.runtime.ledgers import EventLedger, new_ledger
from titanflow.training.bars import Bars
from titanflow.training.data import BarData, DataSpec, OpenLedger, load_bars

S = NANOS_PER_SECOND
OPEN = 1_549_895_400 * S
"""The first minute of the tape."""
COLUMNS = ("opened_at", "closed_at", "open", "high", "low", "close", "volume")


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tape(tmp_path_factory.mktemp("tape") / "short.csv", minutes=45)


@pytest.fixture(scope="module")
def backtest(redis_url: str, tmp_path_factory: pytest.TempPathFactory, tape: Path) -> EventLedger:
    return play_fused(redis_url, tmp_path_factory.mktemp("home"), tape)


@pytest.fixture
def open_ledger(redis_client: redis.Redis) -> OpenLedger:
    return lambda session: new_ledger(redis_client, session)


@pytest.fixture(scope="module")
def from_tape(tape: Path) -> BarData:
    return load_bars(DataSpec((str(tape),)))


def same(bars: Bars, others: Bars, since: int = 0) -> None:
    for name in COLUMNS:
        assert_array_equal(getattr(bars, name), getattr(others, name)[since:], err_msg=name)


def test_bars_of_a_tape_are_the_bars_that_its_backtest_decided_on(from_tape: BarData, backtest: EventLedger) -> None:
    closed = [event for event in events_of(backtest) if isinstance(event, BarClosed) and event.seconds == 60]
    assert set(from_tape.bars) == {f"{symbol}.XNYS" for symbol in SYMBOLS}
    for instrument, bars in from_tape.bars.items():
        live = [bar for bar in closed if bar.instrument == instrument]
        assert len(live) > 40
        assert_array_equal(bars.closed_at, [bar.at for bar in live])
        for name in COLUMNS:
            if name != "closed_at":
                assert_array_equal(getattr(bars, name), [getattr(bar, name) for bar in live], err_msg=name)


def test_a_recorded_session_gives_the_bars_of_its_tape(
    from_tape: BarData, backtest: EventLedger, open_ledger: OpenLedger
) -> None:
    recorded = load_bars(DataSpec((f"session:{backtest.session}",)), open_ledger)
    for instrument, bars in from_tape.bars.items():
        same(recorded.bars[instrument], bars)
    assert recorded.window.session == backtest.session
    assert (recorded.window.first_seq, recorded.window.last_seq) == (1, backtest.last_seq())
    assert recorded.window.sha256 == backtest.digest()


def test_a_part_of_a_session_begins_with_the_first_bar_that_is_whole(
    from_tape: BarData, backtest: EventLedger, open_ledger: OpenLedger
) -> None:
    seq = next(
        number
        for number, event in enumerate(events_of(backtest), 1)
        if getattr(event, "at", 0) >= OPEN + 20 * 60 * S + 30 * S
    )
    part = load_bars(DataSpec((f"session:{backtest.session}@{seq}-",)), open_ledger)
    for instrument, bars in from_tape.bars.items():
        torn = int(np.searchsorted(bars.opened_at, OPEN + 21 * 60 * S))
        same(part.bars[instrument], bars, since=torn)
    assert part.window.first_seq == seq


def test_a_span_of_time_keeps_the_bars_that_lie_in_it_whole(tape: Path, from_tape: BarData) -> None:
    first, last = OPEN + 10 * 60 * S + S, OPEN + 20 * 60 * S
    part = load_bars(DataSpec((str(tape),), first_at=first, last_at=last))
    for instrument, bars in from_tape.bars.items():
        inside = (bars.opened_at >= first) & (bars.ends_at <= last)
        assert_array_equal(part.bars[instrument].opened_at, bars.opened_at[inside])
        assert_array_equal(part.bars[instrument].close, bars.close[inside])
    assert part.window.last_at == last


def test_longer_bars_hold_the_extremes_of_the_shorter_ones(tape: Path, from_tape: BarData) -> None:
    fives = load_bars(DataSpec((str(tape),), bar_seconds=300)).bars["SPY.XNYS"]
    ones = from_tape.bars["SPY.XNYS"]
    for place, opened_at in enumerate(fives.opened_at[:-1]):
        inside = (ones.opened_at >= opened_at) & (ones.opened_at < opened_at + 300 * S)
        assert fives.high[place] == ones.high[inside].max()
        assert fives.low[place] == ones.low[inside].min()
        assert fives.volume[place] == ones.volume[inside].sum()


def test_indices_are_left_out_and_trades_make_bars_of_a_minute() -> None:
    equity = load_bars(DataSpec((str(sample_tape()),), last_at=OPEN + 600 * S))
    assert "VIX.XNYS" not in equity.bars
    assert (equity.bar_seconds, equity.bars_per_year) == (60, 252 * 390)
    crypto = load_bars(DataSpec((str(sample_tape(CRYPTO)),)))
    assert (crypto.bar_seconds, crypto.bars_per_year) == (60, 365 * 24 * 60)


def test_a_year_of_daily_bars_has_252(tmp_path: Path) -> None:
    path = tmp_path / "daily.csv"
    rows = [f"{(17_900 + day) * 86_400 * S + 52_200 * S},IBM,100,101,99,100,1000" for day in range(3, 7)]
    path.write_text("\n".join(["ts_ns,symbol,open,high,low,close,volume", *rows]) + "\n")
    daily = load_bars(DataSpec((str(path),)))
    assert (daily.bar_seconds, daily.bars_per_year) == (86_400, 252.0)
    assert len(daily.bars["IBM.XNYS"]) == 3  # the last day is not over when the tape ends


def test_progress_rises_to_one(tape: Path) -> None:
    told: list[float] = []
    load_bars(DataSpec((str(tape),)), progress=lambda what, part: told.append(part))
    assert told[-1] == 1.0
    assert told == sorted(told)


def test_sources_that_speak_of_the_same_time_are_refused(
    tape: Path, backtest: EventLedger, open_ledger: OpenLedger
) -> None:
    with pytest.raises(InputError, match=r"both have bars of AAPL.XNYS from 2019-02-11T14:30:00Z on"):
        load_bars(DataSpec((str(tape), f"session:{backtest.session}")), open_ledger)


def test_two_parts_of_a_session_follow_each_other(backtest: EventLedger, open_ledger: OpenLedger) -> None:
    half = backtest.last_seq() // 2
    parts = (f"session:{backtest.session}@1-{half}", f"session:{backtest.session}@{half + 1}-")
    both = load_bars(DataSpec(parts), open_ledger)
    whole = load_bars(DataSpec((f"session:{backtest.session}",)), open_ledger)
    assert (both.window.session, both.window.last_at) == ("", whole.window.last_at)
    for instrument, bars in whole.bars.items():
        assert 0 <= len(bars) - len(both.bars[instrument]) <= 1  # the bar that the cut tears


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ((), "no data"),
        (("nowhere.csv",), "nowhere.csv: there is no such file"),
        (("session:",), "expected session:NAME"),
        (("session:x@5001",), "expected session:NAME or session:NAME@FIRST-LAST"),
        (("session:x@9-5",), "the seqs from 9 to 5 are no range"),
        (("session:x@0-",), "the first event has seq 1"),
        (("session:x",), "there is no ledger"),
    ],
)
def test_sources_that_cannot_be_read_are_named(sources: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_bars(DataSpec(sources))


def test_a_range_behind_the_sessions_end_is_refused_with_both_numbers(
    backtest: EventLedger, open_ledger: OpenLedger
) -> None:
    end = backtest.last_seq()
    with pytest.raises(InputError, match=f"no event {end + 1}; its last one has seq {end}"):
        load_bars(DataSpec((f"session:{backtest.session}@{end + 1}-",)), open_ledger)


@pytest.mark.parametrize(
    ("instrument", "reason"), [("TSLA.XNYS", "does not occur"), ("VIX.XNYS", "an index, which cannot be traded")]
)
def test_an_instrument_that_cannot_be_learned_is_refused_by_name(instrument: str, reason: str) -> None:
    spec = DataSpec((str(sample_tape()),), instruments=(instrument,), last_at=OPEN + 120 * S)
    with pytest.raises(InputError, match=rf"instrument {instrument} .*{reason}"):
        load_bars(spec)


def test_data_without_a_bar_are_refused_with_the_span(tape: Path) -> None:
    with pytest.raises(InputError, match=r"no bar of 60 s in 2030-01-01T00:00:00Z to the end"):
        load_bars(DataSpec((str(tape),), first_at=1_893_456_000 * S))
