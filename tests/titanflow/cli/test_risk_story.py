"""What status, screen and summary say of halts, of gates that only report, and of orders that wait."""

from support.risk_driver import SECOND
from titanflow.cli.risk_story import gate_lines, halt_hints, halt_lines, lives_for
from titanflow.domain.events import GateReported, KillSwitchTripped, ModelRolledBack
from titanflow.domain.types import SCALE, Gate, KillTrigger
from titanflow.runtime.halts import Halts

AT = 1_549_895_400_000_000_000
"""2019-02-11 14:30:00 UTC."""
MORNING = AT + 86_400 * SECOND


def halts_of(*events: object) -> Halts:
    halts = Halts()
    for event in events:
        halts.look(event)  # type: ignore[arg-type]
    return halts


HALTS = halts_of(
    KillSwitchTripped(
        2, AT, "mad", KillTrigger.DAILY_LOSS, 97_000 * SCALE, 100_000 * SCALE, 30_000_000, 0, 100_000 * SCALE, MORNING
    ),
    KillSwitchTripped(3, AT, "", KillTrigger.MAX_DRAWDOWN, 180_000 * SCALE, 200_000 * SCALE, 100_000_000, 0),
    ModelRolledBack(4, AT, "calm", Gate.HARM, -0.0004, 0.0, -2.1, 0.3, 60),
)


def test_status_names_reason_equity_and_end_of_every_halt() -> None:
    assert list(halt_lines(HALTS)) == [
        "halted       mad: daily_loss at an equity of $97,000.00 since 2019-02-11 14:30:00, until 2019-02-12 14:30:00",
        "halted       all together: max_drawdown at an equity of $180,000.00 since 2019-02-11 14:30:00, "
        "until an operator resumes",
        "by hand    calm: its mean round trip is below -0.0400% with confidence after 60 round trips, "
        "since 2019-02-11 14:30:00, until an operator resumes",
    ]


def test_the_screen_says_what_ends_a_halt() -> None:
    own, of_all = halt_hints(HALTS, ["mad", "calm"])
    assert own == "mad halted by daily_loss until 2019-02-12 14:30:00"
    assert of_all == "calm halted by max_drawdown: in another terminal `titanflow resume` reopens"


def test_the_summary_says_what_gates_would_have_done_a_line_for_each_contender() -> None:
    row = GateReported(2, AT, "mad", Gate.CONSECUTIVE_LOSSES, 5.0, 5.0, -3.0, 0.1, 5, 99 * SCALE)
    harm = GateReported(3, MORNING, "mad", Gate.HARM, -0.001, 0.0, -3.0, 0.1, 50, 98 * SCALE)
    other = GateReported(4, MORNING, "calm", Gate.ACCURACY, 0.4, 0.5, 0.1, 0.4, 20, 98 * SCALE)
    mad, calm = gate_lines(halts_of(row, harm, other))
    assert mad == (
        "gates      mad would have been halted at 2019-02-11 14:30:00 (losses in a row 5), manual from "
        "2019-02-12 14:30:00 (its mean round trip is below -0.1000% with confidence, 50 round trips): "
        "not done, risk.gates = report"
    )
    assert calm.startswith("gates      calm manual from 2019-02-12 14:30:00 (rolling accuracy 0.40, 20 round trips)")


def test_a_held_order_says_how_many_seconds_it_still_lives() -> None:
    assert [lives_for(AT + 60 * SECOND, AT + passed) for passed in (0, 1, SECOND, 60 * SECOND, 99 * SECOND)] == [
        60, 60, 59, 0, 0,
    ]  # fmt: skip
