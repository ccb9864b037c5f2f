"""The home directory is its owner's alone, whoever makes it first."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.short_session import settings_of
from titanflow.embedded.redis import redis_server
from titanflow.errors import SettingsError
from titanflow.runtime.runs import save_run
from titanflow.settings.home import make_home


@pytest.fixture(autouse=True)
def open_mask() -> Iterator[None]:
    """The most generous mask: what is private is so by itself."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_home_is_closed_to_others_and_what_is_above_it_is_not(tmp_path: Path) -> None:
    make_home(tmp_path / "above" / "home")
    assert mode_of(tmp_path / "above" / "home") == 0o700
    assert mode_of(tmp_path / "above") == 0o777


def test_a_home_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(mode=0o711)
    make_home(tmp_path / "home")
    assert mode_of(tmp_path / "home") == 0o711


def test_a_run_file_and_a_server_make_the_home_private(tmp_path: Path) -> None:
    save_run(settings_of(tmp_path / "one", tmp_path / "tape.csv"), "s")
    assert mode_of(tmp_path / "one") == 0o700
    server = redis_server(tmp_path / "two")
    server.start()
    server.stop()
    assert mode_of(tmp_path / "two") == 0o700


def test_a_home_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="file"):
        make_home(tmp_path / "file" / "home")
