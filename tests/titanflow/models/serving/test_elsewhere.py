"""Serving seen from outside: what a process imports and starts for it, and that every process answers alike."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support import serve_elsewhere
from support.tiny_models import install, tiny_model_files
from support.waiting import PATIENCE_S
from titanflow.domain.models import MANIFEST_FILE, ModelManifest


def ask(*arguments: object, **environment: str) -> dict[str, Any]:
    result = subprocess.run(
        [sys.executable, serve_elsewhere.__file__, *map(str, arguments)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A folder of each kind, the stack last."""
    home = tmp_path_factory.mktemp("home")
    kinds = ("lightgbm", "lstm", "tft", "ppo")
    folders = [home / "models" / install(home, *tiny_model_files(kind)) for kind in kinds]
    members = [msgspec.json.decode((folder / MANIFEST_FILE).read_bytes(), type=ModelManifest) for folder in folders[:3]]
    folders.append(home / "models" / install(home, *tiny_model_files("stack", members=members)))
    return folders


@pytest.fixture(scope="module")
def answer(folders) -> dict[str, Any]:
    return ask("use", *folders)


def test_serving_every_kind_imports_nothing_that_only_training_needs(answer):
    assert answer["imported"] == []


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="counts threads in /proc")
def test_serving_every_kind_starts_no_thread(answer):
    assert answer["threads_started"] == 0


def test_another_process_gives_the_same_bytes(folders, answer):
    again = ask("use", *folders, PYTHONHASHSEED="77", LC_ALL="C", TZ="Asia/Tokyo")
    assert again["digest"] == answer["digest"]


def test_this_process_gives_the_same_bytes_too(folders, answer):
    assert serve_elsewhere.use(*map(str, folders))["digest"] == answer["digest"]


@pytest.mark.parametrize(("kind", "count"), [("lightgbm", 300), ("lstm", 300), ("tft", 150)])
def test_no_damage_ends_the_process(kind, count, tmp_path):
    digest = install(tmp_path, *tiny_model_files(kind))
    assert 0 < ask("damage", tmp_path / "models" / digest, count)["refused"] <= count
