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
from titanflow.cli.output import SERVER_DOWN, complain, note, print_json, say

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
    with SessionView(run, run.span(), quiet=json) as view:
        run.run(view.refresh)
    finish(place, run, time.perf_counter() - started, json=json, strict=strict)


def finish(place: Place, run: "SessionRun", seconds: float, *, json: bool, strict: bool = False) -> None:
    """Say why a session broke down, then print what it came to, with its replay.

    Exit 1 if it broke down or the replay differs, 3 if tables or mirror do not hold all of it; with `strict` 2 where it
    ended with warnings.
    """
    from titanflow.cli import replay
    from titanflow.cli.reasons import refuse_warnings
    from titanflow.cli.summary import result_of, show_summary
    from titanflow.runtime.incidents import in_brief

    # First: what follows may fail for the same reason.
    if run.problem:
        complain(run.problem)
    incidents = run.incidents.all()
    told: dict[str, Any] = {"incidents": incidents}
    told |= {"problem": run.problem} if run.problem else {}
    told |= {"behind": {name: one._asdict() for name, one in run.behind.items()}}
    try:
        verdict = replay.prove(place, run.session)
        result: dict[str, Any] = result_of(place, run.session, seconds)
    except Exception as error:  # noqa: BLE001 - whatever keeps it from being proven, the reason of the breakdown was said
        if json:
            print_json({"session_id": run.session, **told, "replay": None})
        _cannot_be_proven(run, error)
        sys.exit(1)
    if json:
        print_json(result | {"replay": replay.as_json(verdict)} | told)
    else:
        show_summary(place, run.session, result)
        replay.show(verdict)
        for line in in_brief(incidents):
            say(f"incident   {line}")
        say(f"look closer: titanflow explain FILL · titanflow leaderboard · titanflow ledger tail {run.session}")
    for name, behind in run.behind.items():
        complain(
            f"the {name} do not hold the last {behind.events:,} events of session {run.session}: {behind.reason}; "
            f"`titanflow projections catch-up {run.session}` brings them up"
        )
    if run.problem or not verdict.identical:
        sys.exit(1)
    if run.behind:
        sys.exit(SERVER_DOWN)
    if strict:
        refuse_warnings(result["warnings"])


def _cannot_be_proven(run: "SessionRun", error: Exception) -> None:
    """Say why there is no proof. Raises the error where it is no expected trouble, nor the consequence of another."""
    from titanflow.cli.trouble import trouble_of

    trouble = trouble_of(error)
    if trouble is None and not run.problem:
        raise error
    why = trouble.message if trouble else f"{type(error).__name__}: {error}"
    complain(f"session {run.session!r} cannot be proven now: {why}")
    if not run.problem and trouble:
        sys.exit(trouble.exit_code)


def _run_of(
    place: Place, session: str | None, resume: str | None, duration: float | None, *, other_code: bool
) -> "SessionRun":
    from titanflow.runtime.session_run import SessionRun

    if not resume:
        return SessionRun.open(place.settings, place.redis_url, place.database_url, session)
    run = SessionRun.resume(place.settings, place.redis_url, _database_if_any(place), resume, other_code=other_code)
    run.settings = run.settings.model_copy(update={"feed": run.settings.feed.model_copy(update={"duration": duration})})
    return run


def _database_if_any(place: Place) -> str:
    """The tables' server; a session that has begun goes on without it, and its projector waits for it."""
    from projections.errors import ProjectionError
    from titanflow.errors import ServerError

    try:
        return place.database_url
    except (ServerError, ProjectionError) as error:
        note(f"the tables lag, the session goes on without them: {error}", style="yellow")
        return place.settings.database_url or ""


def _refuse_changes(given: Mapping[str, object]) -> None:
    """A resumed session goes on as it was started: raise SettingsError for what would change it."""
    from titanflow.errors import SettingsError

    changed = [name for name, value in given.items() if value not in (None, [])]
    if changed:
        raise SettingsError(
            f"--resume goes on with the settings that the session was started with: leave out {', '.join(changed)}"
        )
