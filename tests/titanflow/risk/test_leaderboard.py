"""The leaderboard keeper: when it publishes, what it says, and that an independent library says the same."""

from pathlib import Path

import empyrical
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.recorded_session import DAYS, SESSION_SECONDS, recorded_ledger
from support.scripted_model import ScriptedModel, learned_contender, surely
from titanflow.domain.events import (
    BorrowCharged,
    ClockAdvanced,
    ContenderSetAside,
    Event,
    KillSwitchTripped,
    LeaderboardPublished,
    ModelReplaced,
    OrderFilled,
    RiskCommandIssued,
    SessionEnded,
    SessionStarted,
    Standing,
    TickReceived,
)
from titanflow.domain.instruments import TradingCalendar
from titanflow.domain.portfolio import Portfolio
from titanflow.domain.session_settings import ContenderSpec, FeedSpec, LeaderboardSettings, SessionSettings
from titanflow.domain.types import (
    NANOS_PER_SECOND,
    SCALE,
    ExecutionMode,
    KillTrigger,
    OrderPurpose,
    RiskCommand,
    SetAsideReason,
    Side,
    TradingStatus,
    fixed,
)
from titanflow.risk.leaderboard import LeaderboardKeeper

ALWAYS = TradingCalendar("24/7", True, ())
ACTIVE, MANUAL, HALTED = TradingStatus.ACTIVE, TradingStatus.MANUAL_APPROVAL, TradingStatus.HALTED


class Board:
    """A keeper with two contenders of 1,000 dollars, fed in dollars and seconds."""

    def __init__(self, calendar: TradingCalendar = ALWAYS, publish: int = 2, sample: int = 60) -> None:
        self.keeper = LeaderboardKeeper()
        self.seq = 0
        self.second = 0
        self.published: list[LeaderboardPublished] = []
        timing = LeaderboardSettings(publish_seconds=publish, sample_seconds=sample)
        contenders = tuple(ContenderSpec(name, name, "s", (), (), 0, "h") for name in ("beta", "alpha"))
        opening = SessionSettings(starting_cash=fixed(1000), leaderboard=timing)
        self.feed(SessionStarted(0, "b", 1, opening, (), (calendar,), contenders, FeedSpec("t", "", ""), ""))

    def feed(self, event: Event) -> list[LeaderboardPublished]:
        self.seq += 1
        handle = self.keeper.handlers.get(type(event))
        decided = list(handle(self.seq, event)) if handle else []
        assert all(type(one) is LeaderboardPublished and one.cause == self.seq for one in decided)
        self.published += decided  # type: ignore[arg-type]
        return decided  # type: ignore[return-value]

    def clock(self, second: int) -> list[LeaderboardPublished]:
        self.second = second
        return self.feed(ClockAdvanced(second * NANOS_PER_SECOND))

    def tick(self, price: int | str, instrument: str = "X.Y") -> list[LeaderboardPublished]:
        return self.feed(TickReceived(self.second * NANOS_PER_SECOND, instrument, fixed(price), SCALE))

    def fill(
        self, contender: str, side: Side, shares: int | str, price: int | str, fee: int | str = 0, name: str = "X.Y"
    ) -> LeaderboardPublished:
        at, quantity = self.second * NANOS_PER_SECOND, fixed(shares)
        (published,) = self.feed(
            OrderFilled(
                self.seq, at, f"f{self.seq}", f"o{self.seq}", contender, name, side, quantity, fixed(price), fixed(fee),
                0, 0, OrderPurpose.ENTRY, 0, ExecutionMode.PAPER,
            )
        )  # fmt: skip
        return published

    def kill(self, contender: str) -> None:
        assert not self.feed(KillSwitchTripped(self.seq, 0, contender, KillTrigger.OPERATOR, 1, 1, 0, 0))

    def command(self, command: RiskCommand, contender: str) -> None:
        assert not self.feed(RiskCommandIssued(self.seq, 0, command, contender, "", None, None))

    def statuses(self) -> dict[str, TradingStatus]:
        (published,) = self.feed(SessionEnded(0, ""))
        return {standing.contender: standing.status for standing in published.standings}


def standing_of(published: LeaderboardPublished, contender: str) -> Standing:
    (found,) = [standing for standing in published.standings if standing.contender == contender]
    return found


def test_standings_are_published_at_multiples_of_the_interval() -> None:
    board = Board(publish=5)
    seconds = [second for second in range(3, 22) if board.clock(second)]
    assert seconds == [3, 5, 10, 15, 20]


