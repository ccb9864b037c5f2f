"""A damaged LightGBM text is an error that says so; without the check some of these damages end the whole process."""

import re

import lightgbm
import numpy as np
import pytest

from support.tiny_models import tiny_model_files
from titanflow.errors import ModelError
from titanflow.models.serving.lightgbm_text import check_text

MANIFEST, FILES = tiny_model_files("lightgbm")
TEXT = FILES[MANIFEST.artefact]
NAMES = tuple(feature.name for feature in MANIFEST.features)


def replaced(pattern: str, by: str) -> bytes:
    """The text with the first match replaced, and the trees' sizes as they then are."""
    text = re.sub(pattern, by, TEXT.decode(), count=1, flags=re.MULTILINE)
    _, *trees = re.split("^(?=Tree=)", text.partition("end of trees")[0], flags=re.MULTILINE)
    sizes = " ".join(str(len(tree)) for tree in trees)
    sized = re.sub(r"^tree_sizes=.*$", f"tree_sizes={sizes}", text, count=1, flags=re.MULTILINE)
    assert sized != TEXT.decode(), "nothing was replaced"
    return sized.encode()


def test_a_whole_text_passes_unchanged():
    assert check_text(TEXT, NAMES) is TEXT


def test_sizes_reckoned_anew_are_those_of_the_library():
    assert replaced("^shrinkage=1$", "shrinkage=2") == TEXT.replace(b"shrinkage=1\n", b"shrinkage=2\n", 1)


@pytest.mark.parametrize("part", [0.0, 0.001, 0.02, 0.3, 0.6, 0.8])
def test_a_truncated_text_is_refused(part):
    with pytest.raises(ModelError, match="damaged"):
        check_text(TEXT[: int(len(TEXT) * part)], NAMES)


@pytest.mark.parametrize(
    ("pattern", "by", "message"),
    [
        ("^tree$", "bush", "header"),
        ("^version=v4", "version=v9", "version is v9, expected v4"),
        ("^num_class=1", "num_class=3", "num_class is 3, expected 1"),
        ("^num_tree_per_iteration=1", "num_tree_per_iteration=2", "num_tree_per_iteration"),
        ("^max_feature_idx=.*\n", "", "lacks 'max_feature_idx'"),
        ("^feature_infos=\\S+ ", "feature_infos=", "does not describe each of its 6 features"),
        ("^num_leaves=7", "num_leaves=9", "tree 0 has 6 values of split_feature, expected 8"),
        ("^num_leaves=7", "num_leaves=-7", "tree 0 has no leaf"),
        ("^num_leaves=7", "num_leaves=seven", "tree 0 has 'seven' in num_leaves"),
        ("^shrinkage=1$", "shrinkage=1_0", "tree 0 has '1_0' in shrinkage"),
        ("^shrinkage=1$", "shrinkage=1\nshrinkage=1", "'shrinkage=1' is said twice"),
        ("^shrinkage=1$", "shrinkage=1\nleaf_const=1", "'leaf_const=1' is said twice, or has no place"),
        ("^num_cat=0", "num_cat=1", "categorical"),
        ("^is_linear=0", "is_linear=1", "no constants"),
        ("^split_feature=\\d+", "split_feature=6", "tree 0 splits a feature that there is not"),
        ("^split_feature=\\d+", "split_feature=-1", "tree 0 splits a feature that there is not"),
        ("^decision_type=\\d+", "decision_type=1", "categorical split"),
        ("^threshold=\\S+ ", "threshold=", "tree 0 has 5 values of threshold, expected 6"),
        ("^threshold=\\S+", "threshold=x", "tree 0 has 'x' in threshold, which is no number"),
        ("^leaf_value=\\S+ ", "leaf_value=", "tree 0 has 6 values of leaf_value, expected 7"),
        ("^left_child=-?\\d+", "left_child=99", "tree 0 does not hang together"),
        ("^right_child=-?\\d+", "right_child=0", "tree 0 does not hang together"),
        ("^leaf_count=.*\n", "", "lacks 'leaf_count'"),
        ("^parameters:$", "parameters:\\0", "zero byte"),
        ("^shrinkage=1$", "shrinkage=½", "ascii"),
    ],
)
def test_a_damage_is_named(pattern, by, message):
    with pytest.raises(ModelError, match=re.escape(message)):
        check_text(replaced(pattern, by), NAMES)


def test_a_tree_that_runs_in_a_circle_is_refused():
    # Nodes 1 and 2 hang from each other; every node and leaf still hangs somewhere, once.
    circle = replaced("^left_child=.*\nright_child=.*$", "left_child=-1 2 1 4 5 -5\nright_child=3 -2 -3 -4 -6 -7")
    with pytest.raises(ModelError, match="runs in a circle"):
        check_text(circle, NAMES)


def test_a_size_that_is_off_by_one_is_refused():
    size = re.search(rb"^tree_sizes=(\d+)", TEXT, re.MULTILINE)
    assert size
    wrong = TEXT.replace(b"tree_sizes=" + size[1], b"tree_sizes=%d" % (int(size[1]) + 1), 1)
    with pytest.raises(ModelError, match="tree 0 is not whole"):
        check_text(wrong, NAMES)


def test_a_missing_last_tree_is_refused():
    without = re.sub(rb"^(tree_sizes=.*) \d+$", rb"\1", TEXT, count=1, flags=re.MULTILINE)
    with pytest.raises(ModelError, match="do not end where"):
        check_text(without, NAMES)


def test_categorical_features_are_not_served():
    table = np.column_stack([np.arange(200) % 5, np.arange(200) / 200])
    text = lightgbm.train(
        {"objective": "binary", "verbose": -1, "num_threads": 1, "min_data_per_group": 1, "cat_smooth": 1},
        lightgbm.Dataset(table, (table[:, 0] % 2).astype(int), categorical_feature=[0]),
        3,
    ).model_to_string()
    with pytest.raises(ModelError, match="categorical"):
        check_text(text.encode(), ("rsi", "atr"))
