"""Is a LightGBM text whole? Asked before the library reads it, since a cut or altered one can end the whole process.

Only what we serve passes: one margin a row, numerical splits, constant leaves.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from titanflow.errors import ModelError

Fields = Mapping[str, str]

_GENERATED_NAME = re.compile(r"Column_\d+")
_INTEGER = re.compile(r"-?\d{1,9}")
_REAL = re.compile(r"-?\d{1,40}(\.\d{1,40})?(e[+-]\d{1,3})?")
_EXPECTED_HEADER = {"version": "v4", "num_class": "1", "num_tree_per_iteration": "1"}
_INTEGERS_OF_NODES = ("split_feature", "decision_type", "left_child", "right_child", "internal_count")
_REALS_OF_NODES = ("split_gain", "threshold", "internal_value", "internal_weight")
_REALS_OF_LEAVES = ("leaf_value", "leaf_weight", "leaf_count")
_FIELDS = {
    "tree", "version", "num_class", "num_tree_per_iteration", "label_index", "max_feature_idx", "objective",
    "average_output", "feature_names", "monotone_constraints", "feature_infos", "tree_sizes",
    "Tree", "num_leaves", "num_cat", "is_linear", "shrinkage", "cat_boundaries", "cat_threshold",
    *_INTEGERS_OF_NODES, *_REALS_OF_NODES, *_REALS_OF_LEAVES,
}  # fmt: skip
_CATEGORICAL = 1
"""Bit of a decision type."""


def check_text(artefact: bytes, features: Sequence[str]) -> bytes:
    """The text, ready for the library. Raises ModelError that says which part is damaged, or of what else it is."""
    try:
        text = artefact.decode("ascii")
        header, *blocks = _blocks(text)
        _check_header(header, features, len(blocks))
        for number, block in enumerate(blocks):
            _check_tree(number, block, len(features))
    except (ValueError, KeyError) as found:
        reason = f"lacks {found}" if isinstance(found, KeyError) else str(found)
        raise ModelError(f"the LightGBM text is damaged: {reason}") from found
    if "\0" in text:
        raise ModelError("the LightGBM text is damaged: it holds a zero byte")
    return artefact


def _blocks(text: str) -> Iterator[Fields]:
    """The header, then each tree, cut where the header says that they begin."""
    head, separator, _ = text.partition("\n\nTree=")
    if not head.startswith("tree\n") or not separator:
        raise ValueError("it does not begin with a header and a tree")
    header = _fields(head)
    yield header
    begin = len(head) + 2
    for number, size in enumerate(header["tree_sizes"].split()):
        block = text[begin : begin + int(size)]
        if int(size) <= 0 or not block.startswith(f"Tree={number}\n") or not block.endswith("\n\n"):
            raise ValueError(f"tree {number} is not whole where the header has it")
        yield _fields(block)
        begin += int(size)
    if not text[begin:].startswith("end of trees\n"):
        raise ValueError("its trees do not end where the header has it")


def _fields(block: str) -> Fields:
    fields: dict[str, str] = {}
    for line in filter(None, block.split("\n")):
        name, _, value = line.partition("=")
        if name in fields or name not in _FIELDS:
            raise ValueError(f"{line[:40]!r} is said twice, or has no place in it")
        fields[name] = value
    return fields


def _check_header(header: Fields, features: Sequence[str], trees: int) -> None:
    for name, expected in _EXPECTED_HEADER.items():
        if header[name] != expected:
            raise ValueError(f"{name} is {header[name]}, expected {expected}")
    if not trees:
        raise ValueError("it has no tree")
    names = header["feature_names"].split()
    inputs = int(header["max_feature_idx"]) + 1
    if inputs != len(features):
        raise ModelError(f"the LightGBM text reads {inputs} features, the manifest has {len(features)}")
    if len(names) != inputs or len(header["feature_infos"].split()) != inputs:
        raise ValueError(f"it does not describe each of its {inputs} features")
    for name, expected in zip(names, features, strict=True):
        if name != expected and not _GENERATED_NAME.fullmatch(name):
            raise ModelError(f"the LightGBM text reads {name} where the manifest has {expected}")


def _check_tree(number: int, tree: Fields, features: int) -> None:
    (leaves,) = _integers(number, "num_leaves", tree, 1)
    _written(number, "shrinkage", tree, 1, _REAL)
    if leaves < 1 or tree["num_cat"] != "0" or tree["is_linear"] != "0":
        raise ValueError(f"tree {number} has no leaf, a categorical split, or leaves that are no constants")
    if leaves == 1:
        _written(number, "leaf_value", tree, 1, _REAL)
        return
    integers = {name: _integers(number, name, tree, leaves - 1) for name in _INTEGERS_OF_NODES}
    for names, count in ((_REALS_OF_NODES, leaves - 1), (_REALS_OF_LEAVES, leaves)):
        for name in names:
            _written(number, name, tree, count, _REAL)
    if not all(0 <= feature < features for feature in integers["split_feature"]):
        raise ValueError(f"tree {number} splits a feature that there is not")
    if any(decision & _CATEGORICAL for decision in integers["decision_type"]):
        raise ValueError(f"tree {number} has a categorical split")
    _check_shape(number, leaves, integers["left_child"], integers["right_child"])


def _integers(number: int, name: str, tree: Fields, count: int) -> list[int]:
    return [int(value) for value in _written(number, name, tree, count, _INTEGER)]


def _written(number: int, name: str, tree: Fields, count: int, form: re.Pattern[str]) -> list[str]:
    values = tree[name].split(" ")
    if len(values) != count:
        raise ValueError(f"tree {number} has {len(values)} values of {name}, expected {count}")
    for value in values:
        if not form.fullmatch(value):
            raise ValueError(f"tree {number} has {value[:40]!r} in {name}, which is no number")
    return values


def _check_shape(number: int, leaves: int, left: Sequence[int], right: Sequence[int]) -> None:
    """Every node but the root, and every leaf (n is written as -1 - n), hangs from one earlier node."""
    hanging = sorted((*left, *right))
    if hanging != [*range(-leaves, 0), *range(1, leaves - 1)]:
        raise ValueError(f"tree {number} does not hang together")
    if any(0 <= child <= node for children in (left, right) for node, child in enumerate(children)):
        raise ValueError(f"tree {number} runs in a circle")
