"""`titanflow explain`: the story of a signal, a fill, or any event, from its oldest cause to what it led to."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from titanflow.cli.context import JsonOption, SessionOption, arrive
from titanflow.cli.output import console, moment, note, price, print_json, say, shares
from titanflow.domain.types import decimal_of, scaled

if TYPE_CHECKING:
    from replay.trace import Link
    from titanflow.cli.model_story import RecordedModels
    from titanflow.cli.waterfall import Caption
    from titanflow.domain.events import SignalGenerated

_NUMBER_WIDTH = 9
_LABEL_WIDTH = 11

PLOT_SUFFIXES = (".svg", ".html")
MAX_SHOWN = 10
"""Consequences that a person is shown with their details; of the rest only fills, in a line each."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(explain)


def explain(
    target: Annotated[
        str,
        typer.Argument(
            metavar="SIGNAL_OR_FILL", help="The seq of a signal or of any event, a fill id, or an order id."
        ),
    ],
    session: SessionOption = None,
    json: JsonOption = False,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw the signal's reasons into a .svg or .html file.", show_default=False),
    ] = None,
) -> None:
    """Say why it happened: tick, bar, signal with its reasons, approval with its limits, order, trigger, fills."""
    from replay.trace import find, followers, trace
    from titanflow.cli.account_money import speak_of
    from titanflow.errors import InputError
    from titanflow.runtime.operator_desk import session_started

    ledger = arrive().ledger(session)
    seq = find(ledger, target)
    if seq is None:
        raise InputError(
            f"{target!r}: no fill, order or seq of session {ledger.session!r}; "
            "`titanflow ledger tail --type OrderFilled` lists fills, --type SignalGenerated signals"
        )
    chain, after = trace(ledger, seq), followers(ledger, seq)
    started = session_started(ledger)
    speak_of(started)
    models = {model.digest: model for model in started.models}
    if plot is not None:
        _plot(plot, chain, models)
    if json:
        asked = {"session_id": ledger.session, "target": seq}
        print_json({**asked, "chain": _links(chain), "led_to": _links(after), "models": _models_of(chain, models)})
        return
    teller = _Teller({spec.id: spec.name for spec in started.contenders}, models, [*chain, *after])
    say(Text(f"Why event {seq} of session {ledger.session} happened, oldest cause first", style="bold"))
    for link in chain:
        teller.tell(link, bold=link.seq == seq)
    teller.tell_consequences(after)
    if parts := _in_all([*chain, *after], getattr(chain[-1].event, "order_id", "")):
        say(parts)


def _links(links: Sequence["Link"]) -> list[dict[str, Any]]:
    from titanflow.cli.show import event_fields, event_name

    return [{"seq": seq, "type": event_name(event), **event_fields(event)} for seq, event in links]


def _models_of(chain: Sequence["Link"], models: "RecordedModels") -> dict[str, Any]:
    """Digest -> evidence of each trained model that the chain names."""
    from titanflow.cli.model_story import model_fields

    named = (getattr(event, "model_hash", "") for _, event in chain)
    return {digest: model_fields(models[digest]) for digest in named if digest in models}


def _plot(path: Path, chain: Sequence["Link"], models: "RecordedModels") -> None:
    """Draw the last signal of the chain."""
    from titanflow.cli.waterfall import page, waterfall
    from titanflow.domain.events import SignalGenerated
    from titanflow.errors import InputError

    if path.suffix not in PLOT_SUFFIXES:
        raise InputError(f"--plot {path}: expected a file that ends with {' or '.join(PLOT_SUFFIXES)}")
    signal = next((event for _, event in reversed(chain) if isinstance(event, SignalGenerated)), None)
    if signal is None:
        raise InputError(nothing_to_draw(chain[-1]))
    caption = _caption(signal, models)
    svg = waterfall(signal.explanation, signal.features, caption)
    path.write_text(page(caption.title, svg) if path.suffix == ".html" else svg, encoding="utf-8")
    note(f"drawn: {path}")


