"""`sessions`, `status`, `leaderboard`, `portfolio`, `explain`: what is and was, for people and programs."""

from typing import Annotated, Any

import typer
from rich.text import Text

from titanflow.cli.context import JsonOption, SessionArgument, SessionOption, arrive
from titanflow.cli.output import console, dollars, moment, price, print_json, shares, signed_dollars, table
from titanflow.cli.show import event_fields, event_line, event_name
from titanflow.domain.types import decimal_of


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (sessions, status, leaderboard, portfolio, explain):
        app.command()(command)


def sessions(json: JsonOption = False) -> None:
    """List every session of this Redis, newest first."""
    from eventstore.sessions import Sessions
    from titanflow.runtime.sessions import describe

    place = arrive()
    found = [describe(place.ledger(entry.id), entry.started_at) for entry in Sessions(place.client).all()]
    if json:
        print_json([session.as_json() for session in found])
        return
    rows = [
        (s.id, moment(s.opened_at), s.state, f"{s.events:,}", s.feed, moment(s.first_at), moment(s.last_at))
        for s in found
    ]
    columns = ("session", "opened (UTC)", "state", "events", "feed", "from (event time)", "to")
    console.print(table("Sessions", columns, rows, left=3) if rows else "no session yet; `titanflow live` makes one")


def status(session: SessionArgument = None, json: JsonOption = False) -> None:
    """Show one session: its state, how far each service is, held orders, open positions, dead letters."""
    from titanflow.cli.summary import observe
    from titanflow.runtime.sessions import describe

    place = arrive()
    ledger = place.ledger(session)
    seen = observe(place, ledger.session)
    checkpoints = ledger.checkpoints()
    about = describe(ledger, 0)
    services = {name: at for name, at in checkpoints.items() if not name.startswith(("operator:", "session"))}
    reasons = ledger.dead_letters.counts_by_reason()
    if json:
        print_json(
            {
                "session_id": ledger.session,
                "state": about.state,
                "events": seen.last_seq,
                "at_ns": seen.at,
                "checkpoints": services,
                "counts": seen.counts(),
                "held": [{"order_id": key, **event_fields(order)} for key, order in seen.held.items()],
                "positions": [
                    {"contender": c, "instrument": i, "quantity": decimal_of(q)} for (c, i), q in seen.positions.items()
                ],
                "dead_letters": dict(reasons),
            }
        )
        return
    console.print(f"session {ledger.session}: {about.state}, {seen.last_seq:,} events, event time {moment(seen.at)}")
    console.print("checkpoints  " + "  ".join(f"{name} {at:,}" for name, at in services.items()), soft_wrap=True)
    if seen.leaderboard is not None:
        console.print(
            "contenders   " + "  ".join(f"{s.contender} {s.status}" for s in seen.leaderboard.standings), soft_wrap=True
        )
    console.print("dead letters " + ("  ".join(f"{reason} {n:,}" for reason, n in reasons.items()) or "none"))
    held = [
        (
            key,
            o.contender,
            o.instrument,
            o.side.value,
            shares(decimal_of(o.quantity)),
            o.code.value,
            moment(o.expires_at),
        )
        for key, o in seen.held.items()
    ]
    if held:
        columns = ("order", "contender", "instrument", "side", "quantity", "held because", "expires")
        console.print(table("Held orders (titanflow approve|deny ORDER)", columns, held, left=4))
    rows = [(c, i, shares(decimal_of(q))) for (c, i), q in seen.positions.items()]
    if rows:
        console.print(table("Open positions", ("contender", "instrument", "quantity"), rows, left=2))


def leaderboard(session: SessionArgument = None, json: JsonOption = False) -> None:
    """Show the last published standings of a session, from the projections."""
    from projections.queries import Queries
    from titanflow.cli.standings import standings_table
    from titanflow.runtime.operator_desk import session_started

    place = arrive()
    ledger = place.ledger(session)
    queries = Queries(place.database_url)
    standings = queries.leaderboard(ledger.session)
    if json:
        print_json({"session_id": ledger.session, "standings": standings, "all": queries.arena(ledger.session)})
    elif not standings:
        console.print(f"session {ledger.session}: nothing published yet")
    else:
        console.print(standings_table(standings, {spec.id: spec.name for spec in session_started(ledger).contenders}))


def portfolio(
    contender: Annotated[str | None, typer.Argument(help="Contender id; none means all.", show_default=False)] = None,
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
        raise InputError(f"contender {contender!r}: not in session {named!r}")
    if json:
        print_json({"session_id": named, "portfolios": accounts})
        return
    for account in accounts:
        console.print(
            Text(account["contender"], style="bold"),
            f"cash {dollars(account['cash'])}  positions at cost {dollars(account['cost_basis'])}  realized",
            signed_dollars(account["realized_pnl"]),
            f"fees {dollars(account['fees'])}  fills {account['fills']}  round trips {account['round_trips']}",
        )
        rows = [
            (p["instrument"], shares(p["quantity"]), price(p["average_price"]), dollars(p["cost"]))
            for p in account["positions"]
        ]
        if rows:
            console.print(table("", ("instrument", "quantity", "average price", "cost"), rows))


def explain(
    target: Annotated[str, typer.Argument(metavar="FILL", help="A fill id, an order id, or the seq of any event.")],
    session: SessionOption = None,
    json: JsonOption = False,
) -> None:
    """Walk the causes of a fill back to its tick: order, approval and its limits, signal and its explanation."""
    from replay.trace import find, trace
    from titanflow.errors import InputError

    place = arrive()
    ledger = place.ledger(session)
    seq = find(ledger, target)
    if seq is None:
        raise InputError(
            f"{target!r}: no fill, order or seq of session {ledger.session!r}; "
            "`titanflow ledger tail --type OrderFilled` lists fills"
        )
    chain = trace(ledger, seq)
    if json:
        links = [{"seq": n, "type": event_name(event), **event_fields(event)} for n, event in chain]
        print_json({"session_id": ledger.session, "target": seq, "chain": links})
        return
    console.print(f"why event {seq} of session {ledger.session} happened, oldest cause first", soft_wrap=True)
    for number, event in chain:
        console.print(Text(f"{number:>9}  ", style="dim") + Text(event_line(event)), soft_wrap=True)
        _details(event)


def _details(event: Any) -> None:
    from titanflow.domain.events import OrderApproved, OrderDenied, OrderRejected, SignalGenerated

    indent = " " * 11
    if isinstance(event, SignalGenerated):
        why = event.explanation
        model = f"model {event.model_hash[:16]}…  method {why.method}"
        console.print(f"{indent}{model}  base {why.base_value:+.4f}  score {why.score:+.4f}", soft_wrap=True)
        console.print(
            indent + "because  " + "  ".join(f"{name} {impact:+.4f}" for name, impact in why.contributions),
            soft_wrap=True,
        )
        console.print(
            indent + "features " + "  ".join(f"{name}={value:.6g}" for name, value in event.features), soft_wrap=True
        )
    elif isinstance(event, OrderApproved | OrderDenied | OrderRejected) and event.context:
        console.print(
            indent + "limits   " + "  ".join(f"{name}={_number(name, value)}" for name, value in event.context),
            soft_wrap=True,
        )


def _number(name: str, value: int | float | str) -> str:
    """Money, prices and ratios of a context are 1e-9 integers; small integers are counts."""
    return f"{decimal_of(value).normalize():,f}" if isinstance(value, int) and abs(value) >= 10_000 else str(value)
