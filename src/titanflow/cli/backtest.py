"""`titanflow backtest`: a tape through the fused loop at full speed; the same inputs give the same bytes."""

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from titanflow.cli.context import ConfigOption, JsonOption, Place, SetOption, arrive
from titanflow.cli.output import console, messages, moment, print_json
from titanflow.cli.summary import result_of, show_summary
from titanflow.domain.types import Nanos


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("backtest")(backtest)


def backtest(
    tapes: Annotated[
        list[Path] | None, typer.Argument(metavar="TAPE...", help="Tape files; none: the shipped sample.")
    ] = None,
    contenders: Annotated[Path | None, typer.Option(help="TOML file with the contenders.", show_default=False)] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random.", show_default=False)] = None,
    assignments: SetOption = None,
    config: ConfigOption = None,
    session: Annotated[str | None, typer.Option(help="Name of the new session.", show_default=False)] = None,
    json: JsonOption = False,
) -> None:
    """Play tapes at full speed through every decider, into a ledger like any other, and print what came of it."""
    from titanflow.runtime.fused_run import FusedRun
    from titanflow.runtime.session_run import open_run

    flags = {"feed.tapes": tapes or None, "contenders": contenders, "seed": seed}
    place = arrive(flags, [*(assignments or ()), "runtime.topology=fused", "feed.speed=max"], config)
    started = time.perf_counter()
    opened = open_run(place.settings, place.redis_url, session)
    first, last = opened.feed.provider.span()
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[seq]:,} events"), TimeElapsedColumn(),
        console=messages, transient=True, disable=json,
    ) as progress:  # fmt: skip
        task = progress.add_task("playing", total=max(1, last - first), seq=0)

        def show(at: Nanos, seq: int) -> None:
            progress.update(task, completed=at - first, seq=seq, description=moment(at))

        FusedRun(opened.ledger, opened.feed).run(on_flush=show)
    project(place, opened.ledger.session)
    seconds = time.perf_counter() - started
    result = result_of(place, opened.ledger.session, seconds)
    if json:
        print_json(result)
    else:
        show_summary(place, opened.ledger.session, result)
        console.print(f"digest     {result['digest']}", soft_wrap=True)
        console.print(f"prove it   titanflow replay {opened.ledger.session}", soft_wrap=True)


def project(place: Place, session: str) -> None:
    """Fold a finished session into Postgres."""
    from projections.projector import Projector

    with messages.status("writing projections …"):
        Projector(place.database_url, place.ledger(session)).catch_up()
