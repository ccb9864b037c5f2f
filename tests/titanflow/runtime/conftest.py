"""Short tapes for sessions in this process, and a home for those that run as processes."""

from pathlib import Path

import pytest

from support.short_session import write_tape


@pytest.fixture(scope="session")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An hour."""
    return write_tape(tmp_path_factory.mktemp("tape") / "short.csv", minutes=60)


@pytest.fixture(scope="session")
def brief_tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty-five minutes: for tests that play it again and again."""
    return write_tape(tmp_path_factory.mktemp("brief") / "brief.csv", minutes=25)
