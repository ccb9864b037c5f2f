from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.feeds import INSTRUMENTS, OPEN, S, bar, tick
from titanflow.domain.events import BarPointReceived, OffMarketPrintReceived, TickReceived
from titanflow.domain.types import MAX_UNITS, SCALE
from titanflow.gateway.bad_ticks import BadTick, BadTickReason
from titanflow.gateway.normaliser import Normaliser, Verdict, payload_of, retry
from titanflow.gateway.providers.base import RawBar, RawRow, RawTick
from titanflow.gateway.time_gate import EARLIEST, LATEST

DAY = 86_400 * S


def judge(*rows: RawRow) -> list[Verdict | BarPointReceived | None]:
    normaliser = Normaliser(INSTRUMENTS)
    return [normaliser.judge(row) for row in rows]


def reasons(*rows: RawRow) -> list[BadTickReason | None]:
    return [verdict.reason if isinstance(verdict, BadTick) else None for verdict in judge(*rows)]


def test_a_sound_row_becomes_a_tick() -> None:
    assert judge(tick(OPEN, price=171_140_000_000, size=3 * SCALE)) == [
        TickReceived(OPEN, "AAPL.XNYS", 171_140_000_000, 3 * SCALE)
    ]


def test_a_print_of_an_off_market_condition_sets_no_price() -> None:
    row = RawTick(0, "AAPL", "XNYS", OPEN, SCALE, SCALE, off_market=True)
    assert judge(row) == [OffMarketPrintReceived(OPEN, "AAPL.XNYS", SCALE, SCALE)]


