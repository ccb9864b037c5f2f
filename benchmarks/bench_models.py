"""Measures inference and explanation of trained models beside the floors of bare tools; prints JSON, microseconds each.

The models are of the size that is shipped, with random weights where time does not depend on them; LightGBM is grown on
invented rows. One thread. Each inference is of a window that rolls on by a bar, as in a session; `explained` is what an
explanation costs of the window that was scored just before. Needs the training extra.
Usage: python benchmarks/bench_models.py
"""

import gc
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from importlib.metadata import version
from itertools import cycle
from typing import Any, NamedTuple

import lightgbm
import numpy as np
import onnxruntime
import torch

from titanflow.domain.models import (
    POSITION,
    Calibration,
    FeatureCode,
    FeatureReference,
    LabelSpec,
    ModelFile,
    ModelManifest,
    ModelReference,
    Thresholds,
    TrainingWindow,
    digest_of,
)
from titanflow.models.serving import serve
from titanflow.models.serving.calibrated import ServedModel
from titanflow.models.serving.lightgbm_native import NativeBooster
from titanflow.models.serving.scoring import Scores, Windows, as_window
from titanflow.models.serving.shapley import GroupedShapley
from titanflow.signal.features import FEATURE_MEANINGS
from titanflow.signal.model import Window
from titanflow.training.networks.export import onnx_bytes
from titanflow.training.networks.lstm_model import LSTMModel
from titanflow.training.networks.tft_model import TFTModel
from titanflow.training.trainers.ppo_policy import Actor
from titanflow.training.trainers.stack_trainer import FittedStack

NAMES = tuple(name for name in FEATURE_MEANINGS if name != "spread")
WIDTH = len(NAMES)
WINDOW = 30
SAMPLES = 16
BACKGROUND = 8
INSTRUMENT = "SPY.ARCX"
INSTRUMENTS = ("AAPL.XNYS", INSTRUMENT)
PPO_UNITS = 32
WARM_UP = 5
ROUNDS = 5
ROUND_SECONDS = 0.1
BUDGET_US = {"inference": 150, "explained": 500}
RANDOM = np.random.default_rng(7)
ROWS = tuple(map(tuple, RANDOM.standard_normal((1_000, WIDTH)).tolist()))
"""Features of the bars that all models watch."""

Call = Callable[[], object]


class Measured(NamedTuple):
    """A served model and the bare calls that its answers stand on."""

    model: ServedModel
    bare: Call
    """Scores one window that is ready."""
    bare_batch: Call
    """Scores as many windows as one explanation asks about, ready in one array."""

    def calls(self) -> dict[str, Call]:
        """Ours and the floors."""
        model, window = self.model, rolling(self.model)
        explained = window()
        return {
            "floor_inference": self.bare,
            "inference": lambda: model.infer(INSTRUMENT, window()),
            "floor_explained": self.bare_batch,
            "explained": lambda: model.explain(INSTRUMENT, explained, 1),
        }


def manifest_of(kind: str, content: bytes, window: int, members: Sequence[ServedModel] = ()) -> ModelManifest:
    """As much evidence as serving asks for."""
    artefact = "model.txt" if kind == "lightgbm" else "model.onnx"
    return ModelManifest(
        name=kind,
        kind=kind,
        artefact=artefact,
        files=(ModelFile(name=artefact, sha256=sha256(content).hexdigest(), size=len(content)),),
        features=tuple(FeatureCode(name=name, fingerprint="") for name in names_of(kind)),
        window=window,
        bar_seconds=60,
        label=LabelSpec(method="triple_barrier", horizon_bars=15, profit=2.0, stop=2.0, positives=0.5),
        training=TrainingWindow(source="benchmark", sha256="", first_at=0, last_at=1, instruments=INSTRUMENTS),
        calibration=Calibration(slope=1.0, intercept=0.0),
        thresholds=Thresholds(buy_above=0.6, sell_below=0.4),
        explanation_samples=SAMPLES,
        seed=7,
        versions={},
        metrics={},
        has_edge=False,
        trained_at=0,
        code_version="benchmark",
        members=tuple(digest_of(member.manifest) for member in members),
    )


