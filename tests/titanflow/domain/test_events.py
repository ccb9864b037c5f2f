"""The vocabulary keeps its promises: frozen, owned, and the same after a trip through bytes."""

import msgspec
import pytest
from hypothesis import given, settings

from support.any_event import events
from titanflow.domain.events import EVENT_TYPES, AnyEvent, Event, TickReceived, tag_of

DECODER = msgspec.msgpack.Decoder(AnyEvent)


@given(events())
@settings(max_examples=300)
def test_decoding_what_was_encoded_gives_an_equal_event_and_the_same_bytes(event: Event) -> None:
    encoded = msgspec.msgpack.encode(event)
    decoded = DECODER.decode(encoded)
    assert decoded == event
    assert type(decoded) is type(event)
    assert msgspec.msgpack.encode(decoded) == encoded


def test_an_event_cannot_be_changed() -> None:
    tick = TickReceived(at=1, instrument="AAPL.XNYS", price=2, size=3)
    with pytest.raises(AttributeError):
        tick.price = 4  # type: ignore[misc]


@pytest.mark.parametrize("event_type", EVENT_TYPES, ids=tag_of)
def test_every_decided_event_names_its_cause_and_every_event_its_time(event_type: type[Event]) -> None:
    fields = event_type.__struct_fields__
    assert fields[: 1 if event_type.external else 2] == (("at",) if event_type.external else ("cause", "at"))


@pytest.mark.parametrize("event_type", EVENT_TYPES, ids=tag_of)
def test_every_event_says_when_it_happens(event_type: type[Event]) -> None:
    assert event_type.__doc__


def test_no_two_events_share_a_tag() -> None:
    assert len({tag_of(event_type) for event_type in EVENT_TYPES}) == len(EVENT_TYPES)


def test_an_unknown_tag_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        DECODER.decode(msgspec.msgpack.encode(["no_such_event", 1]))
