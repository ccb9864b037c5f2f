"""The defaults on the shipped sample: what sizes orders, what a stop costs, who trades on which day, and flat nights.

The bands are wide on purpose: they say what the defaults are for, not what they come to today.
"""

from collections import Counter, defaultdict
from statistics import median

import pytest

from support.short_session import events_of
from titanflow.domain.events import (
    Event,
    OrderApproved,
    OrderFilled,
    OrderRejected,
    OrderSubmitted,
    SessionStarted,
    SignalGenerated,
    SignalWithheld,
)
from titanflow.domain.types import NANOS_PER_DAY, OrderPurpose, SizedBy, WithheldReason
from titanflow.runtime.fused_run import FusedRun
from titanflow.runtime.session_run import open_run
from titanflow.settings import load_settings

pytestmark = pytest.mark.e2e

RULES = ("sma-slow", "sma-fast", "rsi-slow", "rsi-fast")
TRAINED = ("lightgbm", "lstm", "tft", "stack", "ppo")


@pytest.fixture(scope="module")
def events(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> list[Event]:
    """What `titanflow backtest` plays: the four days with the default contenders and settings."""
    assignments = ["runtime.topology=fused", "feed.speed=max"]
    settings = load_settings({"home": tmp_path_factory.mktemp("home")}, assignments=assignments, env={})
    opened = open_run(settings, redis_url, None)
    FusedRun(opened.ledger, opened.feed, opened.models).run()
    return events_of(opened.ledger)


def started(events: list[Event]) -> SessionStarted:
    first = events[0]
    assert isinstance(first, SessionStarted)
    return first


def entries(events: list[Event]) -> list[OrderApproved]:
    return [each for each in events if isinstance(each, OrderApproved) and each.purpose is OrderPurpose.ENTRY]


def test_every_limit_of_size_decides_something(events: list[Event]) -> None:
    decided = Counter(order.sized_by for order in entries(events))
    for limit in (SizedBy.FIXED_FRACTION, SizedBy.POSITION, SizedBy.EXPOSURE, SizedBy.TOTAL_EXPOSURE):
        assert decided[limit] >= decided.total() / 100, decided
    assert decided[SizedBy.FIXED_FRACTION] > decided.total() / 2, "what a stop loses is the rule"


def test_the_median_loss_at_a_stop_measured_from_the_fill_is_what_is_configured_within_a_fifth(
    events: list[Event],
) -> None:
    parents = {each.order_id: each.parent_id for each in events if isinstance(each, OrderSubmitted)}
    approved = {order.order_id: order for order in entries(events)}
    fills: dict[str, list[OrderFilled]] = defaultdict(list)
    for each in events:
        if isinstance(each, OrderFilled):
            fills[each.order_id].append(each)
    lost: dict[str, float] = defaultdict(float)
    for order_id, exits in fills.items():
        if exits[0].purpose is OrderPurpose.STOP_LOSS:
            entry = fills[parents[order_id]]
            bought, sold = sum(each.quantity for each in entry), sum(each.quantity for each in exits)
            paid = sum(each.price * each.quantity for each in entry) / bought
            got = sum(each.price * each.quantity for each in exits) / sold
            fees = sum(each.fee for each in exits) + sum(each.fee for each in entry) * sold / bought
            lost[parents[order_id]] += (paid - got) * sold / 10**9 + fees
    parts = [loss / dict(approved[entry].context)["equity"] for entry, loss in lost.items()]  # type: ignore[operator]
    assert len(parts) >= 20
    configured = started(events).settings.risk.risk_per_trade / 10**9
    assert 0.8 <= median(parts) / configured <= 1.2


def test_the_stop_is_neither_its_floor_nor_its_cap_as_a_rule(events: list[Event]) -> None:
    risk = started(events).settings.risk
    at_floor = at_cap = 0
    for order in entries(events):
        distance = (order.decision_price - order.stop_price) / order.decision_price * 10**9
        at_floor += distance <= risk.stop_floor * 1.05
        at_cap += distance >= risk.stop_cap * 0.95
    assert at_floor + at_cap < len(entries(events)) / 10


def test_the_last_gate_rejects_nothing(events: list[Event]) -> None:
    assert [(each.code, each.context) for each in events if isinstance(each, OrderRejected)] == []


def days_of(events: list[Event]) -> dict[str, set[int]]:
    """Contender -> days, from 0, on which it entered."""
    first = started(events).at // NANOS_PER_DAY
    days: dict[str, set[int]] = defaultdict(set)
    for order in entries(events):
        days[order.contender].add(order.at // NANOS_PER_DAY - first)
    return days


def test_the_rules_trade_on_all_four_days_and_the_trained_models_on_the_two_that_they_were_not_trained_on(
    events: list[Event],
) -> None:
    days = days_of(events)
    assert [days[name] for name in RULES] == [{0, 1, 2, 3}] * 4
    assert [days[name] for name in TRAINED] == [{2, 3}] * 5


def test_on_the_days_of_their_training_the_models_say_nothing_and_why(events: list[Event]) -> None:
    until = started(events).at + 2 * NANOS_PER_DAY
    early = [each for each in events if isinstance(each, SignalGenerated) and each.at < until]
    assert not {each.contender for each in early}.intersection(TRAINED)
    withheld = [each for each in events if isinstance(each, SignalWithheld) and each.at < until]
    assert {each.reason for each in withheld} == {WithheldReason.IN_SAMPLE}
    assert {each.contender for each in withheld} <= set(TRAINED)


def test_nobody_holds_a_share_over_night(events: list[Event]) -> None:
    held: Counter[tuple[str, str]] = Counter()
    day = 0
    for each in events:
        if each.at // NANOS_PER_DAY != day:  # type: ignore[attr-defined]
            assert not any(held.values())
            day = each.at // NANOS_PER_DAY  # type: ignore[attr-defined]
        if isinstance(each, OrderFilled):
            held[each.contender, each.instrument] += each.side.sign * each.quantity
    assert not any(held.values())