def names_of(kind: str) -> tuple[str, ...]:
    """Features of a model; an agent also reads its own position."""
    return (*NAMES, POSITION) if kind == "ppo" else NAMES


def reference_of(window: int) -> ModelReference:
    """Independent standard features, and as many background windows as are registered."""
    features = tuple(
        FeatureReference(name=name, mean=0.0, deviation=1.0, edges=(0.0,), shares=(0.5, 0.5)) for name in NAMES
    )
    drawn = RANDOM.standard_normal((BACKGROUND, window, WIDTH)).tolist()
    return ModelReference(
        features=features,
        precision=tuple(tuple(row) for row in np.eye(WIDTH).tolist()),
        distance_limit=6.0,
        background=tuple(tuple(map(tuple, each)) for each in drawn),
        base_value=0.0,
    )


def served(kind: str, content: bytes, window: int, members: Sequence[ServedModel] = ()) -> ServedModel:
    """A model as a session would load it, but for the checks."""
    manifest = manifest_of(kind, content, window, members)
    return serve(manifest, {manifest.artefact: content}, reference_of(window), members)


def rolling(model: ServedModel) -> Callable[[], Window]:
    """What gives the model's window one bar later each time, of rows that it shares with the others."""
    bars, places = model.manifest.window, cycle(range(len(ROWS) - model.manifest.window))

    def following() -> Window:
        place = next(places)
        return as_read(model, ROWS[place : place + bars])

    return following


def as_read(model: ServedModel, rows: Window) -> Window:
    """Of a window, what the model reads: the newest bars, with its position where it knows that."""
    newest = rows[-model.manifest.window :]
    return tuple((*row, 0.0) for row in newest) if model.manifest.kind == "ppo" else newest


def us_each(call: Call) -> float:
    """Microseconds of processor time, the best of several rounds: what it costs when the machine leaves it alone."""
    began = time.process_time()
    for _ in range(WARM_UP):
        call()
    calls = max(WARM_UP, int(ROUND_SECONDS * WARM_UP / (time.process_time() - began)))
    best = float("inf")
    for _ in range(ROUNDS):
        gc.collect()
        began = time.process_time()
        for _ in range(calls):
            call()
        best = min(best, time.process_time() - began)
    return round(best / calls * 1e6, 2)


def coalitions(kind: str, window: int) -> int:
    """How many windows one explanation asks a model about in its batched call."""
    asked: list[int] = []

    class Counting:
        def score(self, instrument: str, window: Window) -> float:
            return 0.0

        def scores(self, instrument: str, windows: Windows) -> Scores:
            asked.append(len(windows))
            return np.zeros(len(windows))

    names = names_of(kind)
    background = np.ones((BACKGROUND, window, len(names)))
    GroupedShapley(Counting(), names, background, SAMPLES).explain(INSTRUMENT, ((0.0,) * len(names),) * window, 1)
    return max(asked)


def grown(leaves: int, trees: int) -> tuple[lightgbm.Booster, bytes]:
    """A LightGBM model of this size."""
    rows = RANDOM.standard_normal((5_000, WIDTH))
    labels = (rows[:, :4].sum(axis=1) + RANDOM.standard_normal(len(rows)) > 0).astype(int)
    parameters = {"objective": "binary", "num_leaves": leaves, "num_threads": 1, "verbose": -1, "min_data_in_leaf": 5}
    booster = lightgbm.train(parameters, lightgbm.Dataset(rows, labels), trees)
    return booster, booster.model_to_string().encode()


def measured_trees(text: bytes) -> Measured:
    """Trees beside the bare calls into LightGBM's library; the batch is as a stack asks for it."""
    native = NativeBooster(text, NAMES)
    predict, buffers = native._predict, native._buffers
    native.score(INSTRUMENT, ROWS[:1])
    many = RANDOM.standard_normal((coalitions("lightgbm", WINDOW), 1, WIDTH))
    return Measured(
        served("lightgbm", text, 1),
        lambda: predict(native._raw, *buffers),
        lambda: native.scores(INSTRUMENT, many),
    )


