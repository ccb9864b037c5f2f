"""Complete tiny models of every kind, made in well under a second from a seed: real artefacts, invented evidence.

Rows are drawn on the scales of real one-minute bars, and label 1 follows a rise of the first feature. The LightGBM
model is trained on them; the networks are small ONNX graphs written by hand, so that no test needs torch.
"""

import io
from collections.abc import Sequence
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import lightgbm
import msgspec
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from titanflow.domain.models import (
    MANIFEST_FILE,
    POSITION,
    REFERENCE_FILE,
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
    manifest_bytes,
)
from titanflow.signal.fingerprint import feature_fingerprint

Files = dict[str, bytes]
"""File name -> bytes, of every file of a model but its manifest."""

FEATURES = ("return_1", "return_5", "rsi", "macd_histogram", "bollinger_percent_b", "volume_zscore")
SCALES: dict[str, tuple[float, float]] = {
    "return_1": (0.0, 8e-4),
    "return_5": (0.0, 2e-3),
    "return_15": (0.0, 3e-3),
    "return_30": (0.0, 5e-3),
    "volatility_10": (8e-4, 4e-4),
    "volatility_30": (8e-4, 4e-4),
    "rsi": (50.0, 14.0),
    "macd_line": (0.0, 1e-3),
    "macd_signal": (0.0, 1e-3),
    "macd_histogram": (0.0, 3e-4),
    "bollinger_percent_b": (0.5, 0.35),
    "bollinger_width": (0.5, 0.3),
    "atr": (1e-3, 5e-4),
    "volume_zscore": (0.0, 1.2),
    "time_sin": (0.0, 0.7),
    "time_cos": (0.0, 0.7),
    "spread": (2e-4, 1e-4),
    POSITION: (0.5, 0.5),
}
"""Feature -> (mean, standard deviation) of the invented training rows."""
BINS = 10
WINDOWS = {"lightgbm": 1, "lstm": 8, "tft": 8, "stack": 1, "ppo": 4}
ARTEFACTS = {"lightgbm": "model.txt"}
TRAINED_FROM = 1_700_000_000_000_000_000
TRAINED_UNTIL = 1_700_600_000_000_000_000
"""November 2023: before every recorded tape."""


def tiny_model_files(
    kind: str = "lightgbm",
    name: str | None = None,
    features: Sequence[str] = FEATURES,
    *,
    window: int | None = None,
    bar_seconds: int = 60,
    horizon_bars: int = 15,
    thresholds: tuple[float, float] = (0.6, 0.4),
    calibration: tuple[float, float] = (1.0, 0.0),
    distance_limit: float | None = None,
    trained_until: int = TRAINED_UNTIL,
    session: tuple[str, int, int] = ("", 0, 0),
    instruments: tuple[str, ...] = ("AAPL.XNYS", "SPY.ARCX"),
    parent: str = "",
    members: Sequence[ModelManifest] = (),
    seed: int = 7,
) -> tuple[ModelManifest, Files]:
    """A valid manifest and the files beside it. `name` is the kind unless given; `session` is (name, first, last seq).

    PPO's features end with `position` by themselves; a stack takes its features, bars and horizon from its members,
    which must be given. `distance_limit` is the 99th percentile of the rows' distance unless given.
    """
    names = _inputs(kind, features, members)
    bars = window or max([WINDOWS[kind], *(member.window for member in members)])
    rows, labels = _rows(names, seed)
    artefact = ARTEFACTS.get(kind, "model.onnx")
    files = {
        artefact: _booster(rows, labels, seed) if kind == "lightgbm" else _network(kind, names, bars, len(members)),
        REFERENCE_FILE: msgspec.json.encode(_reference(names, rows, bars, distance_limit)),
        "report.html": f"<!doctype html><title>{name or kind}</title>".encode(),
        "validation.npz": _validation(labels, instruments[0], trained_until, bar_seconds),
    }
    manifest = ModelManifest(
        name=name or kind,
        kind=kind,
        artefact=artefact,
        files=described(files),
        features=tuple(FeatureCode(name=each, fingerprint=_fingerprint(each)) for each in names),
        window=bars,
        bar_seconds=members[0].bar_seconds if members else bar_seconds,
        label=LabelSpec(
            method="triple_barrier",
            horizon_bars=members[0].label.horizon_bars if members else horizon_bars,
            profit=2.0,
            stop=2.0,
            positives=float(labels.mean()),
        ),
        training=TrainingWindow(
            source=f"session {session[0]}" if session[0] else "tiny.csv",
            sha256=sha256(rows.tobytes()).hexdigest(),
            first_at=min(TRAINED_FROM, trained_until),
            last_at=trained_until,
            session=session[0],
            first_seq=session[1],
            last_seq=session[2],
            rows=len(rows),
            instruments=instruments,
        ),
        calibration=Calibration(slope=calibration[0], intercept=calibration[1]),
        thresholds=Thresholds(buy_above=thresholds[0], sell_below=thresholds[1]),
        explanation_samples=0 if kind == "lightgbm" else 16,
        seed=seed,
        versions=serving_versions(),
        metrics={"accuracy": 0.52, "auc": 0.53, "brier": 0.249, "permutation_p": 0.2},
        has_edge=False,
        trained_at=trained_until + 3_600_000_000_000,
        code_version="0.1.0",
        parent=parent,
        members=tuple(digest_of(member) for member in members),
    )
    return manifest, files


