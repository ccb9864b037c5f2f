"""Who is halted, why and until when, as a reader of the ledger folds it."""

from titanflow.domain.events import GateReported, KillSwitchTripped, ModelRolledBack, RiskCommandIssued
from titanflow.domain.types import Gate, KillTrigger, RiskCommand
from titanflow.runtime.halts import Halts


def tripped(contender: str, trigger: KillTrigger, until: int = 0) -> KillSwitchTripped:
    return KillSwitchTripped(2, 1, contender, trigger, 97, 100, 30_000_000, 0, 100, until)


def resumed(contender: str = "", *, at_opening: bool = False) -> RiskCommandIssued:
    return RiskCommandIssued(2, 1, RiskCommand.RESUME, contender, "", None, None, at_opening)


def by_hand(contender: str) -> ModelRolledBack:
    return ModelRolledBack(2, 1, contender, Gate.HARM, -0.1, 0.0, None, None, 50)


def folded(*events: object) -> Halts:
    halts = Halts()
    for event in events:
        halts.look(event)  # type: ignore[arg-type]
    return halts


def test_a_halt_stands_with_its_reason_and_its_end_until_its_scope_is_resumed() -> None:
    day = tripped("alpha", KillTrigger.DAILY_LOSS, until=9)
    halts = folded(day)
    assert (halts.of("alpha"), halts.of("beta"), halts.end_of("alpha")) == (day, None, 9)
    halts.look(resumed("beta"))
    assert halts.of("alpha") is day
    halts.look(resumed("alpha", at_opening=True))
    assert halts.of("alpha") is None


def test_a_halt_that_only_an_operator_ends_has_no_end() -> None:
    halts = folded(tripped("alpha", KillTrigger.DAILY_LOSS, 9), tripped("alpha", KillTrigger.MAX_DRAWDOWN))
    assert halts.end_of("alpha") == 0
    latest = halts.of("alpha")
    assert latest is not None
    assert latest.trigger is KillTrigger.MAX_DRAWDOWN


def test_a_halt_of_all_holds_for_everybody_and_an_opening_ends_it_alone() -> None:
    own, of_all = tripped("alpha", KillTrigger.OPERATOR), tripped("", KillTrigger.DAILY_LOSS, 9)
    halts = folded(own, of_all, by_hand("gamma"))
    assert (halts.of("alpha"), halts.of("beta")) == (own, of_all)
    halts.look(resumed(at_opening=True))
    assert (halts.of("alpha"), halts.of("beta"), list(halts.manual)) == (own, None, ["gamma"])


def test_an_operator_who_resumes_all_ends_every_halt_and_manual_approval() -> None:
    halts = folded(
        tripped("alpha", KillTrigger.OPERATOR), tripped("", KillTrigger.DAILY_LOSS), by_hand("beta"), resumed()
    )
    assert (halts.standing, halts.manual) == ({}, {})


def test_what_gates_report_is_kept_in_its_order() -> None:
    first = GateReported(2, 1, "alpha", Gate.HARM, -0.1, 0.0, None, None, 50, 99)
    second = GateReported(3, 2, "beta", Gate.CONSECUTIVE_LOSSES, 5.0, 5.0, None, None, 5, 98)
    assert folded(first, second).reported == [first, second]