def lightgbm_calls(leaves: int, trees: int) -> dict[str, Call]:
    """A LightGBM model: the Python package, the bare call into its library, and ours."""
    booster, text = grown(leaves, trees)
    native, row = NativeBooster(text, NAMES), np.array(ROWS[:1])
    native.score(INSTRUMENT, ROWS[:1])
    predict, buffers = native._predict, native._buffers
    return {
        "package_inference": lambda: booster.predict(row, raw_score=True, num_threads=1),
        "package_explained": lambda: booster.predict(row, pred_contrib=True, num_threads=1),
        **measured_trees(text).calls(),
        "floor_explained": lambda: predict(native._contributions, *buffers),
    }


def measured_network(kind: str, artefact: bytes, window: int) -> Measured:
    """A network beside bare runs of onnxruntime on ready arrays."""
    session = bare_session(artefact)
    reads_instrument = len(session.get_inputs()) > 1
    model = served(kind, artefact, window)
    one = feed(as_window(rolling(model)()), reads_instrument)
    shape = coalitions(kind, window), window, len(names_of(kind))
    many = feed(RANDOM.standard_normal(shape), reads_instrument)
    return Measured(model, lambda: session.run(("score",), one), lambda: session.run(("score",), many))


def exported(kind: str, network: torch.nn.Module) -> bytes:
    """The ONNX file of an LSTM or a TFT."""
    reads_instrument = kind == "tft"
    inputs = ("window", "instrument") if reads_instrument else ("window",)
    outputs = ("score", "selection", "attention") if reads_instrument else ("score",)
    example = (torch.zeros(2, WINDOW, WIDTH), torch.zeros(2, dtype=torch.int64))[: len(inputs)]
    return onnx_bytes(network, example, inputs, outputs)


def network_calls(kind: str, network: torch.nn.Module) -> dict[str, Call]:
    """A network: torch, a bare onnxruntime call on ready arrays, and ours.

    The floor of an explanation is one bare run of as many windows as its sampled coalitions are.
    """
    tensors = tuple(map(torch.from_numpy, feed(as_window(ROWS[:WINDOW]), kind == "tft").values()))

    def in_torch() -> object:
        with torch.inference_mode():
            return network(*tensors)

    return {"torch_inference": in_torch, **measured_network(kind, exported(kind, network), WINDOW).calls()}


def agent() -> Measured:
    """A PPO agent's actor."""
    sizes = (PPO_UNITS, WIDTH + 1), (PPO_UNITS, PPO_UNITS), (1, PPO_UNITS)
    layers = tuple(
        (RANDOM.standard_normal(size).astype(np.float32), np.zeros(size[0], dtype=np.float32)) for size in sizes
    )
    scale = np.zeros(WIDTH + 1, dtype=np.float32), np.ones(WIDTH + 1, dtype=np.float32)
    return measured_network("ppo", Actor(*scale, layers).to_onnx(), 1)


def members() -> list[Measured]:
    """The three that a stack reads by default."""
    lstm, tft = exported("lstm", lstm_of(32)), exported("tft", tft_of(12))
    return [
        measured_trees(grown(15, 100)[1]),
        measured_network("lstm", lstm, WINDOW),
        measured_network("tft", tft, WINDOW),
    ]


def stack(read: Sequence[Measured]) -> Measured:
    """A stack of these; its floor is theirs and its own network's, once each."""
    count = len(read)
    _, artefact = FittedStack((), np.ones(count), 0.0, np.zeros(count), np.ones(count)).artefact()
    session = bare_session(artefact)
    one, many = ({"window": np.zeros((size, 1, count), dtype=np.float32)} for size in (1, coalitions("stack", WINDOW)))
    bare = [*(each.bare for each in read), lambda: session.run(("score",), one)]
    batches = [*(each.bare_batch for each in read), lambda: session.run(("score",), many)]
    model = served("stack", artefact, WINDOW, [each.model for each in read])
    return Measured(model, in_turn(bare), in_turn(batches))


