"""`titanflow replay`: proves a session by deciding it again."""

import sys
from typing import Annotated, Any

import typer
from rich.text import Text

from titanflow.cli.context import JsonOption, Place, SessionArgument, SessionToo, arrive, one_session
from titanflow.cli.output import Column, console, messages, note, print_json, say, table
from titanflow.cli.projections import compare


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("replay")(replay)


def replay(
    session: SessionArgument = None,
    also: SessionToo = None,
    json: JsonOption = False,
    first: Annotated[int, typer.Option("--from", min=1, help="Compare from this seq on.")] = 1,
    last: Annotated[int | None, typer.Option("--to", min=1, help="Stop after this seq.", show_default=False)] = None,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Also fold the projections and compare with Postgres.")
    ] = False,
) -> None:
    """Feed the recorded events to the same deciders and compare every decision. Exit 1 if one differs.

    Where the code here is not that of the session, it says so first.

    Byte for byte; where trained models decided, and other libraries or another processor compute them here than then,
    their scores to a tolerance. Exit 6 where a model that decided is missing.
    """
    place = arrive()
    verdict = prove(place, one_session(session, also), first=first, last=last)
    tables = compare(place, place.ledger(verdict.session)) if rebuild else None
    if json:
        print_json(as_json(verdict) | ({"projections": tables.as_json()} if tables else {}))
    else:
        show(verdict)
        if tables:
            tables.show()
    if not verdict.identical or (tables and not tables.sound):
        sys.exit(1)


def prove(place: Place, session: str | None, *, first: int = 1, last: int | None = None) -> Any:
    """Replay with a progress bar on standard error; returns the verdict."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from replay.verify import verify
    from titanflow.code_identity import code_here, code_of, difference_of_code
    from titanflow.runtime.ledgers import CODEC
    from titanflow.runtime.operator_desk import session_started
    from titanflow.runtime.session_models import models_of, serving_here

    ledger = place.ledger(session)
    started = session_started(ledger)
    if other := difference_of_code(code_of(started), code_here()):
        note(f"{other}; decisions may differ for that reason alone", "yellow")
    models, serving = models_of(place.client, place.settings.home, started), serving_here(started)
    end = min(last or sys.maxsize, ledger.last_seq())
    columns = (TextColumn("replaying {task.fields[session]}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=messages, transient=True) as progress:
        task = progress.add_task("replay", total=end, session=ledger.session)
        return verify(
            ledger,
            CODEC,
            first=first,
            last=last,
            models=models,
            serving=serving,
            code=code_here(),
            on_progress=lambda seq: progress.update(task, completed=seq),
        )


def show(verdict: Any) -> None:
    """Print a verdict for people."""
    from titanflow.cli.show import event_fields, event_name

    rate = (
        f"{verdict.events:,} events, {verdict.decided:,} decisions compared, {verdict.events_per_second:,.0f} events/s"
    )
    if verdict.identical:
        say(Text("identical", style="bold green"), f"  session {verdict.session}: {rate}")
        say(f"digest     {verdict.digest}")
        say(f"compared   {verdict.comparison}: {verdict.reason}")
        return
    found = verdict.divergence
    if verdict.other_code:
        say(f"code       {verdict.other_code}")
    say(Text("DIFFERENT", style="bold red"), f"  session {verdict.session}: {rate}")
    say(f"compared   {verdict.comparison}: {verdict.reason}")
    say(f"first divergence at seq {found.seq}: decider {found.decider}, on the event of seq {found.cause}")
    sides = [
        {"": event_name(event), **event_fields(event)} if event else {} for event in (found.recorded, found.recomputed)
    ]
    rows = []
    for name in {**sides[0], **sides[1]}:
        recorded, recomputed = (str(side.get(name, "–")) for side in sides)
        style = "bold red" if recorded != recomputed else ""
        rows.append((Text(name or "event", style=style), Text(recorded, style=style), Text(recomputed, style=style)))
    columns = (Column("field"), Column("recorded", folds=True), Column("recomputed", folds=True))
    console.print(table("", columns, rows))


def as_json(verdict: Any) -> dict[str, Any]:
    """A verdict as JSON fields."""
    found = verdict.divergence
    return {
        "session_id": verdict.session,
        "code": {
            "same": not verdict.other_code,
            "recorded": verdict.recorded_code._asdict(),
            "here": verdict.code._asdict(),
        },
        "identical": verdict.identical,
        "events": verdict.events,
        "decided": verdict.decided,
        "first": verdict.first,
        "last": verdict.last,
        "seconds": round(verdict.seconds, 6),
        "events_per_second": round(verdict.events_per_second),
        "digest": verdict.digest,
        "comparison": verdict.comparison,
        "reason": verdict.reason,
        "divergence": found
        and {
            "seq": found.seq,
            "decider": found.decider,
            "cause": found.cause,
            "recorded": _fields(found.recorded),
            "recomputed": _fields(found.recomputed),
        },
    }


def _fields(event: Any) -> dict[str, Any] | None:
    from titanflow.cli.show import event_fields, event_name

    return event and {"type": event_name(event), **event_fields(event)}
