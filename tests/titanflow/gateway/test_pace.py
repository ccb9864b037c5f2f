from decimal import Decimal

import pytest

from support.feeds import OPEN, S
from titanflow.errors import InputError
from titanflow.gateway.pace import Pace


class Wall:
    """A clock that only waiting moves, and a stop signal that is set at a given moment."""

    def __init__(self, stop_at: float = float("inf")) -> None:
        self.now = 1000.0
        self._stop_at = 1000.0 + stop_at

    def clock(self) -> float:
        return self.now

    def is_set(self) -> bool:
        return self.now >= self._stop_at

    def wait(self, timeout: float) -> bool:
        self.now = min(self.now + timeout, self._stop_at)
        return self.is_set()


def moments(pace: Pace, wall: Wall, *seconds: float) -> list[float]:
    """When, on the wall clock, each of these seconds of event time is due."""
    due = []
    for second in seconds:
        assert pace.wait(OPEN + int(second * S), wall)
        due.append(round(wall.now - 1000, 6))
    return due


def test_real_time_takes_as_long_as_it_took() -> None:
    wall = Wall()
    assert moments(Pace(1.0, clock=wall.clock), wall, 0, 1.5, 1.5, 3) == [0, 1.5, 1.5, 3]


def test_ten_times_faster_takes_a_tenth() -> None:
    wall = Wall()
    assert moments(Pace(Decimal(10), clock=wall.clock), wall, 0, 1, 20) == [0, 0.1, 2]


def test_full_speed_never_waits() -> None:
    wall = Wall()
    pace = Pace("max", clock=wall.clock)
    assert moments(pace, wall, 0, 86_400) == [0, 0]
    assert pace.is_due(OPEN + 10**6 * S)


def test_a_night_passes_in_seconds() -> None:
    wall = Wall()
    pace = Pace(60, clock=wall.clock, longest_silence_seconds=3)
    assert moments(pace, wall, 0, 60, 63_060, 63_120) == [0, 1, 4, 5]


def test_work_between_two_events_does_not_make_the_feed_late() -> None:
    wall = Wall()
    pace = Pace(1, clock=wall.clock)
    assert moments(pace, wall, 0) == [0]
    wall.now += 0.4
    assert moments(pace, wall, 1) == [1]


def test_a_halt_is_not_caught_up_with() -> None:
    wall = Wall()
    pace = Pace(1, clock=wall.clock)
    assert moments(pace, wall, 0) == [0]
    wall.now += 10
    pace.resume()
    assert moments(pace, wall, 1, 2) == [11, 12]


def test_a_stop_ends_the_wait() -> None:
    wall = Wall(stop_at=2)
    pace = Pace(1, clock=wall.clock)
    assert pace.wait(OPEN, wall)
    assert not pace.wait(OPEN + 60 * S, wall)
    assert wall.now == 1002


@pytest.mark.parametrize("speed", [0, -1, float("nan")])
def test_a_speed_that_is_not_above_zero_is_refused(speed: float) -> None:
    with pytest.raises(InputError, match="speed"):
        Pace(speed)
