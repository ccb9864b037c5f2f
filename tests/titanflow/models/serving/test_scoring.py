"""A scorer that remembers, and a window that rolls on, answer as if they had never been asked before: to the bit."""

import struct
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.serving import SPY, as_rows, served, some_windows
from titanflow.domain.types import InstrumentId
from titanflow.models.serving.calibrated import ServedModel
from titanflow.models.serving.onnx_session import OnnxSession
from titanflow.models.serving.scoring import Remembering, Scores, Windows, same_rows
from titanflow.signal.model import Window

OTHER = "AAPL.XNYS"
KINDS = ("lstm", "tft", "ppo", "stack")


class Counting:
    """Scores a window by its first value, and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def score(self, instrument: InstrumentId, window: Window) -> float:
        self.asked += 1
        return window[0][0]

    def scores(self, instrument: InstrumentId, windows: Windows) -> Scores:
        return windows[:, 0, 0]


def bits(score: float) -> bytes:
    return struct.pack("<d", score)


def test_the_same_rows_are_scored_once_for_an_instrument() -> None:
    counting, row = Counting(), (1.0, 2.0)
    remembering = Remembering(counting)
    asked = [(SPY, (row, row)), (SPY, (row, row)), (OTHER, (row, row)), (OTHER, (row,)), (OTHER, [row]), (SPY, (row,))]
    assert [remembering.score(*question) for question in asked] == [1.0] * 6
    assert counting.asked == 4


def test_rows_that_are_equal_and_not_the_same_are_scored_anew() -> None:
    """The two zeros are equal, and a network may well tell them apart."""
    remembering = Remembering(Counting())
    assert bits(remembering.score(SPY, ((0.0,),))) != bits(remembering.score(SPY, ((-0.0,),)))


def test_a_window_that_changes_under_its_name_is_scored_anew() -> None:
    remembering, window = Remembering(Counting()), [(1.0,), (2.0,)]
    assert remembering.score(SPY, window) == 1.0
    window[0] = (3.0,)
    assert remembering.score(SPY, window) == 3.0


def test_a_scorer_that_failed_has_nothing_to_remember() -> None:
    remembering = Remembering(Counting())
    for _ in range(2):
        with pytest.raises(IndexError):
            remembering.score(SPY, ((),))


def test_windows_of_another_length_are_not_the_same() -> None:
    row = (1.0,)
    assert same_rows((row, row), [row, row])
    assert not same_rows((row,), (row, row))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15, deadline=None)
@given(steps=st.lists(st.tuples(st.sampled_from((SPY, OTHER)), st.integers(0, 3)), min_size=1, max_size=25))
def test_a_model_that_was_asked_before_answers_like_a_fresh_one(kind: str, steps: list[tuple[str, int]]) -> None:
    """Windows that stand still, roll on by a bar, skip some, and change between instruments."""
    model, rows = asked_before(kind)
    bars, at = model.manifest.window, {SPY: 0, OTHER: 30}
    for instrument, onward in steps:
        at[instrument] += onward
        window = rows[at[instrument] : at[instrument] + bars]
        unknown = tuple((*row,) for row in window)  # equal rows that it cannot have seen
        assert bits(model.infer(instrument, window).score) == bits(model.infer(instrument, unknown).score)
        model.infer(instrument, window)


def test_a_stack_and_its_member_score_alike_whoever_is_asked_first() -> None:
    kinds = ("lightgbm", "lstm", "tft")
    members = [served(kind) for kind in kinds]
    stack, lstm = served("stack", members), members[1]
    for window in map(as_rows, some_windows(stack, 6)):
        alone, alone_stack = served("lstm"), served("stack", [served(kind) for kind in kinds])
        first, second = (stack, lstm) if window[0][0] > 0 else (lstm, stack)
        scores = {model.manifest.kind: model.infer(SPY, window).score for model in (first, second)}
        assert scores == {"lstm": alone.infer(SPY, window).score, "stack": alone_stack.infer(SPY, window).score}


def test_a_stack_computes_only_its_own_network_where_its_members_were_just_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    computed: list[int] = []
    score = OnnxSession.score

    def counted(network: OnnxSession, instrument: InstrumentId, window: Window) -> float:
        computed.append(len(window))
        return score(network, instrument, window)

    monkeypatch.setattr(OnnxSession, "score", counted)
    members = [served("lstm"), served("tft")]
    stack = served("stack", members)
    window = as_rows(some_windows(stack, 1)[0])
    computed.clear()
    for model in (*members, stack):
        model.infer(SPY, window)
    assert computed == [8, 8, 1]


@cache
def asked_before(kind: str) -> tuple[ServedModel, Window]:
    """A model, which keeps what it remembers from one example to the next, and rows enough to roll over."""
    model = served(kind, [served("lightgbm"), served("lstm")] if kind == "stack" else ())
    long = np.concatenate([*some_windows(model, 120)])
    return model, as_rows(long)
