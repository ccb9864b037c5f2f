"""A torch network as the bytes of an ONNX file: the same bytes for the same weights, on any path of any machine."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count

import onnx
import torch
from torch import Tensor, nn

OPSET = 20
_EXPORTER_LOG = "torch.onnx"


def onnx_bytes(network: nn.Module, example: tuple[Tensor, ...], inputs: Sequence[str], outputs: Sequence[str]) -> bytes:
    """Export `network` as it answers in evaluation, on the CPU; the first dimension of every input is the batch.

    `example` are inputs of at least two rows, since one row would be taken for a batch that is always one.
    """
    network.eval()
    with _quiet_exporter():
        program = torch.onnx.export(
            network,
            example,
            dynamo=True,
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_shapes=tuple({0: torch.export.Dim("batch")} for _ in inputs),
            verbose=False,
        )
    assert program is not None, "the exporter answers with a program where no file is named"
    model = _bare(program.model_proto, {*inputs, *outputs})
    onnx.checker.check_model(model, full_check=True)
    artefact: bytes = model.SerializeToString(deterministic=True)
    return artefact


def _bare(model: onnx.ModelProto, kept: set[str]) -> onnx.ModelProto:
    """Without what does not compute: long names, source lines of the exporter, intermediate shapes."""
    graph = model.graph
    numbers = count()
    short = {name: name for name in ("", *kept)}
    for node in graph.node:
        node.ClearField("name")
        node.ClearField("doc_string")
        node.ClearField("metadata_props")
    for tensor in graph.initializer:
        short[tensor.name] = f"v{next(numbers)}"
        tensor.name = short[tensor.name]
        tensor.ClearField("metadata_props")
    for node in graph.node:
        node.output[:] = [short.setdefault(name, f"v{next(numbers)}") for name in node.output]
        node.input[:] = [short[name] for name in node.input]
    for value in (*graph.input, *graph.output):
        value.ClearField("metadata_props")
    graph.ClearField("value_info")
    graph.ClearField("metadata_props")
    model.ClearField("metadata_props")
    return model


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Torch warns of its own internals while it exports, none of which its caller can change."""
    log = logging.getLogger(_EXPORTER_LOG)
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for category in (FutureWarning, DeprecationWarning, UserWarning):
                warnings.simplefilter("ignore", category)
            yield
    finally:
        log.setLevel(level)
