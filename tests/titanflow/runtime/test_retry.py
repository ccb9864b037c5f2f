"""Dead letters that get another chance."""

from pathlib import Path

import pytest

from eventstore.ledger import Move
from support.short_session import events_of, open_fused
from titanflow.domain.events import ClockAdvanced, SessionStarted, TickReceived
from titanflow.errors import InputError
from titanflow.runtime.ledgers import EventLedger
from titanflow.runtime.retry import retry_dead_letters

SECOND = 10**9


@pytest.fixture
def ledger(redis_url: str, tmp_path: Path, tape: Path) -> EventLedger:
    return open_fused(redis_url, tmp_path, tape).ledger


def set_aside(ledger: EventLedger, *, after_seconds: int, price: str = "171.25") -> str:
    """A row of the session's first share in the dead letters, so long after the session's start."""
    started = events_of(ledger)[0]
    assert isinstance(started, SessionStarted)
    share = started.instruments[0]
    row = (
        f'{{"position": 1, "symbol": "{share.symbol}", "venue": "{share.venue}", '
        f'"at": {started.at + after_seconds * SECOND}, "price": "{price}", "size": "100"}}'
    )
    return ledger.dead_letters.add("gateway", "OUT_OF_ORDER", "for a test", row.encode())


def reach(ledger: EventLedger, *, after_seconds: int) -> None:
    """Let the session's time be so long after its start."""
    (started, *_) = events_of(ledger)
    assert isinstance(started, SessionStarted)
    done = ledger.checkpoint("gateway")
    ledger.append([ClockAdvanced(started.at + after_seconds * SECOND)], [Move("gateway", done, done + 1)])


def test_a_sound_letter_enters_the_ledger_once_and_leaves_the_dead_letters(ledger: EventLedger) -> None:
    letter = set_aside(ledger, after_seconds=5)
    reach(ledger, after_seconds=5)
    assert retry_dead_letters(ledger) == [(letter, 3, "")]
    tick = events_of(ledger)[2]
    assert isinstance(tick, TickReceived)
    assert tick.price == 171_250_000_000
    assert ledger.dead_letters.count() == 0
    assert retry_dead_letters(ledger) == []


def test_an_unsound_letter_stays_with_its_reason(ledger: EventLedger) -> None:
    letter = set_aside(ledger, after_seconds=5, price="-1")
    (outcome,) = retry_dead_letters(ledger)
    assert (outcome.id, outcome.seq) == (letter, 0)
    assert outcome.reason.startswith("NOT_POSITIVE")
    assert ledger.dead_letters.count() == 1
    assert ledger.last_seq() == 1


@pytest.mark.parametrize("seconds", [5, 3 * 24 * 3600])
def test_a_letter_from_the_sessions_future_waits_for_its_time(ledger: EventLedger, seconds: int) -> None:
    # Ticks of the feed follow it: time must not run ahead of them and back.
    letter = set_aside(ledger, after_seconds=seconds)
    (outcome,) = retry_dead_letters(ledger)
    assert (outcome.id, outcome.seq) == (letter, 0)
    assert outcome.reason.startswith("TIME_FAR_OFF")
    assert ledger.last_seq() == 1
    reach(ledger, after_seconds=seconds)
    assert retry_dead_letters(ledger) == [(letter, 3, "")]


def test_a_letter_whose_time_has_passed_stays(ledger: EventLedger) -> None:
    early, late = set_aside(ledger, after_seconds=1), set_aside(ledger, after_seconds=9)
    reach(ledger, after_seconds=9)
    assert retry_dead_letters(ledger, late)[0].seq == 3
    (outcome,) = retry_dead_letters(ledger, early)
    assert outcome.reason.startswith("OUT_OF_ORDER")


def test_a_letter_whose_retry_was_cut_off_after_entering_is_only_taken_away(ledger: EventLedger) -> None:
    letter = set_aside(ledger, after_seconds=5)
    reach(ledger, after_seconds=6)
    retry_dead_letters(ledger, set_aside(ledger, after_seconds=6))
    ledger.append([], [Move(f"dead-letter:{letter}", 0, 1)])
    last = ledger.last_seq()
    assert retry_dead_letters(ledger) == [(letter, 0, "had entered the ledger before")]
    assert ledger.dead_letters.count() == 0
    assert ledger.last_seq() == last


def test_a_letter_that_is_not_there_is_refused(ledger: EventLedger) -> None:
    with pytest.raises(InputError, match="none of this id"):
        retry_dead_letters(ledger, "1-1")
