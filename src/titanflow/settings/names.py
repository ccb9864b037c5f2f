"""The dotted names of all settings, and in words what each may be."""

from datetime import datetime
from decimal import Decimal
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from titanflow.settings.model import DatabaseUrl, RedisUrl, Section, Settings

OPTIONS = "feed.options"
"""The provider's own options: a table whose names only the provider knows."""
FX = "fx"
"""Rates of currencies: the other setting that is a table."""
TABLES = (OPTIONS, FX)

_TEXTS = {RedisUrl: "redis://…, rediss://… or unix://…", DatabaseUrl: "postgresql://user@host:port/name"}
_LOW = {"ge": "from", "gt": "above"}
_HIGH = {"le": "to", "lt": "below"}


def setting_names(model: type[BaseModel] = Settings, prefix: str = "") -> list[str]:
    """Dotted names of all settings, in order."""
    names: list[str] = []
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            names += setting_names(field.annotation, f"{prefix}{name}.")
        else:
            names.append(prefix + name)
    return names


def field_of(name: str, model: type[BaseModel] = Settings) -> FieldInfo:
    """The declaration of a setting. Raises KeyError for a name that no setting has."""
    *sections, last = name.split(".")
    for section in sections:
        inner = model.model_fields[section].annotation
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            raise KeyError(name)
        model = inner
    return model.model_fields[last]


def allowed_values(name: str, model: type[BaseModel] = Settings) -> str:
    """What a setting may be, in words: `a number from 0 to 1`. Raises KeyError for a name that no setting has."""
    field = field_of(name, model)
    return _words(field.annotation, field.metadata)


def _words(annotation: Any, bounds: list[Any]) -> str:
    if annotation in _TEXTS:
        return _TEXTS[annotation]
    if get_origin(annotation) is Annotated:
        inner, *metadata = get_args(annotation)
        return _words(inner, [part for item in metadata for part in getattr(item, "metadata", [item])])
    if get_origin(annotation) in (Union, UnionType):
        return " or ".join(_words(part, bounds) for part in get_args(annotation) if part is not NoneType)
    if get_origin(annotation) is Literal:
        return " or ".join(map(str, get_args(annotation)))
    if get_origin(annotation) is tuple:
        return f"{_words(get_args(annotation)[0], [])}, or several with commas"
    if annotation is bool:
        return "true or false"
    if annotation in (int, float, Decimal):
        return f"a {'whole ' if annotation is int else ''}number {_range(bounds)}".rstrip()
    if annotation is datetime:
        return "a moment such as 2019-02-11T14:30:00Z"
    if get_origin(annotation) is dict:
        return "a table of options" if get_args(annotation)[1] is Any else _words(get_args(annotation)[1], []) + " each"
    if annotation is Path:
        return "a path"
    return "three to five letters" if any("pattern" in str(bound) for bound in bounds) else "a text"


def _range(bounds: list[Any]) -> str:
    """The bounds of a number, such as `Ge(ge=0)`, in words."""
    found = [
        f"{word} {getattr(bound, kind):,}"
        for words in (_LOW, _HIGH)
        for kind, word in words.items()
        for bound in bounds
        if hasattr(bound, kind)
    ]
    return " ".join(found)
