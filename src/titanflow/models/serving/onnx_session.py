"""Neural networks on onnxruntime: one thread, deterministic, quiet; scores, and what a network shows of itself."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from titanflow.domain.events import Features
from titanflow.domain.types import InstrumentId
from titanflow.errors import ModelError
from titanflow.models.serving.scoring import Scores, Windows, same_rows
from titanflow.signal.model import Window

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

FLOAT_TENSOR = "tensor(float)"
INTEGER_TENSOR = "tensor(int64)"
SHOWN = ("selection", "attention")
"""Outputs of a network that shows its variable selection and attention weights."""
_FATAL_ONLY = 4
"""Of the library's own log: what else goes wrong is raised."""


class OnnxSession:
    """A network with input `window` float32 [batch, bars, features], perhaps `instrument` int64 [batch], and `score`.

    It computes in 32-bit floats: a feature of 0.1 is seen as the float nearest to it.
    """

    def __init__(
        self, artefact: bytes, bars: int, features: tuple[str, ...], instruments: tuple[InstrumentId, ...]
    ) -> None:
        """Raises ModelError where the network cannot be read or does not read `bars` x `features`."""
        self._session, inputs, outputs = _open(artefact)
        self._bars = bars
        self._features = features
        self._number = {instrument: number for number, instrument in enumerate(instruments, start=1)}
        _check_contract(inputs, outputs, bars, len(features))
        self._reads_instrument = "instrument" in inputs
        self._shown = [name for name in SHOWN if name in outputs]
        self._run = self._session.run
        self._rolling: dict[InstrumentId, tuple[Window, NDArray[np.float32]]] = {}
        """Of each instrument, the window that was scored last, also as floats."""
        self._probe()

    def score(self, instrument: InstrumentId, window: Window) -> float:
        """Raw score of one window."""
        return float(self._run(("score",), self._feed(instrument, self._floats(instrument, window)))[0][0])

    def scores(self, instrument: InstrumentId, windows: Windows) -> Scores:
        """Raw scores of many windows of one instrument."""
        scores: Scores = self._run(("score",), self._feed(instrument, windows.astype(np.float32)))[0]
        return scores.astype(np.float64)

    def weights(self, instrument: InstrumentId, window: Window) -> Features:
        """`selection.<feature>` and `attention.<bars ago>` (0: the newest bar), as far as the network has them."""
        if not self._shown:
            return ()
        values = self._run(self._shown, self._feed(instrument, np.array((window,), dtype=np.float32)))
        labels = {"selection": self._features, "attention": tuple(str(ago) for ago in reversed(range(self._bars)))}
        return tuple(
            (f"{name}.{label}", weight)
            for name, row in zip(self._shown, values, strict=True)
            for label, weight in zip(labels[name], row[0].tolist(), strict=True)
        )

    def _floats(self, instrument: InstrumentId, window: Window) -> NDArray[np.float32]:
        """One window as a batch of one; where it continues the last one by a bar, only the new row is converted."""
        last = self._rolling.get(instrument)
        if last and same_rows(last[0][1:], window[:-1]):
            floats = last[1]
            floats[0, :-1] = floats[0, 1:]
            floats[0, -1] = window[-1]
        else:
            floats = np.array((window,), dtype=np.float32)
        self._rolling[instrument] = tuple(window), floats
        return floats

    def _feed(self, instrument: InstrumentId, windows: NDArray[np.float32]) -> dict[str, Any]:
        if not self._reads_instrument:
            return {"window": windows}
        return {"window": windows, "instrument": np.full(len(windows), self._number.get(instrument, 0), dtype=np.int64)}

    def _probe(self) -> None:
        """A network that loads may still not run: find out now, not at the first bar."""
        window = ((0.0,) * len(self._features),) * self._bars
        try:
            shape = self.scores("", np.array((window, window))).shape
            if shape != (2,):
                raise ModelError(f"its output score has the shape {shape} for two windows, expected (2,)")
            self.score("", window)
            self.weights("", window)
        except Exception as error:  # onnxruntime's errors share no base class
            raise ModelError(f"the network cannot be run: {error}") from error


class _Input(NamedTuple):
    type: str
    shape: list[Any]
    """Numbers; names or None where any number will do."""


def _open(artefact: bytes) -> "tuple[InferenceSession, dict[str, _Input], set[str]]":
    """The session, its inputs by name, and the names of its outputs."""
    import onnxruntime  # only here: a session without networks does not wait for it

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.use_deterministic_compute = True
    options.log_severity_level = _FATAL_ONLY
    try:
        session = onnxruntime.InferenceSession(
            artefact, options, providers=["CPUExecutionProvider"], enable_fallback=False
        )
        inputs = {each.name: _Input(each.type, each.shape) for each in session.get_inputs()}
        return session, inputs, {each.name for each in session.get_outputs()}
    except Exception as error:  # onnxruntime's errors share no base class
        raise ModelError(f"the network cannot be read: {error}") from error


def _check_contract(inputs: dict[str, _Input], outputs: set[str], bars: int, features: int) -> None:
    expected = {"window": FLOAT_TENSOR, "instrument": INTEGER_TENSOR}
    if "window" not in inputs or not inputs.keys() <= expected.keys():
        raise ModelError(f"the network's inputs are {sorted(inputs)}, expected window and perhaps instrument")
    for name, each in inputs.items():
        if each.type != expected[name]:
            raise ModelError(f"the network's input {name} is a {each.type}, expected {expected[name]}")
    shape = inputs["window"].shape
    if len(shape) != 3 or any(
        isinstance(n, int) and n != size for n, size in zip(shape[1:], (bars, features), strict=True)
    ):
        raise ModelError(
            f"the network reads windows of {shape[1:]}, the manifest has {[bars, features]} (bars, features)"
        )
    if "score" not in outputs:
        raise ModelError(f"the network's outputs are {sorted(outputs)}, expected score")
