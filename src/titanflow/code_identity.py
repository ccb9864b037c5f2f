"""Which code decides: its version, and a fingerprint of the sources of all that decides."""

import hashlib
from functools import cache
from pathlib import Path
from typing import NamedTuple

from titanflow import __version__
from titanflow.domain.events import SessionStarted
from titanflow.errors import SessionStateError

DECIDING = ("deciders.py", "domain", "errors.py", "execution", "leaderboard", "risk", "signal")
"""Modules and packages of `titanflow` whose sources are in the fingerprint, as far as there are any."""
_SHOWN = 12


class Code(NamedTuple):
    """The code that decides, or decided."""

    version: str
    fingerprint: str
    """SHA-256 over the sources of what decides; empty where it is not known."""

    def __str__(self) -> str:
        return f"titanflow {self.version or 'of an unknown version'}, code {self.fingerprint[:_SHOWN] or 'unknown'}"


@cache
def code_here() -> Code:
    """The code of this installation.

    The fingerprint is that of every machine and every Python with the same sources. It is taken over their text: a
    changed comment counts too, as nobody can tell by a rule what never changes a decision.
    """
    root = Path(__file__).resolve().parent
    sha = hashlib.sha256()
    for path in sorted(_sources(root), key=lambda path: path.relative_to(root).as_posix()):
        text = path.read_bytes().replace(b"\r\n", b"\n")
        sha.update(f"{path.relative_to(root).as_posix()} {len(text)}\n".encode() + text)
    return Code(__version__, sha.hexdigest())


def code_of(started: SessionStarted) -> Code:
    """The code that a session was opened with."""
    return Code(started.code_version, started.code_fingerprint)


def difference_of_code(recorded: Code, here: Code) -> str:
    """In words, how two codes differ; empty where they are the same, or a fingerprint is not known."""
    if not recorded.fingerprint or not here.fingerprint or recorded == here:
        return ""
    return f"other code than the session's: it was opened by {recorded}; here is {here}"


def check_code(started: SessionStarted, *, allowed: bool) -> None:
    """Raises SessionStateError where other code would decide than the session was opened with, unless it is `allowed`.

    What came of it would be proven neither by that code nor by this.
    """
    difference = difference_of_code(code_of(started), code_here())
    if difference and not allowed:
        raise SessionStateError(
            f"{difference}; go on with that version, or with this one by `--other-code`: then neither replays the whole"
        )


def _sources(root: Path) -> list[Path]:
    found: list[Path] = []
    for name in DECIDING:
        place = root / name
        found += [place] if place.is_file() else place.rglob("*.py")
    return found
