"""Why a session came to what it came to: refusals by code, rows set aside, who could not trade, and the warnings."""

from collections.abc import Mapping, Sequence

import msgspec
import pytest

from eventstore.ledger import Block
from support.projected_session import COIN, SHARE, START, contender, opening
from support.scripted_model import ScriptedModel, learned_contender, surely
from titanflow.cli.idle import IdleReason, idle_contenders
from titanflow.cli.reasons import SetAside, reason_lines, reasons_of, refuse_warnings, warnings_of
from titanflow.domain.events import (
    BarClosed,
    BarPointReceived,
    ContenderSetAside,
    Event,
    Explanation,
    OrderCancelled,
    OrderDenied,
    OrderFilled,
    OrderRejected,
    SessionEnded,
    SessionStarted,
    SignalGenerated,
    TickReceived,
)
from titanflow.domain.session_settings import ContenderSpec
from titanflow.domain.types import (
    NANOS_PER_DAY,
    SCALE,
    DenialCode,
    ExecutionMode,
    OrderPurpose,
    OrderType,
    SetAsideReason,
    Side,
)
from titanflow.runtime.observer import Observer

CALM = contender("calm", 5, 15)
NO_ROWS = SetAside({}, {})
MODEL = ScriptedModel(lambda row: surely(0.5))
DAYS_20 = 20 * NANOS_PER_DAY


def seen_of(*events: Event, contenders: Sequence[ContenderSpec] = (CALM,), start: int = START) -> Observer:
    started: SessionStarted = msgspec.structs.replace(
        opening(), at=start, contenders=tuple(contenders), models=(MODEL.recorded("champion"),)
    )
    observer, every = Observer(), [started, *events]
    observer.feed(Block(1, len(every), every, START, b""))
    return observer


def tick(instrument: str = COIN.id) -> TickReceived:
    return TickReceived(START, instrument, 100 * SCALE, SCALE)


def bars(count: int, seconds: int = 2, instrument: str = COIN.id) -> list[Event]:
    return [BarClosed(2, START, instrument, seconds, START, 1, 1, 1, 1, 1, 1) for _ in range(count)]


def signal(who: str = "calm") -> SignalGenerated:
    why = Explanation("rule", 0.0, 1.0, ())
    return SignalGenerated(2, START, who, COIN.id, Side.BUY, 1.0, SCALE, 0, OrderType.MARKET, 0, (), why, "h")


def denied(code: DenialCode) -> OrderDenied:
    return OrderDenied(2, START, "calm", COIN.id, Side.BUY, 2, "", code, ())


def filled() -> OrderFilled:
    return OrderFilled(
        2, START, "f", "o", "calm", COIN.id, Side.BUY, SCALE, SCALE, 0, 0, 0, OrderPurpose.ENTRY, 0, ExecutionMode.PAPER
    )


def warned(seen: Observer, rows: SetAside = NO_ROWS) -> dict[str, str]:
    return {warning.code: warning.text for warning in warnings_of(seen, rows)}


def test_refusals_are_counted_by_their_code_the_most_frequent_first() -> None:
    seen = seen_of(
        tick(), signal(), *map(denied, (DenialCode.NO_STOP, DenialCode.MAX_POSITION, DenialCode.MAX_POSITION)),
        OrderRejected(2, START, "o", "calm", COIN.id, DenialCode.BUYING_POWER, ()),
        OrderCancelled(2, START, "o", "calm", COIN.id, SCALE, DenialCode.SESSION_ENDED),
    )  # fmt: skip
    found = reasons_of(seen, NO_ROWS)
    assert list(found["denials"].items()) == [("MAX_POSITION", 2), ("NO_STOP", 1)]
    assert (found["rejections"], found["cancellations"]) == ({"BUYING_POWER": 1}, {"SESSION_ENDED": 1})
    assert list(reason_lines(seen, NO_ROWS)) == [
        "denied     MAX_POSITION 2  NO_STOP 1", "rejected   BUYING_POWER 1", "cancelled  SESSION_ENDED 1",
    ]  # fmt: skip


def test_rows_that_were_set_aside_are_told_by_reason_with_an_example() -> None:
    rows = SetAside({"OUT_OF_ORDER": 3}, {"OUT_OF_ORDER": "day.csv line 7: time is before the last tick's"})
    seen = seen_of(tick(), signal(), filled())
    (line,) = reason_lines(seen, rows)
    assert line == "set aside  OUT_OF_ORDER 3, the first: day.csv line 7: time is before the last tick's"
    (told,) = reasons_of(seen, rows)["dead_letter_reasons"].values()
    assert told == {"count": 3, "example": "day.csv line 7: time is before the last tick's"}


def test_a_session_in_which_all_went_well_has_no_warning() -> None:
    seen = seen_of(tick(), signal(), filled())
    assert warned(seen) == {}
    assert list(reason_lines(seen, NO_ROWS)) == []


