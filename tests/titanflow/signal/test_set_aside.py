"""A contender that fails is set aside alone: it is decided, told alike in every run, and nobody else minds."""

import re
from collections.abc import Iterable, Sequence

import msgspec
import pytest

from support.bad_rules import BadRule
from support.signal_worlds import START, clock, contender, session, tick
from titanflow.domain.events import (
    BarClosed,
    ContenderSetAside,
    ContenderTimedOut,
    Event,
    SessionStarted,
    SignalGenerated,
)
from titanflow.domain.session_settings import ContenderSpec
from titanflow.domain.types import NANOS_PER_SECOND, SetAsideReason
from titanflow.signal.asking import MAX_DETAIL, CallStopped, TimedOut, told
from titanflow.signal.engine import SignalEngine
from titanflow.signal.strategies import STRATEGIES

FAST = {"fast": 2, "slow": 3}
CLOSES = (10, 9, 8, 11, 12, 9, 7, 12, 13)
MINUTES: list[Event] = [event for m, close in enumerate(CLOSES) for event in (tick(60 * m, close), clock(60 * m + 60))]
GOOD = contender("good", "SMACrossover", **FAST)


@pytest.fixture(autouse=True)
def _bad_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STRATEGIES, BadRule.name, BadRule)


def bad(way: str, at: int = 3, instruments: Sequence[str] = ("A.X",), bar_seconds: int = 60) -> ContenderSpec:
    return contender("bad", "BadRule", instruments, bar_seconds, way=way, at=at, buy_at=1)


def decide(started: SessionStarted, events: Iterable[Event], timed_out: TimedOut | None = None) -> list[Event]:
    engine = SignalEngine(timed_out=timed_out or {})
    handlers = engine.handlers
    return [made for seq, event in enumerate([started, *events], 1) for made in handlers[type(event)](seq, event)]


def of(name: str, decided: list[Event]) -> list[Event]:
    return [event for event in decided if getattr(event, "contender", "") == name]


@pytest.mark.parametrize(
    ("way", "reason", "detail"),
    [
        ("raises", SetAsideReason.RAISED, "ValueError: <object object at 0x…> of rules.py cannot be read"),
        ("exits", SetAsideReason.RAISED, "SystemExit: 3"),
        ("nan_confidence", SetAsideReason.NOT_FINITE, "confidence is nan"),
        ("inf_contribution", SetAsideReason.NOT_FINITE, "contribution eager is inf"),
        ("nan_feature", SetAsideReason.NOT_FINITE, "feature odd is nan"),
        ("no_opinion", SetAsideReason.MALFORMED, "it gave str, which is no opinion with its explanation"),
        ("wide_int", SetAsideReason.MALFORMED, "feature odd is 1180591620717411303424"),
    ],
)
def test_whoever_fails_is_set_aside_with_the_reason_and_asked_no_more(
    way: str, reason: SetAsideReason, detail: str
) -> None:
    decided = decide(session([bad(way), GOOD]), MINUTES)
    bought, failed = of("bad", decided)
    assert isinstance(bought, SignalGenerated)
    assert failed == ContenderSetAside(7, START + 180 * NANOS_PER_SECOND, "bad", "A.X", reason, detail)


def test_the_others_decide_as_if_the_one_that_failed_had_never_been() -> None:
    alone = of("good", decide(session([GOOD]), MINUTES))
    assert len(alone) > 1
    assert of("good", decide(session([bad("raises"), GOOD]), MINUTES)) == alone
    assert of("good", decide(session([GOOD, bad("inf_contribution")]), MINUTES)) == alone


def test_its_bars_are_still_made_as_others_may_read_them() -> None:
    decided = decide(session([bad("raises")]), MINUTES)
    assert len([event for event in decided if isinstance(event, BarClosed)]) == len(CLOSES)


def test_what_was_asked_of_it_on_another_instrument_before_stands_and_what_would_come_after_does_not() -> None:
    both = ("A.X", "B.X")
    events = [
        event
        for m, close in enumerate(CLOSES)
        for event in (tick(60 * m, close), tick(60 * m, close, name="B.X"), clock(60 * m + 60))
    ]
    said = of("bad", decide(session([bad("raises", instruments=both)], both), events))
    assert [(type(event), event.instrument) for event in said] == [  # type: ignore[attr-defined]
        (SignalGenerated, "A.X"),
        (SignalGenerated, "B.X"),
        (ContenderSetAside, "A.X"),
    ]


