"""The log of a session's incidents: what fell, was killed, was fenced, came back, and why. A file beside its run file.

It is on this machine's disk, not in the ledger's server: the loss of that server is an incident too.
"""

import os
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import structlog

from titanflow.runtime.runs import run_directory

log = structlog.get_logger()

FILE = "incidents.jsonl"


class Incident(msgspec.Struct, frozen=True):
    """One thing that went wrong, or was mended, in the life of a session."""

    service: str
    """A service's name, `supervisor`, `Redis` or `Postgres`."""
    when: str
    """Wall clock, ISO-8601 in UTC."""
    what: str
    """One of a few words: crashed, hung, killed, fenced, refused, given up, waits, goes on, restarted, …"""
    reason: str


class Incidents:
    """The incidents of one session, oldest first. Lines are appended whole, by several processes if need be."""

    def __init__(self, home: Path, session: str) -> None:
        self.path = run_directory(home, session) / FILE

    def add(self, service: str, what: str, reason: str) -> None:
        """Append one. A log that cannot be written stops nobody: it is said on standard error."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = msgspec.json.encode(Incident(service, now, what, " ".join(reason.split()))) + b"\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                os.write(file, line)
            finally:
                os.close(file)
        except OSError as error:
            log.warning("incident cannot be kept", service=service, what=what, reason=reason, error=str(error))

    def all(self) -> list[Incident]:
        """Every incident that can be read; a line that a crash tore is left out."""
        try:
            lines = self.path.read_bytes().splitlines()
        except OSError:
            return []
        found = []
        for line in lines:
            try:
                found.append(msgspec.json.decode(line, type=Incident))
            except msgspec.MsgspecError:
                continue
        return found


def in_brief(incidents: list[Incident]) -> list[str]:
    """One line for each service and what befell it, with how often and the last reason."""
    counts = Counter((one.service, one.what) for one in incidents)
    last = {(one.service, one.what): one for one in incidents}
    return [
        f"{service} {what}" + (f" ×{count}" if count > 1 else "") + f", {last[service, what].when[:19]}"
        + (f": {last[service, what].reason}" if last[service, what].reason else "")
        for (service, what), count in counts.items()
    ]  # fmt: skip
