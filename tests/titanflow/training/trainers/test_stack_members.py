"""Members are chosen by name, must have learned the same from the same data, and bring scores out of fold only."""

import io
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from support.tiny_models import Files, install, tiny_model_files
from support.tiny_samples import tiny_samples
from titanflow.domain.models import REFERENCE_FILE, LabelSpec, ModelManifest
from titanflow.errors import InputError, ModelMissingError
from titanflow.models.checks import read_reference
from titanflow.models.loading import Loader
from titanflow.models.registry import Registry
from titanflow.models.serving import serve
from titanflow.training.samples import Samples
from titanflow.training.trainers.stack_members import (
    LARGEST_LOGIT,
    Target,
    choose_members,
    stack_inputs,
    stack_samples,
)
from titanflow.training.trainers.stack_trainer import StackTrainer

SAMPLES = tiny_samples(200)
TARGET = Target(SAMPLES.window, SAMPLES.bar_seconds, SAMPLES.label_spec)
FROM_ROW = 40
"""Rows before it were in no test fold."""


def out_of_fold(samples: Samples, seed: int, flipped: int = 0) -> bytes:
    rows = np.setdiff1d(samples.usable(1), np.arange(FROM_ROW))
    label = samples.label[rows].copy()
    label[:flipped] = 1 - label[:flipped]
    odds = np.random.default_rng(seed).standard_normal(len(rows)) + 2 * samples.label[rows] - 1
    file = io.BytesIO()
    np.savez(
        file,
        closed_at=samples.closed_at[rows],
        instrument=np.array(samples.instruments)[samples.instrument[rows]],
        score=odds,
        probability=1 / (1 + np.exp(-odds)),
        label=label,
        fold=np.zeros(len(rows), dtype=np.int16),
    )
    return file.getvalue()


def model(name: str, kind: str = "lightgbm", *, seed: int = 1, flipped: int = 0) -> tuple[ModelManifest, Files]:
    """A tiny model that says it learned from SAMPLES."""
    manifest, files = tiny_model_files(kind, name, seed=seed)
    files["validation.npz"] = out_of_fold(SAMPLES, seed, flipped)
    manifest = msgspec.structs.replace(
        manifest, label=SAMPLES.label_spec, training=SAMPLES.window, trained_at=manifest.trained_at + seed
    )
    return manifest, files


def own_models(home: Path) -> Registry:
    """Those of the test, without the models that ship."""
    return Registry(home, shipped=home / "none")


def register(home: Path, manifest: ModelManifest, files: Files) -> str:
    return own_models(home).add(manifest, files, who="tester")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    register(tmp_path, *model("lightgbm", seed=1))
    register(tmp_path, *model("lstm", "lstm", seed=2))
    return tmp_path


def test_a_missing_member_says_what_to_train_first(home: Path) -> None:
    with pytest.raises(InputError, match="'tft' and there is none: run `titanflow train tft --data"):
        choose_members(own_models(home), ("lightgbm", "lstm", "tft"), TARGET)


def test_a_reference_that_is_no_model_is_refused_with_what_there_is(home: Path) -> None:
    with pytest.raises(ModelMissingError, match="there are lightgbm"):
        choose_members(own_models(home), ("lightgbm", "oracle"), TARGET)


def test_the_newest_fitting_model_of_a_name_is_taken_unless_a_fitting_champion_stands(home: Path) -> None:
    registry = own_models(home)
    older = registry.find("lightgbm@candidate")
    newer = register(home, *model("lightgbm", seed=9))
    assert choose_members(registry, ("lightgbm", "lstm"), TARGET)[0].digest == newer
    registry.promote(older, who="tester")
    assert choose_members(registry, ("lightgbm", "lstm"), TARGET)[0].digest == older
    other = register(home, *tiny_model_files("lightgbm", "lightgbm", seed=11))
    registry.promote(other, who="tester")
    assert choose_members(registry, ("lightgbm", "lstm"), TARGET)[0].digest == newer


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"bar_seconds": 30}, "bar_seconds 30 where 60 is expected"),
        (
            {"training": msgspec.structs.replace(SAMPLES.window, sha256="f" * 64)},
            "data ffffffffffff where 000000000000",
        ),
        (
            {"label": LabelSpec(method="triple_barrier", horizon_bars=9, profit=2.0, stop=2.0, positives=0.5)},
            "label.method triple_barrier where forward_return is expected; label.horizon_bars 9 where 5 is expected",
        ),
    ],
)
def test_a_member_that_learned_something_else_is_refused_with_what_differs(
    tmp_path: Path, change: dict[str, object], said: str
) -> None:
    manifest, files = model("lightgbm")
    register(tmp_path, msgspec.structs.replace(manifest, **change), files)
    with pytest.raises(InputError) as refused:
        choose_members(own_models(tmp_path), ("lightgbm", "lightgbm"), TARGET)
    assert said in str(refused.value)
    assert "Run `titanflow train lightgbm` on the same data" in str(refused.value)


def test_an_agent_is_no_member_since_its_score_depends_on_its_position(home: Path) -> None:
    register(home, *model("agent", "ppo"))
    with pytest.raises(InputError, match="its score depends on its own position, not on the market alone"):
        choose_members(own_models(home), ("lightgbm", "agent"), TARGET)


def test_a_model_of_a_kind_that_was_added_may_be_a_member(home: Path) -> None:
    manifest, files = model("plain", "lstm", seed=5)
    register(home, msgspec.structs.replace(manifest, kind="logistic"), files)
    assert [member.name for member in choose_members(own_models(home), ("lightgbm", "plain"), TARGET)] == [
        "lightgbm",
        "plain",
    ]


