"""The read side of a session: the tables and the mirror, how far each has come, and how to bring them to the end.

A session trades whatever becomes of them; it is complete when both hold all of it.
"""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import redis

from eventstore.errors import LedgerError
from eventstore.signs import SILENT, Signs
from titanflow.errors import ServerError
from titanflow.gateway.lifecycle import is_mirrored
from titanflow.runtime.ledgers import EventLedger, new_ledger

READERS = ("projector", "mirror")
"""The services of the read side."""
FILLS = {"projector": "tables", "mirror": "mirror"}
"""Service -> what it brings up to date."""
SERVICE_OF = {name: service for service, name in FILLS.items()}
EYES_PATIENCE_S = 1.0
"""How long somebody who only looks waits for the ledger's server: it must not keep a supervisor from its work."""


class Behind(NamedTuple):
    """Why something does not hold all of a session."""

    events: int
    """How many are missing; of tables that cannot be asked all are."""
    reason: str


class CaughtUp(NamedTuple):
    """How far a part of the read side has come."""

    name: str
    """`tables` or `mirror`."""
    seq: int


def tables_position(database: str, session: str) -> int:
    """Seq up to which the tables hold a session, 0 where there are none. Raises ServerError where nobody answers."""
    import psycopg

    from projections.checkpoint import Checkpoint
    from projections.database import connect, unreachable

    if not database:
        raise ServerError("no Postgres runs here")
    try:
        with connect(database) as connection:
            return Checkpoint(session).read(connection).seq
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        return 0
    except psycopg.Error as error:
        raise unreachable(database, error) from error


def what_is_behind(ledger: EventLedger, database: str) -> dict[str, Behind]:
    """What of the read side does not hold the whole ledger; a backtest has no mirror."""
    last, behind = ledger.last_seq(), {}
    try:
        tables, reason = tables_position(database, ledger.session), "no projector runs"
    except ServerError as error:
        tables, reason = 0, str(error)
    if tables < last:
        behind["tables"] = Behind(last - tables, reason)
    mirrored = ledger.checkpoint("mirror")
    if is_mirrored(ledger) and mirrored < last:
        behind["mirror"] = Behind(last - mirrored, "no mirror runs")
    return behind


def progress_of(redis_url: str, session: str) -> Callable[[str], int | None]:
    """How far the work of a service is kept, by the ledger; None for the projector, and where nobody answers."""
    ledger = new_ledger(redis.Redis.from_url(redis_url), session, EYES_PATIENCE_S)

    def progress(service: str) -> int | None:
        if service == "projector":
            return None
        try:
            return ledger.checkpoint("gateway" if service == "fused" else service)
        except (LedgerError, redis.RedisError):
            return None

    return progress


def catch_up_tables(database: str, ledger: EventLedger, signs: Signs = SILENT) -> CaughtUp:
    """Bring the tables to the ledger's present end. Raises ServerError or ProjectionError where that cannot be done."""
    from projections.projector import Projector

    with Projector(database, ledger, signs=signs) as projector:
        return CaughtUp("tables", projector.catch_up())


def catch_up_mirror(
    client: redis.Redis, ledger: EventLedger, audit_log_path: Path | None, signs: Signs = SILENT
) -> CaughtUp:
    """Publish what the legacy channels and the audit file are owed. Raises ServerError where that is refused."""
    from projections.mirror.mirror import Mirror

    with closing(Mirror(ledger, client, audit_log_path, signs=signs)) as mirror:
        mirror.catch_up()
        return CaughtUp("mirror", mirror.position)
