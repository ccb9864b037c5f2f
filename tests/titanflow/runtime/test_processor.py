"""One decider in one process: restarted anywhere it decides the same; a second instance of it is refused."""

import threading
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import cast

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from eventstore.errors import FencedError
from eventstore.ledger import Move
from eventstore.signs import Signs
from replay.verify import verify
from support.mortal_ledger import KilledError, MortalLedger
from support.short_session import events_of, open_fused, play_fused, settings_of, write_session
from support.waiting import PATIENCE_S
from titanflow.deciders import DECIDERS, owners
from titanflow.domain.events import Event, SignalGenerated
from titanflow.gateway.lifecycle import ENDING, OPENING
from titanflow.runtime.feeds import open_feed, open_provider
from titanflow.runtime.fused_run import FusedRun
from titanflow.runtime.ledgers import CODEC, EventLedger, new_ledger
from titanflow.runtime.processor import Processor, is_over, is_quiet

OWNERS = owners()


@pytest.fixture(scope="module")
def whole(redis_url: str, tmp_path_factory: pytest.TempPathFactory, brief_tape: Path) -> Sequence[Event]:
    """A played session."""
    return events_of(play_fused(redis_url, tmp_path_factory.mktemp("home"), brief_tape))


@pytest.fixture(scope="module")
def outside(whole: Sequence[Event]) -> list[Event]:
    """What came to it from outside."""
    return [event for event in whole if type(event) not in OWNERS]


def feed(ledger: EventLedger, outside: Sequence[Event], *, size: int = 50) -> None:
    """The gateway's part: everything from outside, in blocks."""
    ledger.append([], [OPENING])
    for start in range(0, len(outside), size):
        block = outside[start : start + size]
        ledger.append(block, [Move("gateway", start, start + len(block))])
    ledger.append([], [ENDING])


def decide_until(ledger: EventLedger, name: str, seq: int) -> None:
    """Run one decider until its checkpoint has reached `seq`."""
    Processor(ledger, name, lambda: ledger.checkpoint(name) >= seq).run()


def said_by_signal(events: Sequence[Event]) -> list[Event]:
    return [event for event in events if OWNERS.get(type(event)) == "signal"]


@given(deaths=st.lists(st.tuples(st.integers(0, 6), st.booleans()), max_size=5))
@settings(max_examples=8, deadline=None)
def test_killed_at_any_append_and_restarted_it_says_what_it_would_have_said(
    redis_client: redis.Redis, outside: list[Event], deaths: list[tuple[int, bool]]
) -> None:
    def run(deaths: Sequence[tuple[int, bool]]) -> list[Event]:
        ledger = new_ledger(redis_client, f"test-{uuid.uuid4().hex}")
        feed(ledger, outside)
        for fatal, written in deaths:
            mortal = cast(EventLedger, MortalLedger(ledger, fatal, written=written))
            with suppress(KilledError):
                decide_until(mortal, "signal", len(outside))
        decide_until(ledger, "signal", len(outside))
        assert verify(ledger, CODEC, last=ledger.last_seq()).identical
        return said_by_signal(events_of(ledger))

    assert run(deaths) == run([])


def test_alone_on_the_outside_events_it_says_what_it_says_beside_the_others(
    redis_client: redis.Redis, session_id: str, outside: list[Event], whole: Sequence[Event]
) -> None:
    ledger = new_ledger(redis_client, session_id)
    feed(ledger, outside)
    decide_until(ledger, "signal", len(outside))

    def bare(events: Sequence[Event]) -> list[tuple[str, int, str]]:
        return [(e.contender, e.at, e.side) for e in events if isinstance(e, SignalGenerated)]

    assert bare(events_of(ledger)) == bare(whole)


class Started(Signs):
    """Notes that a decider has recovered."""

    def __init__(self) -> None:
        self.seqs: list[int] = []

    def reached(self, seq: int) -> None:
        self.seqs.append(seq)


def test_a_second_instance_fences_the_first(redis_client: redis.Redis, session_id: str, outside: list[Event]) -> None:
    ledger = new_ledger(redis_client, session_id)
    feed(ledger, outside)
    overtaken: list[int] = []
    started = Started()

    def overtake() -> bool:
        if started.seqs and not overtaken:
            decide_until(new_ledger(redis_client, session_id), "signal", len(outside))
            overtaken.append(ledger.last_seq())
        return False

    with pytest.raises(FencedError, match="signal"):
        Processor(ledger, "signal", overtake, signs=started).run()
    assert ledger.last_seq() == overtaken[0] > len(outside)


