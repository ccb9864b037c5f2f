"""A projector process: `python run_projector.py REDIS DATABASE SESSION BATCH_EVENTS` runs until it is killed."""

import sys

from projections.projector import Projector
from titanflow.runtime.ledgers import connect, new_ledger


def main(redis_url: str, database: str, session: str, batch_events: int) -> None:
    with Projector(database, new_ledger(connect(redis_url), session), batch_events=batch_events) as projector:
        projector.run(lambda: False)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
