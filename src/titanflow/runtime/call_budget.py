"""Limits the CPU time of one call of a contender: stops the call, where it stands, by an exception.

The decider reads no clock. It only shows whom it asks; the process's own CPU clock strikes now and then and looks.
"""

import signal
import threading
from contextlib import AbstractContextManager
from types import FrameType, TracebackType

import structlog

from titanflow.domain.types import NANOS_PER_SECOND, Nanos
from titanflow.signal.asking import Asking, CallStopped

log = structlog.get_logger()

CALL_CPU_SECONDS = 5.0
"""What one call may use where no setting says otherwise."""
LOOKS = 4
"""A call is looked at so often before it is stopped: it may take up to a part in four more than it is allowed."""


class CallBudget(AbstractContextManager["CallBudget"]):
    """While it is entered, a call that uses up its CPU time ends in CallStopped. Main thread only; elsewhere no limit.

    CPU time of the whole process is counted: how busy the machine is does not matter.
    """

    def __init__(self, asking: Asking, cpu_seconds: float, after: int = 0) -> None:
        """Calls at events up to seq `after` are let be: what they decided stands in the ledger already."""
        self._asking = asking
        self._every = cpu_seconds / LOOKS
        self._after = after
        self._call = 0
        self._looks = 0
        self.allowed: Nanos = round(cpu_seconds * NANOS_PER_SECOND)
        """CPU time that one call may use."""

    def __enter__(self) -> "CallBudget":
        self._in_force = threading.current_thread() is threading.main_thread()
        if self._in_force:
            self._before = signal.signal(signal.SIGPROF, self._look)
            signal.setitimer(signal.ITIMER_PROF, self._every, self._every)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._in_force:
            signal.setitimer(signal.ITIMER_PROF, 0.0)
            signal.signal(signal.SIGPROF, self._before)

    def _look(self, signum: int, frame: FrameType | None) -> None:
        asking = self._asking
        if not asking.contender or asking.seq <= self._after:
            return
        if asking.calls != self._call:
            self._call, self._looks = asking.calls, 0
            return
        self._looks += 1
        if self._looks >= LOOKS:
            log.warning("a call takes too long and is stopped", contender=asking.contender, seq=asking.seq)
            raise CallStopped(asking.contender, asking.seq)