def test_a_clock_that_jumps_publishes_once_and_falls_back_into_step() -> None:
    board = Board(publish=5)
    assert [bool(board.clock(second)) for second in (0, 4, 33, 34, 35)] == [True, False, True, False, True]


def test_every_fill_and_the_end_of_the_session_publish() -> None:
    board = Board()
    board.clock(0)
    board.tick(100)
    assert board.fill("alpha", Side.BUY, 2, 100).at == 0
    assert len(board.feed(SessionEnded(7, "done"))) == 1


def test_what_is_charged_behind_the_end_is_in_the_last_standings() -> None:
    board = Board()
    board.tick(50)
    board.fill("beta", Side.SELL, 2, 50)
    charge = BorrowCharged(1, 7, "beta", "X.Y", fixed(2), fixed(50), 0, fixed("0.25"))
    assert board.feed(charge) == []
    board.feed(SessionEnded(7, "done"))
    (published,) = board.feed(charge)
    assert standing_of(published, "beta").equity == fixed("999.5")


def test_a_contender_s_books_worked_out_on_paper() -> None:
    board = Board()
    board.clock(0)
    board.tick(100)
    board.fill("alpha", Side.BUY, 4, 100, fee=1)
    board.tick(110)
    board.fill("alpha", Side.SELL, 1, 110, fee=1)
    board.tick(90)
    (published,) = board.clock(2)
    alpha = standing_of(published, "alpha")
    assert alpha.cash == fixed(1000 - 400 - 1 + 110 - 1)
    assert alpha.equity == fixed(708 + 3 * 90)
    assert alpha.realized_pnl == fixed(10)
    assert alpha.unrealized_pnl == fixed(-30)
    assert alpha.fees == fixed(2)
    assert alpha.gross_exposure == fixed(270)
    assert (alpha.open_positions, alpha.fills, alpha.trades, alpha.wins) == (1, 2, 0, 0)
    assert alpha.traded_notional == fixed(510)
    assert alpha.total_return == fixed("-0.022")
    # From the highest equity that was published: 708 + 3 * 110 = 1038 after the second fill.
    assert alpha.max_drawdown == round((1038 - 978) / 1038 * SCALE)
    assert alpha.turnover == fixed("0.51")
    assert published.total_equity == fixed(978 + 1000)


def test_a_short_position_gains_when_the_price_falls_and_counts_as_exposure() -> None:
    board = Board()
    board.tick(50)
    board.fill("beta", Side.SELL, 2, 50)
    board.tick(40)
    (published,) = board.clock(2)
    beta = standing_of(published, "beta")
    assert (beta.equity, beta.unrealized_pnl, beta.gross_exposure) == (fixed(1020), fixed(20), fixed(80))


def test_round_trips_are_won_or_lost_after_fees() -> None:
    board = Board()
    board.tick(100)
    for sold_at, fee in ((110, 1), (101, 1), (95, 0)):
        board.fill("alpha", Side.BUY, 1, 100, fee=fee)
        last = board.fill("alpha", Side.SELL, 1, sold_at, fee=fee)
    alpha = standing_of(last, "alpha")
    # +10 - 2 = 8 is won; +1 - 2 = -1 and -5 are lost.
    assert (alpha.trades, alpha.wins, alpha.profit_factor) == (3, 1, round(8 / 6, 9))


def test_the_best_equity_comes_first_and_ties_go_by_name() -> None:
    board = Board()
    board.tick(100)
    tied = board.clock(0)[0]
    assert [standing.contender for standing in tied.standings] == ["alpha", "beta"]
    board.fill("beta", Side.BUY, 1, 100)
    board.tick(101)
    assert [standing.contender for standing in board.clock(2)[0].standings] == ["beta", "alpha"]


def test_a_position_in_an_instrument_without_a_price_counts_at_cost() -> None:
    board = Board()
    alpha = standing_of(board.fill("alpha", Side.BUY, 2, 100), "alpha")
    assert (alpha.equity, alpha.unrealized_pnl, alpha.gross_exposure) == (fixed(1000), 0, fixed(200))


