"""Running PostgreSQL for root: it refuses to, so an unprivileged account runs it on files that the account can reach.

Nobody's permissions are changed: what the account cannot reach (root's own home is closed) is kept under /var/lib.
"""

import os
import pwd
import shutil
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from titanflow.errors import ServerError

ACCOUNTS = ("titanflow", "postgres", "nobody")
SYSTEM_STATE = Path("/var/lib/titanflow")


@dataclass(frozen=True)
class Account:
    """An account of the machine that is not root."""

    name: str
    uid: int
    gid: int


def unprivileged(*, owner_of: Path) -> Account | None:
    """The account that PostgreSQL runs as for root: who owns `owner_of` when that exists, else the first of ACCOUNTS.

    None when the caller is not root. Raises ServerError when root has none of the accounts.
    """
    if os.geteuid() != 0:
        return None
    if owner_of.exists():
        owner = owner_of.stat()
        return Account(_name(owner.st_uid), owner.st_uid, owner.st_gid)
    for name in ACCOUNTS:
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(name, entry.pw_uid, entry.pw_gid)
    raise ServerError(
        f"PostgreSQL refuses to run as root and none of the accounts {', '.join(ACCOUNTS)} exists: "
        "create one (`useradd --system titanflow`), or run as another user, or set DATABASE_URL"
    )


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def give(path: Path, account: Account | None) -> None:
    """Make the account the owner; nothing to do when there is none."""
    if account:
        os.chown(path, account.uid, account.gid)


def can_enter(directory: Path, account: Account | None) -> bool:
    """Whether the account may pass through the directory and all above it, by their mode bits."""
    if account is None:
        return True
    directory = directory.resolve()
    return all(_may_search(place.stat(), account) for place in (directory, *directory.parents))


def _may_search(place: os.stat_result, account: Account) -> bool:
    if place.st_uid == account.uid:
        return bool(place.st_mode & 0o100)
    if place.st_gid == account.gid:
        return bool(place.st_mode & 0o010)
    return bool(place.st_mode & 0o001)


def make_reachable_directory(wanted: Path, account: Account | None) -> Path:
    """Create a private directory of the account at `wanted`, or, where it cannot go there, one under SYSTEM_STATE."""
    if can_enter(wanted.parent, account):
        wanted.mkdir(mode=0o700)
        made = wanted
    else:
        made = Path(tempfile.mkdtemp(prefix=f"{wanted.parent.name}-", dir=_system_state()))
    give(made, account)
    return made


def copy_for_all(source: Path, parts: Iterable[str], name: str) -> Path:
    """A copy of those parts of `source` that every account can reach, under SYSTEM_STATE, made once per `name`."""
    copy = _system_state() / name
    if not copy.is_dir():
        draft = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=_system_state()))
        try:
            for part in parts:
                if (source / part).is_dir():
                    shutil.copytree(source / part, draft / part, symlinks=True)
            draft.chmod(0o755)
            draft.rename(copy)
        except OSError as error:
            # Another process may have made the same copy meanwhile.
            if not copy.is_dir():
                raise ServerError(f"cannot copy {source} to {copy} for PostgreSQL's account: {error}") from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return copy


def _system_state() -> Path:
    try:
        SYSTEM_STATE.mkdir(mode=0o755, parents=True, exist_ok=True)
    except OSError as error:
        raise ServerError(
            f"PostgreSQL cannot run as root, and {SYSTEM_STATE} cannot be made for the account that runs it: {error}. "
            "Run as another user, or set TITANFLOW_HOME to a directory that all may enter, or set DATABASE_URL"
        ) from error
    return SYSTEM_STATE
