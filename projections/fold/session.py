"""Sessions, their settings, instruments and contenders: what SessionStarted says, and when it ended."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from projections.fold.rows import Handler, Row, document, exact, plain
from titanflow.domain.events import Event, SessionEnded, SessionStarted
from titanflow.domain.instruments import Instrument
from titanflow.domain.session_settings import ContenderSpec


class SessionFolder:
    """Owns `sessions`, `settings`, `instruments` and `contenders`."""

    def __init__(self) -> None:
        self._session: Row = {}
        self._rows: dict[str, list[Row]] = {}
        self.handlers: Mapping[type[Event], Handler] = {SessionStarted: self._started, SessionEnded: self._ended}

    def drain(self) -> Iterator[tuple[str, list[Row]]]:
        """See Folder."""
        rows, self._rows = self._rows, {}
        yield from rows.items()

    def _started(self, seq: int, event: SessionStarted) -> None:
        self._session = {
            "seq": seq,
            "cause": None,
            "at_ns": event.at,
            "identity": event.identity,
            "seed": event.seed,
            "mode": event.settings.execution.mode,
            "code_version": event.code_version,
            "provider": event.feed.provider,
            "source": event.feed.source,
            "source_sha256": event.feed.sha256,
            "ended_seq": None,
            "ended_at_ns": None,
            "end_reason": None,
        }
        settings = flattened(msgspec.to_builtins(event.settings))
        self._rows = {
            "sessions": [self._session],
            "settings": [{"name": name, "value": document(value)} for name, value in settings],
            "instruments": [_instrument(instrument) for instrument in event.instruments],
            "contenders": [_contender(contender) for contender in event.contenders],
        }

    def _ended(self, seq: int, event: SessionEnded) -> None:
        ended = {"ended_seq": seq, "ended_at_ns": event.at, "end_reason": plain(event.reason)}
        self._session = {**self._session, **ended}
        self._rows["sessions"] = [self._session]


def flattened(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Nested settings as (dotted name, value)."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from flattened(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _instrument(instrument: Instrument) -> Row:
    return {
        "instrument": instrument.id,
        "symbol": instrument.symbol,
        "venue": instrument.venue,
        "kind": instrument.kind,
        "price_increment": exact(instrument.price_increment),
        "quantity_increment": exact(instrument.quantity_increment),
        "calendar": instrument.calendar,
        "currency": instrument.currency,
        "multiplier": exact(instrument.multiplier),
        "rate": exact(instrument.rate),
    }


def _contender(contender: ContenderSpec) -> Row:
    return {
        "contender": contender.id,
        "name": contender.name,
        "strategy": contender.strategy,
        "parameters": document(dict(contender.parameters)),
        "instruments": document(contender.instruments),
        "bar_seconds": contender.bar_seconds,
        "model_hash": contender.model_hash,
        "stage": contender.stage,
        "parent_hash": contender.parent_hash or None,
        "fault": plain(contender.fault) or None,
    }
