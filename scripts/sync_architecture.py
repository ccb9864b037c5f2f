"""Writes the generated blocks of the documentation anew from the code, or with --check says which are out of date.

A block stands between `<!-- AUTO:name -->` and `<!-- /AUTO -->` in README.md or any docs/*.md.
"""

import argparse
import inspect
import re
import sys
import tomllib
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path

from projections.mirror.messages import channels_table
from titanflow.deciders import new_deciders
from titanflow.domain.events import EVENT_TYPES, tag_of
from titanflow.gateway.bad_ticks import reasons_table
from titanflow.gateway.providers.registry import PROVIDERS
from titanflow.risk.absences import absences_table
from titanflow.risk.codes import codes_table
from titanflow.settings import LEGACY_VARIABLES, allowed_values, field_of, setting_names, shown
from titanflow.signal.contenders import DEFAULT_CONTENDERS_FILE
from titanflow.signal.features import FEATURE_MEANINGS
from titanflow.signal.strategies import STRATEGIES

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"(<!-- AUTO:(?P<name>\w+) -->\n).*?(<!-- /AUTO -->)", re.DOTALL)


def table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(columns) + " |", "| " + " | ".join("---" for _ in columns) + " |"]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def first_sentence(thing: object) -> str:
    """The first paragraph of a docstring, in one line."""
    return " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split())


def providers() -> str:
    """Every market data provider."""
    return table(
        ("provider", "class", "what it is"),
        [(f"`{name}`", f"`{kind.__name__}`", first_sentence(kind)) for name, kind in PROVIDERS.items()],
    )


def strategies() -> str:
    """Every rule that a contender may use."""
    return table(
        ("strategy", "what it does"),
        [(f"`{name}`", first_sentence(kind)) for name, kind in STRATEGIES.items()],
    )


def deciders() -> str:
    """Every decider with what it reads and emits."""
    return table(
        ("decider", "reads", "emits"),
        [
            (
                f"`{decider.name}`",
                ", ".join(event_type.__name__ for event_type in decider.handlers),
                ", ".join(event_type.__name__ for event_type in decider.emits),
            )
            for decider in new_deciders()
        ],
    )


def models() -> str:
    """The contenders that compete when no file names others."""
    text = files("titanflow.signal").joinpath(DEFAULT_CONTENDERS_FILE).read_text(encoding="utf-8")
    entries = tomllib.loads(text)["contender"]
    rows = []
    for entry in entries:
        parameters = ", ".join(f"{name} = {value}" for name, value in entry.get("parameters", {}).items())
        seconds = entry.get("bar_seconds")
        length = "its model's bars" if seconds is None else f"{seconds} s bars" if seconds else "every tick"
        decides = f"`{entry['strategy']}`" + (f" `{entry['model']}`" if "model" in entry else "")
        rows.append((f"`{entry['id']}`", entry["name"], decides, length, parameters))
    return table(("contender", "name", "strategy", "decides on", "parameters"), rows)


def events() -> str:
    """The vocabulary."""
    return table(
        ("event", "tag", "from", "when"),
        [
            (f"`{kind.__name__}`", f"`{tag_of(kind)}`", "outside" if kind.external else "decided", first_sentence(kind))
            for kind in EVENT_TYPES
        ],
    )


def settings() -> str:
    """Every setting with its default, its range and its older names."""
    older: dict[str, list[str]] = {}
    for variable, name in LEGACY_VARIABLES.items():
        older.setdefault(name, []).append(f"`{variable}`")
    rows: list[tuple[str, ...]] = []
    for name in setting_names():
        field = field_of(name)
        default = "the user's data directory" if name == "home" else shown(field.get_default(call_default_factory=True))
        meaning = field.description or ""
        rows.append((f"`{name}`", default or "–", allowed_values(name), meaning, ", ".join(older.get(name, []))))
    return table(("setting", "default", "may be", "meaning", "older variable"), rows)


def features() -> str:
    """What a model may learn from and a strategy may read."""
    return table(("feature", "meaning"), [(f"`{name}`", meaning) for name, meaning in FEATURE_MEANINGS.items()])


BLOCKS: Mapping[str, Callable[[], str]] = {
    "providers": providers,
    "strategies": strategies,
    "features": features,
    "deciders": deciders,
    "models": models,
    "events": events,
    "settings": settings,
    "channels": channels_table,
    "denial_codes": codes_table,
    "bad_ticks": reasons_table,
    "absences": absences_table,
}


def synced(text: str, path: Path) -> str:
    """The text with every block made anew. Exits for a block that nothing generates."""

    def made(match: re.Match[str]) -> str:
        name = match["name"]
        if name not in BLOCKS:
            sys.exit(f"{path}: no block is called {name!r}; known are {', '.join(BLOCKS)}")
        return match[1] + BLOCKS[name]().rstrip("\n") + "\n" + match[3]

    return BLOCK.sub(made, text)


def main() -> None:
    """Write or check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a block is out of date")
    check = parser.parse_args().check
    stale = []
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = path.read_text(encoding="utf-8")
        fresh = synced(text, path)
        if fresh != text:
            stale.append(path.relative_to(ROOT))
            if not check:
                path.write_text(fresh, encoding="utf-8")
    if stale:
        print(("out of date: " if check else "written: ") + ", ".join(map(str, stale)))
    if stale and check:
        sys.exit("run scripts/sync_architecture.py and commit what it writes")


if __name__ == "__main__":
    main()