def test_the_status_follows_kill_switch_manual_approval_and_resume() -> None:
    board = Board()
    assert board.statuses() == {"alpha": ACTIVE, "beta": ACTIVE}
    board.command(RiskCommand.ACTIVATE_MANUAL_APPROVAL, "alpha")
    assert board.statuses() == {"alpha": MANUAL, "beta": ACTIVE}
    board.kill("alpha")
    assert board.statuses() == {"alpha": HALTED, "beta": ACTIVE}
    board.command(RiskCommand.RESUME, "alpha")
    assert board.statuses() == {"alpha": ACTIVE, "beta": ACTIVE}


def test_a_contender_that_is_set_aside_stays_so_whatever_else_is_said_of_it() -> None:
    board = Board()
    board.feed(ContenderSetAside(1, 0, "alpha", "X.Y", SetAsideReason.RAISED, "ValueError"))
    assert board.statuses() == {"alpha": TradingStatus.SET_ASIDE, "beta": ACTIVE}
    board.kill("alpha")
    board.command(RiskCommand.RESUME, "")
    assert board.statuses() == {"alpha": TradingStatus.SET_ASIDE, "beta": ACTIVE}


def test_resuming_one_contender_does_not_end_a_halt_of_all() -> None:
    board = Board()
    board.kill("")
    board.command(RiskCommand.LIQUIDATE_ALL, "beta")
    board.command(RiskCommand.RESUME, "beta")
    assert board.statuses() == {"alpha": HALTED, "beta": HALTED}
    board.command(RiskCommand.RESUME, "")
    assert board.statuses() == {"alpha": ACTIVE, "beta": ACTIVE}


