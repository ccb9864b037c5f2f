"""The stages of models: an append-only log of who moved which model when and why, and where that leaves each.

A model is a candidate until it is promoted. A name has at most one champion; the one that it replaces is retired. The
log of the shipped models is read before the user's own, so that the user has the last word.
"""

import os
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path

import msgspec
from filelock import FileLock, Timeout
from msgspec import Struct

from titanflow.domain.types import Nanos
from titanflow.errors import ModelError

STAGES_FILE = "stages.jsonl"
LOCK_TIMEOUT_S = 10.0


class Stage(StrEnum):
    """Where a model stands among those of its name."""

    CANDIDATE = "candidate"
    CHAMPION = "champion"
    RETIRED = "retired"


class StageAction(StrEnum):
    """What was done to a model."""

    REGISTER = "register"
    PROMOTE = "promote"
    ROLL_BACK = "roll_back"


class StageChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of the log."""

    at: Nanos
    """Wall clock."""
    who: str
    action: StageAction
    name: str
    digest: str
    """The model that was registered, or is the name's champion from now on."""
    replaced: str = ""
    """The champion until now; empty where there was none."""
    reason: str = ""


class Stages:
    """What a log adds up to."""

    def __init__(self, changes: Iterable[StageChange]) -> None:
        self.champions: dict[str, str] = {}
        """Name -> digest of its champion."""
        self._of: dict[str, Stage] = {}
        for change in changes:
            self._fold(change)

    def of(self, digest: str) -> Stage:
        """The stage of a model; one that no line mentions is a candidate."""
        return self._of.get(digest, Stage.CANDIDATE)

    def _fold(self, change: StageChange) -> None:
        if change.action is StageAction.REGISTER:
            self._of.setdefault(change.digest, Stage.CANDIDATE)
            return
        if former := self.champions.get(change.name):
            self._of[former] = Stage.RETIRED
        self._of[change.digest] = Stage.CHAMPION
        self.champions[change.name] = change.digest


class StageLog:
    """The user's log behind the shipped one. Lines are only ever added, one process at a time."""

    def __init__(self, folder: Path, shipped: Path) -> None:
        self.path = folder / STAGES_FILE
        self._shipped = shipped / STAGES_FILE

    def history(self) -> tuple[StageChange, ...]:
        """Every change, oldest first. Raises ModelError for a line that cannot be read."""
        return (*_read(self._shipped), *_read(self.path))

    def stages(self) -> Stages:
        """Where the models stand now."""
        return Stages(self.history())

    def change(self, decide: Callable[[Stages], StageChange]) -> StageChange:
        """Append what `decide` makes of the stages, while no other process can; returns it.

        Raises ModelError where another process holds the log for too long, and whatever `decide` raises.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.path.with_suffix(".lock"), timeout=LOCK_TIMEOUT_S):
                change = decide(self.stages())
                _append(self.path, msgspec.json.encode(change) + b"\n")
        except Timeout as error:
            raise ModelError(f"{self.path}: another process has held it for {LOCK_TIMEOUT_S:g} s; try again") from error
        return change


def _read(path: Path) -> Iterable[StageChange]:
    if not path.exists():
        return
    content = path.read_bytes()
    # A last line without its end was torn by a crash before it counted.
    for number, line in enumerate(content[: content.rfind(b"\n") + 1].splitlines(), 1):
        try:
            yield msgspec.json.decode(line, type=StageChange)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ModelError(f"{path}: line {number} is no stage change: {error}; mend or remove that line") from error


def _append(path: Path, line: bytes) -> None:
    with path.open("ab+") as file:
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)
        file.write(line)
        file.flush()
        os.fsync(file.fileno())
