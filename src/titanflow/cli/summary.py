"""What a session came to: the numbers that `live` and `backtest` end with."""

from collections.abc import Iterator
from typing import Any

from rich.text import Text

from titanflow.cli.context import Place
from titanflow.cli.output import console, moment, price, say
from titanflow.cli.progress import model_warnings
from titanflow.cli.reasons import reason_lines, reasons_of, set_aside, warning_texts
from titanflow.cli.risk_story import gate_lines, halt_lines, risk_state
from titanflow.cli.standings import absence_notes, record_of, standings_table
from titanflow.domain.events import (
    BarPointReceived,
    OfficialPrintReceived,
    OrderDenied,
    OrderFilled,
    OrderRejected,
    OrderSubmitted,
    SignalGenerated,
    SignalWithheld,
    TickReceived,
)
from titanflow.domain.types import decimal_of
from titanflow.runtime.observer import Observer


def observe(place: Place, session: str) -> Observer:
    """Fold the whole ledger of a session."""
    observer = Observer()
    for block in place.ledger(session).read():
        observer.feed(block)
    return observer


def result_of(place: Place, session: str, seconds: float) -> dict[str, Any]:
    """The documented JSON fields of a session."""
    seen = observe(place, session)
    ledger = place.ledger(session)
    return {
        "session_id": session,
        "events": seen.last_seq,
        "ticks": seen.count(TickReceived) + seen.count(BarPointReceived),
        "signals": seen.count(SignalGenerated),
        "withheld": seen.count(SignalWithheld),
        "orders": seen.count(OrderSubmitted),
        "fills": seen.count(OrderFilled),
        "denied": seen.count(OrderDenied),
        "rejected": seen.count(OrderRejected),
        "dead_letters": ledger.dead_letters.count(),
        "unconfirmed_prints": seen.unconfirmed.total(),
        "official_prints": seen.count(OfficialPrintReceived),
        "notes": seen.started.feed.notes if seen.started else (),
        "digest": ledger.digest(),
        "seconds": round(seconds, 3),
        "faults": seen.faults,
        "set_aside": {name: f"{failed.reason}: {failed.detail}" for name, failed in seen.set_aside.items()},
        **reasons_of(seen, set_aside(ledger.dead_letters)),
        **risk_state(seen),
        "leaderboard": [record_of(standing) for standing in seen.leaderboard.standings] if seen.leaderboard else [],
    }


def show_summary(place: Place, session: str, result: dict[str, Any]) -> None:
    """Print the result for people."""
    seen = observe(place, session)
    if seen.started is not None:
        feed = seen.started.feed
        say(f"session    {session}: {feed.provider} {feed.source}, {moment(seen.first_at)} to {moment(seen.at)} UTC")
    counts = "  ".join(
        f"{name.replace('_', ' ')} {result[name]:,}"
        for name in ("events", "ticks", "signals", "withheld", "orders", "fills", "denied", "rejected", "dead_letters")
    )
    say(f"counts     {counts}")
    for line in (*money_lines(seen), *print_lines(seen)):
        say(line)
    rows = set_aside(place.ledger(session).dead_letters)
    for line in reason_lines(seen, rows):
        say(line)
    for line in (*halt_lines(seen.halts), *gate_lines(seen.halts)):
        say(line)
    for warning in (*model_warnings(seen), *warning_texts(seen, rows)):
        say(Text(warning, style="yellow"))
    rate = result["events"] / result["seconds"] if result["seconds"] else 0
    say(f"took       {result['seconds']:.1f} s, {rate:,.0f} events/s")
    if seen.leaderboard is not None and seen.started is not None:
        records = [record_of(standing) for standing in seen.leaderboard.standings]
        console.print(standings_table(records, {spec.id: spec.name for spec in seen.started.contenders}))
        for line in absence_notes(records):
            say(Text(line, style="dim"))


def money_lines(seen: Observer) -> Iterator[str]:
    """At which rates what is quoted in other currencies is booked; nothing where all is quoted in the accounts' own."""
    if seen.started is None:
        return
    own = seen.started.settings.currency
    rates = {each.currency: each.rate for each in seen.started.instruments if each.tradable and each.currency != own}
    if rates:
        told = ", ".join(f"{currency} at {price(decimal_of(rate))}" for currency, rate in sorted(rates.items()))
        yield f"money      accounts in {own}; {told}"


def print_lines(seen: Observer) -> Iterator[str]:
    """What the feed did with prints that are no usual trades, and rows that are there twice; nothing without any."""
    if seen.unconfirmed.total():
        named = ", ".join(f"{instrument} {count:,}" for instrument, count in seen.unconfirmed.most_common(5) if count)
        yield f"prints     {seen.unconfirmed.total():,} far off the market set no price, being volume only: {named}"
    if official := seen.count(OfficialPrintReceived):
        yield f"prints     {official:,} official opens and closes repeat their auction: neither price nor volume"
    for note in seen.started.feed.notes if seen.started else ():
        yield f"rows       {note}"
