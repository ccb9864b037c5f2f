"""A model's folder: what it and its files may be called, and how it comes to be in one step."""

import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from titanflow.domain.models import MANIFEST_FILE
from titanflow.errors import InputError

MIN_PREFIX = 8
"""Fewest hex digits of a digest that name a model."""
PREFIX = re.compile(rf"[0-9a-f]{{{MIN_PREFIX},64}}")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def check_names(name: str, files: Mapping[str, bytes]) -> None:
    """Raise InputError for a model's or a file's name that nobody could refer to, or that leads elsewhere."""
    if not _NAME.fullmatch(name) or PREFIX.fullmatch(name):
        raise InputError(
            f"{name!r} cannot name a model: expected a letter and up to 39 more of a-z, 0-9, _ and -, "
            f"that do not look like a digest"
        )
    if bad := [each for each in files if not _FILE_NAME.fullmatch(each) or each == MANIFEST_FILE]:
        raise InputError(f"{bad[0]!r} cannot name a file of a model")


def write_folder(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Make a model's folder, durable and whole or not at all. Nothing happens where it is there already."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=folder.parent))
    try:
        draft.chmod(0o755)
        for name, content in contents.items():
            with (draft / name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        _sync(draft)
        draft.rename(folder)
        _sync(folder.parent)
    except OSError:
        # Another process may have added the very same bytes in the meantime.
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
