"""`titanflow sessions`: lists the sessions of this Redis; `sessions delete` removes one, with all that is its."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from titanflow.cli.context import JsonOption, Place, arrive
from titanflow.cli.output import Column, console, messages, print_json, say, table, to_second

if TYPE_CHECKING:
    from titanflow.runtime.ledgers import EventLedger

app = typer.Typer(help="List every session of this Redis, or delete one.", invoke_without_command=True)


@app.callback()
def sessions(context: typer.Context, json: JsonOption = False) -> None:
    """List every session of this Redis, newest first."""
    if context.invoked_subcommand is None:
        _list(json)


@app.command()
def delete(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The session to delete.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for the name again.")] = False,
    json: JsonOption = False,
) -> None:
    """Delete a session for good: its ledger, its rows in the tables, its uploaded models, its folder in the home.

    Asks for the name once more, unless --yes is given. A session that runs is refused.
    """
    from projections.removal import remove_rows
    from titanflow.errors import InputError
    from titanflow.runtime.removal import refuse_if_running, remove_session

    place = arrive()
    ledger = _known(place, name)
    refuse_if_running(place.settings.home, ledger)
    if not yes and _typed_again(name, ledger.last_seq()) != name:
        raise InputError(f"nothing was deleted: {name!r} was not typed again (--yes deletes without asking)")
    rows = remove_rows(place.database_url, name)
    removed = remove_session(place.client, place.settings.home, name)
    if json:
        print_json({"session_id": name, "rows": rows, **removed._asdict()})
    else:
        folder = ", its folder" if removed.folder else ""
        say(f"deleted {name}: {removed.keys} keys in Redis, {rows:,} rows, {removed.models} uploaded models{folder}")


def _known(place: Place, name: str) -> "EventLedger":
    """Its ledger, also where only keys of that name are left. Raises SessionNotFoundError where there is nothing."""
    from titanflow.errors import SessionNotFoundError
    from titanflow.runtime.ledgers import new_ledger, open_ledger

    try:
        return open_ledger(place.client, name)
    except SessionNotFoundError:
        try:
            ledger = new_ledger(place.client, name)
        except ValueError:
            ledger = None
        if ledger is None or (ledger.last_id() == "0-0" and not ledger.checkpoints()):
            raise
        return ledger


def _typed_again(name: str, events: int) -> str:
    messages.print(f"This deletes session {name} with its {events:,} events for good. Type its name to go on:")
    return sys.stdin.readline().strip()


def _list(json: bool) -> None:
    from eventstore.sessions import Sessions
    from titanflow.runtime.sessions import describe

    place = arrive()
    found = [describe(place.ledger(entry.id), entry.started_at) for entry in Sessions(place.client).all()]
    if json:
        print_json([session.as_json() for session in found])
        return
    columns = (
        Column("session"),
        Column("opened (UTC)", 3),
        Column("state"),
        Column("events", right=True),
        Column("feed", 2, folds=True),
        Column("from (event time)", 4),
        Column("to (event time)", 1),
    )
    rows = [
        (s.id, to_second(s.opened_at), s.state, f"{s.events:,}", s.feed, to_second(s.first_at), to_second(s.last_at))
        for s in found
    ]
    console.print(table("Sessions", columns, rows) if rows else "no session yet; `titanflow live` makes one")
