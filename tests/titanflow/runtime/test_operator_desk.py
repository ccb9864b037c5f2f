"""What an operator hears instead of a bare no: near names, what became of an order, and where to look."""

from collections.abc import Callable

import pytest
import redis

from support.short_session import write_session
from titanflow.domain.events import Event, OrderDenied, OrderHeld, SessionEnded, SessionStarted
from titanflow.domain.session_settings import ContenderSpec, FeedSpec, SessionSettings
from titanflow.domain.types import DenialCode, OperatorAction, Side
from titanflow.errors import InputError, SessionStateError
from titanflow.runtime.ledgers import EventLedger
from titanflow.runtime.operator_desk import command, not_held, suggested

Write = Callable[..., EventLedger]


def contender(name: str, stage: str = "rule", parent: str = "") -> ContenderSpec:
    return ContenderSpec(name, name, "SMACrossover", (), ("AAPL.XNYS",), 60, "h", stage, parent)


STARTED = SessionStarted(
    at=1, identity="s", seed=1, settings=SessionSettings(), instruments=(), calendars=(),
    contenders=(contender("sma-slow"), contender("sma-fast"), contender("lightgbm", "champion")),
    feed=FeedSpec("tape", "x.csv", ""), code_version="",
)  # fmt: skip


def held(order_id: str) -> OrderHeld:
    return OrderHeld(
        1, 1, order_id, "sma-slow", "AAPL.XNYS", Side.BUY, 10**9, 10**9, 1, DenialCode.MANUAL_APPROVAL, 10**9
    )


def lapsed(order_id: str) -> OrderDenied:
    return OrderDenied(1, 1, "sma-slow", "AAPL.XNYS", Side.BUY, 1, order_id, DenialCode.HOLD_EXPIRED, ())


@pytest.fixture
def ledger_of(redis_client: redis.Redis, session_id: str) -> Callable[..., EventLedger]:
    return lambda *events: write_session(redis_client, session_id, [STARTED, *events])


def refused(ledger: EventLedger, action: OperatorAction, contender: str = "") -> str:
    with pytest.raises(InputError) as caught:
        command(ledger, action, "ada", contender=contender)
    return str(caught.value)


def test_the_nearest_name_is_suggested_beside_all() -> None:
    assert suggested("sma-fst", ["sma-slow", "sma-fast"]) == "sma-slow, sma-fast; did you mean 'sma-fast'?"
    assert suggested("zebra", ["sma-slow", "sma-fast"]) == "sma-slow, sma-fast"


def test_an_unknown_contender_is_answered_with_the_nearest(ledger_of: Callable[..., EventLedger]) -> None:
    told = refused(ledger_of(), OperatorAction.KILL, "sma-fasst")
    assert "contender 'sma-fasst' is unknown" in told
    assert "did you mean 'sma-fast'?" in told


def test_using_the_parent_of_nothing_says_what_is_missing(ledger_of: Callable[..., EventLedger]) -> None:
    ledger = ledger_of()
    assert "name the contender" in refused(ledger, OperatorAction.USE_PARENT)
    assert "has no parent model: it is a rule; no contender of this session has one" in refused(
        ledger, OperatorAction.USE_PARENT, "sma-slow"
    )
    assert "'lightgbm' has no parent model" in refused(ledger, OperatorAction.USE_PARENT, "lightgbm")
    assert "did you mean 'lightgbm'?" in refused(ledger, OperatorAction.USE_PARENT, "lightgmb")


def test_an_order_that_is_held_no_more_is_told_with_what_became_of_it(ledger_of: Callable[..., EventLedger]) -> None:
    ledger = ledger_of(held("s-r5-0"), lapsed("s-r5-0"), held("s-r9-0"))
    assert "'s-r5-0' waits for nobody any more: it was denied (HOLD_EXPIRED)" in str(not_held(ledger, "s-r5-0"))
    assert "held are s-r9-0; did you mean 's-r9-0'?" in str(not_held(ledger, "s-r9-1"))


def test_where_no_order_is_held_it_says_so(ledger_of: Callable[..., EventLedger]) -> None:
    told = str(not_held(ledger_of(), "s-r9-1"))
    assert "is not held" in told
    assert "none is held now" in told


def test_a_kill_after_the_end_says_that_nothing_works_any_more_and_where_to_look(
    ledger_of: Callable[..., EventLedger],
) -> None:
    ended: Event = SessionEnded(2, "end of feed")
    ledger = ledger_of(ended)
    with pytest.raises(SessionStateError, match=r"nothing left to kill; no order works .* `titanflow sessions`"):
        command(ledger, OperatorAction.KILL, "ada")
    with pytest.raises(SessionStateError, match="has ended: no model decides any more"):
        command(ledger, OperatorAction.USE_PARENT, "ada", contender="lstm")
