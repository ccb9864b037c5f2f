"""Signals with their features and explanation."""

from collections.abc import Iterator, Mapping

from projections.fold.rows import Handler, Row, document, exact, exact_or_none, origin
from titanflow.domain.events import Event, Explanation, SignalGenerated


class SignalFolder:
    """Owns `signals`."""

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self.handlers: Mapping[type[Event], Handler] = {SignalGenerated: self._signal}

    def drain(self) -> Iterator[tuple[str, list[Row]]]:
        """See Folder."""
        rows, self._rows = self._rows, []
        yield "signals", rows

    def _signal(self, seq: int, event: SignalGenerated) -> None:
        self._rows.append(
            {
                **origin(seq, event),
                "contender": event.contender,
                "instrument": event.instrument,
                "side": event.side,
                "confidence": event.confidence,
                "price": exact(event.price),
                "atr": exact(event.atr),
                "order_type": event.order_type,
                "order_price": exact_or_none(event.order_price),
                "features": document(dict(event.features)),
                "explanation": document(explained(event.explanation)),
                "model_hash": event.model_hash,
            }
        )


def explained(explanation: Explanation) -> dict[str, object]:
    """The explanation with its contributions by the names of the features."""
    return {
        "method": explanation.method,
        "base_value": explanation.base_value,
        "score": explanation.score,
        "contributions": dict(explanation.contributions),
    }
