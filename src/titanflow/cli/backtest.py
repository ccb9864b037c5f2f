"""`titanflow backtest`: a tape through the fused loop at full speed; the same inputs give the same bytes."""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from titanflow.cli.context import (
    ConfigOption,
    ContendersOption,
    JsonOption,
    NewSessionOption,
    Place,
    SeedOption,
    SetOption,
    StrictOption,
    arrive,
    checked_new_name,
)
from titanflow.cli.output import SERVER_DOWN, complain, messages, moment, print_json, say
from titanflow.domain.types import Nanos


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("backtest")(backtest)


def backtest(
    tapes: Annotated[
        list[Path] | None,
        typer.Argument(metavar="TAPE", help="Tape files; none: the shipped sample.", show_default=False),
    ] = None,
    contenders: ContendersOption = None,
    seed: SeedOption = None,
    assignments: SetOption = None,
    config: ConfigOption = None,
    session: NewSessionOption = None,
    json: JsonOption = False,
    strict: StrictOption = False,
) -> None:
    """Play tapes at full speed through every decider, into a ledger like any other, and print what came of it."""
    from titanflow.cli.reasons import refuse_warnings
    from titanflow.cli.summary import result_of, show_summary

    flags = {"feed.tapes": tapes or None, "contenders": contenders, "seed": seed}
    place = arrive(flags, [*(assignments or ()), "runtime.topology=fused", "feed.speed=max"], config)
    name = checked_new_name(session)
    started = time.perf_counter()
    chosen = play(place, name)
    lacking = project(place, chosen)
    result = result_of(place, chosen, time.perf_counter() - started)
    result["behind"] = {"tables": {"events": result["events"], "reason": lacking}} if lacking else {}
    if json:
        print_json(result)
    else:
        show_summary(place, chosen, result)
        say(f"digest     {result['digest']}")
        say(f"prove it   titanflow replay {chosen}")
    if lacking:
        complain(f"{lacking}; `titanflow projections catch-up {chosen}` brings the tables up")
        sys.exit(SERVER_DOWN)
    if strict:
        refuse_warnings(result["warnings"])


def play(place: Place, session: str | None) -> str:
    """Open a session, play its feed to the end with a progress bar on standard error, and return its id."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from titanflow.runtime.fused_run import FusedRun
    from titanflow.runtime.runs import holding_run
    from titanflow.runtime.session_run import open_run

    opened = open_run(place.settings, place.redis_url, session)
    first, last = opened.feed.provider.span()
    limit = place.settings.runtime.contender_cpu_seconds
    columns = (
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[seq]:,} events"), TimeElapsedColumn(),
    )  # fmt: skip
    with (
        holding_run(place.settings.home, opened.ledger.session),
        Progress(*columns, console=messages, transient=True) as progress,
    ):
        task = progress.add_task("playing", total=max(1, last - first), seq=0)

        def show(at: Nanos, seq: int) -> None:
            progress.update(task, completed=at - first, seq=seq, description=moment(at))

        FusedRun(opened.ledger, opened.feed, opened.models, limit).run(on_flush=show)
    return opened.ledger.session


def project(place: Place, session: str) -> str:
    """Fold a finished session into Postgres; returns why it could not, which is no loss: the ledger has it all."""
    from projections.errors import ProjectionError
    from titanflow.errors import ServerError
    from titanflow.runtime.reading import catch_up_tables

    try:
        with messages.status("writing projections …"):
            catch_up_tables(place.database_url, place.ledger(session))
    except (ServerError, ProjectionError) as error:
        return str(error)
    return ""
