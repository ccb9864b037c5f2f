"""Signals with their features and explanation, those that a model's own guards withheld, and drift of features."""

from collections.abc import Iterator, Mapping

from projections.fold.rows import Handler, Row, document, exact, exact_or_none, origin
from projections.fold.units import readable_context
from titanflow.domain.events import Event, Explanation, FeatureDriftMeasured, SignalGenerated, SignalWithheld


class SignalFolder:
    """Owns `signals`, `withheld_signals` and `feature_drift`."""

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._withheld: list[Row] = []
        self._drift: list[Row] = []
        self.handlers: Mapping[type[Event], Handler] = {
            SignalGenerated: self._signal,
            SignalWithheld: self._withhold,
            FeatureDriftMeasured: self._measured,
        }

    def drain(self) -> Iterator[tuple[str, list[Row]]]:
        """See Folder."""
        yield "signals", self._rows
        yield "withheld_signals", self._withheld
        yield "feature_drift", self._drift
        self._rows, self._withheld, self._drift = [], [], []

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

    def _withhold(self, seq: int, event: SignalWithheld) -> None:
        self._withheld.append(
            {
                **origin(seq, event),
                "contender": event.contender,
                "instrument": event.instrument,
                "side": event.side,
                "reason": event.reason,
                "context": document(readable_context(event.context)),
                "model_hash": event.model_hash,
            }
        )

    def _measured(self, seq: int, event: FeatureDriftMeasured) -> None:
        self._drift.append(
            {
                **origin(seq, event),
                "contender": event.contender,
                "since_ns": event.since,
                "rows": event.rows,
                "drifted": event.drifted,
                "indices": document(dict(event.indices)),
                "beyond": document(event.beyond),
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
