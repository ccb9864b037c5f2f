"""The information barrier: nothing that a model was taught on may judge it.

Two measures hold side by side: the ledger's seqs where both are of one session, and event time always, so that another
session of the same tape, or the tape itself, is no way around.
"""

from datetime import UTC, datetime

from titanflow.domain.models import TrainingWindow
from titanflow.domain.types import NANOS_PER_SECOND, Nanos
from titanflow.errors import InputError


def refuse_overlap(trained: TrainingWindow, validated: TrainingWindow) -> None:
    """Raise InputError, with both numbers, where the data to validate on begin before the training's ended."""
    if trained.session and trained.session == validated.session and validated.first_seq <= trained.last_seq:
        raise InputError(
            f"the model was trained on session {trained.session} up to seq {trained.last_seq}; the data to validate "
            f"on begin at seq {validated.first_seq}: give session:{trained.session}@{trained.last_seq + 1}-"
        )
    if validated.first_at <= trained.last_at:
        raise InputError(
            f"the model was trained on {trained.source} up to {moment(trained.last_at)}, when its last label was "
            f"settled; the data to validate on ({validated.source}) begin at {moment(validated.first_at)}: give data "
            "that begin later"
        )


def moment(at: Nanos) -> str:
    """Event time for people, in UTC, to the second."""
    return f"{datetime.fromtimestamp(at // NANOS_PER_SECOND, UTC):%Y-%m-%dT%H:%M:%SZ}"
