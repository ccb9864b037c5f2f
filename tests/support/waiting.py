"""Waiting for a condition with a deadline, instead of sleeping and hoping."""

import time
from collections.abc import Callable

POLL_SECONDS = 0.01
PATIENCE_S = 300.0
"""A limit for what comes in a moment: far off, so that no test depends on how busy the machine is."""


def wait_until(condition: Callable[[], object], *, timeout: float = PATIENCE_S, message: str = "the condition") -> None:
    """Return as soon as the condition is truthy; fail the test when it is not within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:g} s in vain for {message}")
        time.sleep(POLL_SECONDS)
