"""Which features belong together when an explanation is sampled: a model is asked about groups, not about each feature.

Features of a group say nearly the same thing, so that to take one away and leave the others would ask the model about
markets that there are not. What each group contributes is reported under the group's name.
"""

from collections.abc import Sequence

from titanflow.domain.models import POSITION

GROUPS: dict[str, tuple[str, ...]] = {
    "momentum": ("return_1", "return_5", "return_15", "return_30", "rsi"),
    "volatility": ("volatility_10", "volatility_30", "atr"),
    "trend": ("macd_line", "macd_signal", "macd_histogram"),
    "bands": ("bollinger_percent_b", "bollinger_width"),
    "volume": ("volume_zscore",),
    "time": ("time_sin", "time_cos"),
    "spread": ("spread",),
    "position": (POSITION,),
}
"""Group -> its features. A feature that is in none of them is a group of its own name."""

_GROUP_OF = {feature: group for group, features in GROUPS.items() for feature in features}


def group_of(feature: str) -> str:
    """Name of the group that `feature` belongs to."""
    return _GROUP_OF.get(feature, feature)


def grouped(features: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Group -> indices of its features in `features`; groups in the order in which `features` first names them."""
    groups: dict[str, tuple[int, ...]] = {}
    for index, feature in enumerate(features):
        group = group_of(feature)
        groups[group] = (*groups.get(group, ()), index)
    return groups
