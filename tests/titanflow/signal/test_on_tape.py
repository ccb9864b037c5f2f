"""Contenders on a tape of bars: nobody decides within a bar, who has to wait is named, models keep to their bars."""

import pytest
from msgspec.structs import replace

from support.feeds import S, bar
from support.signal_worlds import clock, contender, decide, session, tick
from titanflow.domain.events import BarClosed, BarPointReceived, Event, SessionStarted, SignalGenerated
from titanflow.domain.session_settings import ContenderSpec, FeedSpec
from titanflow.signal.on_tape import fitted_to_tape, told_of_tape

START = 1_700_000_040 * S
MINUTE = 60 * S


def points(opened_at: int, seconds: int = 60) -> list[BarPointReceived]:
    """A bar of A.X as it is played."""
    own = ("position", "symbol", "venue", "source", "line")
    return [
        BarPointReceived(
            instrument="A.X", **{name: getattr(raw, name) for name in raw.__struct_fields__ if name not in own}
        )
        for raw in bar(opened_at, seconds=seconds)
    ]


def on_bars(*contenders: ContenderSpec, seconds: int = 60) -> SessionStarted:
    return replace(session(contenders), feed=FeedSpec("tape", "t.csv", "", (("A.X", seconds),)))


def bars_of(started: SessionStarted, events: list[Event]) -> list[tuple[int, int, int]]:
    """(seconds, opened, ended) of each bar, in seconds from START."""
    return [
        (event.seconds, (event.opened_at - START) // S, (event.ends_at - START) // S)
        for event in decide(started, events)
        if isinstance(event, BarClosed)
    ]


@pytest.mark.parametrize("own", [0, 10, 60])
def test_a_contender_with_shorter_bars_than_the_tape_decides_on_the_tapes(own: int) -> None:
    started = on_bars(contender("fast", "SMACrossover", bar_seconds=own, fast=1, slow=2))
    events = [*points(START), *points(START + MINUTE), clock(120)]
    assert bars_of(started, events) == [(60, 0, 60), (60, 60, 120)]


def test_no_signal_is_caused_within_a_bar_of_the_tape() -> None:
    started = on_bars(contender("fast", "SMACrossover", bar_seconds=0, fast=1, slow=2))
    falling = [replace(point, price=point.price // 2) for point in points(START + MINUTE)]
    events: list[Event] = []
    for number, made in enumerate([points(START), falling, points(START + 2 * MINUTE), points(START + 3 * MINUTE)]):
        events += [clock(60 * number), *made]
    events.append(clock(240))
    signals = [event for event in decide(started, events) if isinstance(event, SignalGenerated)]
    assert signals
    assert {(event.at - START) % MINUTE for event in signals} == {0}


def test_a_length_that_the_tapes_does_not_divide_is_rounded_up_to_whole_bars() -> None:
    started = on_bars(contender("odd", "SMACrossover", bar_seconds=90, fast=1, slow=2))
    made = [point for number in range(4) for point in points(START + number * MINUTE)]
    (first, *_) = bars_of(started, [*made, clock(240)])
    assert first[0] == 120


def test_a_bar_of_the_tape_that_ends_early_is_a_bar_that_ends_early() -> None:
    hours = on_bars(contender("slow", "SMACrossover", bar_seconds=3_600, fast=1, slow=2), seconds=3_600)
    assert bars_of(hours, [*points(START, 1_800), clock(1_800)]) == [(3_600, 0, 1_800)]


def test_a_bar_of_several_of_the_tape_never_ends_within_one() -> None:
    # Hours that begin at a quarter past, and a contender of two of them, which the epoch would cut at the full hour.
    base = START - START % (7_200 * S) + 900 * S
    started = on_bars(contender("slow", "SMACrossover", bar_seconds=7_200, fast=1, slow=2), seconds=3_600)
    made = [point for number in range(4) for point in points(base + number * 3_600 * S, 3_600)]
    closed = [event for event in decide(started, [*made, clock(5 * 3_600)]) if isinstance(event, BarClosed)]
    ends = {base + number * 3_600 * S for number in range(1, 5)}
    assert closed
    assert {event.ends_at for event in closed} <= ends
    assert sum(event.ticks for event in closed) == len(made)


def test_trades_are_decided_on_as_the_contender_asks() -> None:
    started = session([contender("fast", "SMACrossover", bar_seconds=10, fast=1, slow=2)])
    assert bars_of(started, [tick(1, 10), clock(10)]) == [(10, 0, 10)]


BARS = (("A.X", 60), ("B.X", 300))


@pytest.mark.parametrize(
    ("own", "instruments", "told"),
    [
        (10, ("A.X",), "fast decides on the tape's bars of 60 s, not of 10 s"),
        (0, ("A.X",), "fast decides on the tape's bars of 60 s, not at every tick"),
        (10, ("A.X", "B.X"), "fast decides on the tape's bars of 60 and 300 s, not of 10 s"),
        (10, ("A.X", "C.X"), "fast decides on the tape's bars of 60 s, not of 10 s (1 of its 2 instruments)"),
        (90, ("A.X",), "fast decides on whole bars of the tape, 120 s, not of 90 s"),
        (60, ("A.X", "C.X"), None),
        (600, ("A.X", "B.X"), None),
    ],
)
def test_one_line_says_who_decides_on_other_bars_than_it_asked_for(
    own: int, instruments: tuple[str, ...], told: str | None
) -> None:
    spec = contender("fast", "SMACrossover", instruments, own)
    assert told_of_tape([spec], BARS) == ([] if told is None else [told])


def test_a_trained_model_is_not_asked_about_bars_that_it_was_not_trained_on() -> None:
    both = contender("net", "LearnedModel", ("A.X", "B.X"), 60)
    assert fitted_to_tape([both], BARS) == (replace(both, instruments=("A.X",)),)
    (faulty,) = fitted_to_tape([replace(both, instruments=("B.X",))], BARS)
    assert faulty.fault == "it reads bars of 60 s, which the tape's bars of 300 s cannot be made into"
    assert told_of_tape([faulty], BARS) == []


def test_a_rule_keeps_all_its_instruments() -> None:
    rule = contender("fast", "SMACrossover", ("A.X", "B.X"), 60)
    assert fitted_to_tape([rule], BARS) == (rule,)
