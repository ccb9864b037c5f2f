"""What docs/models.md adds works as it stands there: it is put into a copy of the source, and run."""

import gzip
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, cast

import pytest
import redis

from support.short_session import events_of
from support.trainer_contract import assert_keeps_the_contract
from support.waiting import PATIENCE_S
from titanflow.domain.events import OrderFilled, SignalGenerated
from titanflow.domain.models import ModelManifest
from titanflow.domain.types import Side
from titanflow.gateway.samples import US_EQUITY
from titanflow.models.registry import Registry
from titanflow.runtime.ledgers import new_ledger
from titanflow.signal.strategies.learned_model import TIME_BARRIER
from titanflow.training.trainers import TrainerClass

REPOSITORY = Path(__file__).resolve().parents[3]
GUIDE = REPOSITORY / "docs" / "models.md"
BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<code>.*?)^```", re.DOTALL | re.MULTILINE)
SAMPLE = Path("src/titanflow/gateway/samples") / f"{US_EQUITY}.csv.gz"
TRAINERS = "src/titanflow/training/trainers"
Run = Callable[..., subprocess.CompletedProcess[str]]


class Section(NamedTuple):
    """One section's code blocks by language, in their order."""

    heading: str

    def blocks(self, language: str) -> list[str]:
        """Every block of this language."""
        _, _, rest = GUIDE.read_text(encoding="utf-8").partition(f"\n## {self.heading}\n")
        text = re.split(r"^## ", rest, maxsplit=1, flags=re.MULTILINE)[0]
        return [match["code"] for match in BLOCK.finditer(text) if match["language"] == language]

    def block(self, language: str) -> str:
        """The only one."""
        (found,) = self.blocks(language)
        return found


MODEL, FEATURE = Section("Add a model"), Section("Add a feature")


def apply(diff: str, tree: Path) -> None:
    """One hunk, headed by its file; the lines that it shows must stand there once."""
    head, *lines = diff.splitlines()
    path = tree / head.removeprefix("+++ ")
    old = "".join(f"{line[1:]}\n" for line in lines if line[:1] in (" ", "-", ""))
    new = "".join(f"{line[1:]}\n" for line in lines if line[:1] in (" ", "+", ""))
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{path}: the guide shows lines that are not there:\n{old}"
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source with the guide's model and feature in it; its sample tape is of the guide's three instruments."""
    place = tmp_path_factory.mktemp("tree")
    ignored = shutil.ignore_patterns("__pycache__")
    for folder in ("src", "docs", "scripts", "tests/support", "tests/titanflow/signal", "tests/titanflow/training"):
        shutil.copytree(REPOSITORY / folder, place / folder, ignore=ignored)
    for file in ("pyproject.toml", "README.md", "tests/conftest.py"):
        shutil.copy(REPOSITORY / file, place / file)
    symbols = set(re.findall(r'"(\w+)\.XNYS"', MODEL.blocks("toml")[0]))
    with gzip.open(REPOSITORY / SAMPLE, "rt") as rows:
        kept = [row for row in rows if row.split(",")[1] in symbols | {"symbol"}]
    with gzip.open(place / SAMPLE, "wt") as written:
        written.writelines(kept)
    (place / TRAINERS / "logistic_trainer.py").write_text(MODEL.block("python"), encoding="utf-8")
    for diff in (*MODEL.blocks("diff"), *FEATURE.blocks("diff")):
        apply(diff, place)
    for name, content in zip(("training.toml", "contenders.toml"), MODEL.blocks("toml"), strict=True):
        (place / name).write_text(content, encoding="utf-8")
    return place


@pytest.fixture
def run(tree: Path, tmp_path: Path, redis_url: str) -> Run:
    """Runs Python in the copy, with a home of the test's own."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    given = {**kept, "TITANFLOW_HOME": str(tmp_path), "REDIS_URL": redis_url, "PYTHONPATH": str(tree / "src")}

    def command(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *words], env={**given, **more}, cwd=tree, capture_output=True, text=True,
            timeout=PATIENCE_S, check=False,
        )  # fmt: skip

    return command


@pytest.mark.e2e
def test_the_model_of_the_guide_is_trained_promoted_trades_explains_and_replays(
    run: Run, tmp_path: Path, redis_url: str, database: str, session_id: str
) -> None:
    """The guide's commands one after the other, but for the session's name; the guide's feature is in, too."""
    for line in MODEL.block("sh").replace("--session logistic", f"--session {session_id}").splitlines():
        words = shlex.split(line.replace("replay logistic", f"replay {session_id}"))
        done = run("-m", *words, DATABASE_URL=database)
        assert done.returncode == 0, done.stderr + done.stdout
    assert "byte for byte" in done.stdout
    manifest = Registry(tmp_path).manifest(Registry(tmp_path).find("logistic"))
    assert (manifest.kind, manifest.artefact, manifest.window) == ("logistic", "model.onnx", 1)
    assert manifest.versions.keys() >= {"scikit-learn", "onnx", "onnxruntime"}
    assert "efficiency_10" in [code.name for code in manifest.features]
    assert not manifest.has_edge
    with redis.Redis.from_url(redis_url) as client:
        events = events_of(new_ledger(client, session_id))
    said = [event for event in events if isinstance(event, SignalGenerated)]
    assert_signals_carry_their_evidence(said, manifest)
    assert {event.side for event in events if isinstance(event, OrderFilled)} == {Side.BUY, Side.SELL}


def assert_signals_carry_their_evidence(said: list[SignalGenerated], manifest: ModelManifest) -> None:
    """Some, all after the training, each with features, probability and contributions that add up."""
    assert len(said) > 10
    assert min(signal.at for signal in said) > manifest.training.last_at
    methods = {signal.explanation.method for signal in said}
    assert "grouped_shapley_sampling" in methods <= {"grouped_shapley_sampling", TIME_BARRIER}
    for signal in said:
        why = signal.explanation
        total = why.base_value + sum(contribution for _, contribution in why.contributions)
        assert total == pytest.approx(why.score, abs=max(why.error, 1e-9))
        assert dict(signal.features).keys() >= {"efficiency_10", "probability", "dissimilarity"}
        if why.method != TIME_BARRIER:
            assert {"efficiency_10", "momentum"} <= dict(why.contributions).keys()


@pytest.fixture
def logistic() -> Any:
    """The guide's class, which has no types."""
    namespace: dict[str, Any] = {"__name__": "logistic_trainer"}
    exec(compile(MODEL.block("python"), str(GUIDE), "exec"), namespace)
    return namespace["LogisticTrainer"]


def test_the_model_of_the_guide_keeps_the_contract_of_all_trainers(logistic: TrainerClass) -> None:
    assert_keeps_the_contract("logistic", logistic, {})


def test_a_model_that_reads_rows_that_it_was_not_given_breaks_the_contract(logistic: Any) -> None:
    class Peeking(logistic):  # type: ignore[misc]
        def fit(self, samples: Any, train: Any, early_stop: Any, seed: Any, progress: Any) -> Any:
            return super().fit(samples, samples.usable(1), early_stop, seed, progress)

    with pytest.raises(AssertionError, match="rows were read that were not given"):
        assert_keeps_the_contract("logistic", cast(Any, Peeking), {})


def test_the_model_of_the_guide_is_no_longer_than_a_page() -> None:
    assert len([line for line in MODEL.block("python").splitlines() if line.strip()]) <= 30


@pytest.mark.e2e
def test_the_feature_of_the_guide_passes_the_tests_of_all_features(run: Run) -> None:
    """Those of the copy, changed as the guide says; not the one that needs all symbols of the sample."""
    pages = ("signal/test_features.py", "signal/test_fingerprint.py", "training/test_batch_features.py")
    chosen = [f"tests/titanflow/{page}" for page in pages]
    done = run("-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "not twenty", *chosen)
    assert done.returncode == 0, done.stdout
    assert re.search(r"\d{2} passed", done.stdout)


@pytest.mark.e2e
def test_the_feature_of_the_guide_gets_its_row_in_the_documentation(run: Run, tree: Path) -> None:
    _, *words = shlex.split(FEATURE.block("sh"))
    done = run(*words)
    assert done.returncode == 0, done.stderr
    assert "\n| `efficiency_10` | Change of the close over 10 bars" in (tree / "docs/strategies.md").read_text("utf-8")


@pytest.mark.e2e
@pytest.mark.parametrize("number", [0, 1], ids=["knows the future", "differs from the live one"])
def test_a_wrong_feature_of_the_guide_is_refused_in_these_words(run: Run, tree: Path, number: int) -> None:
    wrong, refusal = FEATURE.blocks("python")[number], FEATURE.blocks("text")[number]
    path = tree / "src/titanflow/training/batch_features.py"
    right = path.read_text(encoding="utf-8")
    path.write_text(f"{right}\n\n{wrong}\n\nBATCH_FEATURES['efficiency_10'] = _efficiency_10\n", encoding="utf-8")
    try:
        done = run("-m", *shlex.split(MODEL.block("sh").splitlines()[0]))
    finally:
        path.write_text(right, encoding="utf-8")
    assert done.returncode == 2
    assert " ".join(done.stderr.split()).endswith(" ".join(refusal.split())), done.stderr
