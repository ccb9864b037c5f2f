"""`titanflow servers start|stop|status` and `titanflow doctor`."""

import os
import signal
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from titanflow.cli.context import JsonOption, arrive
from titanflow.cli.output import Column, console, print_json, say, table

if TYPE_CHECKING:
    from titanflow.errors import SessionStateError
    from titanflow.runtime.runs import RunningSession
    from titanflow.settings import Settings

LOOK_EVERY_S = 0.1

servers = typer.Typer(help="The embedded Redis and Postgres.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(servers, name="servers")
    app.command()(doctor)


@servers.command()
def start(json: JsonOption = False) -> None:
    """Start both embedded servers, or find them running."""
    from titanflow.embedded.servers import start_all

    start_all(arrive().settings.home)
    status(json)


@servers.command()
def stop(
    json: JsonOption = False,
    force: Annotated[
        bool, typer.Option("--force", help="End the sessions that run here first, each in good order.")
    ] = False,
) -> None:
    """Stop both embedded servers; their data stays. Refused while a session runs on them."""
    from titanflow.embedded.servers import stop_all
    from titanflow.runtime.runs import running_sessions

    settings = arrive().settings
    running = running_sessions(settings.home)
    if running and not force:
        raise _still_needed([one.session for one in running])
    ended = _end(settings, running)
    stopped = stop_all(settings.home)
    if json:
        print_json({"stopped": list(stopped), "ended": ended})
        return
    for session in ended:
        say(f"ended session {session}; `titanflow live --resume {session}` goes on with one that was not at its end")
    say(f"stopped {' and '.join(stopped)}" if stopped else "none was running")


def _still_needed(sessions: list[str]) -> "SessionStateError":
    from titanflow.errors import SessionStateError

    return SessionStateError(
        f"the servers are in use by session {', '.join(sessions)}: end it first (Ctrl-C where it runs), or "
        "`titanflow servers stop --force` ends it in good order"
    )


def _end(settings: "Settings", running: "list[RunningSession]") -> list[str]:
    """Ask each session to end, and wait until it has. Raises SessionStateError where one does not."""
    from titanflow.runtime.runs import running_sessions

    for one in running:
        with suppress(ProcessLookupError):
            os.kill(one.pid, signal.SIGTERM)
    # It may wait for its trading, for its tables and for their processes in turn.
    deadline = time.monotonic() + 3 * settings.runtime.end_seconds
    names = [one.session for one in running]
    while left := [one.session for one in running_sessions(settings.home) if one.session in names]:
        if time.monotonic() >= deadline:
            raise _still_needed(left)
        time.sleep(LOOK_EVERY_S)
    return names


@servers.command()
def status(json: JsonOption = False) -> None:
    """Show which embedded servers run and where."""
    from dataclasses import asdict

    from titanflow.embedded.servers import status_all
    from titanflow.settings import safe_url

    found = status_all(arrive().settings.home)
    if json:
        print_json([{k: str(v) if k == "directory" else v for k, v in asdict(server).items()} for server in found])
        return
    rows = [
        (
            server.name,
            Text("running", style="green") if server.running else Text("stopped", style="dim"),
            str(server.pid or "–"),
            server.version or "–",
            safe_url(server.url) if server.url else "–",
            str(server.directory),
        )
        for server in found
    ]
    columns = (
        Column("server"),
        Column("state"),
        Column("pid", 2),
        Column("version", 1),
        Column("url", folds=True),
        Column("directory", 3, folds=True),
    )
    console.print(table("Embedded servers", columns, rows))


def doctor(json: JsonOption = False) -> None:
    """Look for what is wrong with this machine or its settings, and say how to mend it. Exit 1 if something fails."""
    from dataclasses import asdict

    from titanflow.embedded.doctor import examine
    from titanflow.errors import SettingsError
    from titanflow.settings import load_settings

    try:
        settings = load_settings()
    except SettingsError as error:
        if json:
            print_json([{"check": "settings", "verdict": "fail", "found": str(error), "remedy": "correct the value"}])
        else:
            say(Text("fail ", style="red"), f"settings: {error}")
        sys.exit(1)
    findings = examine(settings.home, settings.redis_url, settings.database_url)
    if json:
        print_json([asdict(finding) for finding in findings])
    else:
        styles = {"ok": "green", "warn": "yellow", "fail": "red"}
        for finding in findings:
            verdict = str(finding.verdict)
            say(Text(f"{verdict:<5}", style=styles[verdict]), f"{finding.check}: {finding.found}")
            if finding.remedy and verdict != "ok":
                say(f"      → {finding.remedy}")
    if any(str(finding.verdict) == "fail" for finding in findings):
        sys.exit(1)