def test_one_that_decides_on_ticks_is_set_aside_too() -> None:
    decided = decide(session([bad("raises", bar_seconds=0), GOOD]), MINUTES)
    assert [type(event) for event in of("bad", decided)] == [SignalGenerated, ContenderSetAside]
    assert of("good", decided)


def test_a_strategy_that_cannot_be_made_is_set_aside_at_the_opening() -> None:
    started = session([bad("raises", at=0), GOOD])
    first, *_ = decided = decide(started, MINUTES)
    assert isinstance(first, ContenderSetAside)
    assert (first.cause, first.at, first.reason) == (1, started.at, SetAsideReason.RAISED)
    assert of("good", decided) == of("good", decide(session([GOOD]), MINUTES))


def test_what_is_told_can_be_stored_and_differs_in_no_run() -> None:
    assert told("a \udc80 \n b") == "a ? b"
    assert told(r"no such file: 'C:\Users\ada\x.csv'") == "no such file: 'x.csv'"
    assert told("at 1/2 of 3/4/5") == "at 1/2 of 3/4/5"
    assert len(told("x" * 1000)) == MAX_DETAIL
    (failed,) = (e for e in decide(session([bad("raises")]), MINUTES) if isinstance(e, ContenderSetAside))
    assert not re.search(r"0x[0-9a-f]{4}|/home", failed.detail)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(failed), type=ContenderSetAside) == failed


def test_endless_recursion_is_told_without_where_it_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    def recurse(self: BadRule) -> None:
        recurse(self)

    monkeypatch.setattr(BadRule, "_misbehave", recurse)
    (failed,) = (e for e in decide(session([bad("raises")]), MINUTES) if isinstance(e, ContenderSetAside))
    assert failed.detail == "RecursionError"


@pytest.mark.parametrize("interruption", [KeyboardInterrupt(), CallStopped("bad", 7)])
def test_what_comes_from_outside_passes_through(monkeypatch: pytest.MonkeyPatch, interruption: BaseException) -> None:
    def interrupted(self: BadRule) -> None:
        raise interruption

    monkeypatch.setattr(BadRule, "_misbehave", interrupted)
    with pytest.raises(type(interruption)):
        decide(session([bad("raises")]), MINUTES)


def test_it_is_seen_whom_the_engine_asks_and_at_which_event(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = SignalEngine()
    seen: list[tuple[str, int]] = []

    def look(self: BadRule) -> None:
        seen.append((engine.asking.contender, engine.asking.seq))

    monkeypatch.setattr(BadRule, "_misbehave", look)
    for seq, event in enumerate([session([GOOD, bad("raises")]), *MINUTES], 1):
        engine.handlers[type(event)](seq, event)
        assert engine.asking.contender == ""
    assert seen == [("bad", 7)]


@pytest.mark.parametrize("seq", [1, 2, 5, 7, 12])
def test_from_the_event_at_which_it_took_too_long_it_is_asked_no_more(seq: int) -> None:
    """It would loop at seq 7; whoever knows of it from the ledger's later part never gets there."""
    late = ContenderTimedOut(START + 600 * NANOS_PER_SECOND, "bad", min(seq, 7), 5 * NANOS_PER_SECOND)
    spec = bad("loops") if seq <= 7 else bad("raises", at=1000)
    decided = decide(session([spec, GOOD]), [*MINUTES, late], {"bad": seq})
    *signals, failed = of("bad", decided)
    assert isinstance(failed, ContenderSetAside)
    assert (failed.cause, failed.reason, failed.instrument) == (20, SetAsideReason.TIMED_OUT, "")
    assert "5 s of CPU time" in failed.detail
    assert all(isinstance(event, SignalGenerated) and event.cause < seq for event in signals)
    assert len(signals) == (seq > 3)
    assert of("good", decided) == of("good", decide(session([GOOD]), MINUTES))


def test_it_is_said_once_that_a_contender_is_set_aside() -> None:
    late = ContenderTimedOut(START, "bad", 9, NANOS_PER_SECOND)
    nobody = ContenderTimedOut(START, "nobody", 9, NANOS_PER_SECOND)
    decided = decide(session([bad("raises"), GOOD]), [*MINUTES, late, late, nobody])
    assert len([event for event in decided if isinstance(event, ContenderSetAside)]) == 1
