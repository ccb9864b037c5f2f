"""Events to bytes and back: msgpack arrays of tagged, array-like structs, with upcasting of older versions on read."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Generic, TypeVar, get_args

import msgspec

from eventstore.errors import CorruptEntryError, UnknownEventError

E = TypeVar("E")

Upcaster = Callable[[list[Any]], list[Any]]
"""Turns the raw `[tag, *fields]` of an old version into that of a newer one; tags carry the version (`tick@2`)."""

_NO_UPCASTERS: Mapping[str, Upcaster] = MappingProxyType({})
_UPCASTER_FAILURES = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


class Codec(Generic[E]):
    """Encodes and decodes the events of one union of `msgspec.Struct` types (`tag=…, array_like=True`)."""

    def __init__(self, union: Any, upcasters: Mapping[str, Upcaster] = _NO_UPCASTERS) -> None:
        """`upcasters` maps the tag of each old version to its upcaster; ValueError if it names a current tag."""
        self._current_tags = frozenset(map(_tag, get_args(union) or (union,)))
        if current := self._current_tags & upcasters.keys():
            raise ValueError(f"upcasters for current event types: {sorted(current)}; only an old version has one")
        self._upcasters = dict(upcasters)
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode_block: Callable[[bytes], list[E]] = msgspec.msgpack.Decoder(list[union]).decode
        self._decode_event: Callable[[bytes | msgspec.Raw], E] = msgspec.msgpack.Decoder(union).decode

    def encode(self, events: Sequence[E]) -> bytes:
        """The payload of a block: a msgpack array of the events."""
        return self._encode(events)

    def encode_one(self, event: E) -> bytes:
        """The bytes of one event: the same that stand inside a block."""
        return self._encode(event)

    def decode(self, payload: bytes, first: int) -> list[E]:
        """The events of a payload whose first event has seq `first`.

        Raises CorruptEntryError or UnknownEventError, naming the seq of the first event that cannot be read.
        """
        try:
            return self._decode_block(payload)
        except msgspec.MsgspecError:
            return [self._decode_old(raw, first + i) for i, raw in enumerate(split(payload, first))]

    def decode_blocks(self, payloads: Sequence[bytes]) -> list[list[E]]:
        """Many payloads at once, current versions only; raises msgspec.MsgspecError where `decode` is needed."""
        return list(map(self._decode_block, payloads))

    def _decode_old(self, raw: msgspec.Raw, seq: int) -> E:
        fields = _fields(raw, seq)
        for _ in range(len(self._upcasters) + 1):
            tag = fields[0]
            if tag in self._current_tags:
                return self._convert(fields, seq)
            fields = self._upcast(fields, seq)
        raise CorruptEntryError(seq, f"its upcasters go round in a circle at event type {tag!r}")

    def _upcast(self, fields: list[Any], seq: int) -> list[Any]:
        tag = fields[0]
        upcaster = self._upcasters.get(tag)
        if upcaster is None:
            raise UnknownEventError(seq, tag)
        try:
            return upcaster(fields)
        except _UPCASTER_FAILURES as error:
            raise CorruptEntryError(seq, f"event type {tag!r} cannot be upcast: {error!r}") from error

    def _convert(self, fields: list[Any], seq: int) -> E:
        try:
            return self._decode_event(self._encode(fields))
        except (msgspec.MsgspecError, TypeError) as error:
            raise CorruptEntryError(seq, f"event type {fields[0]!r} cannot be decoded: {error}") from error


def _tag(struct: type[msgspec.Struct]) -> str:
    config = struct.__struct_config__
    if not (config.array_like and isinstance(config.tag, str)):
        raise ValueError(f"{struct.__name__} must be declared with a string tag and array_like=True to be an event")
    return config.tag


_split = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
_join = msgspec.msgpack.Encoder().encode
_any = msgspec.msgpack.Decoder().decode


def split(payload: bytes, first: int) -> list[msgspec.Raw]:
    """The stored bytes of each event of a payload; CorruptEntryError naming `first` if it is not a msgpack array."""
    try:
        return _split(payload)
    except msgspec.MsgspecError as error:
        raise CorruptEntryError(first, f"its block is not a msgpack array: {error}") from error


def join(parts: Sequence[msgspec.Raw]) -> bytes:
    """The payload whose events have just these stored bytes."""
    return _join(parts)


def body(payload: bytes) -> memoryview:
    """The events' bytes of a payload, without msgpack's array header in front of them (1, 3 or 5 bytes)."""
    header = {0xDC: 3, 0xDD: 5}.get(payload[0], 1)
    return memoryview(payload)[header:]


def _fields(raw: msgspec.Raw, seq: int) -> list[Any]:
    try:
        fields = _any(raw)
    except msgspec.MsgspecError as error:
        raise CorruptEntryError(seq, f"not msgpack: {error}") from error
    if not isinstance(fields, list) or not fields or not isinstance(fields[0], str):
        raise CorruptEntryError(seq, "not an array that begins with the type of the event")
    return fields