def nothing_to_draw(link: "Link") -> str:
    """Why an event has no reasons that could be drawn, and what to do instead."""
    from titanflow.cli.show import event_name
    from titanflow.domain.events import FeatureDriftMeasured, SignalWithheld

    match link.event:
        case SignalWithheld():
            why = "its model did not signal, and only what is signalled is explained"
        case FeatureDriftMeasured():
            why = "it compares features with the training, and explains no signal"
        case _:
            why = "it goes back to no signal"
    told = f"without --plot, `titanflow explain {link.seq}` tells what is known of it"
    return f"event {link.seq} ({event_name(link.event)}) cannot be drawn: {why}; {told}"


def _caption(signal: "SignalGenerated", models: "RecordedModels") -> "Caption":
    from titanflow.cli.waterfall import Caption

    why, recorded = signal.explanation, models.get(signal.model_hash)
    within = f", which add up within {why.error:.2g}" if why.error else ""
    by = f"{recorded.manifest.name} ({recorded.stage})" if recorded else "rule"
    paid = price(decimal_of(signal.price))
    return Caption(
        title=f"Why {signal.contender} signalled {signal.side} {signal.instrument}",
        subtitle=f"{moment(signal.at)} UTC · last price {paid} · confidence {signal.confidence:.1%}",
        notes=(f"Contributions by {why.method}{within}", f"Model: {by} {signal.model_hash}"),
    )


class _Teller:
    """Writes events as lines of a story, each with what it rests on."""

    def __init__(self, names: Mapping[str, str], models: "RecordedModels", links: Sequence["Link"]) -> None:
        from titanflow.domain.events import OrderTriggered

        self._names = names
        self._models = models
        self._stops = {event.order_id: event.stop_price for _, event in links if isinstance(event, OrderTriggered)}

    def tell(self, link: "Link", *, bold: bool = False, brief: bool = False) -> None:
        """One event: a line, and unless `brief` its details."""
        from titanflow.cli.story import details, sentence

        seq, event = link
        line = Text(f"{seq:>{_NUMBER_WIDTH}}  {moment(getattr(event, 'at', 0))}  ", style="dim")
        say(line.append(Text(sentence(event, self._names), style="bold" if bold else "not dim")))
        for label, text in () if brief else details(event, self._models, self._stops):
            indent = _NUMBER_WIDTH + 2
            room = console.width - indent - _LABEL_WIDTH if console.is_terminal else len(text)
            first, *rest = Text(text).wrap(console, max(20, room)) if text else [Text("–")]
            head = Text(f"{'':<{indent}}{label:<{_LABEL_WIDTH}}", style="dim")
            say(head.append(first.plain.rstrip(), style="not dim"))
            for more in rest:
                say(" " * (indent + _LABEL_WIDTH) + more.plain.rstrip())

    def tell_consequences(self, after: Sequence["Link"]) -> None:
        """The first with their details; of the others every fill, and how many more there are."""
        from titanflow.domain.events import OrderFilled

        if after:
            say(Text("What it led to", style="bold"))
        for link in after[:MAX_SHOWN]:
            self.tell(link)
        for link in after[MAX_SHOWN:]:
            if isinstance(link.event, OrderFilled):
                self.tell(link, brief=True)
        if more := sum(not isinstance(event, OrderFilled) for _, event in after[MAX_SHOWN:]):
            say(f"and {more:,} more events; --json lists them")


def _in_all(links: Sequence["Link"], order_id: str) -> str:
    """What the parts of an order come to, where it filled in more than one."""
    from titanflow.cli.account_money import amount, value_of
    from titanflow.domain.events import OrderFilled

    parts = [event for _, event in links if isinstance(event, OrderFilled) and event.order_id == order_id]
    if len(parts) < 2:
        return ""
    quantity, fee = sum(part.quantity for part in parts), sum(part.fee for part in parts)
    average = scaled(sum(part.price * part.quantity for part in parts), quantity)
    worth = sum(value_of(part.instrument, part.price, part.quantity) for part in parts)
    return (
        f"In {len(parts):,} parts: {shares(decimal_of(quantity))} at {price(decimal_of(average))} on average = "
        f"{amount(worth)}, fees {amount(fee)}"
    )