def install(home: Path, manifest: ModelManifest, files: Files) -> str:
    """Write a model's folder under `home` as it is, valid or not; its digest."""
    digest = digest_of(manifest)
    folder = home / "models" / digest
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in {**files, MANIFEST_FILE: manifest_bytes(manifest)}.items():
        (folder / name).write_bytes(content)
    return digest


def tiny_lightgbm(home: Path, name: str = "lightgbm", **changes: object) -> str:
    """A tiny LightGBM model in the registry of `home`, a candidate; its digest."""
    return install(home, *tiny_model_files("lightgbm", name, **changes))  # type: ignore[arg-type]


def described(files: Files) -> tuple[ModelFile, ...]:
    """The manifest's list of files."""
    return tuple(
        ModelFile(name=name, sha256=sha256(content).hexdigest(), size=len(content))
        for name, content in sorted(files.items())
    )


def serving_versions() -> dict[str, str]:
    """The installed versions of what serves models."""
    return {library: version(library) for library in ("lightgbm", "numpy", "onnxruntime")}


def _fingerprint(name: str) -> str:
    # The position is no market feature: no code computes it from bars.
    return "" if name == POSITION else feature_fingerprint(name)


def _inputs(kind: str, features: Sequence[str], members: Sequence[ModelManifest]) -> tuple[str, ...]:
    if kind == "stack":
        assert members, "a stack needs members"
        return tuple(dict.fromkeys(code.name for member in members for code in member.features))
    return (*features, POSITION) if kind == "ppo" and POSITION not in features else tuple(features)


def _rows(names: Sequence[str], seed: int, rows: int = 600) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
    random = np.random.default_rng(seed)
    drawn = random.standard_normal((rows, len(names)))
    labels = (drawn[:, 0] + 0.5 * random.standard_normal(rows) > 0).astype(np.int8)
    means, deviations = np.array([SCALES[name] for name in names]).T
    return means + deviations * drawn, labels


def _booster(rows: NDArray[np.float64], labels: NDArray[np.int8], seed: int) -> bytes:
    parameters = {
        "objective": "binary",
        "num_leaves": 7,
        "min_data_in_leaf": 10,
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
        "seed": seed,
        "verbose": -1,
    }
    data = lightgbm.Dataset(rows, labels, params={"verbose": -1})
    return str(lightgbm.train(parameters, data, num_boost_round=20).model_to_string()).encode()


