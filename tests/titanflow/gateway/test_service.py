"""The gateway service on a real Redis: kills, stops, lag and pace. Time is a fake clock that only waiting moves."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import redis

from eventstore.codec import Codec
from eventstore.errors import FencedError
from eventstore.ledger import Ledger, Move
from support.feeds import CALENDARS, OPEN, GivenRows, S, tick
from titanflow.domain.events import AnyEvent, ClockAdvanced, Event, FeedStatusChanged, SessionEnded
from titanflow.domain.types import FeedStatus
from titanflow.gateway.feed import Feed
from titanflow.gateway.lifecycle import OPENING, has_ended
from titanflow.gateway.pace import Pace
from titanflow.gateway.service import CHECKPOINT, GatewayService

ROWS = [tick(OPEN + index * S // 4, price="nan" if index % 10 == 3 else (100 + index) * S) for index in range(40)]


class Killed(Exception):
    """Stands for a process that dies at this point."""


@dataclass
class Wall:
    """A clock and a stop signal in one; `then` runs at each wait, so that a test can act while the service sleeps."""

    now: float = 0.0
    stopped: bool = False
    waits: list[float] = field(default_factory=list)
    then: Callable[[], None] = lambda: None

    def clock(self) -> float:
        return self.now

    def is_set(self) -> bool:
        return self.stopped

    def wait(self, timeout: float) -> bool:
        self.now += timeout
        self.waits.append(timeout)
        self.then()
        return self.stopped


@pytest.fixture
def ledger(redis_client: redis.Redis, session_id: str) -> Ledger[Event]:
    opened: Ledger[Event] = Ledger(redis_client, session_id, Codec(AnyEvent))
    opened.append([], [OPENING])
    return opened


def new_feed() -> Feed:
    return Feed(GivenRows.of(ROWS), calendars=CALENDARS)


def service(
    ledger: Ledger[Event], wall: Wall, speed: float | str = "max", lag_of: Callable[[], int] = lambda: 0, **rest: object
) -> GatewayService:
    pace = Pace(speed, clock=wall.clock)  # type: ignore[arg-type]
    return GatewayService(
        ledger,
        new_feed(),
        pace,
        lag_of=lag_of,
        max_lag_events=10,
        stop=wall,
        **rest,  # type: ignore[arg-type]
    )


def stored(ledger: Ledger[Event]) -> list[Event]:
    return [event for block in ledger.read() for event in block.events]


def fed() -> list[Event]:
    return [event for item in new_feed().items() for event in item.events]


def refused() -> list[str]:
    return [f"gateway:{item.position}" for item in new_feed().items() if item.bad]


def test_the_whole_feed_goes_into_the_ledger_and_the_session_ends(ledger: Ledger[Event]) -> None:
    assert service(ledger, Wall()).run() == "end of feed"
    *events, end = stored(ledger)
    assert events == fed()
    assert events[-1] == FeedStatusChanged(ROWS[-1].at, "", FeedStatus.ENDED, 0)  # type: ignore[arg-type]
    assert end == SessionEnded(ROWS[-1].at, "end of feed")  # type: ignore[arg-type]
    assert has_ended(ledger)
    assert [letter.key for letter in ledger.dead_letters.list()] == refused()


def test_nothing_is_added_to_a_session_that_has_ended(ledger: Ledger[Event]) -> None:
    service(ledger, Wall()).run()
    before = ledger.digest()
    assert service(ledger, Wall()).run() == "already ended"
    assert ledger.digest() == before


def test_killed_between_dead_letter_and_checkpoint_it_sets_nothing_aside_twice(
    ledger: Ledger[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    append = ledger.append
    survived = [0]

    def append_once_in_three(events: list[Event], moves: list[Move]) -> range:
        survived[0] += 1
        if survived[0] % 3:
            raise Killed
        return append(events, moves)

    monkeypatch.setattr(ledger, "append", append_once_in_three)
    for _ in range(500):
        try:
            service(ledger, Wall(), speed=1).run()
            break
        except Killed:
            continue
    assert survived[0] > 10
    assert stored(ledger)[:-1] == fed()
    assert [letter.key for letter in ledger.dead_letters.list()] == refused()


def test_killed_after_any_block_it_goes_on_without_loss_or_double(ledger: Ledger[Event]) -> None:
    kills = 0

    def die(position: int, at: int) -> None:
        raise Killed

    for _ in range(500):
        try:
            service(ledger, Wall(), speed=1, on_progress=die).run()
            break
        except Killed:
            kills += 1
    assert kills > 10
    assert stored(ledger)[:-1] == fed()
    assert has_ended(ledger)


def test_in_real_time_nothing_is_said_before_it_is_due(ledger: Ledger[Event]) -> None:
    wall = Wall()
    said: list[tuple[int, float]] = []
    service(ledger, wall, speed=1, on_progress=lambda position, at: said.append((at, wall.now))).run()
    assert said[-1][0] == ROWS[-1].at
    for at, now in said:
        assert now == pytest.approx((at - OPEN) / S, abs=1e-6)


def test_what_is_due_together_goes_into_one_block(ledger: Ledger[Event]) -> None:
    service(ledger, Wall()).run()
    assert [len(block.events) for block in ledger.read()] == [len(fed()), 1]


def test_it_holds_back_while_a_decider_lags(ledger: Ledger[Event]) -> None:
    lags = [11, 50, 11, 10]
    wall = Wall()

    def lag() -> int:
        if len(lags) > 1:
            assert ledger.last_seq() == 0
            return lags.pop(0)
        return lags[0]

    service(ledger, wall, lag_of=lag).run()
    assert len(wall.waits) == 3
    assert stored(ledger)[:-1] == fed()


def test_a_stop_closes_the_session_at_the_time_it_had_reached(ledger: Ledger[Event]) -> None:
    wall = Wall()

    def stop_after_three_seconds() -> None:
        wall.stopped = wall.now >= 3

    wall.then = stop_after_three_seconds
    assert service(ledger, wall, speed=1).run() == "stopped"
    *events, end = stored(ledger)
    assert events == fed()[: len(events)]
    assert end == SessionEnded(events[-1].at, "stopped")  # type: ignore[attr-defined]
    assert events[-1].at <= OPEN + 3 * S  # type: ignore[attr-defined]


def test_a_session_left_open_is_taken_up_by_the_next(ledger: Ledger[Event]) -> None:
    wall = Wall()

    def stop_after_two_seconds() -> None:
        wall.stopped = wall.now >= 2

    wall.then = stop_after_two_seconds
    assert service(ledger, wall, speed=1, ends_session=False).run() == "stopped"
    assert not has_ended(ledger)
    assert 0 < ledger.checkpoint(CHECKPOINT) < len(ROWS)
    assert service(ledger, Wall()).run() == "end of feed"
    assert stored(ledger)[:-1] == fed()


def test_a_stop_while_a_decider_lags_for_ever_still_ends_the_session(ledger: Ledger[Event]) -> None:
    wall = Wall()

    def stop() -> None:
        wall.stopped = True

    wall.then = stop
    assert service(ledger, wall, lag_of=lambda: 99).run() in ("stopped", "end of feed")
    assert has_ended(ledger)


def test_a_second_gateway_is_fenced_off(ledger: Ledger[Event], redis_client: redis.Redis) -> None:
    other: Ledger[Event] = Ledger(redis_client, ledger.session, Codec(AnyEvent))
    intruded: list[range] = []

    def intrude() -> None:
        if not intruded:
            at = other.checkpoint(CHECKPOINT)
            intruded.append(other.append([ClockAdvanced(OPEN)], [Move(CHECKPOINT, at, at + 1)]))

    with pytest.raises(FencedError):
        service(ledger, Wall(then=intrude), speed=1).run()
    assert not has_ended(ledger)
