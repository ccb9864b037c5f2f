"""A training from the tape to the registry: what is registered can be served, and says how it came to be."""

import io
from collections.abc import Callable
from pathlib import Path

import lightgbm
import msgspec
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from support.short_session import SYMBOLS, write_tape
from titanflow.domain.models import POSITION, ModelManifest
from titanflow.errors import InputError
from titanflow.models.loading import Loader
from titanflow.models.registry import Registry
from titanflow.models.stages import Stage
from titanflow.signal.fingerprint import feature_fingerprint
from titanflow.training import folds
from titanflow.training.batch_features import BATCH_FEATURES
from titanflow.training.config import load_plan
from titanflow.training.data import DataSpec, load_bars, no_progress
from titanflow.training.dataset import build_samples
from titanflow.training.folds import TRAININGS_FOLDER
from titanflow.training.run import Trained, TrainingRun
from titanflow.training.splits import part

QUICK = """
[validation]
folds = 2
permutations = 19
[features]
names = ["return_1", "return_5", "rsi", "atr", "time_sin"]
[decision]
explanation_samples = 2
[model.lightgbm]
trees = 5
leaves = 4
[model.lstm]
window = 4
hidden = 4
epochs = 1
[model.tft]
window = 4
width = 4
heads = 1
epochs = 1
[model.ppo]
rounds = 1
environments = 1
bars_per_round = 64
batch = 32
hidden = 4
"""
Train = Callable[..., Trained]


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tape(tmp_path_factory.mktemp("tape") / "short.csv", minutes=300)


@pytest.fixture(scope="module")
def train(tape: Path, tmp_path_factory: pytest.TempPathFactory) -> Train:
    path = tmp_path_factory.mktemp("config") / "train.toml"

    def no_ledger(session: str) -> None:
        raise AssertionError(f"nobody asked for {session}")

    def trained(
        home: Path, kind: str = "lightgbm", more: str = "", *, name: str = "", said: list[str] | None = None,
        fresh: bool = False, seed: int = 7,
    ) -> Trained:  # fmt: skip
        path.write_text(QUICK + more)
        plan = load_plan(kind, path, {"resources.workers": 1}, seed=seed, name=name)
        run = TrainingRun(plan, (str(tape),), home, no_ledger, no_progress)  # type: ignore[arg-type]
        return run.run((said if said is not None else []).append, fresh=fresh)

    return trained


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def trained(train: Train, home: Path) -> Trained:
    return train(home)


def deeds(manifest: ModelManifest) -> ModelManifest:
    """A manifest without the time of day: the report is made of the rest, too."""
    return msgspec.structs.replace(manifest, trained_at=0)


def test_what_is_registered_is_a_candidate_that_serves_the_scores_of_its_artefact(
    trained: Trained, home: Path, tape: Path
) -> None:
    registry = Registry(home)
    assert registry.model(trained.digest).stage is Stage.CANDIDATE
    model = Loader(registry.read).load(trained.digest)
    names = tuple(code.name for code in model.manifest.features)
    samples = build_samples(load_bars(DataSpec((str(tape),))), names, model.manifest.label)
    rows = samples.usable(1)[::50]
    booster = lightgbm.Booster(model_str=registry.read(trained.digest)["model.txt"].decode())
    served = [model.infer("AAPL.XNYS", [tuple(map(float, samples.features[row]))]).score for row in rows]
    assert_allclose(served, np.asarray(booster.predict(samples.features[rows], raw_score=True)), rtol=0, atol=1e-12)


def test_the_registered_model_speaks_at_the_extremes_of_its_own_scores_of_rows_that_it_was_not_fitted_on(
    trained: Trained, home: Path, tape: Path
) -> None:
    model = Loader(Registry(home).read).load(trained.digest)
    manifest = model.manifest
    names = tuple(code.name for code in manifest.features)
    samples = build_samples(load_bars(DataSpec((str(tape),))), names, manifest.label)
    last = part(samples, samples.usable(1)).early_stop
    chances = [model.infer("AAPL.XNYS", [tuple(map(float, samples.features[row]))]).probability for row in last]
    speaks = (manifest.thresholds.sell_below, manifest.thresholds.buy_above)
    assert_allclose(speaks, np.quantile(chances, (0.10, 0.90)), rtol=1e-12)


def test_the_manifest_tells_data_label_features_versions_and_what_validation_found(trained: Trained) -> None:
    manifest = trained.manifest
    assert [code.fingerprint for code in manifest.features] == [feature_fingerprint(c.name) for c in manifest.features]
    assert manifest.training.source == "short.csv"
    assert {name.partition(".")[0] for name in manifest.training.instruments} == set(SYMBOLS)
    assert manifest.training.first_at < manifest.training.last_at
    assert 0 < manifest.label.positives < 1
    assert manifest.metrics["folds"] == 2
    assert manifest.has_edge == trained.validation.verdict.startswith("edge")
    assert manifest.versions["lightgbm"] == lightgbm.__version__
    assert manifest.explanation_samples == 0
    assert {file.name for file in manifest.files} == {"model.txt", "reference.json", "report.html", "validation.npz"}
    assert trained.report.read_bytes().startswith(b"<!doctype html>")


