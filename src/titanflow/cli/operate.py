"""`approve`, `deny`, `kill`, `resume`, `liquidate`: an operator's words, appended to the ledger as events."""

import getpass
from typing import Annotated

import typer

from titanflow.cli.context import JsonOption, SessionOption, arrive
from titanflow.cli.output import console, print_json
from titanflow.domain.types import OperatorAction

Contender = Annotated[str, typer.Argument(help="Contender id; none means all together.", show_default=False)]
OrderArgument = Annotated[str, typer.Argument(help="Id of the held order (`titanflow status` lists them).")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept in the ledger.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (approve, deny, kill, resume, liquidate):
        app.command()(command)


def approve(order: OrderArgument, session: SessionOption = None, reason: Reason = "", json: JsonOption = False) -> None:
    """Approve a held order; risk checks and sizes it again before it goes out."""
    _command(OperatorAction.APPROVE, session, reason, json, order=order)


def deny(order: OrderArgument, session: SessionOption = None, reason: Reason = "", json: JsonOption = False) -> None:
    """Deny a held order."""
    _command(OperatorAction.DENY, session, reason, json, order=order)


def kill(
    contender: Contender = "", session: SessionOption = None, reason: Reason = "", json: JsonOption = False
) -> None:
    """Trip the kill switch: no new entries; positions stay, protected by their stops."""
    _command(OperatorAction.KILL, session, reason, json, contender=contender)


def resume(
    contender: Contender = "", session: SessionOption = None, reason: Reason = "", json: JsonOption = False
) -> None:
    """Reopen trading after a kill switch, a liquidation or a rollback."""
    _command(OperatorAction.RESUME, session, reason, json, contender=contender)


def liquidate(
    contender: Contender = "", session: SessionOption = None, reason: Reason = "", json: JsonOption = False
) -> None:
    """Cancel every order, close every position, and let nothing in until resumed."""
    _command(OperatorAction.LIQUIDATE, session, reason, json, contender=contender)


def _command(
    action: OperatorAction, session: str | None, reason: str, json: bool, *, contender: str = "", order: str = ""
) -> None:
    from titanflow.runtime.operator_desk import command

    ledger = arrive().ledger(session)
    seq = command(ledger, action, getpass.getuser(), contender=contender, order_id=order, reason=reason)
    if json:
        print_json(
            {"session_id": ledger.session, "seq": seq, "action": action, "contender": contender, "order_id": order}
        )
    else:
        console.print(f"{action} is event {seq} of session {ledger.session}", soft_wrap=True)
