"""Words for what risk decided: which limit sized an order, who is halted until when, what a gate would have done."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from titanflow.cli.output import dollars, to_second
from titanflow.domain.types import NANOS_PER_SECOND, ContenderId, Gate, Nanos, SizedBy, decimal_of

if TYPE_CHECKING:
    from titanflow.runtime.halts import Halts
    from titanflow.runtime.observer import Observer

SIZED_BY: Mapping[SizedBy, str] = {
    SizedBy.WHOLE_POSITION: "the position itself",
    SizedBy.FIXED_FRACTION: "the fixed fraction of equity lost at the stop (risk.risk_per_trade)",
    SizedBy.POSITION: "the largest position (risk.max_position)",
    SizedBy.EXPOSURE: "the contender's gross exposure (risk.max_gross_exposure)",
    SizedBy.TOTAL_EXPOSURE: "the gross exposure of all together (risk.total_max_gross_exposure)",
    SizedBy.ORDER_VALUE: "the last gate's largest order (execution.max_order_value), less room for slippage",
    SizedBy.CONCENTRATION: "the last gate's concentration (execution.max_concentration), less room for slippage",
    SizedBy.BUYING_POWER: "the cash at hand, less room for slippage and fees",
}
WOULD_HAVE: Mapping[Gate, str] = {
    Gate.CONSECUTIVE_LOSSES: "would have been halted",
    Gate.HARM: "would have been put under manual approval",
    Gate.SHARPE: "would have been put under manual approval",
    Gate.ACCURACY: "would have been put under manual approval",
}


def measured(gate: Gate, value: float) -> str:
    """What a gate measured, in words."""
    if gate is Gate.HARM:
        return f"its mean round trip is below {value:.4%} with confidence"
    return f"losses in a row {value:.0f}" if gate is Gate.CONSECUTIVE_LOSSES else f"rolling {gate} {value:.2f}"


def figure(value: float | None) -> str:
    """A statistic, or a dash where it is not defined."""
    return "–" if value is None else f"{value:.2f}"


def halt_lines(halts: "Halts") -> Iterator[str]:
    """Who is halted, by what, at which equity and until when; and who is under manual approval."""
    for scope, standing in halts.standing.items():
        for trigger, halt in standing.items():
            who, equity = scope or "all together", f"at an equity of ${dollars(decimal_of(halt.equity))}"
            yield f"halted       {who}: {trigger} {equity} since {to_second(halt.at)}, {_end(halt.until)}"
    for contender, begun in halts.manual.items():
        why = f"{measured(begun.metric, begun.value)} after {begun.round_trips} round trips"
        yield f"by hand    {contender}: {why}, since {to_second(begun.at)}, until an operator resumes"


def halt_hints(halts: "Halts", halted: list[ContenderId]) -> Iterator[str]:
    """For the screen: who of these is halted and why, until when, and the command that ends it."""
    for contender in halted:
        halt = halts.of(contender)
        if halt is None:
            continue
        scope, end = halt.contender, halts.end_of(halt.contender)
        command = f"titanflow resume {scope}".rstrip()
        ends = f"until {to_second(end)}" if end else f": in another terminal `{command}` reopens"
        yield f"{contender} halted by {halt.trigger}{'' if not end else ' '}{ends}"


def gate_lines(halts: "Halts") -> Iterator[str]:
    """What gates that only report would have done, a line for each contender."""
    told: dict[ContenderId, list[str]] = {}
    for reported in halts.reported:
        when = to_second(reported.at)
        if reported.gate is Gate.CONSECUTIVE_LOSSES:
            what = f"would have been halted at {when} ({measured(reported.gate, reported.value)})"
        else:
            what = f"manual from {when} ({measured(reported.gate, reported.value)}, {reported.round_trips} round trips)"
        told.setdefault(reported.contender, []).append(what)
    for contender, lines in told.items():
        yield f"gates      {contender} {', '.join(lines)}: not done, risk.gates = report"


def risk_state(seen: "Observer") -> dict[str, Any]:
    """For programs: halts that stand, manual approvals, and what gates reported, in the ledger's own units."""
    from titanflow.cli.show import event_fields

    halts = seen.halts
    return {
        "halts": [event_fields(halt) for standing in halts.standing.values() for halt in standing.values()],
        "manual_approvals": [event_fields(begun) for begun in halts.manual.values()],
        "gates_reported": [event_fields(reported) for reported in halts.reported],
    }


def lives_for(expires_at: Nanos, at: Nanos) -> int:
    """Whole seconds of event time that a held order has left."""
    return max(0, -(-(expires_at - at) // NANOS_PER_SECOND))


def _end(until: Nanos) -> str:
    return f"until {to_second(until)}" if until else "until an operator resumes"
