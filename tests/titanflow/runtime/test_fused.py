"""The fused loop goes on from wherever it was killed, and takes up what others appended."""

import threading
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path
from typing import cast

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from eventstore.errors import FencedError
from eventstore.sessions import Sessions
from replay.verify import verify
from support.mortal_ledger import KilledError, MortalLedger
from support.short_session import events_of, open_fused, play_fused, settings_of, write_session
from titanflow.deciders import DECIDERS
from titanflow.domain.events import OperatorCommanded, SessionEnded, SessionStarted
from titanflow.domain.types import OperatorAction
from titanflow.errors import SessionStateError
from titanflow.gateway.feed import Feed
from titanflow.gateway.lifecycle import has_ended
from titanflow.runtime.feeds import open_feed, open_provider
from titanflow.runtime.fused import FusedLoop
from titanflow.runtime.fused_run import FusedRun
from titanflow.runtime.ledgers import CODEC, EventLedger, new_ledger
from titanflow.runtime.operator_desk import command
from titanflow.runtime.processor import is_over


@pytest.fixture(scope="module")
def whole(redis_url: str, tmp_path_factory: pytest.TempPathFactory, brief_tape: Path) -> EventLedger:
    """The session, played without interruption."""
    return play_fused(redis_url, tmp_path_factory.mktemp("home"), brief_tape)


@pytest.fixture
def feed(tmp_path: Path, brief_tape: Path) -> Callable[[], Feed]:
    settings = settings_of(tmp_path, brief_tape)
    return lambda: open_feed(settings, open_provider(settings))


def test_a_whole_session_ends_once_and_owes_nothing(whole: EventLedger) -> None:
    events = events_of(whole)
    assert type(events[0]) is SessionStarted
    (end,) = [event for event in events if isinstance(event, SessionEnded)]
    assert end.reason == "end of feed"
    assert is_over(whole)
    assert set(DECIDERS) < set(whole.checkpoints())


@given(deaths=st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=4))
@settings(max_examples=8, deadline=None)
def test_killed_at_any_flush_and_resumed_it_writes_the_bytes_of_an_uninterrupted_run(
    whole: EventLedger, redis_url: str, tmp_path: Path, brief_tape: Path, deaths: list[tuple[int, bool]]
) -> None:
    opened = open_fused(redis_url, tmp_path, brief_tape)
    for fatal, written in deaths:
        mortal = cast(EventLedger, MortalLedger(opened.ledger, fatal, written=written))
        try:
            FusedRun(mortal, opened.feed).run()
        except KilledError:
            continue
    FusedRun(opened.ledger, opened.feed).run()
    assert opened.ledger.digest() == whole.digest()
    assert is_over(opened.ledger)


def test_running_an_ended_session_again_adds_nothing(
    redis_url: str, tmp_path: Path, brief_tape: Path, whole: EventLedger
) -> None:
    opened = open_fused(redis_url, tmp_path, brief_tape)
    for _ in range(2):
        FusedRun(opened.ledger, opened.feed).run()
    assert opened.ledger.digest() == whole.digest()


def test_an_operators_command_in_between_is_taken_up_and_decided_on(
    redis_url: str, tmp_path: Path, brief_tape: Path, redis_client: redis.Redis
) -> None:
    opened = open_fused(redis_url, tmp_path, brief_tape)
    desk = new_ledger(redis_client, opened.ledger.session)
    commands: list[int] = []

    def interfere(at: int, seq: int) -> None:
        if not commands and seq > 2_000:
            commands.append(command(desk, OperatorAction.KILL, "ada"))

    FusedRun(opened.ledger, opened.feed).run(on_flush=interfere)
    events = events_of(opened.ledger)
    assert isinstance(events[commands[0] - 1], OperatorCommanded)
    assert any(getattr(event, "cause", 0) == commands[0] for event in events)
    assert type(events[-1]) is not OperatorCommanded
    assert is_over(opened.ledger)
    assert verify(opened.ledger, CODEC).identical


