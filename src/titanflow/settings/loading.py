"""Merges the sources into one frozen `Settings`, or says which setting is wrong, where it came from and its range."""

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from titanflow.errors import SettingsError
from titanflow.settings.model import Settings
from titanflow.settings.names import FX, TABLES, allowed_values, field_of, setting_names
from titanflow.settings.sources import Given, environment, from_assignments, from_environment, from_toml, is_known

DEFAULT = "default"


class SettingRow(NamedTuple):
    """One setting as it stands: a line of `titanflow settings`."""

    name: str
    value: str
    """As text, without the password of a URL; empty where it is not set."""
    source: str
    """`default`, a file, a variable, `flag` or `--set`."""
    allowed: str
    meaning: str


def load_settings(
    flags: Mapping[str, Any] | None = None,
    *,
    assignments: Sequence[str] = (),
    config: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Settings:
    """Merge every source into one frozen `Settings`.

    `flags` maps dotted names to values (None: not given), `assignments` are `KEY=VALUE` texts of `--set`, `config` is a
    TOML file (default: `titanflow.toml` in the working directory, if there). Raises SettingsError that names every bad
    setting, where its value came from, the value and what was expected.
    """
    return _validated(_gathered(flags, assignments, config, env))


def overview(
    flags: Mapping[str, Any] | None = None,
    *,
    assignments: Sequence[str] = (),
    config: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> list[SettingRow]:
    """Every setting with its value, where that came from, and what is allowed. Raises as `load_settings` does."""
    given = _gathered(flags, assignments, config, env)
    settings = _validated(given)
    rows = []
    for name in setting_names():
        value: Any = settings
        for part in name.split("."):
            value = getattr(value, part)
        sources = [source for key, (_, source) in given.items() if key == name or key.startswith(f"{name}.")]
        source = ", ".join(dict.fromkeys(sources)) or DEFAULT
        rows.append(SettingRow(name, shown(value), source, allowed_values(name), field_of(name).description or ""))
    return rows


def shown(value: Any) -> str:
    """A value as a person writes it, a URL without its password."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return ",".join(map(str, value))
    if isinstance(value, Mapping):
        return ",".join(f"{name}={part}" for name, part in value.items())
    return "" if value is None else safe_url(str(value))


def safe_url(url: str) -> str:
    """The URL without its password, for messages; any other text as it is."""
    scheme, separator, rest = url.partition("://")
    credentials, _, host = rest.rpartition("@")
    user, _, password = credentials.partition(":")
    return f"{scheme}{separator}{user}:***@{host}" if password else url


def _gathered(
    flags: Mapping[str, Any] | None, assignments: Sequence[str], config: Path | None, env: Mapping[str, str] | None
) -> Given:
    env = environment() if env is None else env
    given = from_toml(config, env) | from_environment(env)
    given |= {name: (value, "flag") for name, value in (flags or {}).items() if value is not None}
    given |= from_assignments(assignments)
    # An empty text takes back what a weaker source said: `--set redis_url=` means the embedded server again.
    given = {name: found for name, found in given.items() if found[0] != ""}
    unknown = [_unknown(name, source) for name, (_, source) in given.items() if not is_known(name)]
    if unknown:
        raise SettingsError("\n".join(unknown))
    return given


def _unknown(name: str, source: str) -> str:
    near = difflib.get_close_matches(name, setting_names(), n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else "`titanflow settings` lists them"
    return f"{name} (from {source}): no setting has this name; {hint}"


def _validated(given: Given) -> Settings:
    try:
        return Settings.model_validate(_nested(given))
    except ValidationError as error:
        raise SettingsError("\n".join(dict.fromkeys(_explained(item, given) for item in error.errors()))) from None


def _nested(given: Given) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, (value, _) in given.items():
        node = tree
        *sections, last = name.split(".")
        for section in sections:
            node = node.setdefault(section, {})
        node[last] = value
    return tree


def _explained(item: ErrorDetails, given: Given) -> str:
    """One finding of the validation; where it is about a whole section, its message names the settings itself."""
    parts = [str(part) for part in item["loc"]]
    names = setting_names()
    name = next((found for n in range(len(parts), 0, -1) if (found := ".".join(parts[:n])) in names), "")
    if not name:
        return str(item["msg"]).removeprefix("Value error, ")
    value, source = given.get(name) or given.get(".".join(parts[:2])) or (item["input"], DEFAULT)
    if name == FX and len(parts) > 1:
        name, allowed = f"{FX}.{parts[1]}", f"a currency of three to five letters and {allowed_values(FX)}"
    else:
        allowed = f"{name}.NAME=VALUE" if name in TABLES else allowed_values(name)
    expected = allowed
    return f"{name} = {shown(value)!r} (from {source}): expected {expected}"