def test_a_stack_is_no_member_of_another(home: Path) -> None:
    manifest, files = model("tower", seed=6)
    members = tuple(found.digest for found in own_models(home).models())
    register(home, msgspec.structs.replace(manifest, members=members), files)
    with pytest.raises(InputError, match="differs: it is a stack itself"):
        choose_members(own_models(home), ("lightgbm", "tower"), TARGET)


def test_one_model_alone_or_named_twice_is_no_stack(home: Path) -> None:
    for references in (("lightgbm",), ("lightgbm", "lightgbm@candidate")):
        with pytest.raises(InputError, match="two or more models, each named once"):
            choose_members(own_models(home), references, TARGET)


def test_other_labels_for_the_same_bars_are_refused_with_their_number(home: Path) -> None:
    register(home, *model("odd", "tft", seed=4, flipped=3))
    members = choose_members(own_models(home), ("lightgbm", "odd"), TARGET)
    with pytest.raises(InputError, match=r"odd\) learned other labels: 3 of 350 differ"):
        stack_samples(SAMPLES, members)


def test_a_row_has_each_members_log_odds_or_none_where_it_was_not_tested(home: Path) -> None:
    members = choose_members(own_models(home), ("lightgbm", "lstm"), TARGET)
    samples = stack_samples(SAMPLES, members)
    assert samples.feature_names == tuple(f"{each.name} {each.digest[:12]}" for each in members)
    for column, member in enumerate(members):
        said = np.load(io.BytesIO(member.validation))
        for entry in range(0, len(said["label"]), 37):
            (row,) = np.flatnonzero(
                (np.array(SAMPLES.instruments)[SAMPLES.instrument] == said["instrument"][entry])
                & (SAMPLES.closed_at == said["closed_at"][entry])
            )
            calibration = member.manifest.calibration
            odds = calibration.slope * said["score"][entry] + calibration.intercept
            assert samples.features[row, column] == pytest.approx(odds)
    assert np.isnan(samples.features[:FROM_ROW]).all()
    assert len(samples.usable(1)) == len(np.load(io.BytesIO(members[0].validation))["label"])


def test_every_fold_is_on_the_scale_of_a_session_however_its_own_calibration_stretched_it(home: Path) -> None:
    members = choose_members(own_models(home), ("lightgbm", "lstm"), TARGET)
    said = dict(np.load(io.BytesIO(members[0].validation)))
    said["probability"] = 0.5 + (said["probability"] - 0.5) * np.where(
        said["closed_at"] > np.median(said["closed_at"]), 1.0, 1e-3
    )
    file = io.BytesIO()
    np.savez(file, **said)
    samples = stack_samples(SAMPLES, (members[0]._replace(validation=file.getvalue()), members[1]))
    assert np.array_equal(samples.features, stack_samples(SAMPLES, members).features, equal_nan=True)


def test_a_score_beyond_all_doubt_is_the_largest_log_odds(home: Path) -> None:
    members = choose_members(own_models(home), ("lightgbm", "lstm"), TARGET)
    said = dict(np.load(io.BytesIO(members[0].validation)))
    said["score"] = 1e6 * (2.0 * said["label"] - 1.0)
    file = io.BytesIO()
    np.savez(file, **said)
    samples = stack_samples(SAMPLES, (members[0]._replace(validation=file.getvalue()), members[1]))
    rows = samples.usable(1)
    assert set(samples.features[rows, 0]) == {LARGEST_LOGIT, -LARGEST_LOGIT}


def test_a_stack_reads_all_that_its_members_read_in_the_order_of_the_feature_vector(tmp_path: Path) -> None:
    first = tiny_model_files("lightgbm", "a", ("rsi", "return_1"))
    second = tiny_model_files("lstm", "b", ("spread", "rsi", "atr"), window=12)
    for each in (first, second):
        install(tmp_path, *each)
    target = Target(first[0].training, 60, first[0].label)
    second_target = msgspec.structs.replace(second[0], training=target.window, label=target.label)
    install(tmp_path, second_target, second[1])
    members = choose_members(own_models(tmp_path), ("a", "b"), target)
    assert stack_inputs(members) == (("return_1", "rsi", "atr", "spread"), 12)


def test_a_trained_stack_is_served_with_its_members_and_scores_as_it_was_trained(home: Path) -> None:
    members = choose_members(own_models(home), ("lightgbm", "lstm"), TARGET)
    samples = stack_samples(SAMPLES, members)
    rows = samples.usable(1)
    fitted = StackTrainer().fit(samples, rows[:200], rows[200:], 1, lambda _what, _part: None)
    manifest, files = tiny_model_files("stack", members=[member.manifest for member in members])
    files["model.onnx"] = fitted.artefact()[1]

    registry = own_models(home)
    served = [Loader(registry.read).load(member.digest) for member in members]
    reference = read_reference(files[REFERENCE_FILE])
    stack = serve(manifest, files, reference, served)
    window = reference.background[0]
    names = [code.name for code in manifest.features]
    odds = []
    for each in served:
        calibration, columns = each.manifest.calibration, [names.index(code.name) for code in each.manifest.features]
        seen = [tuple(bar[column] for column in columns) for bar in window[-each.manifest.window :]]
        odds.append(calibration.slope * each.infer("AAPL.XNYS", seen).score + calibration.intercept)
    expected = fitted.scores(replace(samples, features=np.array([odds])), np.array([0]))[0]
    assert stack.infer("AAPL.XNYS", window).score == pytest.approx(expected, abs=1e-5)
