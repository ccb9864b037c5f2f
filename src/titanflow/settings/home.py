"""The home directory: passwords, ledgers and models lie below it, so it is its owner's alone."""

from pathlib import Path

from titanflow.errors import SettingsError

PRIVATE = 0o700


def make_home(home: Path) -> None:
    """Make the home, closed to everybody else; one that is there stays as it is.

    Raises SettingsError where it cannot be made.
    """
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        home.mkdir(mode=PRIVATE, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"home = '{home}': expected a directory that can be made; {error.strerror}") from error
