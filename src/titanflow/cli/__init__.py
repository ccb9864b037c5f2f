"""The command line: the one place where servers, feeds, ledgers and projections are put together.

Exit codes: 0 done · 1 found a difference or an unexpected failure · 2 bad argument, setting or input · 3 a server
cannot be reached or started · 4 no such session · 5 the session is in the wrong state · 6 a trained model cannot be
used · 130 interrupted.
"""

import sys
from typing import Annotated

import typer

from titanflow.cli import (
    backtest,
    dead_letters,
    explain,
    inspect,
    ledger,
    live,
    model_validation,
    models,
    operate,
    projections,
    replay,
    servers,
    service,
    sessions,
    settings,
    train,
)
from titanflow.cli.output import OutlivesReader, complain, print_error

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""

app = typer.Typer(
    name="titanflow",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done · 1 a difference, or a failure · 2 bad argument, setting or input · "
    "3 server not reached · 4 no such session · 5 session in the wrong state · 6 a model cannot be used · "
    "130 interrupted",
)


def _version(show: bool) -> None:
    if show:
        from titanflow import __version__

        typer.echo(f"titanflow {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """An AI day-trading arena whose every decision can be replayed and proven."""


for module in (live, backtest, replay, inspect, explain, operate, train, settings, servers, service):
    module.register(app)
app.add_typer(ledger.app, name="ledger")
app.add_typer(sessions.app, name="sessions")
app.add_typer(projections.app, name="projections")
app.add_typer(dead_letters.app, name="dead-letters")
model_validation.register(models.app)
app.add_typer(models.app, name="models")


def main() -> None:
    """Run the command line; expected trouble ends as one readable message and its documented exit code.

    With `--json` trouble is a document too, on standard output: `error` and `exit_code`.
    """
    sys.stderr = OutlivesReader(sys.stderr)
    as_json = "--json" in sys.argv[1:]
    try:
        sys.exit(app(standalone_mode=not as_json) or 0)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except Exception as error:
        from titanflow.cli.trouble import trouble_of, was_interrupted

        if was_interrupted(error):
            sys.exit(INTERRUPTED)
        trouble = trouble_of(error)
        if trouble is None:
            raise
        complain(trouble.message)
        if as_json:
            print_error(trouble.message, trouble.exit_code)
        sys.exit(trouble.exit_code)
