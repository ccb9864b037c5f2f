"""Every feature that the live pipeline computes belongs to one group."""

from titanflow.domain.models import POSITION
from titanflow.models.serving.groups import GROUPS, group_of, grouped
from titanflow.signal.features import FEATURE_MEANINGS


def test_every_known_feature_belongs_to_one_group():
    listed = [feature for features in GROUPS.values() for feature in features]
    assert len(listed) == len(set(listed))
    assert {*FEATURE_MEANINGS, POSITION} == set(listed)


def test_groups_come_in_the_order_in_which_features_name_them():
    assert grouped(("rsi", "spread", "return_1", "atr")) == {"momentum": (0, 2), "spread": (1,), "volatility": (3,)}


def test_a_feature_of_no_group_is_a_group_of_its_own():
    assert group_of("moon_phase") == "moon_phase"
    assert grouped(("moon_phase",)) == {"moon_phase": (0,)}
