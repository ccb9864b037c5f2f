"""A small event union and short ways to fill a ledger with it, for tests of the ledger itself."""

import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from typing import cast

import msgspec
import redis
from hypothesis import strategies as st

from eventstore.codec import Codec
from eventstore.ledger import Ledger, Move


class Tick(msgspec.Struct, tag="tick@2", array_like=True, frozen=True, gc=False):
    instrument: str
    price: int
    venue: str = "XNYS"


class Note(msgspec.Struct, tag="note", array_like=True, frozen=True, gc=False):
    text: str
    data: bytes = b""


Event = Tick | Note
AnyLedger = Ledger[Event]
OpenLedger = Callable[..., AnyLedger]
"""Opens another instance on the same session; `writer=` names it."""

INT64 = st.integers(-(2**63), 2**63 - 1)
ticks = st.builds(Tick, instrument=st.text(max_size=8), price=INT64, venue=st.text(max_size=4))
notes = st.builds(Note, text=st.text(max_size=20), data=st.binary(max_size=20))
events = st.one_of(ticks, notes)


def codec() -> Codec[Event]:
    return Codec(Event)


@contextmanager
def passing_ledger(url: str) -> Iterator[AnyLedger]:
    """A ledger on a session of its own that is deleted afterwards: one for each example of a property."""
    session = f"test-{uuid.uuid4().hex}"
    with redis.Redis.from_url(url) as client, closing(Ledger(client, session, codec())) as ledger:
        yield ledger
        client.delete(*(f"titanflow:{{{session}}}:{part}" for part in ("ledger", "seq", "checkpoints", "receipts")))


def entries(client: redis.Redis, key: str) -> list[tuple[bytes, dict[bytes, bytes]]]:
    """The entries of a stream as they are stored."""
    return cast(list[tuple[bytes, dict[bytes, bytes]]], client.xrange(key))


def prices(*values: int) -> list[Event]:
    """One tick for each price."""
    return [Tick("SPY", value) for value in values]


def fill(ledger: AnyLedger, *blocks: Iterable[int], name: str = "filler") -> list[Event]:
    """Append a block of ticks for each run of prices; returns all their events."""
    written: list[Event] = []
    for block in blocks:
        chosen = prices(*block)
        at = ledger.checkpoint(name)
        ledger.append(chosen, [Move(name, at, at + 1)])
        written += chosen
    return written


def everything(ledger: AnyLedger, first: int = 1, last: int | None = None) -> list[Event]:
    """All events that a read of the range gives."""
    return [event for block in ledger.read(first, last) for event in block.events]
