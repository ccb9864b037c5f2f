"""Splits and dividends from the file beside a tape: what is read, what is refused, and when they enter the feed."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.feeds import CALENDARS, CLOSE, INSTRUMENTS, NEXT_OPEN, OPEN, GivenRows, S, tick
from titanflow.domain.events import ClockAdvanced, CorporateActionApplied, TickReceived
from titanflow.domain.types import SCALE, CorporateActionKind, fixed
from titanflow.errors import InputError
from titanflow.gateway.catalogue import Catalogue
from titanflow.gateway.corporate_actions import CorporateAction
from titanflow.gateway.feed import Feed, FeedEvent
from titanflow.gateway.providers.base import RawTick
from titanflow.gateway.providers.registry import make_provider
from titanflow.gateway.providers.tape_actions import action_files, read_actions

SPLIT, DIVIDEND, PAID = CorporateActionKind.SPLIT, CorporateActionKind.DIVIDEND, CorporateActionKind.DIVIDEND_PAYMENT
MONDAY, TUESDAY = date(2019, 2, 11), date(2019, 2, 12)
AAPL = "AAPL.XNYS"
HEADER = "symbol,exchange,kind,ex_date,ratio,amount,pay_date\n"


class Company(GivenRows):
    """Given rows, and what companies did."""

    announced: tuple[CorporateAction, ...] = ()

    def actions(self) -> tuple[CorporateAction, ...]:
        return self.announced


def feed_of(rows: list[RawTick], *announced: CorporateAction) -> Feed:
    provider = Company.of(rows)
    provider.announced = announced  # type: ignore[attr-defined]
    return Feed(provider, calendars=CALENDARS)


def told(rows: list[RawTick], *announced: CorporateAction) -> list[FeedEvent]:
    return [event for item in feed_of(rows, *announced).items() for event in item.events]


def acted(rows: list[RawTick], *announced: CorporateAction) -> list[CorporateActionApplied]:
    return [event for event in told(rows, *announced) if isinstance(event, CorporateActionApplied)]


# --- when they enter -------------------------------------------------------------------------------------------------


def test_a_split_stands_before_the_first_print_of_its_ex_date() -> None:
    rows = [tick(CLOSE - 1, price=fixed("640")), tick(NEXT_OPEN + 5, price=fixed("92"))]
    events = told(rows, CorporateAction(AAPL, SPLIT, TUESDAY, 7, 1))
    kinds = [type(event) for event in events if event.at >= NEXT_OPEN]
    assert kinds[:2] == [ClockAdvanced, CorporateActionApplied]
    assert TickReceived in kinds[2:]
    assert acted(rows, CorporateAction(AAPL, SPLIT, TUESDAY, 7, 1)) == [
        CorporateActionApplied(NEXT_OPEN, AAPL, SPLIT, 7, 1, 0, fixed("640"), NEXT_OPEN, 0)
    ]


def test_what_prints_before_the_opening_of_the_ex_date_is_in_new_shares_already() -> None:
    early = NEXT_OPEN - 3600 * S
    rows = [tick(CLOSE - 1, price=fixed("640")), tick(CLOSE + 3600 * S, price=fixed("641")), tick(early)]
    (split,) = acted(rows, CorporateAction(AAPL, SPLIT, TUESDAY, 7, 1))
    assert (split.at, split.last_price, split.ex_at) == (early, fixed("641"), NEXT_OPEN)


def test_an_ex_date_on_a_day_without_a_session_is_the_next_one_with() -> None:
    rows = [tick(OPEN), tick(NEXT_OPEN)]
    before = CorporateAction(AAPL, SPLIT, date(2019, 2, 10), 2, 1)  # a Sunday: Monday's, which opens with the feed
    after = CorporateAction(AAPL, DIVIDEND, date(2019, 2, 13), amount=SCALE)  # beyond the recorded calendar
    assert [event.at for event in acted(rows, before, after)] == [OPEN]


def test_what_was_before_the_feed_does_not_enter_it_nor_its_payment() -> None:
    rows = [tick(OPEN + 60 * S), tick(NEXT_OPEN)]
    paid_later = CorporateAction(AAPL, DIVIDEND, MONDAY, amount=SCALE, pay_date=TUESDAY)
    assert acted(rows, CorporateAction(AAPL, SPLIT, MONDAY, 2, 1), paid_later) == []


def test_a_dividend_enters_on_its_ex_date_and_again_on_its_pay_date() -> None:
    rows = [tick(OPEN, price=fixed("90")), tick(NEXT_OPEN)]
    dividend = CorporateAction(AAPL, DIVIDEND, MONDAY, amount=fixed("0.47"), pay_date=TUESDAY)
    first, second = acted(rows, dividend)
    assert first == CorporateActionApplied(OPEN, AAPL, DIVIDEND, 0, 0, fixed("0.47"), 0, OPEN, NEXT_OPEN)
    assert second == CorporateActionApplied(NEXT_OPEN, AAPL, PAID, 0, 0, fixed("0.47"), fixed("90"), OPEN, NEXT_OPEN)


def test_a_dividend_that_is_paid_after_the_recorded_calendar_stays_owed() -> None:
    dividend = CorporateAction(AAPL, DIVIDEND, TUESDAY, amount=SCALE, pay_date=date(2019, 3, 1))
    (only,) = acted([tick(OPEN), tick(NEXT_OPEN)], dividend)
    assert only.pay_at == int(datetime(2019, 3, 1, tzinfo=UTC).timestamp()) * S


def test_on_a_venue_that_never_closes_the_date_begins_at_midnight_utc() -> None:
    midnight = int(datetime(2019, 2, 12, tzinfo=UTC).timestamp()) * S
    rows = [tick(midnight - 1, "BTCUSDT"), tick(midnight + 7, "BTCUSDT", price=50 * SCALE)]
    coin = CorporateAction("BTCUSDT.BINANCE-SPOT", SPLIT, TUESDAY, 2, 1)
    events = told(rows, coin)
    assert [event.at for event in events if isinstance(event, CorporateActionApplied)] == [midnight]
    assert isinstance(events[-2], TickReceived), "half the price is no bad print after a split"


def test_a_dividend_paid_on_its_ex_date_is_owed_and_paid_there() -> None:
    kinds = [
        event.kind for event in acted([tick(OPEN), tick(NEXT_OPEN)], CorporateAction(AAPL, DIVIDEND, TUESDAY, amount=1))
    ]
    assert kinds == [DIVIDEND, PAID]


ACTIONS = st.lists(
    st.builds(
        CorporateAction,
        instrument=st.sampled_from([AAPL, "MSFT.XNYS", "BTCUSDT.BINANCE-SPOT"]),
        kind=st.sampled_from([SPLIT, DIVIDEND]),
        ex_date=st.sampled_from([MONDAY, TUESDAY]),
        new=st.just(2),
        old=st.just(1),
        amount=st.just(SCALE),
        pay_date=st.sampled_from([None, TUESDAY]),
    ),
    max_size=5,
)
STEPS = st.lists(st.sampled_from([0, 1, 61 * S, 301 * S, 20_000 * S]), max_size=15)


@settings(max_examples=60, deadline=None)
@given(ACTIONS, STEPS, st.data())
def test_a_feed_with_actions_taken_up_anywhere_goes_on_as_if_never_interrupted(
    actions: list[CorporateAction], steps: list[int], data: st.DataObject
) -> None:
    rows, at = [], OPEN
    for step in steps:
        at += step
        rows.append(tick(at))
    feed = feed_of(rows, *actions)
    whole = list(feed.items())
    start = data.draw(st.integers(0, len(whole)))
    assert list(feed.items(start)) == whole[start:]


# --- the file --------------------------------------------------------------------------------------------------------


@pytest.fixture
def read(tmp_path: Path) -> Callable[[str], tuple[CorporateAction, ...]]:
    def reading(text: str) -> tuple[CorporateAction, ...]:
        path = tmp_path / "mine.actions.csv"
        path.write_text(text)
        return read_actions([path], INSTRUMENTS)

    return reading


Read = Callable[[str], tuple[CorporateAction, ...]]


def test_rows_become_actions(read: Read) -> None:
    assert read(
        HEADER
        + "AAPL,XNYS,split,2014-06-09,7:1,,\n"
        + "MSFT,,dividend,2014-05-13,,0.28,2014-06-12\n"
        + "VIX,,split,2014-05-13,1:4,,\n"
        + "STRANGER,,split,2014-05-13,2:1,,\n"
    ) == (
        CorporateAction(AAPL, SPLIT, date(2014, 6, 9), 7, 1),
        CorporateAction("MSFT.XNYS", DIVIDEND, date(2014, 5, 13), amount=fixed("0.28"), pay_date=date(2014, 6, 12)),
        CorporateAction("VIX.XNYS", SPLIT, date(2014, 5, 13), 1, 4),
    )


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ("AAPL,,merger,2014-06-09,,,", "line 2: kind is 'merger'; expected one of split, dividend"),
        ("AAPL,,split,09.06.2014,7:1,,", "line 2: ex_date is '09.06.2014'; expected a date such as 2014-06-09"),
        ("AAPL,,split,2014-06-09,7,,", "line 2: ratio is '7'; expected new to old shares, such as 2:1"),
        ("AAPL,,split,2014-06-09,1:1,,", "ratio is '1:1'"),
        ("AAPL,,split,2014-06-09,0:1,,", "ratio is '0:1'"),
        ("AAPL,,dividend,2014-06-09,,-1,", "amount is '-1'; expected money a share, above 0"),
        ("AAPL,,dividend,2014-06-09,,,", "amount is ''"),
        (
            "AAPL,,dividend,2014-06-09,,1,2014-06-08",
            "pay_date is '2014-06-08'; expected a date from the ex date 2014-06-09 on",
        ),
        (",,split,2014-06-09,7:1,,", "symbol is ''; expected a value"),
    ],
)
def test_a_wrong_row_is_refused_with_its_place_and_what_was_expected(read: Read, row: str, named: str) -> None:
    with pytest.raises(InputError) as refused:
        read(HEADER + row + "\n")
    assert named in str(refused.value)
    assert "mine.actions.csv" in str(refused.value)


def test_a_row_that_is_there_twice_is_refused(read: Read) -> None:
    with pytest.raises(InputError, match=r"line 3: ex_date is '2014-06-09'; expected one split of AAPL\.XNYS"):
        read(HEADER + "AAPL,,split,2014-06-09,7:1,,\n" * 2)


def test_a_file_without_its_columns_is_refused(read: Read) -> None:
    with pytest.raises(InputError, match="has no column kind, ex_date"):
        read("symbol,ratio\nAAPL,7:1\n")


def test_the_file_stands_beside_the_tape_under_its_name(tmp_path: Path) -> None:
    for name in ("mine.actions.csv", "other.2014.actions.csv", "stranger.actions.csv"):
        (tmp_path / name).write_text(HEADER)
    tapes = [tmp_path / "mine.csv.gz", tmp_path / "other.2014.parquet", tmp_path / "none.csv"]
    assert [path.name for path in action_files(tapes, "")] == ["mine.actions.csv", "other.2014.actions.csv"]
    named = tmp_path / "stranger.actions.csv"
    assert action_files(tapes, str(named)) == (named,)


def test_the_digest_of_a_feed_covers_its_actions(tmp_path: Path, catalogue: Catalogue) -> None:
    tape = tmp_path / "mine.csv"
    tape.write_text(f"ts_ns,symbol,price,size\n{OPEN},AAPL,640,1\n")

    def spec() -> tuple[str, str]:
        made = make_provider("tape", tapes=[tape], seed=1, options={}, catalogue=catalogue).feed()
        return made.source, made.sha256

    without = spec()
    (tmp_path / "mine.actions.csv").write_text(HEADER + "AAPL,,split,2019-02-12,7:1,,\n")
    source, digest = spec()
    assert (without[0], source) == ("mine.csv", "mine.csv, mine.actions.csv")
    (tmp_path / "mine.actions.csv").write_text(HEADER + "AAPL,,split,2019-02-12,2:1,,\n")
    assert len({without[1], digest, spec()[1]}) == 3


def test_a_named_file_that_is_not_there_is_refused(tmp_path: Path, catalogue: Catalogue) -> None:
    tape = tmp_path / "mine.csv"
    tape.write_text(f"ts_ns,symbol,price,size\n{OPEN},AAPL,640,1\n")
    options = {"actions": str(tmp_path / "nowhere.csv")}
    with pytest.raises(InputError, match=r"nowhere\.csv: cannot be read"):
        make_provider("tape", tapes=[tape], seed=1, options=options, catalogue=catalogue)
