"""Which points of the equity curves are kept: bounded in number, and a function of the ledger alone."""

import math
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projections.fold.thinning import Thinning
from support.projected_session import START, opening
from titanflow.domain.events import LeaderboardPublished, SessionStarted, Standing
from titanflow.domain.instruments import TradingCalendar
from titanflow.domain.session_settings import LeaderboardSettings
from titanflow.domain.types import NANOS_PER_SECOND, SCALE, TradingStatus

STEP = 60
DAY = 86_400


def started(*, contenders: int = 1, sessions: tuple[tuple[int, int], ...] = ()) -> SessionStarted:
    first = opening()
    spec = first.contenders[0]
    spans = tuple((START + a * NANOS_PER_SECOND, START + b * NANOS_PER_SECOND) for a, b in sessions)
    return msgspec.structs.replace(
        first,
        contenders=tuple(msgspec.structs.replace(spec, id=f"c{number}") for number in range(contenders)),
        settings=msgspec.structs.replace(first.settings, leaderboard=LeaderboardSettings(sample_seconds=STEP)),
        calendars=(TradingCalendar("X", not sessions, spans),),
    )


def standing(name: str, equity: int) -> Standing:
    return Standing(
        contender=name, status=TradingStatus.ACTIVE, cash=SCALE, equity=equity, realized_pnl=0, unrealized_pnl=0,
        fees=0, gross_exposure=0, open_positions=0, fills=0, trades=0, wins=0, traded_notional=0, total_return=0,
        max_drawdown=0, profit_factor=None, sharpe=None, sortino=None, calmar=None, exposure=0, turnover=0,
    )  # fmt: skip


def published(second: int, **equities: int) -> LeaderboardPublished:
    standings = tuple(standing(name, equity) for name, equity in equities.items())
    return LeaderboardPublished(1, START + second * NANOS_PER_SECOND, standings, 0, 0, None, None)


def test_a_point_is_kept_where_it_changed_and_a_step_has_passed() -> None:
    thinning = Thinning(started(contenders=2))
    boards = [(0, 5, 5), (30, 6, 5), (60, 7, 5), (90, 8, 6), (119, 9, 6), (120, 9, 7)]
    kept = [thinning.kept(published(at, a=a, b=b), final=False) for at, a, b in boards]
    assert [[(name, point[0]) for name, point in each] for each in kept] == [
        [("a", 5), ("b", 5)], [], [("a", 7)], [("b", 6)], [], [("a", 9)],
    ]  # fmt: skip


def test_the_last_board_is_kept_where_it_changed() -> None:
    thinning = Thinning(started())
    thinning.kept(published(0, a=5), final=False)
    assert thinning.kept(published(1, a=6), final=True)[0][1][0] == 6
    assert thinning.kept(published(2, a=6), final=True) == []


def test_the_close_of_a_trading_day_is_kept() -> None:
    thinning = Thinning(started(sessions=((0, 50), (80, 99))))
    kept = [bool(thinning.kept(published(at, a=at), final=False)) for at in (0, 20, 50, 51, 52)]
    assert kept == [True, False, False, True, False]


def test_a_long_session_makes_few_points_a_day() -> None:
    """Published every minute for a year, and always changed: 5,000 and 5,000 for each e-fold, not 525,600."""
    thinning = Thinning(started())
    points = sum(len(thinning.kept(published(at, a=at), final=False)) for at in range(0, 365 * DAY, STEP))
    expected = 5_000 * (1 + math.log(365 * DAY / (5_000 * STEP)))
    assert points == pytest.approx(expected + 365, rel=0.1)


def test_many_contenders_share_the_points() -> None:
    """A thousand contenders for a day of six and a half hours, published every minute: a hundred points and some."""
    thinning, seconds = Thinning(started(contenders=1_000)), 23_400
    points = sum(len(thinning.kept(published(at, a=at), final=False)) for at in range(0, seconds, STEP))
    assert 100 <= points < 250


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 5_000), st.integers(0, 3)), min_size=1, max_size=60))
def test_between_two_points_nothing_lasted_that_is_not_shown(steps: list[tuple[int, int]]) -> None:
    """What is shown at a kept point is what was published then, and never the same twice."""
    thinning, at, shown = Thinning(started()), 0, []
    for gap, equity in steps:
        at += gap
        shown += [point for _, point in thinning.kept(published(at, a=equity), final=False)]
    assert all(one != other for one, other in pairwise(shown))
    assert shown[0][0] == steps[0][1]
