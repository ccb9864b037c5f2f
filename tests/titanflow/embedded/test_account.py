"""Whether an account can pass through directories, told from their mode bits."""

import os
from pathlib import Path

import pytest

from titanflow.embedded.account import Account, can_enter

OWNER = Account("owner", os.geteuid(), 60_001)
MEMBER = Account("member", 60_002, os.getegid())
OTHER = Account("other", 60_003, 60_004)


@pytest.mark.parametrize(
    ("mode", "account", "enters"),
    [
        (0o700, OWNER, True),
        (0o677, OWNER, False),
        (0o710, MEMBER, True),
        (0o701, MEMBER, False),
        (0o701, OTHER, True),
        (0o770, OTHER, False),
        (0o000, None, True),
    ],
)
def test_owner_group_and_others_enter_by_their_own_bit(
    home: Path, mode: int, account: Account | None, enters: bool
) -> None:
    place = home / "place"
    place.mkdir()
    os.chown(place, os.geteuid(), os.getegid())
    place.chmod(mode)
    assert can_enter(place, account) is enters
    place.chmod(0o700)


def test_one_closed_directory_above_closes_all_below(home: Path) -> None:
    below = home / "closed" / "open"
    below.mkdir(parents=True)
    assert can_enter(below, OTHER)
    (home / "closed").chmod(0o700)
    assert not can_enter(below, OTHER)
    (home / "link").symlink_to(below)
    assert not can_enter(home / "link", OTHER)