def test_the_first_missing_link_from_price_to_fill_is_a_warning() -> None:
    assert warned(seen_of())["NO_TICK"] == "no price came from the feed; 0 rows were refused"
    assert warned(seen_of(tick(), *bars(16))) == {"NO_SIGNAL": "no contender gave a signal"}
    no_fill = warned(seen_of(tick(), signal(), signal(), denied(DenialCode.MAX_POSITION)))
    assert no_fill == {"NO_FILL": "2 signals and not one fill: MAX_POSITION 1"}


@pytest.mark.parametrize(("refused", "told"), [(1, False), (2, True)])
def test_more_than_one_row_in_a_hundred_refused_is_a_warning(refused: int, told: bool) -> None:
    seen = seen_of(*[tick()] * (100 - refused), signal(), filled())
    rows = SetAside({"BAD_ROW": refused}, {})
    assert ("ROWS_REFUSED" in warned(seen, rows)) is told
    if told:
        assert warned(seen, rows)["ROWS_REFUSED"] == "2.0% of the feed's rows were refused (2 of 100): BAD_ROW 2"


def test_the_points_of_a_bar_are_one_row() -> None:
    def point(last: bool) -> BarPointReceived:
        return BarPointReceived(START, COIN.id, SCALE, SCALE, START, START, SCALE, SCALE, SCALE, last)

    assert seen_of(point(False), point(False), point(True), tick()).causes.rows == 2


def idle(*events: Event, spec: ContenderSpec, start: int = START) -> tuple[str, str] | None:
    found = idle_contenders(seen_of(*events, contenders=(spec,), start=start)).get(spec.id)
    return None if found is None else (found.reason.value, found.text)


def test_a_contender_whose_instruments_have_no_price_could_not_trade() -> None:
    only = msgspec.structs.replace(CALM, instruments=(SHARE.id,))
    assert idle(tick(), spec=only) == ("NO_PRICE", f"no price came for any of its instruments: {SHARE.id}")


def test_a_contender_for_whose_bars_the_feed_was_too_short_could_not_trade() -> None:
    hourly = msgspec.structs.replace(CALM, bar_seconds=3600)
    assert idle(tick(), *bars(30), spec=hourly) == ("NO_BAR", "not one bar of 3600 s closed")


def test_a_contender_that_read_too_few_bars_to_speak_could_not_trade() -> None:
    told = ("WARM_UP", "it speaks after 16 bars of 2 s at the earliest; 15 closed")
    assert idle(tick(), *bars(15), *bars(90, 1), spec=CALM) == told
    assert idle(tick(), *bars(16), spec=CALM) is None
    assert idle(tick(), *bars(1), signal(), spec=CALM) is None


def test_a_contender_that_decides_on_the_tape_s_longer_bars_is_judged_by_those() -> None:
    assert idle(tick(), *bars(20, 60), spec=CALM) is None


def test_a_contender_without_a_usable_model_could_not_trade() -> None:
    learned = learned_contender(MODEL, "learned")
    trained = MODEL.manifest.training.last_at
    faulty = msgspec.structs.replace(learned, fault="torn")
    assert idle(tick(), spec=faulty) == ("FAULTY", "its model could not be loaded: torn")
    failed = ContenderSetAside(2, START, "calm", COIN.id, SetAsideReason.RAISED, "ValueError: no")
    assert idle(tick(), failed, spec=CALM) == ("SET_ASIDE", "it was set aside (raised): ValueError: no")
    ended = SessionEnded(trained, "end")
    in_sample = idle(tick(), ended, spec=learned, start=trained - DAYS_20)
    assert in_sample is not None
    assert in_sample[0] == "IN_SAMPLE"
    aged = tuple(pair for pair in learned.parameters if pair[0] != "max_age_days")
    stale = msgspec.structs.replace(learned, parameters=(*aged, ("max_age_days", 1)))
    late = idle(tick(), SessionEnded(trained + DAYS_20, "end"), spec=stale, start=trained + DAYS_20)
    assert late is not None
    assert late[0] == "STALE"


def test_who_could_not_trade_is_a_warning() -> None:
    seen = seen_of(tick(), *bars(3), contenders=(CALM,))
    text = "calm could not trade: it speaks after 16 bars of 2 s at the earliest; 3 closed"
    assert warned(seen) == {"NO_SIGNAL": "no contender gave a signal", "COULD_NOT_TRADE": text}
    assert f"idle       {text}" in list(reason_lines(seen, NO_ROWS))
    assert reasons_of(seen, NO_ROWS)["could_not_trade"]["calm"]["reason"] == IdleReason.WARM_UP


def test_strict_leaves_with_two_where_there_are_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    refuse_warnings([])
    warnings: list[Mapping[str, str]] = [{"code": "NO_TICK", "text": ""}, {"code": "ROWS_REFUSED", "text": ""}]
    with pytest.raises(SystemExit) as left:
        refuse_warnings(warnings)
    assert left.value.code == 2
    assert "--strict: NO_TICK, ROWS_REFUSED" in capsys.readouterr().err