def five_calls() -> dict[str, Call]:
    """All five kinds at one bar, the stack after its members; and the same where it has members of its own."""
    read, actor = members(), agent()
    together, apart = stack(read), stack(members())
    models = [*(each.model for each in read), together.model, actor.model]
    unshared = [*(each.model for each in read), apart.model, actor.model]
    return {
        "floor_inference": in_turn([together.bare, actor.bare]),
        "inference": bar_of(models),
        "unshared_inference": bar_of(unshared),
    }


def bar_of(models: Sequence[ServedModel]) -> Call:
    """Every model infers at one bar, which is one later each time."""
    window = rolling(next(model for model in models if model.manifest.kind == "stack"))

    def closed() -> None:
        rows = window()
        for model in models:
            model.infer(INSTRUMENT, as_read(model, rows))

    return closed


def in_turn(calls: Sequence[Call]) -> Call:
    """One call after the other."""

    def all_of_them() -> None:
        for call in calls:
            call()

    return all_of_them


def feed(asked: Any, reads_instrument: bool) -> dict[str, Any]:
    """Ready arrays for onnxruntime."""
    ready: dict[str, Any] = {"window": asked.astype(np.float32)}
    if reads_instrument:
        ready["instrument"] = np.full(len(asked), 2, dtype=np.int64)
    return ready


def bare_session(artefact: bytes) -> onnxruntime.InferenceSession:
    """onnxruntime as it comes, but for its threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(artefact, options, providers=["CPUExecutionProvider"])


def lstm_of(hidden: int) -> torch.nn.Module:
    """An LSTM of so many units."""
    return LSTMModel(torch.zeros(WIDTH), torch.ones(WIDTH), hidden)


def tft_of(width: int) -> torch.nn.Module:
    """A Temporal Fusion Transformer of this width."""
    shape: dict[str, Any] = {"features": NAMES, "instruments": 2, "window": WINDOW, "steps": 15, "bar_seconds": 60}
    return TFTModel(torch.zeros(WIDTH), torch.ones(WIDTH), **shape, width=width, heads=2)


def models() -> dict[str, Callable[[], Mapping[str, Call]]]:
    """What is measured; the LSTM also with the 64 hidden units that its budget speaks of."""
    return {
        "lightgbm_15_leaves_100_trees": lambda: lightgbm_calls(15, 100),
        "lightgbm_31_leaves_200_trees": lambda: lightgbm_calls(31, 200),
        "lstm_32": lambda: network_calls("lstm", lstm_of(32)),
        "lstm_64": lambda: network_calls("lstm", lstm_of(64)),
        "tft_12": lambda: network_calls("tft", tft_of(12)),
        "ppo_32": lambda: agent().calls(),
        "stack_of_three": lambda: stack(members()).calls(),
        "bar_of_five": five_calls,
    }


def figures(calls: Mapping[str, Call]) -> dict[str, float]:
    """Microseconds of each call, and ours as a multiple of the floor."""
    took = {name: us_each(call) for name, call in calls.items()}
    asked = [name for name in ("inference", "explained") if name in took]
    return {**took, **{f"{name}_of_floor": round(took[name] / took[f"floor_{name}"], 2) for name in asked}}


def main() -> None:
    """Measure everything and print one JSON document."""
    torch.set_num_threads(1)
    torch.manual_seed(7)
    document = {
        "benchmark": "models",
        "python": sys.version.split()[0],
        "libraries": {name: version(name) for name in ("lightgbm", "onnxruntime", "numpy", "torch")},
        "features": WIDTH,
        "window": WINDOW,
        "permutations": SAMPLES,
        "background_windows": BACKGROUND,
        "budget_us": BUDGET_US,
        "us_each": {name: figures(make()) for name, make in models().items()},
    }
    print(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
