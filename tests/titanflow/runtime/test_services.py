"""What a service does when it is told to stop while a server is away."""

import threading
from pathlib import Path

import pytest
import redis

from projections import projector
from titanflow.errors import ServerError
from titanflow.runtime.ledgers import new_ledger
from titanflow.runtime.services import Job, run_projector
from titanflow.settings import Settings


def test_a_stopped_projector_does_not_wait_for_a_database_that_is_away(
    redis_url: str, redis_client: redis.Redis, session_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were it to wait, this test would run into its time limit."""
    monkeypatch.setattr(projector, "PATIENCE_S", 86_400.0)
    nowhere = "postgresql://ada@127.0.0.1:1/nothing"
    stop = threading.Event()
    job = Job(Settings(home=tmp_path), redis_url, nowhere, new_ledger(redis_client, session_id), stop)
    threading.Timer(0.5, stop.set).start()
    with pytest.raises(ServerError, match="no answer"):
        run_projector(job)
