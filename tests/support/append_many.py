"""A writer process: `python append_many.py URL SESSION NAME BLOCKS` appends blocks, moving NAME by one for each.

Where another writer moved NAME first it looks again and goes on, so that processes may share a name.
"""

import sys

import redis

from eventstore.errors import FencedError
from eventstore.ledger import Ledger, Move
from support.ledger_kit import AnyLedger, Note, codec


def main(url: str, session: str, name: str, blocks: int) -> None:
    ledger: AnyLedger = Ledger(redis.Redis.from_url(url), session, codec())
    at = ledger.checkpoint(name)
    for i in range(blocks):
        events = [Note(f"{ledger.writer} {i} {j}") for j in range(1 + i % 3)]
        while True:
            try:
                ledger.append(events, [Move(name, at, at + 1)])
            except FencedError as fenced:
                at = fenced.found
            else:
                at += 1
                break


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
