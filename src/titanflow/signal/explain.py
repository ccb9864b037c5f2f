"""How a rule's decision is explained and scored: contributions that add up, and a confidence taken from their sum.

A contribution is signed: what is positive spoke for buying, what is negative for selling. Rules have no prior opinion,
so their base value is zero.
"""

from titanflow.domain.events import Explanation, Features
from titanflow.domain.types import Side

RULE_CONTRIBUTIONS = "rule_contributions"
"""Method name of explanations whose contributions are the rule's own terms: they add up by construction."""


def explain_rule(contributions: Features, base_value: float = 0.0, method: str = RULE_CONTRIBUTIONS) -> Explanation:
    """An explanation whose score is `base_value` plus the contributions, added from left to right."""
    score = base_value
    for _, contribution in contributions:
        score += contribution
    return Explanation(method, base_value, score, contributions)


def confidence_of(score: float, side: Side) -> float:
    """Confidence in [0, 1): s / (1 + s) of the score in the signal's direction; 0 where the score speaks against it.

    Rational, so that every machine rounds it alike. A score of 1 is a confidence of one half.
    """
    strength = score if side is Side.BUY else -score
    return strength / (1.0 + strength) if strength > 0.0 else 0.0


def clamped(value: float, limit: float) -> float:
    """`value`, held within ±`limit`: keeps one loud feature from drowning the others."""
    return max(-limit, min(limit, value))
