"""A process to be supervised, started as services are: `unruly_service.py NAME --session S --supervisor-pid PID`.

What it does is in its name: `done` ends well, `falls` never does, `recovers` falls twice; `deaf` ignores SIGTERM;
`late` takes its time before it can hear a stop, and `waits` hears it at once; `stuck` falls at the same event every
time, `advances` one event later each time; `speaks` says why it ends, `raises` leaves that to Python; `refuses` would
be refused again.
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path

from titanflow.runtime.heartbeat import Heartbeat
from titanflow.runtime.runs import heartbeat_path
from titanflow.runtime.stopping import die_with, stop_on_signals


def main(name: str, supervisor: int) -> int:
    if name == "falls":
        return 1
    if name == "recovers":
        return 1 if _starts() < 3 else 0
    if name in ("stuck", "advances", "speaks"):
        heartbeat = Heartbeat(heartbeat_path(Path(os.environ["TITANFLOW_HOME"]), "unruly", name))
        heartbeat.reached(_starts() if name == "advances" else 7)
        heartbeat.write()
        if name == "speaks":
            heartbeat.ended("fenced", "checkpoint 'risk' was moved by another")
        return 1
    if name == "raises":
        raise ValueError("a rule divides by zero")
    if name == "refuses":
        print("error: the feed is not the one", flush=True)
        return 5
    if name == "late":
        time.sleep(0.3)
    if name in ("late", "waits"):
        stop = stop_on_signals()
        die_with(supervisor)
        print("waits", flush=True)
        stop.wait(600)
        print("heard" if stop.is_set() else "heard nothing", flush=True)
        return 0
    if name == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("waits", flush=True)
        threading.Event().wait(600)
    return 0


def _starts() -> int:
    """How often this was started in this home, this time included."""
    count = Path(os.environ["TITANFLOW_HOME"]) / "starts"
    count.write_text((count.read_text() if count.exists() else "") + ".")
    return len(count.read_text())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[-1])))
