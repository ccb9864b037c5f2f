"""Risk's answer to a contender that failed: it closes what it holds and takes back what waits, once, for it alone."""

from support.risk_driver import Driver, only
from titanflow.domain.events import ContenderSetAside, OrderDenied, RiskCommandIssued
from titanflow.domain.types import DenialCode, RiskCommand, SetAsideReason, Side


def failure(driver: Driver, contender: str) -> ContenderSetAside:
    return ContenderSetAside(1, driver.at, contender, "COIN.SPOT", SetAsideReason.RAISED, "ValueError: no")


def test_its_positions_are_ordered_flat_with_the_reason() -> None:
    driver = Driver(contenders=("alpha", "beta"))
    driver.tick("100")
    driver.fill(driver.buy(), "100")
    (command,) = driver.feed(failure(driver, "alpha"))
    assert isinstance(command, RiskCommandIssued)
    assert (command.command, command.contender) == (RiskCommand.LIQUIDATE_ALL, "alpha")
    assert command.reason == "set aside: ValueError: no"


def test_what_it_had_on_hold_is_denied() -> None:
    driver = Driver()
    driver.tick("100")
    driver.guardian.house.books["alpha"].manual_approval = True
    held = driver.signal(Side.BUY)
    assert [type(event).__name__ for event in held] == ["OrderHeld"]
    (denied,) = only(driver.feed(failure(driver, "alpha")), OrderDenied)
    assert isinstance(denied, OrderDenied)
    assert denied.code is DenialCode.SET_ASIDE
    assert dict(denied.context) == {"reason": "raised"}


def test_after_the_end_there_is_nothing_to_close() -> None:
    driver = Driver()
    driver.tick("100")
    driver.end()
    assert driver.feed(failure(driver, "alpha")) == []


def test_a_contender_that_the_session_does_not_have_is_nobody() -> None:
    driver = Driver()
    assert driver.feed(failure(driver, "nobody")) == []
    assert driver.feed(failure(driver, "")) == []
