"""`titanflow models` as its users call it, on real folders of real tiny models."""

import getpass
from pathlib import Path

import msgspec
import pytest

from support.short_session import write_tape
from support.tiny_models import Files, install, tiny_model_files
from titanflow.domain.models import ModelManifest
from titanflow.models.registry import Registry

from .conftest import HOUR, OPEN, CommandLine

pytestmark = pytest.mark.e2e

MODEL_ERROR = 6


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def models(home: Path) -> CommandLine:
    """The command line in a home of its own; no command here needs a server."""
    return CommandLine(home)


@pytest.fixture
def registry(home: Path) -> Registry:
    return Registry(home)


def own(lines: list[dict[str, object]]) -> list[dict[str, object]]:
    """Those that did not ship with the package."""
    return [line for line in lines if not line["shipped"]]


def test_promotion_and_the_way_back_are_kept_with_who_and_why(models: CommandLine, registry: Registry) -> None:
    first = registry.add(*tiny_model_files(name="tiny"))
    second = registry.add(*tiny_model_files(name="tiny", parent=first, seed=8))
    models.good("models", "promote", first)
    told = models.good("models", "promote", "tiny@candidate", "--reason", "higher AUC")
    assert told.splitlines() == [f"{second} is the champion of tiny", f"{first} is retired"]
    stages = {line["digest"]: line["stage"] for line in own(models.json("models", "list"))}
    assert stages == {first: "retired", second: "champion"}
    back = models.json("models", "rollback", "tiny", "--reason", "it lost")
    assert (back["digest"], back["replaced"], back["who"]) == (first, second, getpass.getuser())
    shown = models.json("models", "show", "tiny")
    assert (shown["digest"], shown["stage"]) == (first, "champion")
    assert [(change["action"], change["reason"]) for change in shown["history"]][2:] == [
        ("promote", ""), ("promote", "higher AUC"), ("roll_back", "it lost"),
    ]  # fmt: skip
    refused = models("models", "rollback", "tiny")
    assert refused.returncode == MODEL_ERROR
    assert "has no parent to go back to" in refused.stderr


def test_the_list_and_the_evidence_are_readable(models: CommandLine, registry: Registry) -> None:
    digest = registry.add(*tiny_model_files(name="tiny", session=("monday", 1, 5000)))
    line = next(line for line in models.good("models", "list").splitlines() if line.startswith("tiny"))
    for word in (digest[:12], "candidate", "lightgbm", "2023-11-21 20:53:20", "600", "0.53", "no", "own"):
        assert word in line
    shown = models.good("models", "show", "tiny@candidate")
    for words in (
        digest, "session monday, seq 1 to 5,000: 600 rows", "return_1, return_5, rsi", "auc 0.53", "found none",
        "triple_barrier, settled within 15 bars, profit 2 and stop 2 average true ranges",
        "buys from 60.00% on, sells up to 40.00%", "none: the first of its name", f"registered {digest[:12]}",
        "model.txt  2",
    ):  # fmt: skip
        assert words in shown


def test_the_list_shows_a_model_whose_files_have_another_size_as_damaged_and_names_the_full_check(
    models: CommandLine, registry: Registry
) -> None:
    digest = registry.add(*tiny_model_files(name="tiny"))
    whole = models.good("models", "list")
    assert "only sizes were looked at; `titanflow models verify` checks every byte" in whole
    (registry.folder(digest) / "report.html").write_bytes(b"")
    (line,) = (line for line in models.good("models", "list").splitlines() if line.startswith("tiny"))
    assert " damaged " in line
    assert "2023-11-21 20:53:20" in line, "what the manifest says is still shown"
    (listed,) = own(models.json("models", "list"))
    assert (listed["damaged"], listed["stage"]) == (True, "candidate")
    assert "damaged: `titanflow models verify` says" in models.good("models", "show", "tiny@candidate")


def test_a_model_that_is_not_there_is_answered_with_those_that_are(models: CommandLine, registry: Registry) -> None:
    digest = registry.add(*tiny_model_files(name="tiny"))
    missing = models("models", "show", "titan")
    assert missing.returncode == MODEL_ERROR
    assert "'titan' is no model" in missing.stderr
    assert f"tiny {digest[:12]} (candidate)" in missing.stderr


def spoilt(manifest: ModelManifest, **changes: object) -> ModelManifest:
    return msgspec.structs.replace(manifest, **changes)


def test_verify_names_every_fault_of_every_model_and_ends_with_one(
    models: CommandLine, registry: Registry, home: Path
) -> None:
    manifest, files = tiny_model_files(name="tiny")
    whole = registry.add(manifest, files)
    assert f"tiny {whole[:12]} (candidate): intact" in models.good("models", "verify", whole)

    flipped: Files = {**files, "model.txt": files["model.txt"].replace(b"tree_sizes", b"tree_sizez", 1)}
    manifests = {
        install(home, spoilt(manifest, seed=1), flipped): "model.txt was changed: expected sha256",
        install(home, spoilt(manifest, features=manifest.features[1:]), files): "reference.json describes other",
        install(home, spoilt(manifest, versions={"lightgbm": "99.1"}), files): "but the model was made with 99.1",
        install(home, spoilt(manifest, seed=2), {**files, "report.html": b""}): "report.html is truncated",
    }
    checked = models("models", "verify")
    assert checked.returncode == 1
    for digest, fault in manifests.items():
        verdict = checked.stdout.partition(f"tiny {digest[:12]} (candidate): damaged or unfit\n")[2]
        assert verdict.splitlines()[0].startswith("  ")
        assert fault in verdict.splitlines()[0]
    assert f"tiny {whole[:12]} (candidate): intact" in checked.stdout
    assert "models are intact" in checked.stdout.splitlines()[-1]
    assert models("models", "promote", next(iter(manifests))).returncode == MODEL_ERROR


def test_a_model_is_not_validated_on_what_it_was_taught_on_and_is_on_what_came_later(
    models: CommandLine, registry: Registry, tmp_path: Path
) -> None:
    registry.add(*tiny_model_files(name="tiny", trained_until=OPEN + HOUR))
    tape = write_tape(tmp_path / "morning.csv", minutes=240)
    refused = models("models", "validate", "tiny@candidate", "--data", tape)
    assert refused.returncode == 2
    assert "was trained on tiny.csv up to 2019-02-11T15:30:00Z" in refused.stderr
    assert "begin at 2019-02-11T14:31:00Z" in refused.stderr
    found = models.json("models", "validate", "tiny@candidate", "--data", tape, "--first", "2019-02-11T15:31")
    assert found["traded"].keys() == {"model", "flat", "buy_and_hold", "sma_crossover"}
    assert 200 < found["rows"] < 3 * 180
    assert found["first_at_ns"] > OPEN + HOUR
    assert found["has_edge"] is False, "an invented model knows nothing of a real market"
