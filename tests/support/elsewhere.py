"""Plays or replays a session in this process and says what came of it as JSON: for tests that ask another process.

`python elsewhere.py play URL HOME TAPE SESSION` · `python elsewhere.py replay URL SESSION`
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from support.waiting import PATIENCE_S

HERE = Path(__file__).resolve()


def ask_elsewhere(*arguments: object, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What another process, in this environment, says of a command."""
    path = os.pathsep.join(map(str, (HERE.parents[1], HERE.parents[2] / "src", HERE.parents[2])))
    result = subprocess.run(
        [sys.executable, str(HERE), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": path, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert result.returncode == 0, result.stderr
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def play(url: str, home: str, tape: str, session: str) -> dict[str, Any]:
    from support.short_session import play_fused

    ledger = play_fused(url, Path(home), Path(tape), session)
    return {"events": ledger.last_seq(), "digest": ledger.digest()}


def replay(url: str, session: str) -> dict[str, Any]:
    from replay.verify import verify
    from titanflow.runtime.ledgers import CODEC, connect, open_ledger

    verdict = verify(open_ledger(connect(url), session), CODEC)
    return {"identical": verdict.identical, "decided": verdict.decided, "digest": verdict.digest}


if __name__ == "__main__":
    command, *given = sys.argv[1:]
    print(json.dumps({"play": play, "replay": replay}[command](*given)))
