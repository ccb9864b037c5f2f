"""How a process learns that it should end: SIGTERM, Ctrl-C, or the death of the supervisor that started it."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

log = structlog.get_logger()

ORPHANED_EXIT_CODE = 70
_LOOK_EVERY_S = 0.5
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def holding_back(signum: signal.Signals) -> Iterator[None]:
    """Block a signal in this thread and in processes started meanwhile, which unblock it by `stop_on_signals`.

    A stop that reaches a process during its start-up thus waits until it can be heard, instead of killing it.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signum})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def stopping_on_signals() -> Iterator[threading.Event]:
    """`stop_on_signals`, for a while: afterwards signals do again what they did before."""
    before = [(signum, signal.getsignal(signum)) for signum in _SIGNALS]
    try:
        yield stop_on_signals()
    finally:
        for signum, handler in before:
            signal.signal(signum, handler)


def stop_on_signals(stop: threading.Event | None = None) -> threading.Event:
    """An event (`stop`, or a new one) that SIGTERM and SIGINT set; a second signal ends the process at once.

    Main thread only.
    """
    stop = stop or threading.Event()

    def on_signal(signum: int, frame: object) -> None:
        if stop.is_set():
            os._exit(128 + signum)
        stop.set()

    for signum in _SIGNALS:
        signal.signal(signum, on_signal)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    return stop


def die_with(supervisor_pid: int) -> None:
    """End this process at once when the supervisor that started it is gone.

    At once, as if killed: an orderly end would close the session, which its operator may want to resume.
    """

    def watch() -> None:
        while os.getppid() == supervisor_pid:
            time.sleep(_LOOK_EVERY_S)
        log.warning("supervisor is gone", supervisor=supervisor_pid)
        os._exit(ORPHANED_EXIT_CODE)

    threading.Thread(target=watch, name="supervisor-watch", daemon=True).start()
