"""Who is at the keyboard: the name that stands in every log of what a person did."""

import getpass
import os


def login_name() -> str:
    """The person's account name, or its number where it has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
