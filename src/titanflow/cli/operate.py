"""`approve`, `deny`, `kill`, `resume`, `liquidate`, `use-parent`: an operator's words, made events."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from titanflow.cli.context import JsonOption, SessionOption, arrive
from titanflow.cli.output import note, print_json, say
from titanflow.domain.types import DenialCode, OperatorAction

if TYPE_CHECKING:
    from replay.trace import Link
    from titanflow.runtime.ledgers import EventLedger

Contender = Annotated[
    str, typer.Argument(metavar="CONTENDER", help="Contender id; none means all together.", show_default=False)
]
OrderArgument = Annotated[
    str, typer.Argument(metavar="ORDER", help="Id of the held order (`titanflow status` lists them).")
]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept in the ledger.", show_default=False)]

ANSWER_WITHIN_S = 3.0
"""How long a command waits for risk's answer before it returns without one."""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (approve, deny, kill, resume, liquidate, use_parent):
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


def use_parent(
    contender: Annotated[str, typer.Argument(metavar="CONTENDER", help="Contender id.")],
    session: SessionOption = None,
    reason: Reason = "",
    json: JsonOption = False,
) -> None:
    """Put the parent of a contender's trained model in its place, for the rest of this session."""
    _command(OperatorAction.USE_PARENT, session, reason, json, contender=contender)


def _command(
    action: OperatorAction, session: str | None, reason: str, json: bool, *, contender: str = "", order: str = ""
) -> None:
    from titanflow.cli.show import event_fields, event_name
    from titanflow.cli.story import sentence
    from titanflow.runtime.operator_desk import command, not_held
    from titanflow.settings.login import login_name

    ledger = arrive().ledger(session)
    seq = command(ledger, action, login_name(), contender=contender, order_id=order, reason=reason)
    answers = _answers(ledger, seq)
    if any(getattr(event, "code", None) is DenialCode.UNKNOWN_ORDER for _, event in answers):
        raise not_held(ledger, order)
    if json:
        fields = [{"seq": n, "type": event_name(event), **event_fields(event)} for n, event in answers]
        asked = {"seq": seq, "action": action, "contender": contender, "order_id": order, "answers": fields}
        print_json({"session_id": ledger.session, **asked})
        return
    say(f"{action} is event {seq} of session {ledger.session}")
    for n, event in answers:
        say(f"event {n}: {sentence(event, {})}")
    if not answers:
        note(
            f"no answer within {ANSWER_WITHIN_S:g} s: it comes when the session runs (`titanflow status` shows how far)"
        )


def _answers(ledger: "EventLedger", seq: int) -> list["Link"]:
    """What was decided because of the event at `seq`, in the first block that holds anything; [] if too late."""
    from replay.trace import Link
    from titanflow.domain.events import LeaderboardPublished

    deadline = time.monotonic() + ANSWER_WITHIN_S
    last = seq
    answers: list[Link] = []
    while not answers and (left := deadline - time.monotonic()) > 0:
        for block in ledger.tail(last, left):
            last = block.last
            answers += [
                Link(n, event)
                for n, event in enumerate(block.events, block.first)
                if getattr(event, "cause", 0) == seq and not isinstance(event, LeaderboardPublished)
            ]
    return answers