def _network(kind: str, names: Sequence[str], bars: int, members: int) -> bytes:
    """The graph of titanflow.training.trainer's contract; a stack's reads its members' logits."""
    width = members if kind == "stack" else len(names)
    scales = [(0.0, 1.0)] * width if kind == "stack" else [SCALES[name] for name in names]
    weights = np.array([1.5 / (1 + n) for n in range(width)], dtype=np.float32)
    recency = np.arange(1, bars + 1, dtype=np.float32) if kind != "stack" else np.ones(1, dtype=np.float32)
    constants = {
        "mean": np.array([mean for mean, _ in scales], dtype=np.float32),
        "deviation": np.array([deviation for _, deviation in scales], dtype=np.float32),
        "weights": weights,
        "recency": recency / recency.sum(),
        "last_axis": np.array([-1], dtype=np.int64),
        "axis_1": np.array([1], dtype=np.int64),
    }
    nodes = [
        helper.make_node("Sub", ["window", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "deviation"], ["scaled"]),
        helper.make_node("Tanh", ["scaled"], ["bounded"]),
        helper.make_node("Mul", ["bounded", "weights"], ["parts"]),
        helper.make_node("ReduceSum", ["parts", "last_axis"], ["by_bar"], keepdims=0),
        helper.make_node("Mul", ["by_bar", "recency"], ["recent"]),
        helper.make_node("ReduceSum", ["recent", "last_axis"], ["raw"], keepdims=0),
    ]
    bars_read = 1 if kind == "stack" else bars
    inputs = [helper.make_tensor_value_info("window", TensorProto.FLOAT, ["batch", bars_read, width])]
    outputs = [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["batch"])]
    if kind == "tft":
        constants["tilt"] = np.array(0.01, dtype=np.float32)
        nodes += [
            helper.make_node("Cast", ["instrument"], ["number"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["number", "tilt"], ["tilted"]),
            helper.make_node("Add", ["raw", "tilted"], ["score"]),
            helper.make_node("ReduceMean", ["parts"], ["by_feature"], axes=[1], keepdims=0),
            helper.make_node("Softmax", ["by_feature"], ["selection"], axis=-1),
            helper.make_node("Softmax", ["by_bar"], ["attention"], axis=-1),
        ]
        inputs.append(helper.make_tensor_value_info("instrument", TensorProto.INT64, ["batch"]))
        outputs += [
            helper.make_tensor_value_info("selection", TensorProto.FLOAT, ["batch", width]),
            helper.make_tensor_value_info("attention", TensorProto.FLOAT, ["batch", bars]),
        ]
    else:
        nodes.append(helper.make_node("Identity", ["raw"], ["score"]))
    used = {name for node in nodes for name in node.input}
    initialisers = [numpy_helper.from_array(value, name) for name, value in constants.items() if name in used]
    graph = helper.make_graph(nodes, kind, inputs, outputs, initialisers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _reference(
    names: Sequence[str], rows: NDArray[np.float64], bars: int, distance_limit: float | None
) -> ModelReference:
    mean, deviation = rows.mean(axis=0), rows.std(axis=0)
    precision = np.linalg.inv(np.corrcoef(rows.T) * 0.9 + 0.1 * np.eye(len(names)))
    scaled = (rows - mean) / deviation
    distances = np.sqrt(np.einsum("ij,jk,ik->i", scaled, precision, scaled))
    quantiles = np.quantile(rows, np.arange(1, BINS) / BINS, axis=0)
    return ModelReference(
        features=tuple(
            FeatureReference(
                name=name,
                mean=float(mean[n]),
                deviation=float(deviation[n]),
                edges=tuple(quantiles[:, n].tolist()),
                shares=(1 / BINS,) * BINS,
            )
            for n, name in enumerate(names)
        ),
        precision=tuple(tuple(row) for row in precision.tolist()),
        distance_limit=float(np.quantile(distances, 0.99)) if distance_limit is None else distance_limit,
        background=tuple(
            tuple(tuple(row) for row in rows[first : first + bars].tolist()) for first in range(0, 8 * bars, bars)
        ),
        base_value=0.0,
    )


def _validation(labels: NDArray[np.int8], instrument: str, until: int, bar_seconds: int) -> bytes:
    count = len(labels)
    scores = np.where(labels == 1, 0.4, -0.4) + 0.3 * np.sin(np.arange(count))
    file = io.BytesIO()
    np.savez_compressed(
        file,
        closed_at=until - np.arange(count, 0, -1, dtype=np.int64) * bar_seconds * 10**9,
        instrument=np.full(count, instrument),
        score=scores,
        probability=1 / (1 + np.exp(-scores)),
        label=labels,
        fold=(np.arange(count) * 3 // count).astype(np.int8),
    )
    return file.getvalue()
