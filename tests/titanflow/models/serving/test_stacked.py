"""A stack reads its members' calibrated log odds, each from its own part of the features and bars."""

from math import log, tanh

import pytest

from support.serving import SPY, as_rows, reference_of, served, some_windows
from support.tiny_models import tiny_model_files
from titanflow.errors import ModelError
from titanflow.models.serving import serve

SHORT = ("return_1", "rsi")
LONG = ("atr", "return_1", "volume_zscore")


@pytest.fixture(scope="module")
def members():
    trees = served("lightgbm", features=SHORT, calibration=(0.8, 0.1))
    return [trees, served("lstm", features=LONG, window=5, calibration=(1.5, -0.2))]


@pytest.fixture(scope="module")
def stack(members):
    return served("stack", members)


def test_members_read_their_own_features_and_bars_of_the_union(members, stack):
    assert [feature.name for feature in stack.manifest.features] == ["return_1", "rsi", "atr", "volume_zscore"]
    assert stack.manifest.window == 5
    for window in some_windows(stack, 10):
        rows = as_rows(window)
        first = members[0].infer(SPY, ((rows[-1][0], rows[-1][1]),))
        second = members[1].infer(SPY, tuple((row[2], row[0], row[3]) for row in rows))
        odds = [log(each.probability / (1 - each.probability)) for each in (first, second)]
        # The tiny network: 1.5 times the first bounded log odds and half as much of the second.
        expected = 1.5 * tanh(odds[0]) + 0.75 * tanh(odds[1])
        assert stack.infer(SPY, rows).score == pytest.approx(expected, abs=1e-5)


def test_the_order_in_which_members_are_handed_over_does_not_matter(members, stack):
    manifest, files = tiny_model_files("stack", members=[member.manifest for member in members])
    turned = serve(manifest, files, reference_of(files), members[::-1])
    window = as_rows(some_windows(stack, 1)[0])
    assert turned.explain(SPY, window, 4) == stack.explain(SPY, window, 4)


def test_many_windows_score_as_one_by_one(stack):
    windows = some_windows(stack, 12)
    one_by_one = [stack.infer(SPY, as_rows(window)).score for window in windows]
    assert stack.scores(SPY, windows) == pytest.approx(one_by_one, abs=1e-5)


def test_a_missing_member_is_named(members):
    manifest, files = tiny_model_files("stack", members=[member.manifest for member in members])
    with pytest.raises(ModelError, match=f"lacks its members {members[1].digest}"):
        serve(manifest, files, reference_of(files), members[:1])


def test_a_member_that_reads_a_feature_that_the_stack_has_not_is_refused(members):
    only_short, files = tiny_model_files("stack", members=[members[0].manifest])
    both, _ = tiny_model_files("stack", members=[member.manifest for member in members])
    wrong = type(both)(**{**{f: getattr(both, f) for f in both.__struct_fields__}, "features": only_short.features})
    with pytest.raises(ModelError, match="its member lstm reads 5 bars and atr, volume_zscore"):
        serve(wrong, files, reference_of(files), members)
