"""`titanflow explain`: the story of a fill, an order, or any event, from its oldest cause to what it led to."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from titanflow.cli.context import JsonOption, SessionOption, arrive
from titanflow.cli.output import console, moment, print_json, say

if TYPE_CHECKING:
    from replay.trace import Link

_NUMBER_WIDTH = 9
_LABEL_WIDTH = 9

MAX_SHOWN = 10
"""Consequences that a person is shown: an order may fill in hundreds of parts."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(explain)


def explain(
    target: Annotated[str, typer.Argument(metavar="FILL", help="A fill id, an order id, or the seq of any event.")],
    session: SessionOption = None,
    json: JsonOption = False,
) -> None:
    """Say why it happened: tick, bar, signal with its reasons, approval with its limits, order, fill."""
    from replay.trace import find, followers, trace
    from titanflow.cli.show import event_fields, event_name
    from titanflow.errors import InputError
    from titanflow.runtime.operator_desk import session_started

    ledger = arrive().ledger(session)
    seq = find(ledger, target)
    if seq is None:
        raise InputError(
            f"{target!r}: no fill, order or seq of session {ledger.session!r}; "
            "`titanflow ledger tail --type OrderFilled` lists fills"
        )
    chain, after = trace(ledger, seq), followers(ledger, seq)
    if json:
        links, led_to = (
            [{"seq": n, "type": event_name(event), **event_fields(event)} for n, event in part]
            for part in (chain, after)
        )
        print_json({"session_id": ledger.session, "target": seq, "chain": links, "led_to": led_to})
        return
    names = {spec.id: spec.name for spec in session_started(ledger).contenders}
    say(Text(f"Why event {seq} of session {ledger.session} happened, oldest cause first", style="bold"))
    for link in chain:
        _tell(link, names, bold=link.seq == seq)
    if after:
        say(Text("What it led to", style="bold"))
    for link in after[:MAX_SHOWN]:
        _tell(link, names)
    if len(after) > MAX_SHOWN:
        say(f"and {len(after) - MAX_SHOWN:,} more events; --json lists them")


def _tell(link: "Link", names: dict[str, str], *, bold: bool = False) -> None:
    from titanflow.cli.story import details, sentence

    seq, event = link
    line = Text(f"{seq:>{_NUMBER_WIDTH}}  {moment(getattr(event, 'at', 0))}  ", style="dim")
    say(line.append(Text(sentence(event, names), style="bold" if bold else "not dim")))
    for label, text in details(event):
        indent = _NUMBER_WIDTH + 2
        room = console.width - indent - _LABEL_WIDTH if console.is_terminal else len(text)
        first, *rest = Text(text).wrap(console, max(20, room)) if text else [Text("–")]
        say(Text(f"{'':<{indent}}{label:<{_LABEL_WIDTH}}", style="dim").append(first.plain.rstrip(), style="not dim"))
        for more in rest:
            say(" " * (indent + _LABEL_WIDTH) + more.plain.rstrip())
