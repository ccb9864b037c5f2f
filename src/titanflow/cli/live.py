"""`titanflow live`: opens or resumes a session, runs its services, shows it as it goes, and proves it at the end."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    check_audit_file,
    checked_new_name,
)
from titanflow.cli.output import complain, print_json, say

if TYPE_CHECKING:
    from titanflow.runtime.session_run import SessionRun

Provider = Annotated[str | None, typer.Option(help="Market data provider: tape or synthetic.", show_default=False)]
Tapes = Annotated[
    list[Path] | None, typer.Option(metavar="FILE", help="Tape file; may be repeated. None: the shipped sample.")
]
Speed = Annotated[
    str | None,
    typer.Option(metavar="X|max", help="Event seconds a wall-clock second; max only where fused.", show_default=False),
]
Duration = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="Stop after so many seconds.", show_default=False)
]
Topology = Annotated[str | None, typer.Option(help="services or fused.", show_default=False)]
Resume = Annotated[
    str | None, typer.Option(metavar="ID", help="Go on with this session, which was killed.", show_default=False)
]

OtherCode = Annotated[
    bool, typer.Option("--other-code", help="With --resume: go on also under other code than the session's.")
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("live")(live)


def live(
    provider: Provider = None,
    tape: Tapes = None,
    speed: Speed = None,
    duration: Duration = None,
    topology: Topology = None,
    contenders: ContendersOption = None,
    seed: SeedOption = None,
    assignments: SetOption = None,
    config: ConfigOption = None,
    session: NewSessionOption = None,
    resume: Resume = None,
    other_code: OtherCode = False,
    json: JsonOption = False,
    strict: StrictOption = False,
) -> None:
    """Run a paper trading session and prove it by replay. Ctrl-C ends it in good order, a second one at once.

    A session ended by Ctrl-C, SIGTERM or --duration is closed, proven and summed up like any other, with exit code 0.
    """
    from titanflow.cli.progress import SessionView
    from titanflow.runtime.feeds import open_provider

    flags = {
        "feed.provider": provider,
        "feed.tapes": tape or None,
        "feed.speed": speed,
        "runtime.topology": topology,
        "contenders": contenders,
        "seed": seed,
    }
    if resume:
        changes: dict[str, object] = {"--provider": provider, "--tape": tape, "--speed": speed, "--topology": topology}
        changes |= {"--contenders": contenders, "--seed": seed, "--set": assignments, "--session": session}
        _refuse_changes(changes)
    place = arrive({**flags, "feed.duration": duration}, assignments, config)
    check_audit_file(place.settings)
    run = _run_of(place, checked_new_name(session), resume, duration, other_code=other_code)
    started = time.perf_counter()
    with SessionView(run, open_provider(run.settings).span(), quiet=json) as view:
        run.run(view.refresh)
    finish(place, run.session, time.perf_counter() - started, json=json, problem=run.problem, strict=strict)


def finish(place: Place, session: str, seconds: float, *, json: bool, problem: str = "", strict: bool = False) -> None:
    """Print what a session came to, with its replay; exit 1 if the replay differs or the session broke down.

    With `strict` exit 2 where it ended with warnings.
    """
    from titanflow.cli import replay
    from titanflow.cli.reasons import refuse_warnings
    from titanflow.cli.summary import result_of, show_summary

    verdict = replay.prove(place, session)
    result: dict[str, Any] = result_of(place, session, seconds)
    if json:
        print_json(result | {"replay": replay.as_json(verdict)} | ({"problem": problem} if problem else {}))
    else:
        show_summary(place, session, result)
        replay.show(verdict)
        say(f"look closer: titanflow explain FILL · titanflow leaderboard · titanflow ledger tail {session}")
    if problem:
        complain(problem)
    if problem or not verdict.identical:
        sys.exit(1)
    if strict:
        refuse_warnings(result["warnings"])


def _run_of(
    place: Place, session: str | None, resume: str | None, duration: float | None, *, other_code: bool
) -> "SessionRun":
    from titanflow.runtime.session_run import SessionRun

    if not resume:
        return SessionRun.open(place.settings, place.redis_url, place.database_url, session)
    run = SessionRun.resume(place.settings, place.redis_url, place.database_url, resume, other_code=other_code)
    run.settings = run.settings.model_copy(update={"feed": run.settings.feed.model_copy(update={"duration": duration})})
    return run


def _refuse_changes(given: Mapping[str, object]) -> None:
    """A resumed session goes on as it was started: raise SettingsError for what would change it."""
    from titanflow.errors import SettingsError

    changed = [name for name, value in given.items() if value not in (None, [])]
    if changed:
        raise SettingsError(
            f"--resume goes on with the settings that the session was started with: leave out {', '.join(changed)}"
        )
