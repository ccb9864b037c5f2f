"""A mirror process that dies: `python run_mirror.py URL SESSION AUDIT_FILE` catches up, but is killed (SIGKILL) as soon
as it has published a batch, before it can write the audit file. Exits 0 where nothing was left to do.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import redis

from projections.mirror import mirror
from projections.mirror.publisher import Publisher
from titanflow.runtime.ledgers import new_ledger


class LastPublisher(Publisher):
    """Publishes one batch in its life."""

    def publish(self, *batch: Any) -> None:
        super().publish(*batch)
        os.kill(os.getpid(), signal.SIGKILL)


def main(url: str, session: str, audit_log: str) -> None:
    mirror.Publisher = LastPublisher  # type: ignore[misc]
    client = redis.Redis.from_url(url)
    mirror.Mirror(new_ledger(client, session), client, Path(audit_log)).catch_up()


if __name__ == "__main__":
    main(*sys.argv[1:])
