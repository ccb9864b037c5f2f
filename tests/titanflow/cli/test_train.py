"""`titanflow train` as its users call it: what it prints, what it refuses, and that it can be stopped and resumed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.short_session import write_tape
from support.waiting import PATIENCE_S, wait_until
from titanflow.cli import train
from titanflow.errors import InputError
from titanflow.training.folds import TRAININGS_FOLDER

from .conftest import CommandLine

pytestmark = pytest.mark.e2e

QUICK = """
[validation]
folds = 2
permutations = 19
[model.lightgbm]
trees = 5
"""
SLOW = """
[validation]
folds = 2
permutations = 19
[model.lightgbm]
trees = 2000
early_stop_rounds = 1000
[search.lightgbm]
learning_rate = [0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.007, 0.008]
"""


@pytest.fixture(scope="module")
def long_tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tape(tmp_path_factory.mktemp("tape") / "long.csv", minutes=300)


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "quick.toml"
    path.write_text(QUICK)
    return path


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """Training from tapes needs no server: a home like any other directory."""
    return CommandLine(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def answer(alone: CommandLine, long_tape: Path, quick: Path) -> Any:
    return alone.json("train", "lightgbm", "--data", long_tape, "--config", quick, "--workers", 1)


def test_a_training_answers_with_the_documented_fields_and_is_registered(answer: Any, alone: CommandLine) -> None:
    assert answer["kind"] == answer["name"] == "lightgbm"
    assert answer["verdict"].startswith("edge" if answer["has_edge"] else "no edge")
    assert [fold["fold"] for fold in answer["folds"]] == [1, 2]
    assert set(answer["folds"][0]["baselines"]) == {"flat", "buy_and_hold", "sma_crossover"}
    assert 0 < answer["positives"] < 1
    assert 0 < answer["mean_settled_bars"] <= answer["label_horizon_bars"]
    assert Path(answer["report"]).is_file()
    assert answer["digest"] in alone.good("models", "list", "--json")


def test_a_training_for_people_says_the_verdict_and_what_to_do_next(
    alone: CommandLine, long_tape: Path, quick: Path
) -> None:
    text = alone.good("train", "lightgbm", "--data", long_tape, "--config", quick, "--name", "told", "--seed", 3)
    assert "edge " in text
    assert all(word in text for word in ("Walk-forward", "buy and hold", "SMA crossover", "report.html", "are 1"))
    assert "titanflow models promote" in text
    assert "…" not in text


def test_a_training_learns_from_a_recorded_session(cli: CommandLine, long_tape: Path, quick: Path) -> None:
    cli.good("backtest", long_tape, "--session", "taught")
    found = cli.json("train", "lightgbm", "--data", "session:taught", "--config", quick, "--workers", 1)
    assert found["source"] == "session taught"
    assert found["rows"] > 300


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["forest", "--data", "x.csv"], "'forest'; expected one of lightgbm, lstm, tft, stack, ppo"),
        (["lightgbm"], "no data to learn from: give --data"),
        (["lightgbm", "--data", "nowhere.csv"], "nowhere.csv: there is no such file"),
        (["lightgbm", "--data", "TAPE", "--config", "nowhere.toml"], "nowhere.toml: cannot be read"),
        (["lightgbm", "--data", "TAPE", "--workers", "0"], "resources.workers = 0 (from flag): expected"),
        (["lightgbm", "--data", "TAPE", "--device", "tpu"], "resources.device = 'tpu' (from flag): expected auto"),
        (["lightgbm", "--data", "TAPE", "--name", "Bad name"], "'Bad name' cannot name a model"),
        (["stack", "--data", "TAPE"], "no model 'lightgbm' fits the stack"),
    ],
)
def test_what_cannot_be_trained_is_refused_with_a_reason(
    tmp_path: Path, long_tape: Path, arguments: list[str], message: str
) -> None:
    done = CommandLine(tmp_path)("train", *(str(long_tape) if word == "TAPE" else word for word in arguments))
    assert done.returncode == 2
    assert message in done.stderr
    assert not done.stdout


def test_data_in_which_no_row_is_known_are_refused_with_the_numbers(alone: CommandLine, tmp_path: Path) -> None:
    short = write_tape(tmp_path / "short.csv", minutes=20)
    done = alone("train", "lightgbm", "--data", short)
    assert done.returncode == 2
    assert "none of" in done.stderr
    assert "give more or shorter bars" in done.stderr


def test_without_the_training_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "find_spec", lambda name: None if name == "shap" else object())
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "titanflow.training.trainers.lstm_trainer", raising=False)
    with pytest.raises(InputError, match=r"needs shap, torch, which .*: pip install 'titanflow\[training\]'"):
        train.check_installed("lstm")
    with pytest.raises(InputError, match="needs shap, which"):
        train.check_installed("lightgbm")


@pytest.fixture
def begun(tmp_path: Path, long_tape: Path) -> Iterator[tuple[CommandLine, list[object], "subprocess.Popen[str]"]]:
    """A slow training on two processes, in a group of its own, that has finished a fold or two."""
    (tmp_path / "slow.toml").write_text(SLOW)
    command = CommandLine(tmp_path)
    words: list[object] = ["train", "lightgbm", "--data", long_tape, "--config", "slow.toml"]
    with subprocess.Popen(
        command.command(*words, "--workers", 2), env=command.environment(), cwd=tmp_path, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    ) as process:  # fmt: skip
        kept = tmp_path / TRAININGS_FOLDER
        wait_until(lambda: process.poll() is not None or any(kept.glob("*/*fold*")))
        assert process.poll() is None, process.communicate()
        yield command, words, process
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("word", [signal.SIGINT, signal.SIGKILL])
def test_a_training_that_is_stopped_goes_on_where_it_was(
    begun: tuple[CommandLine, list[object], "subprocess.Popen[str]"], word: signal.Signals
) -> None:
    command, words, process = begun
    os.killpg(process.pid, word)
    told = process.communicate(timeout=PATIENCE_S)[1]
    if word is signal.SIGINT:
        assert process.returncode == 130
        assert "the same command goes on from there" in told
        assert "Traceback" not in told
    resumed = command.json(*words, "--workers", 1)
    assert 1 <= resumed["folds_resumed"] < resumed["folds_run"] == 16
    assert resumed["settings_tried"] == 8
