from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.codec import Codec, body
from eventstore.errors import CorruptEntryError, UnknownEventError
from support.ledger_kit import Event, Note, Tick, codec, events


def packed(*raw: list[Any]) -> bytes:
    """A payload as some other version of the code might have written it."""
    return msgspec.msgpack.encode(list(raw))


def tick_1_to_2(raw: list[Any]) -> list[Any]:
    """Version 1 had its price in cents and no venue."""
    _, instrument, cents = raw
    return ["tick@2", instrument, cents * 10_000_000, "XNAS"]


def tick_0_to_1(raw: list[Any]) -> list[Any]:
    """Version 0 had its price in dollars."""
    _, instrument, dollars = raw
    return ["tick", instrument, dollars * 100]


@given(st.lists(events, max_size=20))
def test_decoding_gives_back_what_was_encoded(written: list[Event]) -> None:
    assert codec().decode(codec().encode(written), first=1) == written


@given(st.lists(events, max_size=20))
def test_a_block_is_the_bytes_of_its_events_behind_an_array_header(written: list[Event]) -> None:
    assert body(codec().encode(written)) == b"".join(codec().encode_one(event) for event in written)


@pytest.mark.parametrize("count", [0, 1, 15, 16, 65_535, 65_536])
def test_the_array_header_is_told_apart_at_every_size_that_msgpack_knows(count: int) -> None:
    written: list[Event] = [Note("")] * count
    assert body(codec().encode(written)) == codec().encode_one(Note("")) * count


def test_the_bytes_are_plain_msgpack() -> None:
    # By the msgpack specification: 0x9n is an array of n, 0xan a string of n bytes, 0x07 the integer 7.
    assert codec().encode([Tick("SPY", 7)]) == b"\x91\x94\xa6tick@2\xa3SPY\x07\xa4XNYS"


def test_old_versions_are_upcast_step_by_step_beside_current_events() -> None:
    reader = Codec[Event](Event, {"tick@0": tick_0_to_1, "tick": tick_1_to_2})
    payload = packed(["tick@0", "SPY", 3], ["note", "kept", b""], ["tick", "SPY", 250], ["tick@2", "SPY", 9, "ARCX"])
    assert reader.decode(payload, first=1) == [
        Tick("SPY", 3_000_000_000, "XNAS"),
        Note("kept"),
        Tick("SPY", 2_500_000_000, "XNAS"),
        Tick("SPY", 9, "ARCX"),
    ]


def test_an_unknown_event_is_refused_with_its_seq_and_type() -> None:
    with pytest.raises(UnknownEventError, match=r"seq 42 .*'tick@9'") as refused:
        codec().decode(packed(["note", "fine"], ["tick@9", 1]), first=41)
    assert (refused.value.seq, refused.value.tag) == (42, "tick@9")


@pytest.mark.parametrize(
    ("payload", "seq", "detail"),
    [
        (packed(["note", "fine"], ["tick@2", "SPY", "not a number"]), 8, r"'tick@2' cannot be decoded: .*int"),
        (packed(["note", "fine"], ["tick@2"]), 8, r"'tick@2' cannot be decoded"),
        (packed(["note", "fine"], []), 8, "not an array that begins with the type"),
        (msgspec.msgpack.encode([["note", "fine"], {"a": 1}]), 8, "not an array that begins with the type"),
        (packed(["note", "cut short"])[:-3], 7, "not a msgpack array"),
        (b"", 7, "not a msgpack array"),
        (msgspec.msgpack.encode("text"), 7, "not a msgpack array"),
    ],
)
def test_damaged_bytes_are_refused_with_the_seq_of_the_first_bad_event(payload: bytes, seq: int, detail: str) -> None:
    with pytest.raises(CorruptEntryError, match=detail) as refused:
        codec().decode(payload, first=7)
    assert refused.value.seq == seq
    assert f"seq {seq}:" in str(refused.value)


def test_an_upcaster_that_fails_names_the_seq_and_the_type() -> None:
    reader = Codec[Event](Event, {"tick": tick_1_to_2})
    with pytest.raises(CorruptEntryError, match=r"seq 5: event type 'tick' cannot be upcast: ValueError"):
        reader.decode(packed(["tick", "SPY"]), first=5)


def test_upcasters_that_go_round_in_a_circle_are_found_out() -> None:
    reader = Codec[Event](Event, {"a": lambda raw: ["b", *raw[1:]], "b": lambda raw: ["a", *raw[1:]]})
    with pytest.raises(CorruptEntryError, match=r"seq 5: .*circle"):
        reader.decode(packed(["a", 1]), first=5)


def test_a_current_event_type_cannot_have_an_upcaster() -> None:
    with pytest.raises(ValueError, match=r"\['note'\]"):
        Codec[Event](Event, {"note": tick_1_to_2})


def test_a_struct_that_is_not_array_like_cannot_be_an_event() -> None:
    class Plain(msgspec.Struct, tag="plain"):
        text: str

    with pytest.raises(ValueError, match=r"Plain must be declared with a string tag and array_like=True"):
        Codec[Any](Plain)


def test_a_union_of_one_type_is_a_union() -> None:
    alone = Codec[Note](Note)
    assert alone.decode(alone.encode([Note("x")]), first=1) == [Note("x")]
