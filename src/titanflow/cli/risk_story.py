"""Words for what risk decided: which limit sized an order, what a gate measured and would have done."""

from collections.abc import Mapping

from titanflow.domain.types import Gate, SizedBy

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
