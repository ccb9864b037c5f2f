"""The models that ship: whole, fit for this version, honest about their data, small, and carried by what is built."""

import re
import subprocess
import tomllib
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from titanflow.domain.models import MANIFEST_FILE, POSITION
from titanflow.gateway.samples import sample_tape
from titanflow.models.checks import faults, serving_files
from titanflow.models.loading import Loader
from titanflow.models.registry import RegisteredModel, Registry
from titanflow.models.shipped import SHIPPED
from titanflow.models.stages import STAGES_FILE, Stage, StageAction
from titanflow.signal.features import FEATURE_MEANINGS
from titanflow.signal.fingerprint import feature_fingerprint
from titanflow.training.config import TrainingConfig, load_plan

REPOSITORY = Path(__file__).resolve().parents[3]
KINDS = ("lightgbm", "lstm", "tft", "stack", "ppo")
SERVING_LIMIT = 500_000
TOTAL_LIMIT = 1_200_000
"""Bytes of all five together: what decides, and that with the evidence."""
SECOND = 10**9
THIRD_DAY = int(datetime(2019, 2, 13, tzinfo=UTC).timestamp()) * SECOND
"""The sample tape has four days, from 11 to 14 February 2019."""
CHECKED_OUT = (REPOSITORY / ".git").exists()


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """What a user finds who has trained nothing."""
    return Registry(tmp_path)


@pytest.fixture(params=KINDS)
def model(registry: Registry, request: pytest.FixtureRequest) -> RegisteredModel:
    return registry.model(registry.find(request.param))


def shipped_settings() -> TrainingConfig:
    """What all five were trained by."""
    return load_plan("lightgbm", SHIPPED / "training.toml").config


def git(*arguments: object) -> str:
    return subprocess.run(
        ["git", "-C", str(REPOSITORY), *map(str, arguments)], capture_output=True, text=True, check=False
    ).stdout


def test_there_is_one_of_each_kind_and_each_is_the_champion_of_its_name(registry: Registry) -> None:
    models = registry.models()
    assert sorted(model.name for model in models) == sorted(KINDS)
    assert all(model.shipped and model.stage is Stage.CHAMPION for model in models)
    assert all(model.manifest and model.manifest.kind == model.name for model in models)
    assert [change.action for change in registry.log.history()] == [StageAction.PROMOTE] * len(KINDS)


def test_nothing_is_wrong_with_any_of_its_files(registry: Registry, model: RegisteredModel) -> None:
    assert faults(model.digest, registry.read(model.digest), known=registry.digests()) == []


def test_it_reads_features_as_they_are_computed_today(model: RegisteredModel) -> None:
    assert model.manifest is not None
    market = [code for code in model.manifest.features if code.name != POSITION]
    assert [code.name for code in market] == [name for name in FEATURE_MEANINGS if name != "spread"]
    assert all(code.fingerprint == feature_fingerprint(code.name) for code in market)
    assert (POSITION in {code.name for code in model.manifest.features}) == (model.name == "ppo")


def test_it_loads_answers_and_its_reasons_add_up_to_its_score(registry: Registry, model: RegisteredModel) -> None:
    loaded = Loader(registry.read).load(model.digest)
    manifest, reference = loaded.manifest, loaded.reference
    usual = tuple(feature.mean for feature in reference.features)
    window = [(*usual, 0.0) if model.name == "ppo" else usual] * manifest.window
    instrument = manifest.training.instruments[0]
    inference = loaded.infer(instrument, window)
    assert 0 < inference.probability < 1
    assert inference.dissimilarity < 0.1, "nothing is more usual than the mean of the training rows"
    why = loaded.explain(instrument, window, seed=1)
    added = why.base_value + sum(part for _, part in why.contributions)
    assert added == pytest.approx(inference.score, abs=max(why.error, 1e-9))


def test_the_stack_reads_the_other_models_that_learn_from_labels(registry: Registry) -> None:
    stack = registry.manifest(registry.find("stack"))
    assert stack.members == tuple(registry.find(name) for name in ("lightgbm", "lstm", "tft"))


