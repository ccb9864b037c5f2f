"""`titanflow projections rebuild|verify`: the tables are disposable; the ledger makes them again."""

import sys
from typing import TYPE_CHECKING, Any

import typer

from titanflow.cli.context import JsonOption, Place, SessionOption, arrive
from titanflow.cli.output import messages, print_json, say

if TYPE_CHECKING:
    from projections.verify import VerifyReport

app = typer.Typer(help="The tables in Postgres, folded from the ledger.", no_args_is_help=True)


@app.command()
def rebuild(session: SessionOption = None, json: JsonOption = False) -> None:
    """Fold sessions anew beside the live tables, then swap the rows, each session in one transaction."""
    from projections.rebuild import rebuild as rebuild_rows

    place = arrive()
    ledgers = _ledgers(place, session)
    with messages.status(f"folding {len(ledgers)} sessions …"):
        rebuilt = rebuild_rows(place.database_url, ledgers)
    if json:
        print_json([one._asdict() for one in rebuilt])
    else:
        for one in rebuilt:
            say(f"rebuilt {one.session}: {one.rows:,} rows from {one.events:,} events")


@app.command()
def verify(session: SessionOption = None, json: JsonOption = False) -> None:
    """Fold sessions anew and compare with the live tables, row by row. Exit 1 with the first differences."""
    from projections.verify import verify as compare

    place = arrive()
    with messages.status("comparing …"):
        reports = [compare(place.database_url, ledger) for ledger in _ledgers(place, session)]
    if json:
        print_json([report_json(report) for report in reports])
    else:
        for report in reports:
            show_report(report)
    if not all(report.identical for report in reports):
        sys.exit(1)


def show_report(report: "VerifyReport") -> None:
    """Print one comparison for people."""
    verdict = "identical" if report.identical else "DIFFERENT"
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


def report_json(report: "VerifyReport") -> dict[str, Any]:
    """One comparison as JSON fields."""
    return report._asdict() | {"identical": report.identical}


def _ledgers(place: Place, session: str | None) -> list[Any]:
    from eventstore.sessions import Sessions

    names = [session] if session else [entry.id for entry in Sessions(place.client).all()]
    return [place.ledger(name) for name in names]
