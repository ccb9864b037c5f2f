"""`titanflow projections rebuild|verify|catch-up`: the tables are disposable; the ledger makes them again."""

import sys
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from titanflow.cli.context import (
    JsonOption,
    Place,
    SessionArgument,
    SessionToo,
    arrive,
    one_session,
)
from titanflow.cli.output import messages, print_json, say

if TYPE_CHECKING:
    from pathlib import Path

    from projections.verify import VerifyReport
    from titanflow.runtime.ledgers import EventLedger

AllArgument = Annotated[
    str | None, typer.Argument(metavar="SESSION", help="Session id; none means all.", show_default=False)
]

app = typer.Typer(help="The tables in Postgres, folded from the ledger.", no_args_is_help=True)


@app.command()
def rebuild(named: AllArgument = None, session: SessionToo = None, json: JsonOption = False) -> None:
    """Fold sessions anew beside the live tables, then swap the rows, each session in one transaction."""
    from projections.rebuild import rebuild as rebuild_rows

    place = arrive()
    ledgers = _ledgers(place, one_session(named, session))
    with messages.status(f"folding {len(ledgers)} sessions …"):
        rebuilt = rebuild_rows(place.database_url, ledgers)
    if json:
        print_json([one._asdict() for one in rebuilt])
    else:
        for one in rebuilt:
            say(f"rebuilt {one.session}: {one.rows:,} rows from {one.events:,} events")


@app.command()
def verify(named: AllArgument = None, session: SessionToo = None, json: JsonOption = False) -> None:
    """Fold sessions anew and compare with the live tables, row by row. Exit 1 with the first differences."""
    place = arrive()
    with messages.status("comparing …"):
        compared = [compare(place, ledger) for ledger in _ledgers(place, one_session(named, session))]
    if json:
        print_json([one.as_json() for one in compared])
    else:
        for one in compared:
            one.show()
    if not all(one.sound for one in compared):
        sys.exit(1)


@app.command("catch-up")
def catch_up(session: SessionArgument = None, also: SessionToo = None, json: JsonOption = False) -> None:
    """Bring tables and mirror to the ledger's end, after a session that had to leave them behind."""
    from titanflow.errors import SessionStateError
    from titanflow.gateway.lifecycle import is_mirrored
    from titanflow.runtime.incidents import Incidents
    from titanflow.runtime.reading import SERVICE_OF, catch_up_mirror, catch_up_tables
    from titanflow.runtime.runs import run_directory, running_sessions

    place = arrive()
    ledger = place.ledger(one_session(session, also))
    if any(one.session == ledger.session for one in running_sessions(place.settings.home)):
        raise SessionStateError(f"session {ledger.session!r} is being run: its own services catch up by themselves")
    with messages.status("catching up …"):
        done = [catch_up_tables(place.database_url, ledger)]
        if is_mirrored(ledger):
            done.append(catch_up_mirror(place.client, ledger, _audit_file(place, ledger.session)))
    if run_directory(place.settings.home, ledger.session).is_dir():
        for one in done:
            Incidents(place.settings.home, ledger.session).add(SERVICE_OF[one.name], "caught up", "")
    if json:
        print_json({"session_id": ledger.session, "events": ledger.last_seq(), **dict(done)})
    else:
        say(f"session {ledger.session}: " + ", ".join(f"{one.name} up to seq {one.seq:,}" for one in done))


def _audit_file(place: Place, session: str) -> "Path | None":
    """The audit file that is set now, else the one that the session was started with on this machine."""
    from titanflow.errors import SessionStateError
    from titanflow.runtime.runs import load_run

    try:
        return place.settings.audit_log_path or load_run(place.settings.home, session).audit_log_path
    except SessionStateError:
        return None


class Comparison(NamedTuple):
    """A session's live rows beside those that its ledger makes."""

    report: "VerifyReport"
    behind: bool
    """Nothing follows in the ledger any more, and yet the tables do not hold all of it."""

    @property
    def sound(self) -> bool:
        """Every row is as the ledger says, and none is owed by a projector that has no reason to wait."""
        return self.report.identical and not self.behind

    def as_json(self) -> dict[str, Any]:
        """The fields by name."""
        differences = [{**each._asdict(), "columns": each.columns} for each in self.report.differences]
        told = {"identical": self.report.identical, "behind": self.behind, "differences": differences}
        return self.report._asdict() | told

    def show(self) -> None:
        """Print it for people."""
        _show(self.report, "BEHIND" if self.behind else "identical")
        if not self.sound:
            say(f"`titanflow projections rebuild --session {self.report.session}` makes the rows anew from the ledger")


def compare(place: Place, ledger: "EventLedger") -> Comparison:
    """Fold one session anew and compare it with the live tables. A session that still runs may be ahead of them."""
    from projections.verify import verify as compare_rows
    from titanflow.runtime.processor import is_over

    over = is_over(ledger)
    report = compare_rows(place.database_url, ledger)
    return Comparison(report, over and report.seq < report.ledger_seq)


def _show(report: "VerifyReport", otherwise: str) -> None:
    verdict = otherwise if report.identical else "DIFFERENT"
    upto = f"up to seq {report.seq:,}" + ("" if report.seq == report.ledger_seq else f" of {report.ledger_seq:,}")
    say(f"projections {verdict}: session {report.session}, {report.rows:,} rows, {upto}")
    for difference in report.differences:
        key = " ".join(f"{name}={value}" for name, value in difference.key.items())
        if difference.live is None or difference.rebuilt is None:
            what = "is missing" if difference.live is None else "should not be there"
            say(f"  {difference.table} [{key}] {what}")
            continue
        for name in difference.columns:
            live, rebuilt = difference.live[name], difference.rebuilt[name]
            say(f"  {difference.table} [{key}] {name}: live {live}, rebuilt {rebuilt}")


def _ledgers(place: Place, session: str | None) -> list[Any]:
    from eventstore.sessions import Sessions

    names = [session] if session else [entry.id for entry in Sessions(place.client).all()]
    return [place.ledger(name) for name in names]
