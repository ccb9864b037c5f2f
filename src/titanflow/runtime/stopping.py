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
STOPPED_EXIT_CODE = 143
"""Of a service that was asked to stop before its session was over, as the shell has it for SIGTERM: not done."""
_LOOK_EVERY_S = 0.5
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


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
    """An event (`stop`, or a new one) that SIGTERM, SIGINT and SIGHUP set; a second one ends the process at once.

    But not a SIGHUP: a terminal that closes sends it more than once, and with it others. A process that was started to
    ignore it (nohup) goes on ignoring it. Main thread only.
    """
    stop = stop or threading.Event()
    asked: set[int] = set()

    def on_signal(signum: int, frame: object) -> None:
        if asked and signum != signal.SIGHUP:
            os._exit(128 + signum)
        if signum != signal.SIGHUP:
            asked.add(signum)
        stop.set()

    for signum in _SIGNALS:
        if signum != signal.SIGHUP or signal.getsignal(signum) is not signal.SIG_IGN:
            signal.signal(signum, on_signal)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    return stop


def leaving_within(seconds: float, stop: threading.Event) -> None:
    """End this process at once, as if killed, when it has not ended by itself so long after `stop` was set.

    For a service that is stuck in a call (a server that does not answer) and cannot look at `stop` any more.
    """

    def watch() -> None:
        threading.Event.wait(stop)
        time.sleep(seconds)
        log.warning("stopped, but did not end in time", seconds=seconds)
        os._exit(STOPPED_EXIT_CODE)

    threading.Thread(target=watch, name="end-watch", daemon=True).start()


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