def test_it_was_trained_on_the_sample_tape_by_the_shipped_settings_and_has_seen_two_of_its_days(
    model: RegisteredModel,
) -> None:
    assert model.manifest is not None
    training, config = model.manifest.training, shipped_settings()
    assert (training.source, training.sha256) == (
        sample_tape().name, sha256(sample_tape().read_bytes()).hexdigest(),
    )  # fmt: skip
    assert config.data.last_at == THIRD_DAY
    assert training.first_at < training.last_at < THIRD_DAY
    label = model.manifest.label
    assert (label.method, label.horizon_bars) == (config.label.method, config.label.horizon_bars)
    assert model.manifest.bar_seconds == 60


def test_its_out_of_fold_scores_are_of_rows_that_it_was_trained_on_later(
    registry: Registry, model: RegisteredModel
) -> None:
    assert model.manifest is not None
    with np.load(registry.folder(model.digest) / "validation.npz") as scores:
        assert set(scores["label"]) == {0, 1}
        assert len(np.unique(scores["fold"])) == shipped_settings().validation.folds
        assert model.manifest.training.first_at < scores["closed_at"].min()
        assert scores["closed_at"].max() <= model.manifest.training.last_at


def test_its_report_opens_without_a_network_and_says_whether_it_has_an_edge(
    registry: Registry, model: RegisteredModel
) -> None:
    page = (registry.folder(model.digest) / "report.html").read_text(encoding="utf-8")
    addresses = re.findall(r"""(?:href|src|srcset|action)\s*=\s*["']([^"']*)|url\(["']?([^)"']*)|(@import)""", page)
    assert all(one.startswith(("#", "data:")) for each in addresses for one in each if one)
    assert not re.search(r"<(script|link|iframe|img|object|embed)\b", page)
    assert page.count("<svg") >= 4, "curves, calibration, reasons; and importance where a kind has one"
    assert model.manifest is not None
    assert ("no edge" in page.casefold()) is not model.manifest.has_edge


def test_all_of_them_are_small(registry: Registry) -> None:
    models = registry.models()
    serving = sum(
        (registry.folder(model.digest) / name).stat().st_size
        for model in models
        if model.manifest
        for name in serving_files(model.manifest)
    )
    assert serving < SERVING_LIMIT
    assert sum(model.size for model in models) < TOTAL_LIMIT


@pytest.mark.skipif(not CHECKED_OUT, reason="not a git repository: what git carries cannot be asked")
def test_git_carries_them_and_changes_no_byte_of_theirs(registry: Registry) -> None:
    paths = [
        str(path.relative_to(REPOSITORY))
        for model in registry.models()
        for path in sorted(registry.folder(model.digest).iterdir())
    ]
    assert sum(path.endswith(MANIFEST_FILE) for path in paths) == len(KINDS)
    tracked = git("ls-files", "--", SHIPPED).splitlines()
    assert set(paths) <= set(tracked)
    assert git("check-attr", "text", "--", *paths).splitlines() == [f"{path}: text: unset" for path in paths]


@pytest.mark.skipif(not CHECKED_OUT, reason="not a git repository: what a wheel leaves out cannot be asked")
def test_a_wheel_holds_them(registry: Registry) -> None:
    """A wheel holds every file of its packages that git does not ignore, unless its settings leave some out."""
    build = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    wheel = build["targets"]["wheel"]
    assert SHIPPED.relative_to(REPOSITORY).is_relative_to("src/titanflow")
    assert "src/titanflow" in wheel["packages"]
    assert not {"exclude", "include", "only-include", "artifacts"} & (build.keys() | wheel.keys())
    files = [*SHIPPED.glob("*/*.*"), SHIPPED / STAGES_FILE, SHIPPED / "training.toml"]
    carried = [path for path in files if path.suffix != ".pyc"]
    assert len(carried) >= len(registry.models()) * 5 + 2
    assert git("check-ignore", "--no-index", "--", *carried) == ""
