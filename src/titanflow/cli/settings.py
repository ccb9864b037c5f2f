"""`titanflow settings`: every setting with its value, where that came from, and what it may be."""

import typer

from titanflow.cli.context import ConfigOption, JsonOption, SetOption
from titanflow.cli.output import Column, console, print_json, table


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(settings)


def settings(assignments: SetOption = None, config: ConfigOption = None, json: JsonOption = False) -> None:
    """Show every setting: its value, where it came from (default, file, variable, --set), what it may be."""
    from titanflow.settings import overview

    rows = overview(assignments=assignments or (), config=config)
    if json:
        print_json([row._asdict() for row in rows])
        return
    columns = (
        Column("setting"),
        Column("value", folds=True),
        Column("from", folds=True),
        Column("may be", 1, folds=True),
        Column("meaning", 2, folds=True),
    )
    cells = [(row.name, row.value or "–", row.source, row.allowed, row.meaning) for row in rows]
    console.print(table("Settings", columns, cells))