class Team:
    """All deciders, a thread each, every one of which dies now and then and is started again."""

    def __init__(self, client: redis.Redis, session: str, lifetimes: dict[str, list[int]]) -> None:
        self._client = client
        self._session = session
        self._lifetimes = lifetimes
        self.deaths = 0
        self.failures: list[BaseException] = []
        self._threads = [threading.Thread(target=self._live, args=(name,), daemon=True) for name in DECIDERS]

    def run(self) -> None:
        self.start()
        self.join()

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(PATIENCE_S)
        assert not any(thread.is_alive() for thread in self._threads)

    def _live(self, name: str) -> None:
        try:
            for appends in self._lifetimes.get(name, []):
                ledger = new_ledger(self._client, self._session)
                try:
                    mortal = cast(EventLedger, MortalLedger(ledger, appends, written=appends % 2 == 0))
                    Processor(mortal, name, lambda: False).run()
                except KilledError:
                    self.deaths += 1
                finally:
                    ledger.close()
            Processor(new_ledger(self._client, self._session), name, lambda: False).run()
        except BaseException as failure:
            self.failures.append(failure)
            raise


def test_deciders_that_keep_dying_leave_a_whole_session_that_replays_identical(
    redis_client: redis.Redis, session_id: str, outside: list[Event]
) -> None:
    ledger = new_ledger(redis_client, session_id)
    feed(ledger, outside, size=20)
    team = Team(redis_client, session_id, {name: [0, 1, 2, 3, 1] for name in DECIDERS})
    team.run()
    assert not team.failures
    assert team.deaths >= len(DECIDERS)
    assert is_over(ledger)
    assert ledger.check().problem is None
    assert [event for event in events_of(ledger) if type(event) not in OWNERS] == outside
    assert verify(ledger, CODEC).identical


def test_a_session_of_services_is_finished_by_the_fused_loop(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path, brief_tape: Path
) -> None:
    opened = open_fused(redis_url, tmp_path, brief_tape)
    ledger = opened.ledger
    position = 0
    for item in opened.feed.items():
        if item.position > 600:
            break
        ledger.append(item.events, [Move("gateway", position, item.position)])
        position = item.position
    end = ledger.last_seq()
    # Two deciders have seen half of it, one all of it, one nothing.
    for name, seq in (("signal", end), ("risk", end // 2), ("execution", end // 2)):
        decide_until(new_ledger(redis_client, ledger.session), name, seq)
    FusedRun(ledger, opened.feed).run()
    assert is_over(ledger)
    assert verify(ledger, CODEC).identical


def test_a_session_of_the_fused_loop_is_finished_by_services(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path, brief_tape: Path, outside: list[Event]
) -> None:
    opened = open_fused(redis_url, tmp_path, brief_tape)
    ledger = opened.ledger
    mortal = cast(EventLedger, MortalLedger(ledger, 2, written=True))
    with pytest.raises(KilledError):
        FusedRun(mortal, opened.feed).run()
    settings = settings_of(tmp_path, brief_tape)
    done = ledger.checkpoint("gateway")
    rest = [event for item in open_feed(settings, open_provider(settings)).items(done) for event in item.events]
    assert rest
    ledger.append([*rest, outside[-1]], [ENDING, Move("gateway", done, done + 1)])
    team = Team(redis_client, ledger.session, {})
    team.run()
    assert not team.failures
    assert is_over(ledger)
    assert verify(ledger, CODEC).identical


def test_a_ledger_is_quiet_only_once_every_decider_has_read_all_of_it(
    redis_client: redis.Redis, session_id: str, outside: list[Event]
) -> None:
    ledger = new_ledger(redis_client, session_id)
    ledger.append(outside[:10], [Move("gateway", 0, 10)])
    names = list(DECIDERS)
    for name in names[:-1]:
        ledger.append([], [Move(name, 0, 10)])
        assert not is_quiet(ledger)
    ledger.append([], [Move(names[-1], 0, 10)])
    assert is_quiet(ledger)
    assert not is_over(ledger)
    ledger.append(outside[10:11], [Move("gateway", 10, 11)])
    assert not is_quiet(ledger)


def test_a_decider_started_before_the_session_is_opened_waits_for_it(
    redis_client: redis.Redis, session_id: str, outside: list[Event]
) -> None:
    team = Team(redis_client, session_id, {})
    team.start()
    ledger = new_ledger(redis_client, session_id)
    feed(ledger, outside)
    team.join()
    assert not team.failures
    assert is_over(ledger)
    assert verify(ledger, CODEC).identical


@pytest.mark.parametrize("name", DECIDERS)
def test_a_decider_restarted_after_the_end_says_nothing_more_and_ends(
    redis_client: redis.Redis, session_id: str, whole: Sequence[Event], name: str
) -> None:
    ledger = write_session(redis_client, session_id, whole)
    Processor(ledger, name, lambda: False).run()
    assert ledger.last_seq() == len(whole)
