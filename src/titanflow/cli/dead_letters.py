"""`titanflow dead-letters list|retry`: input that was set aside, with its reason."""

from typing import Annotated

import typer

from titanflow.cli.context import JsonOption, SessionArgument, SessionOption, SessionToo, arrive, one_session
from titanflow.cli.output import Column, console, print_json, say, table, to_second

app = typer.Typer(help="Input that could not be used, set aside with its reason.", no_args_is_help=True)


@app.command("list")
def list_letters(
    session: SessionArgument = None,
    also: SessionToo = None,
    json: JsonOption = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many to show, oldest first.")] = 100,
) -> None:
    """List dead letters, oldest first, and how many there are of each reason."""
    ledger = arrive().ledger(one_session(session, also))
    letters = ledger.dead_letters.list(limit=limit)
    counts = ledger.dead_letters.counts_by_reason()
    if json:
        fields = [
            {
                "id": letter.id,
                "source": letter.source,
                "reason": letter.reason,
                "detail": letter.detail,
                "payload": letter.payload.decode("utf-8", "replace"),
                "recorded_at_ns": letter.recorded_at,
            }
            for letter in letters
        ]
        print_json({"session_id": ledger.session, "counts": dict(counts), "dead_letters": fields})
        return
    if not letters:
        say(f"session {ledger.session} has no dead letters")
        return
    columns = (
        Column("id"),
        Column("set aside (UTC)", 2),
        Column("source", 3),
        Column("reason"),
        Column("detail", folds=True),
    )
    rows = [
        (letter.id, to_second(letter.recorded_at), letter.source, letter.reason, letter.detail) for letter in letters
    ]
    console.print(table(f"Dead letters of session {ledger.session}: {sum(counts.values()):,}", columns, rows))
    say("  ".join(f"{reason} {count:,}" for reason, count in counts.items()))


@app.command()
def retry(
    letter: Annotated[
        str | None, typer.Argument(metavar="LETTER", help="Id of one letter; none means all.", show_default=False)
    ] = None,
    session: SessionOption = None,
    json: JsonOption = False,
) -> None:
    """Judge dead letters again; those whose time the session has just reached enter the ledger, the rest stays."""
    from titanflow.runtime.retry import retry_dead_letters

    outcomes = retry_dead_letters(arrive().ledger(session), letter)
    if json:
        print_json([outcome._asdict() for outcome in outcomes])
        return
    for outcome in outcomes:
        say(f"{outcome.id}  {'event ' + str(outcome.seq) if outcome.seq else 'stays: ' + outcome.reason}")
    accepted = sum(outcome.seq > 0 for outcome in outcomes)
    say(f"{accepted} of {len(outcomes)} entered the ledger")
