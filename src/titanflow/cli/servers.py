"""`titanflow servers start|stop|status` and `titanflow doctor`."""

import sys

import typer
from rich.text import Text

from titanflow.cli.context import JsonOption, arrive
from titanflow.cli.output import console, print_json, table

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
def stop(json: JsonOption = False) -> None:
    """Stop both embedded servers; their data stays."""
    from titanflow.embedded.servers import stop_all

    stopped = stop_all(arrive().settings.home)
    if json:
        print_json({"stopped": list(stopped)})
    else:
        console.print(f"stopped {' and '.join(stopped)}" if stopped else "none was running")


@servers.command()
def status(json: JsonOption = False) -> None:
    """Show which embedded servers run and where."""
    from dataclasses import asdict

    from titanflow.embedded.servers import status_all
    from titanflow.runtime.ledgers import safe_url

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
    console.print(table("Embedded servers", ("server", "state", "pid", "version", "url", "directory"), rows, left=6))


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
            console.print(Text("fail  settings: " + str(error), style="red"))
        sys.exit(1)
    findings = examine(settings.home, settings.redis_url, settings.database_url)
    if json:
        print_json([asdict(finding) for finding in findings])
    else:
        styles = {"ok": "green", "warn": "yellow", "fail": "red"}
        for finding in findings:
            verdict = str(finding.verdict)
            console.print(
                Text(f"{verdict:<5}", style=styles[verdict]), f"{finding.check}: {finding.found}", soft_wrap=True
            )
            if finding.remedy and verdict != "ok":
                console.print(f"      → {finding.remedy}", soft_wrap=True)
    if any(str(finding.verdict) == "fail" for finding in findings):
        sys.exit(1)
