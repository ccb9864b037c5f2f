"""A session whose tape has quotes: they are in the ledger, in the features of its signals, and replayed."""

from pathlib import Path

import numpy as np
import pytest

from replay.verify import verify
from support.short_session import events_of, play_fused
from titanflow.domain.events import QuoteReceived, SignalGenerated
from titanflow.runtime.ledgers import CODEC

START = 1_549_895_400 * 10**9
SECOND = 10**9


@pytest.fixture
def quoted_tape(tmp_path: Path) -> Path:
    """An hour of a share in trades four seconds apart, a seeded walk, each with a quote of one to three cents."""
    drawn = np.random.default_rng(11).integers(0, 1 << 20, 900).tolist()
    lines, cents = ["ts_ns,symbol,price,size,bid,ask"], 17_000
    for number, each in enumerate(drawn):
        cents += each % 21 - 10
        ask = cents + 1 + each % 3
        lines.append(f"{START + number * 4 * SECOND},AAPL,{cents / 100},100,{cents / 100},{ask / 100}")
    path = tmp_path / "quoted.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_quotes_reach_the_signals_and_a_replay_decides_the_same(
    redis_url: str, tmp_path: Path, quoted_tape: Path
) -> None:
    ledger = play_fused(redis_url, tmp_path, quoted_tape)
    events = events_of(ledger)
    assert sum(isinstance(event, QuoteReceived) for event in events) > 800
    signals = [event for event in events if isinstance(event, SignalGenerated)]
    spreads = [dict(signal.features)["spread"] for signal in signals]
    assert len(spreads) > 5
    assert all(0.01 / 250 < spread < 0.03 / 100 for spread in spreads)
    assert ledger.dead_letters.count() == 0
    assert verify(ledger, CODEC).identical
