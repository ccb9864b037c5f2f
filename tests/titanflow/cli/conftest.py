"""The command line as a user has it: a home of its own with its servers, a short real tape, finished sessions."""

import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from support.waiting import PATIENCE_S
from titanflow.gateway.samples import sample_tape

SYMBOLS = {"AAPL", "BAC", "MU", "SPY"}
OPEN = 1_549_895_400_000_000_000
"""2019-02-11 14:30 UTC: the sample's first minute."""
HOUR = 3_600_000_000_000


class CommandLine:
    """Runs `python -m titanflow` in a home, with an environment that holds nothing else of TitanFlow's."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """What a command is given: the user's path, the home, and `extra`."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "PYTHONPATH") if name in os.environ}
        return {**kept, "TITANFLOW_HOME": str(self.home), **(extra or {})}

    def __call__(self, *arguments: object, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command to its end. Whatever happens, no traceback is shown and no colour reaches a pipe."""
        done = subprocess.run(
            self.command(*arguments), env=self.environment(env), cwd=self.home, capture_output=True, text=True,
            timeout=PATIENCE_S, check=False,
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        assert "\x1b" not in done.stdout + done.stderr
        return done

    def command(self, *arguments: object) -> list[str]:
        """The words of a command."""
        return [sys.executable, "-m", "titanflow", *map(str, arguments)]

    def good(self, *arguments: object, env: Mapping[str, str] | None = None) -> str:
        """Run a command that must succeed, and return its answer."""
        done = self(*arguments, env=env)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def json(self, *arguments: object) -> Any:
        """The answer of a command with --json, which must be one document and nothing else."""
        return json.loads(self.good(*arguments, "--json"))


@pytest.fixture(scope="session")
def cli() -> Iterator[CommandLine]:
    """The command line in a home on a short path that any account may enter; its servers are stopped at the end."""
    home = Path(tempfile.mkdtemp(prefix="tf-"))
    home.chmod(0o711)
    made = CommandLine(home)
    yield made
    made.good("servers", "stop")
    shutil.rmtree(home)


@pytest.fixture(scope="session")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first hour of four symbols of the shipped sample."""
    path = tmp_path_factory.mktemp("tape") / "hour.csv"
    with gzip.open(sample_tape("us_equity_minute_2019-02"), "rt") as sample:
        header, *rows = sample
    path.write_text(header + "".join(row for row in rows if _is_wanted(row)))
    return path


def _is_wanted(row: str) -> bool:
    at, symbol = row.split(",")[:2]
    return symbol in SYMBOLS and int(at) < OPEN + HOUR


@pytest.fixture(scope="session")
def backtested(cli: CommandLine, tape: Path) -> Any:
    """What `titanflow backtest --json` said of the session `first`."""
    return cli.json("backtest", tape, "--session", "first")
