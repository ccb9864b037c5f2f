"""The LSTM and the TFT, fitted on markets that can and cannot be foreseen, and the files that they become."""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from sklearn.metrics import roc_auc_score

from support.tiny_samples import tiny_samples
from titanflow.errors import InputError
from titanflow.training.samples import Rows, Samples
from titanflow.training.trainers import Resources, trainer_class
from titanflow.training.trainers.fitted_network import FittedNetwork
from titanflow.training.trainers.lstm_trainer import LSTMTrainer
from titanflow.training.trainers.tft_trainer import TFTSettings, TFTTrainer

WINDOW = 5
FEATURES = ("rsi", "macd_histogram", "time_sin", "time_cos")
TINY = {"window": WINDOW, "epochs": 6, "patience": 3, "batch": 64, "learning_rate": 0.01}
SHAPES = {"lstm": {"hidden": 8}, "tft": {"width": 8, "heads": 2}}
OUTPUTS = {"lstm": ["score"], "tft": ["score", "selection", "attention"]}
LARGEST_ARTEFACT = 150_000
"""Bytes, by default settings on sixteen features."""

each_kind = pytest.mark.parametrize("kind", ["lstm", "tft"])


class Market(NamedTuple):
    samples: Samples
    train: Rows
    early_stop: Rows
    test: Rows


def market(edge: float) -> Market:
    samples = tiny_samples(900, features=FEATURES, edge=edge, horizon=1)
    rows = samples.usable(WINDOW)
    return Market(samples, rows[:1100], rows[1102:1400], rows[1402:])


def trainer(kind: str, checkpoint: Path | None = None, **settings: float) -> LSTMTrainer | TFTTrainer:
    chosen = trainer_class(kind)
    made = chosen(
        chosen.Settings.model_validate({**TINY, **SHAPES[kind], **settings}), Resources("cpu", checkpoint=checkpoint)
    )
    assert isinstance(made, LSTMTrainer | TFTTrainer)
    return made


def fit(kind: str, given: Market, seed: int = 1, **settings: float) -> FittedNetwork:
    made = trainer(kind, **settings)
    return made.fit(given.samples, given.train, given.early_stop, seed, lambda _what, _part: None)


@cache
def learned(kind: str) -> FittedNetwork:
    return fit(kind, market(edge=1.0))


SIXTEEN = tiny_samples(120, features=(*FEATURES, *(f"f{number}" for number in range(12))), horizon=15)


def fit_by_default(kind: str) -> FittedNetwork:
    made = trainer_class(kind)
    fitted = made(made.Settings(epochs=1), Resources("cpu"))
    rows = SIXTEEN.usable(fitted.window)
    got = fitted.fit(SIXTEEN, rows[:80], rows[80:], 1, lambda _what, _part: None)
    assert isinstance(got, FittedNetwork)
    return got


@cache
def exported(kind: str) -> tuple[FittedNetwork, bytes]:
    fitted = fit_by_default(kind)
    name, artefact = fitted.artefact()
    assert name == "model.onnx"
    return fitted, artefact


@each_kind
def test_a_planted_pattern_is_learned(kind: str) -> None:
    given = market(edge=1.0)
    auc = roc_auc_score(given.samples.label[given.test], learned(kind).scores(given.samples, given.test))
    # An oracle that knows the first feature alone gets 0.75.
    assert auc > 0.68


@each_kind
def test_where_nothing_can_be_foreseen_nothing_is(kind: str) -> None:
    given = market(edge=0.0)
    fitted = fit(kind, given, epochs=2)
    auc = roc_auc_score(given.samples.label[given.test], fitted.scores(given.samples, given.test))
    # Three standard errors of the AUC of two classes of about 195 rows: 3 * sqrt(1 / (6 * 195)) = 0.088.
    assert abs(auc - 0.5) < 0.09


@each_kind
def test_the_feature_that_tells_is_the_most_important(kind: str) -> None:
    importance = learned(kind).importance()
    assert list(importance) == list(FEATURES)
    assert sum(importance.values()) == pytest.approx(1)
    assert max(importance, key=importance.__getitem__) == "rsi"


@each_kind
def test_one_seed_gives_the_same_scores_twice(kind: str) -> None:
    given = market(edge=1.0)
    first, again, other = (fit(kind, given, seed, epochs=2).scores(given.samples, given.test) for seed in (1, 1, 2))
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()


@each_kind
def test_a_fit_killed_after_an_epoch_ends_as_if_it_had_not_been(kind: str, tmp_path: Path) -> None:
    given = market(edge=1.0)

    def killed(what: str, _part: float) -> None:
        if what.startswith("epoch 2 "):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trainer(kind, tmp_path, epochs=3).fit(given.samples, given.train, given.early_stop, 1, killed)
    told: list[str] = []
    resumed = trainer(kind, tmp_path, epochs=3).fit(
        given.samples, given.train, given.early_stop, 1, lambda what, _part: told.append(what)
    )
    whole = fit(kind, given, epochs=3)
    assert len([what for what in told if what.startswith("epoch")]) == 1
    assert resumed.scores(given.samples, given.test).tobytes() == whole.scores(given.samples, given.test).tobytes()


