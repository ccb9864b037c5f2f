"""Gives set-aside feed rows another chance in their session, for instance once their time has come."""

from collections.abc import Iterable
from typing import NamedTuple

from eventstore.dead_letters import DeadLetter
from eventstore.errors import FencedError
from eventstore.ledger import Move
from titanflow.domain.instruments import Instrument
from titanflow.domain.types import NANOS_PER_SECOND, Nanos
from titanflow.errors import InputError
from titanflow.gateway.bad_ticks import BadTick, BadTickReason
from titanflow.gateway.lifecycle import SESSION, WHILE_OPEN, has_ended
from titanflow.gateway.normaliser import retry
from titanflow.runtime.ledgers import EventLedger
from titanflow.runtime.operator_desk import ended_meanwhile, last_event_time, session_started

PAGE = 1000


class Outcome(NamedTuple):
    """What became of one dead letter."""

    id: str
    seq: int
    """Seq of the event that it became; 0 where it stays."""
    reason: str
    """Why it stays; empty where it entered."""


def retry_dead_letters(ledger: EventLedger, letter: str | None = None) -> list[Outcome]:
    """Judge one dead letter, or all, again; what is sound enters the ledger and leaves the dead letters.

    Raises SessionStateError when the session has ended, InputError for a letter that does not exist.
    """
    if has_ended(ledger):
        raise ended_meanwhile(ledger, "retry")
    letters = [one for one in _all(ledger) if letter in (None, one.id)]
    if letter is not None and not letters:
        raise InputError(f"dead letter {letter!r}: session {ledger.session!r} has none of this id")
    instruments = session_started(ledger).instruments
    return [_retry_one(ledger, one, instruments) for one in letters]


def _retry_one(ledger: EventLedger, letter: DeadLetter, instruments: Iterable[Instrument]) -> Outcome:
    entered = f"dead-letter:{letter.id}"
    seq, reason = 0, "had entered the ledger before"
    # An earlier retry may have been cut off between its append and taking the letter away.
    if not ledger.checkpoint(entered):
        now = last_event_time(ledger)
        verdict = retry(letter.payload, instruments, now)
        if isinstance(verdict, BadTick):
            return Outcome(letter.id, 0, f"{verdict.reason}: {verdict.detail}")
        if verdict.at // NANOS_PER_SECOND > now // NANOS_PER_SECOND:
            return Outcome(letter.id, 0, f"{BadTickReason.TIME_FAR_OFF}: {_ahead(verdict.at, now)}")
        try:
            (seq,) = ledger.append([verdict], [WHILE_OPEN, Move(entered, 0, 1)])
            reason = ""
        except FencedError as error:
            if error.name == SESSION:
                raise ended_meanwhile(ledger, "retry") from error
    ledger.dead_letters.remove(letter.id)
    return Outcome(letter.id, seq, reason)


def _ahead(at: Nanos, now: Nanos) -> str:
    """Why a row of a later second must wait: the clock and the rows that come before it have not come yet."""
    return f"time is {at}, {at - now} ns ahead of the session's {now}; try again when the session has reached it"


def _all(ledger: EventLedger) -> Iterable[DeadLetter]:
    after = ""
    while page := ledger.dead_letters.list(after, PAGE):
        yield from page
        after = page[-1].id
