"""Nothing that a model has seen may judge it, however it is named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from titanflow.domain.models import TrainingWindow
from titanflow.errors import InputError
from titanflow.training.barrier import refuse_overlap

HOUR = 3_600 * 10**9


def window(first_at: int, last_at: int, session: str = "", seqs: tuple[int, int] = (0, 0)) -> TrainingWindow:
    return TrainingWindow(
        source=f"session {session}" if session else "tape.csv",
        sha256="",
        first_at=first_at * HOUR,
        last_at=last_at * HOUR,
        session=session,
        first_seq=seqs[0],
        last_seq=seqs[1],
    )


def test_events_at_or_before_the_last_seq_are_refused_with_both_numbers() -> None:
    with pytest.raises(InputError) as refusal:
        refuse_overlap(window(1, 5, "x", (1, 5000)), window(1, 9, "x", (1, 9000)))
    assert str(refusal.value) == (
        "the model was trained on session x up to seq 5000; the data to validate on begin at seq 1: "
        "give session:x@5001-"
    )
    with pytest.raises(InputError, match="seq 5000"):
        refuse_overlap(window(1, 5, "x", (1, 5000)), window(6, 9, "x", (5000, 9000)))


def test_the_part_of_the_session_behind_it_is_let_through() -> None:
    refuse_overlap(window(1, 5, "x", (1, 5000)), window(6, 9, "x", (5001, 9000)))


@pytest.mark.parametrize("other", [window(4, 9), window(5, 9), window(4, 9, "y", (1, 100))])
def test_another_name_for_the_same_time_is_no_way_around(other: TrainingWindow) -> None:
    with pytest.raises(InputError, match=r"up to 1970-01-01T05:00:00Z.*begin at 1970-01-01T0[45]:00:00Z"):
        refuse_overlap(window(1, 5, "x", (1, 5000)), other)


seqs = st.tuples(st.integers(1, 50), st.integers(0, 50)).map(lambda pair: (pair[0], sum(pair)))


@given(trained=seqs, validated=seqs, session=st.sampled_from(["x", "y", ""]))
def test_whatever_passes_shares_no_event_with_the_training(
    trained: tuple[int, int], validated: tuple[int, int], session: str
) -> None:
    seen = window(*trained, "x", trained)
    asked = window(*validated, session, validated if session else (0, 0))
    try:
        refuse_overlap(seen, asked)
    except InputError:
        assert validated[0] <= trained[1]
    else:
        assert validated[0] > trained[1]
