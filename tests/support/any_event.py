"""Hypothesis strategies for any value of the vocabulary, derived from the types themselves."""

from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

from titanflow.domain.events import EVENT_TYPES, Event

INTEGERS = st.integers(-(1 << 63), (1 << 63) - 1)
TEXT = st.text(max_size=12)


def events(*types: type[Event]) -> st.SearchStrategy[Event]:
    """Events of these types (none named: of all)."""
    return st.one_of(*(_values(inspect.type_info(each)) for each in types or EVENT_TYPES))


def _values(info: inspect.Type) -> st.SearchStrategy[Any]:
    match info:
        case inspect.IntType():
            return INTEGERS
        case inspect.FloatType():
            return st.floats(allow_nan=False)
        case inspect.StrType():
            return TEXT
        case inspect.BoolType():
            return st.booleans()
        case inspect.NoneType():
            return st.none()
        case inspect.EnumType(cls=cls):
            return st.sampled_from(cls)
        case inspect.UnionType(types=types):
            return st.one_of(*map(_values, types))
        case inspect.VarTupleType(item_type=item):
            return st.lists(_values(item), max_size=3).map(tuple)
        case inspect.TupleType(item_types=items):
            return st.tuples(*map(_values, items))
        case inspect.DictType(key_type=key, value_type=value):
            return st.dictionaries(_values(key), _values(value), max_size=2)
        case inspect.StructType(cls=cls, fields=fields):
            return st.builds(cls, **{field.name: _values(field.type) for field in fields})
    raise msgspec.ValidationError(f"no strategy for {info}")
