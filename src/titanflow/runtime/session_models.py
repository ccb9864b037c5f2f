"""The trained models of a session that is open: laid down in its Redis, and taken up again by whoever decides there.

The libraries that compute with them are imported here and not before, and only where a session has models.
"""

from pathlib import Path

import redis

from eventstore.errors import BrokenLedgerError
from eventstore.sessions import Sessions
from titanflow.domain.events import SessionStarted
from titanflow.runtime.ledgers import EventLedger, new_ledger
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


def forget_models(client: redis.Redis, started: SessionStarted, session: str) -> int:
    """Remove the uploaded models of a session that no other session of this Redis names; returns how many.

    None where the opening of another session cannot be read: nobody knows which models it names.
    """
    own = {model.digest for model in started.models}
    try:
        for entry in Sessions(client).all() if own else ():
            if entry.id != session:
                own -= _models_named_by(new_ledger(client, entry.id))
    except BrokenLedgerError:
        return 0
    if not own:
        return 0
    from titanflow.models.deposit import model_key

    return int(client.delete(*map(model_key, sorted(own))))


def _models_named_by(ledger: EventLedger) -> set[str]:
    """Empty for a session that was never opened."""
    opening = next((block.events[0] for block in ledger.read(1, 1)), None)
    return {model.digest for model in opening.models} if isinstance(opening, SessionStarted) else set()


def serving_here(started: SessionStarted) -> tuple[tuple[str, str], ...]:
    """What would compute the scores of the session's models in this process; empty where it has none."""
    if not started.models:
        return ()
    from titanflow.models.serving.environment import serving_environment

    return serving_environment()
