from pathlib import Path

import pytest

from titanflow.errors import SessionStateError
from titanflow.runtime.runs import load_run, run_directory, save_run
from titanflow.settings import load_settings


def test_a_run_comes_back_as_it_was_saved_without_the_addresses_of_its_servers(tmp_path: Path) -> None:
    urls = {"redis_url": "redis://:hush@host:1/0", "database_url": "postgresql://me:hush@host/db"}
    settings = load_settings({"home": tmp_path, "seed": 42, "risk.max_drawdown": "0.02", **urls}, env={})
    save_run(settings, "s")
    assert load_run(tmp_path, "s") == settings.model_copy(update={"redis_url": None, "database_url": None})
    assert "hush" not in (run_directory(tmp_path, "s") / "run.json").read_text()


def test_a_session_of_another_machine_is_refused_by_its_place(tmp_path: Path) -> None:
    with pytest.raises(SessionStateError, match=r"run\.json is missing or damaged"):
        load_run(tmp_path, "elsewhere")
