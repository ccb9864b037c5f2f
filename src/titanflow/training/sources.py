"""What `--data` may name: tape files, or a recorded session of the ledger with an optional range of seqs."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from titanflow.errors import InputError

SESSION_PREFIX = "session:"
_RANGE = re.compile(r"(?P<first>\d*)-(?P<last>\d*)")


class SessionSource(NamedTuple):
    """A session's events from `first` to `last` seq, both included; `last` None: to its end."""

    session: str
    first: int = 1
    last: int | None = None

    def __str__(self) -> str:
        whole = self.first == 1 and self.last is None
        return f"session {self.session}" if whole else f"session {self.session}@{self.first}-{self.last or ''}"


def parse_sources(texts: Sequence[str]) -> tuple[tuple[Path, ...], tuple[SessionSource, ...]]:
    """Tapes and sessions, each in the order given. Raises InputError naming what cannot be read."""
    if not texts:
        raise InputError("no data: give at least one tape file or session:NAME")
    sessions = tuple(_session(text) for text in texts if text.startswith(SESSION_PREFIX))
    tapes = tuple(Path(text) for text in texts if not text.startswith(SESSION_PREFIX))
    for tape in tapes:
        if not tape.is_file():
            raise InputError(f"data {tape}: there is no such file; a recorded session is named as session:NAME")
    return tapes, sessions


def _session(text: str) -> SessionSource:
    name, at, seqs = text.removeprefix(SESSION_PREFIX).partition("@")
    if not at and name:
        return SessionSource(name)
    match = _RANGE.fullmatch(seqs)
    if not name or match is None:
        raise InputError(f"data {text!r}: expected session:NAME or session:NAME@FIRST-LAST, as session:x@5001-")
    first, last = int(match["first"] or 1), int(match["last"]) if match["last"] else None
    if first < 1 or (last is not None and last < first):
        raise InputError(f"data {text!r}: the seqs from {first} to {last} are no range; the first event has seq 1")
    return SessionSource(name, first, last)
