"""Small ONNX graphs written node by node: `window` of one bar in, `score` out. No tracing, so the bytes are ours."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

ARTEFACT = "model.onnx"
OPSET = 17
IR_VERSION = 8
"""Old enough for every supported onnxruntime."""

Step = tuple[str, tuple[str, ...], Mapping[str, Any]]
"""Operator, constants that it takes after the value so far, attributes."""


def one_bar_model(features: int, steps: Sequence[Step], constants: Mapping[str, NDArray[np.generic]]) -> bytes:
    """A chain of operators from `window` float32 [batch, 1, features] to `score` float32 [batch].

    The chain is given [batch, features] and must end with [batch, 1]. 64-bit constants become 32-bit ones.
    """
    chain: list[Step] = [("Squeeze", ("axis",), {}), *steps, ("Squeeze", ("axis",), {})]
    nodes, value = [], "window"
    for number, (operator, taken, attributes) in enumerate(chain):
        result = "score" if number == len(chain) - 1 else f"value_{number}"
        nodes.append(helper.make_node(operator, [value, *taken], [result], **attributes))
        value = result
    tensors = {"axis": np.array([1], dtype=np.int64), **constants}
    graph = helper.make_graph(
        nodes,
        "score",
        [helper.make_tensor_value_info("window", TensorProto.FLOAT, ["batch", 1, features])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["batch"])],
        [numpy_helper.from_array(_single(tensor), name) for name, tensor in tensors.items()],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="titanflow"
    )
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def _single(tensor: NDArray[np.generic]) -> NDArray[np.generic]:
    return np.ascontiguousarray(tensor, dtype=np.float32 if tensor.dtype == np.float64 else tensor.dtype)
