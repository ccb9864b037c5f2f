"""How a process learns that it should end: SIGTERM, Ctrl-C, or the death of the supervisor that started it."""

import os
import signal
import threading
import time

import structlog

log = structlog.get_logger()

ORPHANED_EXIT_CODE = 70
_LOOK_EVERY_S = 0.5


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set; a second signal ends the process at once. Main thread only."""
    stop = threading.Event()

    def on_signal(signum: int, frame: object) -> None:
        if stop.is_set():
            os._exit(128 + signum)
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
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
