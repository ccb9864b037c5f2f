"""When a contender can trade for the first time: what went before says nothing about it. Pure."""

from titanflow.domain.models import RecordedModel
from titanflow.domain.session_settings import ContenderSpec
from titanflow.domain.types import NANOS_PER_DAY, Nanos


def first_chance(contender: ContenderSpec, model: RecordedModel | None, start: Nanos) -> Nanos | None:
    """The moment from which it may trade in a session that begins at `start`; None where it never may.

    A rule may from the start. A trained model is silent in the time that it was trained on, unless its contender says
    otherwise, and may not at all where it could not be loaded or had grown stale before it was asked.
    """
    if contender.fault:
        return None
    if model is None:
        return start
    parameters, trained = dict(contender.parameters), model.manifest.training.last_at
    since = start if parameters.get("in_sample") == "trade" else max(start, trained)
    stale = trained + int(parameters.get("max_age_days", 0)) * NANOS_PER_DAY
    return None if "max_age_days" in parameters and stale < since else since
