"""A mirror process: `python run_mirror.py URL SESSION AUDIT_FILE` mirrors until it is killed."""

import sys
from pathlib import Path

import redis

from projections.mirror.mirror import Mirror
from titanflow.runtime.ledgers import new_ledger


def main(url: str, session: str, audit_log: str) -> None:
    client = redis.Redis.from_url(url)
    Mirror(new_ledger(client, session), client, Path(audit_log)).run(lambda: False)


if __name__ == "__main__":
    main(*sys.argv[1:])
