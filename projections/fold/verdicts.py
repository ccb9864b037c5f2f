"""Verdicts: what risk said to each signal, and what the executor's last gate refused."""

from collections.abc import Iterator, Mapping

from projections.fold.rows import Handler, Row, document, exact, origin, plain
from projections.fold.units import readable_context
from projections.kinds import VerdictKind
from titanflow.domain.events import Context, Event, OrderApproved, OrderDenied, OrderHeld, OrderRejected
from titanflow.domain.types import DenialCode


class VerdictFolder:
    """Owns `verdicts`. Fields that an operator typed may be anything, so empty ones are stored as NULL."""

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self.handlers: Mapping[type[Event], Handler] = {
            OrderApproved: self._approved,
            OrderDenied: self._denied,
            OrderHeld: self._held,
            OrderRejected: self._rejected,
        }

    def drain(self) -> Iterator[tuple[str, list[Row]]]:
        """See Folder."""
        rows, self._rows = self._rows, []
        yield "verdicts", rows

    def _approved(self, seq: int, event: OrderApproved) -> None:
        self._add(seq, event, VerdictKind.APPROVED, None, event.context, _asked(event), exact(event.quantity))

    def _held(self, seq: int, event: OrderHeld) -> None:
        self._add(seq, event, VerdictKind.HELD, event.code, (), _asked(event), exact(event.quantity))

    def _denied(self, seq: int, event: OrderDenied) -> None:
        self._add(seq, event, VerdictKind.DENIED, event.code, event.context, _asked(event), None)

    def _rejected(self, seq: int, event: OrderRejected) -> None:
        self._add(seq, event, VerdictKind.REJECTED, event.code, event.context, {"side": None, "signal": None}, None)

    def _add(
        self,
        seq: int,
        event: OrderApproved | OrderDenied | OrderHeld | OrderRejected,
        verdict: VerdictKind,
        code: DenialCode | None,
        context: Context,
        asked: Row,
        quantity: str | None,
    ) -> None:
        self._rows.append(
            {
                **origin(seq, event),
                "verdict": verdict,
                "contender": plain(event.contender) or None,
                "instrument": plain(event.instrument) or None,
                **asked,
                "quantity": quantity,
                "order_id": plain(event.order_id) or None,
                "code": code,
                "context": document(readable_context(context, code)),
            }
        )


def _asked(event: OrderApproved | OrderDenied | OrderHeld) -> Row:
    return {"side": event.side, "signal": event.signal or None}