def test_no_sample_is_taken_while_the_venues_are_closed() -> None:
    def minutes(*numbers: int) -> tuple[int, int]:
        first, last = numbers
        return first * 60 * NANOS_PER_SECOND, last * 60 * NANOS_PER_SECOND

    board = Board(TradingCalendar("X", False, (minutes(1, 3), minutes(8, 10))), publish=1)
    board.tick(100)
    board.fill("alpha", Side.BUY, 1, 100)
    exposures = []
    for second in range(660):
        board.clock(second)
        if second == 5 * 60:
            board.fill("alpha", Side.SELL, 1, 100)
        exposures.append(standing_of(board.published[-1], "alpha").exposure)
    # Samples at minutes 1, 2 (invested) and 8, 9 (flat): the night between makes one return and no sample.
    assert [exposures[second] for second in (59, 60, 479, 480, 540, 659)] == [
        0, SCALE, SCALE, round(2 / 3 * SCALE), SCALE // 2, SCALE // 2,
    ]  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("tick"), st.integers(90, 110), st.sampled_from(["A.X", "B.X"])),
            st.tuples(st.just("fill"), st.sampled_from(list(Side)), st.integers(1, 5)),
            st.tuples(st.just("clock"), st.integers(1, 90), st.just(0)),
        ),
        max_size=60,
    )
)
def test_what_is_published_always_equals_a_portfolio_folded_apart(steps: list[tuple[str, object, object]]) -> None:
    board, portfolio, marks = Board(), Portfolio(fixed(1000)), {"A.X": fixed(100), "B.X": fixed(100)}
    for name in marks:
        board.tick(100, name)
    for kind, first, second in steps:
        if kind == "tick":
            marks[str(second)] = fixed(int(str(first)))
            board.tick(int(str(first)), str(second))
        elif kind == "clock":
            board.clock(board.second + int(str(first)))
        else:
            side = Side(str(first))
            portfolio.apply(0, "A.X", side, fixed(int(str(second))), marks["A.X"], 0)
            board.fill("alpha", side, int(str(second)), str(marks["A.X"] // SCALE), name="A.X")
    (published,) = board.feed(SessionEnded(0, ""))
    alpha = standing_of(published, "alpha")
    assert alpha.equity == portfolio.equity(marks)
    assert alpha.unrealized_pnl == portfolio.unrealized(marks)
    assert alpha.gross_exposure == portfolio.gross_exposure(marks)
    assert (alpha.cash, alpha.realized_pnl) == (portfolio.cash, portfolio.realized)
    assert published.total_equity == alpha.equity + fixed(1000)


@pytest.fixture(scope="module")
def recorded(market_data: Path) -> list[Event]:
    """Four recorded days, published at each minute, which is when equity is sampled."""
    return recorded_ledger(market_data, publish_seconds=60)


def test_ratios_of_a_recorded_session_equal_those_of_an_independent_library(recorded: list[Event]) -> None:
    """Four days: the equity at each close, from books folded apart, against the opening."""
    closes = [(day + SESSION_SECONDS) * NANOS_PER_SECOND for day in DAYS]
    final = [event for event in recorded if type(event) is LeaderboardPublished][-1]
    total = np.zeros(len(closes) + 1)
    for contender in ("sma-5-20", "sma-10-30"):
        equities = np.array([100_000.0, *equities_at(recorded, contender, closes)])
        total += equities
        returns, last = equities[1:] / equities[:-1] - 1, standing_of(final, contender)
        assert (last.sessions, last.returns, last.calmar) == (4, 4, None)
        assert last.sharpe == pytest.approx(empyrical.sharpe_ratio(returns), rel=1e-9)
        assert last.sortino == pytest.approx(empyrical.sortino_ratio(returns), rel=1e-9)
        assert last.sharpe_low is not None
        assert last.sharpe_low < last.sharpe - 10
    assert final.sharpe == pytest.approx(empyrical.sharpe_ratio(total[1:] / total[:-1] - 1), rel=1e-9)


def equities_at(recorded: list[Event], contender: str, moments: list[int]) -> list[float]:
    """The contender's equity in dollars behind the last event at each of these moments."""
    portfolio, marks, found = Portfolio(fixed(100_000)), {}, []
    waiting = list(moments)
    for event in recorded:
        while waiting and event.at > waiting[0]:  # type: ignore[attr-defined]
            waiting.pop(0)
            found.append(portfolio.equity(marks) / SCALE)
        if type(event) is TickReceived:
            marks[event.instrument] = event.price
        elif type(event) is OrderFilled and event.contender == contender:
            portfolio.apply(event.at, event.instrument, event.side, event.quantity, event.price, event.fee)
    return found + [portfolio.equity(marks) / SCALE] * len(waiting)


def test_maximum_drawdown_of_a_recorded_session_is_that_of_all_that_was_published(recorded: list[Event]) -> None:
    boards = [event for event in recorded if type(event) is LeaderboardPublished]
    for contender in ("sma-5-20", "sma-10-30"):
        equity = np.array([standing_of(board, contender).equity / SCALE for board in boards])
        expected = np.max(1 - equity / np.maximum.accumulate(equity))
        assert standing_of(boards[-1], contender).max_drawdown / SCALE == pytest.approx(expected, abs=2e-9)
        assert expected > 0.0001


def test_trades_wins_and_profit_factor_of_a_recorded_session_follow_from_its_fills(recorded: list[Event]) -> None:
    final = [event for event in recorded if type(event) is LeaderboardPublished][-1]
    for contender in ("sma-5-20", "sma-10-30"):
        portfolio, pnls = Portfolio(final.total_equity), []
        for event in recorded:
            if type(event) is OrderFilled and event.contender == contender:
                _, trip = portfolio.apply(
                    event.at, event.instrument, event.side, event.quantity, event.price, event.fee
                )
                pnls += [trip.pnl / SCALE] if trip else []
        standing = standing_of(final, contender)
        gains, losses = sum(pnl for pnl in pnls if pnl > 0), -sum(pnl for pnl in pnls if pnl < 0)
        assert (standing.trades, standing.wins) == (len(pnls), sum(pnl > 0 for pnl in pnls))
        assert standing.trades >= 5
        assert standing.profit_factor == pytest.approx(gains / losses, abs=1e-9)


def test_the_stage_is_that_of_the_model_that_decides() -> None:
    """A champion that is replaced by its retired parent; a rule; a candidate that could not be loaded."""
    champion, parent = (ScriptedModel(lambda row: surely(0.5), seed=seed) for seed in (1, 2))
    learned = learned_contender(champion, "a-learned")
    faulty = msgspec.structs.replace(learned, id="c-faulty", model_hash="f" * 64, stage="candidate", fault="truncated")
    field = (learned, ContenderSpec("b-rule", "b-rule", "s", (), (), 0, "h"), faulty)
    started = SessionStarted(
        0, "b", 1, SessionSettings(), (), (ALWAYS,), field, FeedSpec("t", "", ""), "",
        models=(champion.recorded("champion"), parent.recorded("retired")),
    )  # fmt: skip
    board = Board()
    board.feed(started)
    (before,) = board.clock(2)
    assert [standing.stage for standing in before.standings] == ["champion", "rule", "faulty"]
    board.feed(ModelReplaced(4, 2 * NANOS_PER_SECOND, "a-learned", parent.digest, champion.digest))
    (after,) = board.clock(4)
    assert [standing.stage for standing in after.standings] == ["retired", "rule", "faulty"]