@pytest.mark.parametrize(
    ("row", "reason", "named"),
    [
        (tick(OPEN, price="nan"), BadTickReason.NOT_A_NUMBER, "price is 'nan'"),
        (tick(OPEN, size="lots"), BadTickReason.NOT_A_NUMBER, "size is 'lots'"),
        (tick("soon"), BadTickReason.NOT_A_NUMBER, "time is 'soon'"),
        (tick(OPEN, price=-SCALE), BadTickReason.NOT_POSITIVE, "price is -1.000000000"),
        (tick(OPEN, price=0), BadTickReason.NOT_POSITIVE, "price is 0"),
        (tick(OPEN, size=-SCALE), BadTickReason.NOT_POSITIVE, "size is -1.000000000"),
        (tick(OPEN, size=0), BadTickReason.ZERO_SIZE, "size is 0"),
        (tick(OPEN, price=MAX_UNITS + 1), BadTickReason.TOO_LARGE, "price is 9000000000.000000001"),
        (tick(OPEN, price="1e400"), BadTickReason.TOO_LARGE, "price is 1e400"),
        (tick(OPEN, "NOPE"), BadTickReason.UNKNOWN_INSTRUMENT, "'NOPE' on venue 'XNYS'"),
        (tick(EARLIEST - 1), BadTickReason.TIME_FAR_OFF, "1990"),
        (tick(LATEST + 1), BadTickReason.TIME_FAR_OFF, "2200"),
        (tick(OPEN // S), BadTickReason.TIME_FAR_OFF, "1990"),
    ],
)
def test_a_bad_row_is_refused_with_its_field_and_value(row: RawTick, reason: BadTickReason, named: str) -> None:
    (verdict,) = judge(row)
    assert isinstance(verdict, BadTick)
    assert verdict.reason is reason
    assert named in verdict.detail


def test_an_index_may_have_no_size() -> None:
    assert reasons(tick(OPEN, "VIX", size=0)) == [None]


def test_a_row_before_the_last_accepted_one_is_out_of_order_and_a_tie_is_not() -> None:
    assert reasons(tick(OPEN), tick(OPEN), tick(OPEN - 1)) == [None, None, BadTickReason.OUT_OF_ORDER]


def test_a_refused_row_does_not_move_time() -> None:
    assert reasons(tick(OPEN), tick(OPEN + 10, price="?"), tick(OPEN + 5)) == [None, BadTickReason.NOT_A_NUMBER, None]


def test_a_lone_leap_ahead_does_not_outdate_what_follows() -> None:
    rows = tick(OPEN), tick(OPEN + 30 * DAY), tick(OPEN + 1), tick(OPEN + 30 * DAY)
    far = BadTickReason.TIME_FAR_OFF
    assert reasons(*rows) == [None, far, None, far]


def test_a_leap_that_the_next_row_confirms_is_real() -> None:
    rows = tick(OPEN), tick(OPEN + 30 * DAY), tick(OPEN + 30 * DAY + 1), tick(OPEN + 1)
    assert reasons(*rows) == [None, BadTickReason.TIME_FAR_OFF, None, BadTickReason.OUT_OF_ORDER]


def test_a_weekend_with_holidays_is_no_leap() -> None:
    assert reasons(tick(OPEN), tick(OPEN + 4 * DAY)) == [None, None]


def test_what_the_provider_found_wrong_is_kept() -> None:
    row = RawTick(0, "AAPL", "XNYS", OPEN, SCALE, SCALE, fault=(BadTickReason.SUSPICIOUS, "flagged"))
    assert reasons(row) == [BadTickReason.SUSPICIOUS]
    again = retry(payload_of(row), INSTRUMENTS)
    assert isinstance(again, BadTick)
    assert again.reason is BadTickReason.SUSPICIOUS


def test_a_row_whose_instrument_was_added_since_is_accepted_on_retry() -> None:
    stranger = tick(OPEN, "MSFT", price=105_250_000_000)
    verdict = Normaliser(INSTRUMENTS[:1]).judge(stranger)
    assert isinstance(verdict, BadTick)
    assert retry(verdict.payload, INSTRUMENTS) == TickReceived(OPEN, "MSFT.XNYS", 105_250_000_000, SCALE)


def test_a_row_that_comes_late_is_out_of_order_on_retry() -> None:
    again = retry(payload_of(tick(OPEN)), INSTRUMENTS, last=OPEN + 1)
    assert isinstance(again, BadTick)
    assert again.reason is BadTickReason.OUT_OF_ORDER


def test_a_payload_that_is_no_row_is_a_bad_row_on_retry() -> None:
    again = retry(b'{"price": 1}', INSTRUMENTS)
    assert isinstance(again, BadTick)
    assert again.reason is BadTickReason.BAD_ROW


def test_a_point_of_a_bar_keeps_its_leg_and_its_bar() -> None:
    assert judge(*bar(OPEN))[1] == BarPointReceived(
        at=OPEN + 20 * S,
        instrument="AAPL.XNYS",
        price=9 * SCALE,
        size=SCALE,
        opened_at=OPEN,
        from_at=OPEN,
        from_price=10 * SCALE,
        low=9 * SCALE,
        high=12 * SCALE,
        last=False,
        ends_at=OPEN + 60 * S,
    )


@pytest.mark.parametrize(
    ("before", "opened_at", "symbol", "reason"),
    [
        ([], OPEN, "NOPE", BadTickReason.UNKNOWN_INSTRUMENT),
        ([tick(OPEN)], OPEN + 30 * DAY, "AAPL", BadTickReason.TIME_FAR_OFF),
        ([tick(OPEN)], OPEN - 1, "AAPL", BadTickReason.OUT_OF_ORDER),
    ],
)
def test_a_bar_is_refused_as_a_whole_with_one_dead_letter(
    before: list[RawTick], opened_at: int, symbol: str, reason: BadTickReason
) -> None:
    refused, *rest = judge(*before, *bar(opened_at, symbol))[len(before) :]
    assert isinstance(refused, BadTick)
    assert refused.reason is reason
    assert rest == [None, None, None]
    again = retry(refused.payload, INSTRUMENTS)
    assert isinstance(again, BadTick)
    assert again.reason is reason


def test_after_a_refused_bar_the_next_one_is_judged_anew() -> None:
    rows = [tick(OPEN), *bar(OPEN - S), *bar(OPEN + 60 * S)]
    assert [type(verdict) for verdict in judge(*rows)[5:]] == [BarPointReceived] * 4


def test_a_long_bar_is_no_leap() -> None:
    rows = bar(OPEN, "BTCUSDT", seconds=90 * 86_400)
    assert reasons(*rows) == [None] * 4


@pytest.mark.parametrize(
    ("values", "reason", "named"),
    [
        ((10, 11, 9, 10, 0), BadTickReason.ZERO_SIZE, "volume is 0"),
        ((10, 11, 9, 10, MAX_UNITS + 1), BadTickReason.TOO_LARGE, "volume is 9000000000.000000001"),
        ((0, 11, 0, 10, 1), BadTickReason.NOT_POSITIVE, "open is 0"),
        ((10, "1e400", 9, 10, 1), BadTickReason.TOO_LARGE, "high is 1e400"),
        ((10, 11, 9, "?", 1), BadTickReason.NOT_A_NUMBER, "close is '?'"),
    ],
)
def test_a_bar_that_cannot_be_played_is_refused_with_its_field_and_value(
    values: tuple[int | str, ...], reason: BadTickReason, named: str
) -> None:
    row = RawBar(0, "AAPL", "XNYS", OPEN, *values)  # type: ignore[arg-type]
    (verdict,) = judge(row)
    assert isinstance(verdict, BadTick)
    assert verdict.reason is reason
    assert named in verdict.detail
    again = retry(verdict.payload, INSTRUMENTS)
    assert (again.reason, again.payload) == (reason, verdict.payload)  # type: ignore[union-attr]


def test_every_reason_has_a_meaning() -> None:
    assert len({reason.meaning for reason in BadTickReason}) == len(BadTickReason)


VALUES = st.one_of(
    st.integers(-2, 3),
    st.integers(-(10**21), 10**21),
    st.decimals(allow_nan=True, allow_infinity=True).map(str),
    st.text(max_size=5),
)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.builds(
            tick,
            st.one_of(st.integers(OPEN - 5, OPEN + 5), st.integers(-(2**70), 2**70), st.text(max_size=5)),
            st.sampled_from(["AAPL", "VIX", "BTCUSDT", "NOPE"]),
            VALUES,
            VALUES,
        ),
        max_size=8,
    )
)
def test_whatever_comes_is_either_a_sound_event_or_a_dead_letter_that_says_the_same_again(rows: list[RawTick]) -> None:
    normaliser = Normaliser(INSTRUMENTS)
    last = 0
    for row in rows:
        verdict = normaliser.judge(row)
        if isinstance(verdict, BadTick):
            again = retry(verdict.payload, INSTRUMENTS, last)
            assert isinstance(again, BadTick)
            assert again.reason is verdict.reason or verdict.reason is BadTickReason.TIME_FAR_OFF
        else:
            assert isinstance(verdict, TickReceived)
            assert 0 < verdict.price <= MAX_UNITS
            assert 0 <= verdict.size <= MAX_UNITS
            assert verdict.at >= last
            last = verdict.at


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, 1, -1, DAY, 6 * DAY, 400 * DAY, LATEST - OPEN, EARLIEST - OPEN]),
            st.sampled_from(["AAPL", "VIX", "NOPE"]),
            st.sampled_from([SCALE, 0, -1, MAX_UNITS, MAX_UNITS + 1]),
            st.sampled_from([SCALE, 0, MAX_UNITS + 1]),
        ),
        max_size=10,
    )
)
def test_the_short_way_for_sound_rows_judges_as_the_long_way_for_off_market_prints(
    steps: list[tuple[int, str, int, int]],
) -> None:
    rows = [tick(OPEN + ahead, symbol, price, size) for ahead, symbol, price, size in steps]
    assert reasons(*rows) == reasons(*(msgspec.structs.replace(row, off_market=True) for row in rows))


@given(st.decimals(min_value="0.000000001", max_value=1_000_000, places=9))
def test_a_row_in_the_dead_letters_keeps_its_exact_price(price: Decimal) -> None:
    row = tick(OPEN, price=int(price * SCALE))
    verdict = retry(payload_of(row), INSTRUMENTS)
    assert isinstance(verdict, TickReceived)
    assert Decimal(verdict.price) / SCALE == price
