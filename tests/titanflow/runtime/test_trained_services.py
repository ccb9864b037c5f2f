"""A session of trained models in real processes: its signal service is killed, its files are changed under it."""

import os
import signal
from pathlib import Path

import pytest
import redis

from projections.migrate import migrate
from projections.verify import verify as verify_projections
from replay.verify import verify
from support.short_session import events_of
from support.trained_session import champion, learned, trained_settings
from titanflow.domain.events import ModelReplaced, SessionStarted, SignalGenerated
from titanflow.domain.types import OperatorAction
from titanflow.runtime.ledgers import CODEC, open_ledger
from titanflow.runtime.operator_desk import command
from titanflow.runtime.processor import is_over
from titanflow.runtime.session_models import models_of, serving_here
from titanflow.runtime.session_run import SessionRun
from titanflow.runtime.supervisor import Health

pytestmark = pytest.mark.e2e

SPEED = 1200
KINDS = ("lightgbm", "lstm")


class Misfortunes:
    """Kills the signal service at the first and at the tenth trained signal, and ruins every model in between."""

    def __init__(self, run: SessionRun, home: Path) -> None:
        self._run = run
        self._home = home
        self.deaths = 0
        self.told = False

    def __call__(self) -> None:
        said = self._run.observer.count(SignalGenerated)
        service = self._run.supervisor.services["signal"]
        if self.deaths < 2 and said >= (1, 10)[self.deaths] and service.health is Health.RUNNING and service.process:
            os.kill(service.process.pid, signal.SIGKILL)
            self.deaths += 1
            for path in self._home.glob("models/*/model.*"):
                path.write_bytes(b"ruined")
        if self.deaths == 2 and not self.told:
            command(self._run.ledger, OperatorAction.USE_PARENT, "ada", contender="lightgbm")
            self.told = True


def test_killed_robbed_of_its_files_and_given_a_parent_a_trained_session_goes_on_and_replays_identical(
    redis_url: str, redis_client: redis.Redis, database: str, tmp_path: Path, tape: Path
) -> None:
    parent = champion(tmp_path)
    model = champion(tmp_path, seed=8, parent=parent)
    champion(tmp_path, "lstm")
    migrate(database)
    places = {"redis_url": redis_url, "database_url": database}
    settings = trained_settings(tmp_path, tape, *map(learned, KINDS), topology="services", speed=SPEED, **places)
    run = SessionRun.open(settings, redis_url, database)
    fate = Misfortunes(run, tmp_path)
    run.run(fate)
    assert run.problem == ""
    assert (fate.deaths, fate.told) == (2, True)

    ledger = open_ledger(redis_client, run.session)
    assert is_over(ledger)
    events = events_of(ledger)
    started = events[0]
    assert isinstance(started, SessionStarted)
    (replaced,) = [(seq, event) for seq, event in enumerate(events, 1) if isinstance(event, ModelReplaced)]
    for seq, event in enumerate(events, 1):
        if isinstance(event, SignalGenerated) and event.contender == "lightgbm":
            assert event.model_hash == (model if seq < replaced[0] else parent)
    assert {event.contender for event in events if isinstance(event, SignalGenerated)} == {"rule", *KINDS}

    models, serving = models_of(redis_client, tmp_path, started), serving_here(started)
    verdict = verify(ledger, CODEC, models=models, serving=serving)
    assert verdict.divergence is None
    assert verdict.comparison == "byte for byte"
    assert verify_projections(database, ledger).differences == ()
