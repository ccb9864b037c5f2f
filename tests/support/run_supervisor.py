"""Supervises one waiting service until it is killed: `run_supervisor.py HOME` prints the service's process id."""

import sys
import time
from pathlib import Path

from titanflow.runtime import supervisor

supervisor._COMMAND = (sys.executable, str(Path(__file__).with_name("unruly_service.py")))  # type: ignore[assignment]

home = Path(sys.argv[1])
watched = supervisor.Supervisor(home, "orphans", ["waits"], {}, restart_limit=0, hang_seconds=60.0)
watched.start()
while "waits" not in watched.log_path("waits").read_text():
    time.sleep(0.01)
process = watched.services["waits"].process
assert process
print(process.pid, flush=True)
while True:
    time.sleep(1)
