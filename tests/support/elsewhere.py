"""Plays or replays a session in this process and says what came of it as JSON: for tests that ask another process.

`python elsewhere.py play URL HOME TAPE SESSION` · `python elsewhere.py replay URL SESSION`
"""

import json
import sys
from pathlib import Path

from replay.verify import verify
from support.short_session import play_fused
from titanflow.runtime.ledgers import CODEC, connect, open_ledger


def play(url: str, home: str, tape: str, session: str) -> dict[str, object]:
    ledger = play_fused(url, Path(home), Path(tape), session)
    return {"events": ledger.last_seq(), "digest": ledger.digest()}


def replay(url: str, session: str) -> dict[str, object]:
    verdict = verify(open_ledger(connect(url), session), CODEC)
    return {"identical": verdict.identical, "decided": verdict.decided, "digest": verdict.digest}


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    command, *arguments = sys.argv[1:]
    print(json.dumps({"play": play, "replay": replay}[command](*arguments)))