@each_kind
def test_a_fit_never_reads_a_row_that_it_was_not_given(kind: str) -> None:
    given = market(edge=1.0)
    fitted = fit(kind, given, epochs=1)
    samples = given.samples
    later = np.flatnonzero(samples.closed_at > samples.settled_at[given.early_stop].max())
    assert len(later) > 300
    samples.features[later] = 1e6
    samples.label[later] = 0
    samples.close[later] = 1.0
    rows = given.early_stop
    assert fit(kind, given, epochs=1).scores(samples, rows).tobytes() == fitted.scores(samples, rows).tobytes()


def test_quantiles_do_not_cross_after_training() -> None:
    given = market(edge=1.0)
    fitted = learned("tft")
    with torch.no_grad():
        quantiles = fitted.network.foresee(*fitted.inputs(given.samples, given.test)).quantiles
    assert quantiles.shape == (len(given.test), 1, 3)
    assert (quantiles.diff(dim=-1) > 0).all()


def test_quantiles_cover_as_often_as_they_say() -> None:
    given = market(edge=1.0)
    fitted = learned("tft")
    samples, rows = given.samples, given.test
    deviation = samples.forward_return[given.train].std()
    with torch.no_grad():
        quantiles = fitted.network.foresee(*fitted.inputs(samples, rows)).quantiles[:, -1].numpy() * deviation
    below = (samples.forward_return[rows][:, None] < quantiles).mean(axis=0)
    np.testing.assert_allclose(below, [0.1, 0.5, 0.9], atol=0.08)


@each_kind
@pytest.mark.parametrize("batch", [1, 3, 64])
def test_the_artefact_scores_as_the_network_does(kind: str, batch: int) -> None:
    fitted, artefact = exported(kind)
    rows = SIXTEEN.usable(fitted.inputs.window)[-batch:]
    session = onnxruntime.InferenceSession(artefact, providers=["CPUExecutionProvider"])
    inputs = zip(fitted.inputs.names, fitted.inputs(SIXTEEN, rows), strict=True)
    answers = session.run(OUTPUTS[kind], {name: part.numpy() for name, part in inputs})
    with torch.no_grad():
        expected = fitted.network(*fitted.inputs(SIXTEEN, rows))
    for answer, wanted in zip(answers, expected if kind == "tft" else (expected,), strict=True):
        np.testing.assert_allclose(answer, wanted, atol=1e-5)
    np.testing.assert_allclose(answers[0], fitted.scores(SIXTEEN, rows), atol=1e-5)
    for weights in answers[1:]:
        np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-5)


@each_kind
def test_the_artefact_has_the_inputs_and_outputs_of_the_contract(kind: str) -> None:
    fitted, artefact = exported(kind)
    graph = onnx.load_model_from_string(artefact).graph
    dims = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    }
    assert [value.name for value in graph.output] == OUTPUTS[kind]
    wanted = {"window": ["batch", fitted.inputs.window, 16], "score": ["batch"]}
    if kind == "tft":
        wanted |= {"instrument": ["batch"], "selection": ["batch", 16], "attention": ["batch", fitted.inputs.window]}
    assert dims == wanted


@each_kind
def test_the_artefact_is_small_and_names_no_path(kind: str) -> None:
    _, artefact = exported(kind)
    assert len(artefact) < LARGEST_ARTEFACT
    assert b".py" not in artefact


def test_the_same_seed_becomes_the_same_bytes() -> None:
    assert fit_by_default("lstm").artefact()[1] == exported("lstm")[1]


@each_kind
def test_samples_of_other_features_are_refused(kind: str) -> None:
    with pytest.raises(InputError, match="reads the features rsi, macd_histogram, time_sin, time_cos"):
        learned(kind).scores(tiny_samples(60), np.array([10]))


def test_an_instrument_that_was_never_seen_is_scored_as_unknown() -> None:
    fitted = learned("tft")
    stranger = tiny_samples(60, instruments=("QQQ.XNAS",), features=FEATURES)
    window, number = fitted.inputs(stranger, np.array([10]))
    assert number.tolist() == [0]
    with torch.no_grad():
        expected = fitted.network(window, torch.tensor([0]))[0].item()
    assert fitted.scores(stranger, np.array([10]))[0] == expected


def test_heads_that_do_not_share_the_width_are_refused() -> None:
    with pytest.raises(ValueError, match="heads 5 must divide width 12"):
        TFTSettings(heads=5)