def test_a_loop_that_others_have_overtaken_is_fenced_and_writes_nothing(
    redis_url: str, tmp_path: Path, brief_tape: Path, redis_client: redis.Redis, feed: Callable[[], Feed]
) -> None:
    opened = open_fused(redis_url, tmp_path, brief_tape)
    loop = FusedLoop(opened.ledger)
    done = loop.recover()
    for position, events, _ in feed().items(done):
        done = position
        if loop.take(events) > 300:
            break
    seq = command(new_ledger(redis_client, opened.ledger.session), OperatorAction.KILL, "ada")
    with pytest.raises(FencedError, match="@seq"):
        loop.flush(done)
    assert opened.ledger.last_seq() == seq


def test_a_second_fused_process_ends_the_first_instead_of_fighting_it(
    redis_url: str,
    tmp_path: Path,
    brief_tape: Path,
    redis_client: redis.Redis,
    feed: Callable[[], Feed],
    whole: EventLedger,
) -> None:
    opened = open_fused(redis_url, tmp_path, brief_tape)
    second = FusedRun(new_ledger(redis_client, opened.ledger.session), feed())
    started: list[int] = []

    def overtake(at: int, seq: int) -> None:
        if not started:
            started.append(seq)
            second.run()

    with pytest.raises(FencedError):
        FusedRun(opened.ledger, opened.feed).run(on_flush=overtake)
    assert opened.ledger.digest() == whole.digest()


def test_stopped_before_the_first_event_it_closes_the_session_at_its_start(
    redis_url: str, tmp_path: Path, brief_tape: Path
) -> None:
    opened = open_fused(redis_url, tmp_path, brief_tape)
    stop = threading.Event()
    stop.set()
    FusedRun(opened.ledger, opened.feed).run(stop=stop)
    started, ended = (event for event in events_of(opened.ledger) if isinstance(event, SessionStarted | SessionEnded))
    assert isinstance(ended, SessionEnded)
    assert ended.reason == "stopped"
    assert ended.at == started.at
    assert is_over(opened.ledger)
    assert verify(opened.ledger, CODEC).identical


def test_stopped_on_its_way_it_closes_the_session_at_the_last_event_taken(
    redis_url: str, tmp_path: Path, brief_tape: Path
) -> None:
    opened = open_fused(redis_url, tmp_path, brief_tape)
    stop = threading.Event()
    FusedRun(opened.ledger, opened.feed).run(stop=stop, on_flush=lambda at, seq: stop.set())
    events = events_of(opened.ledger)
    end = next(index for index, event in enumerate(events) if isinstance(event, SessionEnded))
    assert events[end].at == max(event.at for event in events[:end])  # type: ignore[attr-defined]
    assert verify(opened.ledger, CODEC).identical


def test_a_session_that_was_never_opened_is_not_fed(
    redis_client: redis.Redis, session_id: str, feed: Callable[[], Feed]
) -> None:
    Sessions(redis_client).register(session_id, 0)
    ledger = new_ledger(redis_client, session_id)
    with pytest.raises(SessionStateError, match="never opened"):
        FusedRun(ledger, feed()).run()
    assert ledger.last_seq() == 0


@pytest.mark.parametrize("answered", [False, True], ids=["nothing-said-on-the-end", "answers-to-the-end-recorded"])
def test_decisions_owed_when_a_session_was_killed_after_its_end_are_made_up_for(
    feed: Callable[[], Feed], whole: EventLedger, redis_client: redis.Redis, session_id: str, answered: bool
) -> None:
    events = events_of(whole)
    end = next(seq for seq, event in enumerate(events, 1) if isinstance(event, SessionEnded))
    answers = list(takewhile(lambda event: event.cause == end, events[end:]))  # type: ignore[attr-defined]
    assert answers
    recorded, checkpoint = (events[: end + len(answers)], end) if answered else (events[:end], end - 1)
    ledger = write_session(redis_client, session_id, recorded, checkpoints=dict.fromkeys(DECIDERS, checkpoint))
    assert has_ended(ledger)
    assert not is_over(ledger)
    FusedRun(ledger, feed()).run()
    assert is_over(ledger)
    assert ledger.digest() == whole.digest()
