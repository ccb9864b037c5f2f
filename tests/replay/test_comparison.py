"""Which comparison a replay makes, why, and what it lets pass."""

import math
from typing import Any

import msgspec
import pytest

from eventstore.ledger import Move
from replay.comparison import TOLERANCE, Comparison, comparison_of
from replay.verify import Verdict, verify
from support.scripted_model import ScriptedModel, learned_contender, surely
from support.signal_worlds import START, clock, contender, session, tick
from titanflow.domain.events import Event, SessionStarted, SignalGenerated, SignalWithheld
from titanflow.domain.types import Side
from titanflow.runtime.ledgers import CODEC, new_ledger
from titanflow.signal.engine import SignalEngine

HERE = (("lightgbm", "4.6.0"), ("machine", "x86_64"))
THERE = (("lightgbm", "4.5.0"), ("machine", "x86_64"))


def model(shift: float = 0.0, **changes: Any) -> ScriptedModel:
    """Sure of a rise after a rise; another processor makes something else of the last digits."""
    return ScriptedModel(lambda row: surely((0.9 if row[0] > 0 else 0.1) + shift), trained_until=START - 1, **changes)


MODEL = model()
RULE = contender("rule", "SMACrossover", fast=1, slow=2)
STARTED: SessionStarted = msgspec.structs.replace(
    session([RULE, learned_contender(MODEL)], models=[MODEL.recorded()]), serving=HERE
)


@pytest.fixture
def recorded(redis_client: Any, session_id: str) -> Any:
    """A ledger of the signal decider alone; a function that replays it where `shift` and `serving` are others."""
    ledger = new_ledger(redis_client, session_id)
    feed: list[Event] = [STARTED]
    for minute, close in enumerate((100, 101, 102, 99, 103)):
        feed += [tick(60 * minute, close), clock(60 * minute + 60)]
    engine = SignalEngine({MODEL.digest: MODEL})
    events: list[Event] = []
    for event in feed:
        events.append(event)
        events += engine.handlers[type(event)](len(events), event)

    def replay(shift: float = 0.0, serving: tuple[tuple[str, str], ...] = HERE, *, forged: Any = None) -> Verdict:
        written = [forged(event) if forged else event for event in events]
        ledger.append(written, [Move("gateway", 0, len(written))])
        scripted = model(shift)
        return verify(ledger, CODEC, models={MODEL.digest: scripted}, serving=serving)

    return replay


def of(contender_id: str, **changes: Any) -> Any:
    """Forges each signal of a contender."""
    return lambda event: (
        msgspec.structs.replace(event, **changes)
        if isinstance(event, SignalGenerated) and event.contender == contender_id
        else event
    )


def test_where_the_same_computes_the_scores_every_byte_is_compared() -> None:
    assert comparison_of(STARTED, HERE).method == "byte for byte"


def test_where_no_model_decides_every_byte_is_compared_whatever_computes() -> None:
    assert comparison_of(session([RULE]), THERE)[:2] == ("byte for byte", "no trained model decides in this session")


def test_where_something_else_computes_the_reason_names_it() -> None:
    comparison = comparison_of(STARTED, THERE)
    assert comparison.method == "tolerance"
    assert comparison.learned == {"learned"}
    assert "lightgbm 4.5.0 here, 4.6.0 when recorded" in comparison.reason
    assert "machine" not in comparison.reason
    assert f"{TOLERANCE:g}" in comparison.reason
    assert "machine unknown here, x86_64 when recorded" in comparison_of(STARTED, THERE[:1]).reason


def test_the_same_bytes_are_identical_either_way(recorded: Any) -> None:
    verdict = recorded(serving=THERE)
    assert verdict.identical
    assert verdict.comparison == "tolerance"


def test_last_digits_pass_elsewhere(recorded: Any) -> None:
    assert recorded(1e-6, THERE).identical


def test_last_digits_do_not_pass_here(recorded: Any) -> None:
    verdict = recorded(1e-6, HERE)
    assert verdict.comparison == "byte for byte"
    assert verdict.divergence is not None
    assert type(verdict.divergence.recorded) is SignalGenerated


def test_more_than_the_tolerance_passes_nowhere(recorded: Any) -> None:
    assert not recorded(10 * TOLERANCE, THERE).identical


def test_another_side_passes_nowhere(recorded: Any) -> None:
    assert not recorded(0.0, THERE, forged=of("learned", side=Side.SELL)).identical


def test_the_numbers_of_a_rule_are_exact_everywhere(recorded: Any) -> None:
    assert not recorded(0.0, THERE, forged=of("rule", confidence=math.nextafter(0.5, 1))).identical


SIGNAL = SignalWithheld(1, START, "learned", "A.X", Side.BUY, "outlier", (("probability", 0.8),), "h")  # type: ignore[arg-type]
CLOSE = Comparison("tolerance", "", frozenset({"learned"}))


@pytest.mark.parametrize(
    ("changes", "close"),
    [
        ({"context": (("probability", 0.8 + 1e-6),)}, True),
        ({"context": (("probability", 0.8 + 1e-3),)}, False),
        ({"context": (("dissimilarity", 0.8),)}, False),
        ({"context": (("probability", "nan"),)}, False),
        ({"context": ()}, False),
        ({"cause": 2}, False),
        ({"instrument": "B.X"}, False),
        ({"model_hash": "other"}, False),
    ],
)
def test_only_numbers_may_be_close(changes: dict[str, Any], close: bool) -> None:
    assert CLOSE.close(SIGNAL, msgspec.structs.replace(SIGNAL, **changes)) is close


def test_events_of_different_types_are_never_close() -> None:
    assert not CLOSE.close(SIGNAL, clock(1))
    assert not CLOSE.close(clock(1), clock(2))
