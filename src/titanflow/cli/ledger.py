"""`titanflow ledger tail|digest|check`: the ledger itself."""

import sys
from typing import Annotated

import typer

from titanflow.cli.context import JsonOption, SessionArgument, arrive
from titanflow.cli.output import console, print_json
from titanflow.cli.show import event_fields, event_line, event_name

app = typer.Typer(help="Look at the ledger of a session.", no_args_is_help=True)


@app.command()
def tail(
    session: SessionArgument = None,
    json: JsonOption = False,
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, help="How many of the last events to show.")] = 20,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on as events come, until Ctrl-C.")] = False,
    kinds: Annotated[
        list[str] | None, typer.Option("--type", help="Only events of this type, e.g. OrderFilled.")
    ] = None,
) -> None:
    """Show the last events, one a line (with --json: one JSON object a line)."""
    from collections import deque

    import msgspec

    from titanflow.domain.events import EVENT_TYPES, Event
    from titanflow.errors import InputError

    known = {event_type.__name__ for event_type in EVENT_TYPES}
    for kind in kinds or ():
        if kind not in known:
            raise InputError(f"--type {kind!r}: no such event type; known are {', '.join(sorted(known))}")
    ledger = arrive().ledger(session)

    def show(seq: int, event: Event) -> None:
        if json:
            fields = {"seq": seq, "type": event_name(event), **event_fields(event)}
            sys.stdout.write(msgspec.json.encode(fields).decode() + "\n")
        else:
            console.print(f"{seq:>9}  {event_line(event)}", soft_wrap=True, markup=False)

    last = ledger.last_seq()
    start = 1 if kinds else max(1, last - lines + 1)
    events = (
        (pair for block in ledger.read(start, last) for pair in enumerate(block.events, block.first)) if last else ()
    )
    wanted = (pair for pair in events if not kinds or event_name(pair[1]) in kinds)
    for seq, event in deque(wanted, maxlen=lines):
        show(seq, event)
    while follow:
        for block in ledger.tail(last, 1.0):
            for seq, event in enumerate(block.events, block.first):
                if not kinds or event_name(event) in kinds:
                    show(seq, event)
            last = block.last
        sys.stdout.flush()


@app.command()
def digest(
    session: SessionArgument = None,
    json: JsonOption = False,
    last: Annotated[int | None, typer.Option("--to", min=1, help="Up to this seq.", show_default=False)] = None,
) -> None:
    """Print the SHA-256 over the session's events in order: equal digests, equal sessions."""
    ledger = arrive().ledger(session)
    value = ledger.digest(1, last)
    if json:
        print_json({"session_id": ledger.session, "events": last or ledger.last_seq(), "digest": value})
    else:
        console.print(value, soft_wrap=True)


@app.command()
def check(session: SessionArgument = None, json: JsonOption = False) -> None:
    """Read every entry: order, gaps, duplicates, checksums, decoding. Exit 1 with the first problem."""
    ledger = arrive().ledger(session)
    report = ledger.check()
    if json:
        print_json({"session_id": ledger.session, "sound": report.problem is None, **report._asdict()})
    elif report.problem is None:
        console.print(f"sound: {report.events:,} events in {report.blocks:,} blocks, {report.bytes:,} bytes")
    else:
        console.print(f"BROKEN after {report.events:,} sound events: {report.problem.detail}")
    if report.problem is not None:
        sys.exit(1)