def test_the_out_of_fold_scores_are_of_the_tested_rows_alone(trained: Trained, home: Path) -> None:
    content = Registry(home).read(trained.digest)["validation.npz"]
    with np.load(io.BytesIO(content), allow_pickle=False) as said:
        assert len(said["score"]) == sum(len(fold.test) for fold in trained.validation.folds)
        assert set(said["fold"].tolist()) == {1, 2}
        assert set(said["instrument"].tolist()) <= set(trained.manifest.training.instruments)
        assert set(said["label"].tolist()) <= {0, 1}


def test_a_training_that_was_stopped_goes_on_where_it_was_and_ends_the_same(
    train: Train, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = folds.fit_task

    def stopped(samples: object, task: folds.FoldTask, progress: object) -> object:
        if task.fold.number == 2:
            raise KeyboardInterrupt
        return fit(samples, task, progress)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(folds, "fit_task", stopped)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path)
    said: list[str] = []
    resumed = train(tmp_path, said=said)
    assert resumed.resumed_folds == 1
    assert any("1 of 2 folds were finished earlier" in line for line in said)
    assert deeds(resumed.manifest) == deeds(trained.manifest)
    assert not any((tmp_path / TRAININGS_FOLDER).iterdir()), "what is registered need not be resumed"


def test_another_seed_shares_nothing_with_a_stopped_training_and_fresh_forgets_it(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(TrainingRun, "_concluded", lambda *_: None)
        train(tmp_path)
        said: list[str] = []
        train(tmp_path, said=said, seed=8)
        train(tmp_path, said=said, fresh=True)
    assert not [line for line in said if "finished earlier" in line]
    assert train(tmp_path, said=said).resumed_folds == 2


def test_a_feature_that_knows_the_future_is_refused_by_name(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tomorrow(bars: pd.DataFrame) -> pd.Series:
        return bars["close"].shift(-1) / bars["close"] - 1.0

    monkeypatch.setitem(BATCH_FEATURES, "return_1", tomorrow)
    with pytest.raises(InputError, match="return_1 looks into the future"):
        train(tmp_path)
    assert not Registry(tmp_path, shipped=tmp_path / "none").digests()


def test_the_best_of_several_settings_is_registered_and_their_number_told(train: Train, tmp_path: Path) -> None:
    search = "[search.lightgbm]\nlearning_rate = {}\n"
    alone = {rate: train(tmp_path, more=search.format([rate])) for rate in (0.9, 0.001)}
    losses = {rate: one.manifest.metrics["log_loss"] for rate, one in alone.items()}
    best = min(losses, key=losses.__getitem__)
    found = train(tmp_path, more=search.format([0.9, 0.001]))
    assert found.validation.settings_tried == 2
    assert f"learning_rate {best}" in found.settings
    assert found.manifest.metrics["log_loss"] == losses[best]
    assert b"Settings tried" in found.report.read_bytes()


def test_the_champion_of_the_name_is_the_parent_of_what_is_trained_next(train: Train, tmp_path: Path) -> None:
    first = train(tmp_path, name="mine")
    Registry(tmp_path).promote(first.digest)
    second = train(tmp_path, name="mine", seed=8)
    assert (first.manifest.parent, second.manifest.parent) == ("", first.digest)


@pytest.mark.parametrize("kind", ["lstm", "tft", "ppo"])
def test_every_kind_is_served_and_explained_as_it_was_registered(train: Train, tmp_path: Path, kind: str) -> None:
    found = train(tmp_path, kind)
    model = Loader(Registry(tmp_path).read).load(found.digest)
    names = [code.name for code in model.manifest.features]
    assert (names[-1] == POSITION) == (kind == "ppo")
    window = [tuple(0.01 * number for number, _ in enumerate(names))] * model.manifest.window
    inference = model.infer("AAPL.XNYS", window)
    why = model.explain("AAPL.XNYS", window, 1)
    assert 0 < inference.probability < 1
    assert abs(why.base_value + sum(part for _, part in why.contributions) - why.score) <= why.error + 1e-6


def test_a_stack_learns_from_registered_members_and_reads_what_they_read(train: Train, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="titanflow train lightgbm"):
        train(tmp_path, "stack")
    members = [train(tmp_path, name=name, seed=seed).digest for name, seed in (("one", 1), ("two", 2))]
    found = train(tmp_path, "stack", '[model.stack]\nmembers = ["one", "two"]\n')
    model = Loader(Registry(tmp_path).read).load(found.digest)
    assert list(model.manifest.members) == members
    assert {code.name for code in model.manifest.features} == {"return_1", "return_5", "rsi", "atr", "time_sin"}
    row = tuple(0.1 for _ in model.manifest.features)
    assert 0 < model.infer("AAPL.XNYS", [row] * model.manifest.window).probability < 1
