"""The command line starts fast: what is heavy is imported by those commands only that need it."""

import subprocess
import sys

import pytest

HEAVY = (
    "alembic", "exchange_calendars", "numpy", "pandas", "psycopg", "pyarrow", "pydantic_core", "redis", "sqlalchemy",
    "structlog",
)  # fmt: skip
"""Some of these the terminal libraries may bring along; what counts is what our own modules add."""


def imported_by(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_help_imports_nothing_heavy_beyond_the_terminal_libraries() -> None:
    terminal = imported_by("import typer, typer.rich_utils, rich.table, rich.console")
    ours = imported_by("import typer.rich_utils, titanflow.cli") - terminal
    assert not ours & set(HEAVY)


@pytest.mark.parametrize("name", ["output", "context", "settings", "operate", "ledger", "live", "replay", "service"])
def test_a_module_of_a_command_imports_no_servers_client_by_itself(name: str) -> None:
    assert not imported_by(f"import titanflow.cli.{name}") & {"redis", "psycopg", "sqlalchemy", "pyarrow"}
