"""`titanflow ledger tail|digest|check|repair`: the ledger itself."""

import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from titanflow.cli.context import JsonOption, SessionArgument, SessionToo, arrive, one_session
from titanflow.cli.output import print_json, say, write

if TYPE_CHECKING:
    from eventstore.ledger import Block
    from titanflow.domain.events import Event

app = typer.Typer(help="Look at the ledger of a session, or save what is sound of it.", no_args_is_help=True)


@app.command()
def tail(
    session: SessionArgument = None,
    also: SessionToo = None,
    json: JsonOption = False,
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, help="How many of the last events to show.")] = 20,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on as events come, until Ctrl-C.")] = False,
    kinds: Annotated[
        list[str] | None, typer.Option("--type", help="Only events of this type, e.g. OrderFilled.")
    ] = None,
) -> None:
    """Show the last events, one a line (with --json: one JSON object a line)."""
    wanted = _known_types(kinds or ())
    ledger = arrive().ledger(one_session(session, also))
    last = ledger.last_seq()
    start = 1 if wanted else max(1, last - lines + 1)
    for seq, event in deque(_chosen(ledger.read(start, last), wanted), maxlen=lines):
        _show(seq, event, json)
    while follow:
        blocks = ledger.tail(last, 1.0)
        for seq, event in _chosen(blocks, wanted):
            _show(seq, event, json)
        last = blocks[-1].last if blocks else last


def _known_types(kinds: Sequence[str]) -> tuple[type["Event"], ...]:
    from titanflow.domain.events import EVENT_TYPES
    from titanflow.errors import InputError

    known = {event_type.__name__: event_type for event_type in EVENT_TYPES}
    for kind in kinds:
        if kind not in known:
            raise InputError(f"--type {kind!r}: no such event type; known are {', '.join(sorted(known))}")
    return tuple(known[kind] for kind in kinds)


def _chosen(blocks: Iterable["Block[Event]"], kinds: tuple[type["Event"], ...]) -> Iterator[tuple[int, "Event"]]:
    for block in blocks:
        for seq, event in enumerate(block.events, block.first):
            if not kinds or isinstance(event, kinds):
                yield seq, event


def _show(seq: int, event: "Event", json: bool) -> None:
    from titanflow.cli.show import event_fields, event_line, event_name

    if json:
        import msgspec

        write(msgspec.json.encode({"seq": seq, "type": event_name(event), **event_fields(event)}).decode())
    else:
        say(f"{seq:>9}  {event_line(event)}")


@app.command()
def digest(
    session: SessionArgument = None,
    also: SessionToo = None,
    json: JsonOption = False,
    last: Annotated[int | None, typer.Option("--to", min=1, help="Up to this seq.", show_default=False)] = None,
) -> None:
    """Print the SHA-256 over the session's events in order: equal digests, equal sessions."""
    ledger = arrive().ledger(one_session(session, also))
    value = ledger.digest(1, last)
    if json:
        print_json({"session_id": ledger.session, "events": last or ledger.last_seq(), "digest": value})
    else:
        say(value)


@app.command()
def check(session: SessionArgument = None, also: SessionToo = None, json: JsonOption = False) -> None:
    """Read every entry: order, gaps, duplicates, checksums, decoding. Exit 1 with the first problem."""
    ledger = arrive().ledger(one_session(session, also))
    report = ledger.check()
    if json:
        print_json({"session_id": ledger.session, "sound": report.problem is None, **report._asdict()})
    elif report.problem is None:
        say(f"sound: {report.events:,} events in {report.blocks:,} blocks, {report.bytes:,} bytes")
    else:
        say(f"BROKEN after {report.events:,} sound events: {report.problem.detail}")
    if report.problem is not None:
        sys.exit(1)


@app.command()
def repair(
    session: Annotated[str, typer.Argument(metavar="SESSION", help="The session whose ledger is damaged.")],
    name: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="Name of the copy; none: SESSION-repaired.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Copy the sound part of a damaged ledger into a new session, which can be proven; the damaged one stays as it is.

    Where nothing is left out the copy can be resumed. Else it is closed: what it owes is decided, and it ends there.
    """
    from titanflow.cli.repair import repair as repair_session

    result = repair_session(arrive(), session, name)
    if json:
        print_json(result._asdict())
        return
    say(f"wrong      {result.problem}")
    say(f"copied     {result.events:,} events in {result.blocks:,} blocks as session {result.session_id}")
    say(f"left out   {result.left_out:,} events, and what somebody else wrote")
    if result.resumable:
        say(f"go on      titanflow live --resume {result.session_id}")
    say(f"prove it   titanflow replay {result.session_id}")
