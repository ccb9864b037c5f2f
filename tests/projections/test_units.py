"""Numbers of events in their units: exact, by name, and none forgotten."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import inspect

from projections.fold.audit import AUDITED
from projections.fold.units import iso, readable, readable_context
from titanflow.domain.events import Event, KillSwitchTripped, ModelRolledBack, RiskCommandIssued
from titanflow.domain.types import SCALE, DenialCode
from titanflow.domain.units import EVENT_FIELDS, Unit

RECORDED = sorted({*AUDITED, KillSwitchTripped, ModelRolledBack, RiskCommandIssued}, key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", RECORDED)
def test_every_number_of_a_recorded_event_has_a_unit(kind: type[Event]) -> None:
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    numbers = {field.name for field in info.fields if isinstance(field.type, inspect.IntType | inspect.FloatType)}
    assert numbers <= EVENT_FIELDS.keys()


@given(st.integers(-(1 << 63), (1 << 63) - 1))
def test_a_number_in_its_unit_is_exact(units: int) -> None:
    for unit in (Unit.MONEY, Unit.PRICE, Unit.QUANTITY, Unit.RATIO):
        assert readable(unit, units) * SCALE == units


def test_numbers_are_shown_without_zeros_behind_them() -> None:
    assert [str(readable(Unit.MONEY, units)) for units in (0, 5 * SCALE, 100 * SCALE, -1, SCALE // 4)] == [
        "0", "5", "100", "-1E-9", "0.25",
    ]  # fmt: skip


def test_what_is_no_scaled_number_stays_as_it_is() -> None:
    assert readable(Unit.MONEY, "nan") == "nan"
    assert readable(Unit.STATISTIC, 0.5) == 0.5
    assert readable(Unit.PLAIN, 7) == 7
    assert readable(Unit.PLAIN, True) is True


def test_a_moment_has_all_its_nanoseconds() -> None:
    assert iso(1_549_895_400_123_456_789) == "2019-02-11T14:30:00.123456789Z"
    assert iso(-1) == "1969-12-31T23:59:59.999999999Z"


def test_a_limit_is_in_the_unit_of_its_code() -> None:
    limit = (("limit", SCALE // 5),)
    assert readable_context(limit, DenialCode.CONCENTRATION) == {"limit": Decimal("0.2")}
    assert readable_context(limit, DenialCode.ORDER_RATE) == {"limit": SCALE // 5}
