"""The trained models of a session that is open: laid down in its Redis, and taken up again by whoever decides there.

The libraries that compute with them are imported here and not before, and only where a session has models.
"""

from pathlib import Path

import redis

from titanflow.domain.events import SessionStarted
from titanflow.signal.model import NO_MODELS, Models


def deposit_models(client: redis.Redis, home: Path, started: SessionStarted) -> None:
    """Lay down the files of every model that the session records. Raises ModelError for one that was changed since."""
    if started.models:
        from titanflow.models.deposit import deposit
        from titanflow.models.registry import Registry

        deposit(client, Registry(home), [model.digest for model in started.models])


def models_of(client: redis.Redis, home: Path, started: SessionStarted) -> Models:
    """The session's models, loaded: the very bytes that it opened with.

    Raises ModelMissingError, with every digest that is neither in its Redis nor in the registry under `home`.
    """
    if not started.models:
        return NO_MODELS
    from titanflow.models.deposit import fetch_models

    return fetch_models(client, home, started)


def serving_here(started: SessionStarted) -> tuple[tuple[str, str], ...]:
    """What would compute the scores of the session's models in this process; empty where it has none."""
    if not started.models:
        return ()
    from titanflow.models.serving.environment import serving_environment

    return serving_environment()
