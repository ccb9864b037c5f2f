"""`titanflow live`: opens or resumes a session, runs its services, shows it as it goes, and proves it at the end."""

import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from titanflow.cli.context import ConfigOption, JsonOption, Place, SetOption, arrive
from titanflow.cli.output import console, messages, print_json
from titanflow.cli.progress import SessionView
from titanflow.cli.summary import result_of, show_summary

Speed = Annotated[
    str | None,
    typer.Option(metavar="X|max", help="Event seconds a wall-clock second; max only where fused.", show_default=False),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("live")(live)


def live(
    provider: Annotated[
        str | None, typer.Option(help="Market data provider: tape or synthetic.", show_default=False)
    ] = None,
    tape: Annotated[
        list[Path] | None, typer.Option(help="Tape file; may be repeated. None: the shipped sample.")
    ] = None,
    speed: Speed = None,
    duration: Annotated[float | None, typer.Option(help="Stop after so many seconds.", show_default=False)] = None,
    topology: Annotated[str | None, typer.Option(help="services or fused.", show_default=False)] = None,
    contenders: Annotated[Path | None, typer.Option(help="TOML file with the contenders.", show_default=False)] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random.", show_default=False)] = None,
    assignments: SetOption = None,
    config: ConfigOption = None,
    session: Annotated[str | None, typer.Option(help="Name of the new session.", show_default=False)] = None,
    resume: Annotated[
        str | None, typer.Option(help="Go on with this session, which was killed.", show_default=False)
    ] = None,
    json: JsonOption = False,
) -> None:
    """Run a paper trading session; Ctrl-C ends it in good order. Ends with the leaderboard and a proof by replay."""
    from titanflow.runtime.session_run import SessionRun

    flags = {
        "feed.provider": provider,
        "feed.tapes": tape or None,
        "feed.speed": speed,
        "feed.duration": duration,
        "runtime.topology": topology,
        "contenders": contenders,
        "seed": seed,
    }
    place = arrive(flags, assignments, config)
    run = (
        SessionRun.resume(place.settings, place.redis_url, place.database_url, resume)
        if resume
        else SessionRun.open(place.settings, place.redis_url, place.database_url, session)
    )
    started = time.perf_counter()
    with SessionView(run, quiet=json) as view:
        run.run(view.refresh)
    seconds = time.perf_counter() - started
    finish(place, run.session, seconds, json=json, problem=run.problem)


def finish(place: Place, session: str, seconds: float, *, json: bool, problem: str = "") -> None:
    """Print what a session came to, with its replay; exit 1 if the replay differs or the session broke down."""
    from titanflow.cli import replay

    verdict = replay.prove(place, session)
    result: dict[str, Any] = result_of(place, session, seconds)
    if json:
        print_json(result | {"replay": replay.as_json(verdict)} | ({"problem": problem} if problem else {}))
    else:
        show_summary(place, session, result)
        replay.show(verdict)
        console.print(f"look closer: titanflow explain FILL · titanflow leaderboard · titanflow ledger tail {session}")
    if problem:
        messages.print(f"error: {problem}", style="red")
    if problem or not verdict.identical:
        sys.exit(1)
