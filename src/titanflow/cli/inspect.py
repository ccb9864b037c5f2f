"""`status`, `leaderboard`, `portfolio`: what is and was, for people and programs."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from titanflow.cli.context import JsonOption, SessionArgument, SessionOption, SessionToo, arrive, one_session
from titanflow.cli.output import (
    Column,
    console,
    dollars,
    moment,
    price,
    print_json,
    say,
    shares,
    signed_dollars,
    table,
    to_second,
)
from titanflow.domain.types import decimal_of

if TYPE_CHECKING:
    from titanflow.runtime.ledgers import EventLedger
    from titanflow.runtime.observer import Observer

_DECIDED_ELSEWHERE = ("operator:", "dead-letter:", "timed-out:", "session")
"""Checkpoints of these names belong to no service."""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (status, leaderboard, portfolio):
        app.command()(command)


def status(session: SessionArgument = None, also: SessionToo = None, json: JsonOption = False) -> None:
    """Show one session: its state, how far each service is, held orders, open positions, dead letters."""
    from titanflow.cli.lagging import read_side
    from titanflow.cli.progress import model_warnings
    from titanflow.cli.reasons import reason_lines, reasons_of, set_aside, warning_texts
    from titanflow.cli.risk_story import gate_lines, halt_lines, lives_for, risk_state
    from titanflow.cli.show import event_fields
    from titanflow.cli.summary import observe
    from titanflow.runtime.incidents import Incidents, in_brief
    from titanflow.runtime.sessions import describe

    place = arrive()
    ledger = place.ledger(one_session(session, also))
    seen, about = observe(place, ledger.session), describe(ledger, 0)
    services = _services(ledger)
    rows = set_aside(ledger.dead_letters)
    behind, incidents = read_side(place, ledger), Incidents(place.settings.home, ledger.session).all()
    if json:
        print_json(
            {
                "session_id": ledger.session,
                "state": about.state,
                "events": seen.last_seq,
                "at_ns": seen.at,
                "checkpoints": services,
                "counts": seen.counts(),
                "held": [
                    {"order_id": key, **event_fields(order), "lives_for_s": lives_for(order.expires_at, seen.at)}
                    for key, order in seen.held.items()
                ],
                **risk_state(seen),
                "positions": [
                    {"contender": c, "instrument": i, "quantity": decimal_of(q)} for (c, i), q in seen.positions.items()
                ],
                "dead_letters": dict(rows.counts),
                **reasons_of(seen, rows),
                "faults": seen.faults,
                "set_aside": {name: event_fields(failed) for name, failed in seen.set_aside.items()},
                "withheld": dict(seen.withheld),
                "drift": {name: event_fields(measured) for name, measured in seen.drift.items()},
                "behind": {name: one._asdict() for name, one in behind.items()},
                "incidents": incidents,
            }
        )
        return
    say(f"session    {ledger.session}: {about.state}, {seen.last_seq:,} events, event time {moment(seen.at)} UTC")
    say("read up to " + ("  ".join(f"{name} {at:,}" for name, at in services.items()) or "nothing yet"))
    if seen.leaderboard is not None:
        say("contenders " + "  ".join(_states(seen)))
    for line in halt_lines(seen.halts):
        say(Text(line, style="yellow"))
    for line in gate_lines(seen.halts):
        say(line)
    if seen.withheld:
        say("withheld   " + "  ".join(f"{contender} {n:,}" for contender, n in seen.withheld.items()))
    for line in reason_lines(seen, rows):
        say(line)
    for warning in (*model_warnings(seen), *(warning_texts(seen, rows) if seen.ended else ())):
        say(Text(warning, style="yellow"))
    for name, one in behind.items():
        say(Text(f"{name} lag{'' if name == 'tables' else 's'} {one.events:,} events: {one.reason}", style="yellow"))
    for line in in_brief(incidents):
        say(f"incident   {line}")
    if not rows.total:
        say("dead letters none")
    _show_open(seen)


def _states(seen: "Observer") -> list[str]:
    """Each contender with what it may do, in the order of the leaderboard."""
    from titanflow.risk.leaderboard import FAULTY

    standings = seen.leaderboard.standings if seen.leaderboard else ()
    return [f"{s.contender} {FAULTY if s.contender in seen.faults else s.status.replace('_', ' ')}" for s in standings]


def _show_open(seen: "Observer") -> None:
    """Print what is open in a session: held orders and positions."""
    from titanflow.cli.risk_story import lives_for

    names = (Column("contender"), Column("instrument"))
    if seen.held:
        columns = (
            Column("order"), *names, Column("side"), Column("quantity", right=True), Column("held because", 1),
            Column("expires (UTC)", 2), Column("lives", right=True),
        )  # fmt: skip
        rows = [
            (order.order_id, order.contender, order.instrument, order.side.value,
             shares(decimal_of(order.quantity)), order.code.value, to_second(order.expires_at),
             f"{lives_for(order.expires_at, seen.at)} s")
            for order in seen.held.values()
        ]  # fmt: skip
        console.print(table("Held orders (titanflow approve|deny ORDER)", columns, rows))
    if seen.positions:
        positions = [(c, i, shares(decimal_of(q))) for (c, i), q in seen.positions.items()]
        console.print(table("Open positions", (*names, Column("quantity", right=True)), positions))


def _services(ledger: "EventLedger") -> dict[str, int]:
    """How far each service of the session is."""
    from titanflow.gateway.lifecycle import MIRRORED

    elsewhere = (*_DECIDED_ELSEWHERE, MIRRORED)
    return {name: at for name, at in ledger.checkpoints().items() if not name.startswith(elsewhere)}


def leaderboard(session: SessionArgument = None, also: SessionToo = None, json: JsonOption = False) -> None:
    """Show the last published standings of a session, from the projections."""
    from projections.queries import Queries
    from titanflow.cli.standings import absence_notes, explained, standings_table
    from titanflow.runtime.operator_desk import session_started

    place = arrive()
    ledger = place.ledger(one_session(session, also))
    queries = Queries(place.database_url)
    standings = [explained(standing) for standing in queries.leaderboard(ledger.session)]
    if json:
        print_json({"session_id": ledger.session, "standings": standings, "all": queries.arena(ledger.session)})
    elif not standings:
        say(f"session {ledger.session}: nothing published yet")
    else:
        console.print(standings_table(standings, {spec.id: spec.name for spec in session_started(ledger).contenders}))
        for line in absence_notes(standings):
            say(Text(line, style="dim"))


def portfolio(
    contender: Annotated[
        str | None, typer.Argument(metavar="CONTENDER", help="Contender id; none means all.", show_default=False)
    ] = None,
    session: SessionOption = None,
    json: JsonOption = False,
) -> None:
    """Show cash, P&L and open positions of each contender, from the projections."""
    from projections.queries import Queries
    from titanflow.errors import InputError

    place = arrive()
    named = place.ledger(session).session
    accounts = Queries(place.database_url).portfolios(named, contender)
    if contender is not None and not accounts:
        raise InputError(f"contender {contender!r}: not in session {named!r}; `titanflow portfolio` shows all")
    if json:
        print_json({"session_id": named, "portfolios": accounts})
        return
    columns = (
        Column("contender"),
        Column("cash", right=True),
        Column("positions at cost", 2, right=True),
        Column("realized", right=True),
        Column("dividends", 4, right=True),
        Column("fees", 1, right=True),
        Column("fills", 3, right=True),
        Column("round trips", 3, right=True),
    )
    rows: list[list[str | Text]] = [
        [a["contender"], dollars(a["cash"]), dollars(a["cost_basis"]), signed_dollars(a["realized_pnl"]),
         signed_dollars(a["dividends"]), dollars(a["fees"]), str(a["fills"]), str(a["round_trips"])]
        for a in accounts
    ]  # fmt: skip
    console.print(table(f"Portfolios of session {named}", columns, rows) if rows else f"session {named}: no books yet")
    held = [
        (a["contender"], p["instrument"], shares(p["quantity"]), price(p["average_price"]), dollars(p["cost"]))
        for a in accounts
        for p in a["positions"]
    ]
    if held:
        numbers = (Column(title, right=True) for title in ("quantity", "average price", "cost"))
        console.print(table("Open positions", (Column("contender"), Column("instrument"), *numbers), held))
