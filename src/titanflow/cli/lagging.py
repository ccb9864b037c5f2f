"""What of the read side lags behind a session, as `status` says it: looked up without starting a server."""

from titanflow.cli.context import Place
from titanflow.runtime.heartbeat import told
from titanflow.runtime.incidents import Incidents
from titanflow.runtime.ledgers import EventLedger
from titanflow.runtime.reading import FILLS, Behind, what_is_behind
from titanflow.runtime.runs import heartbeat_path, running_sessions


def read_side(place: Place, ledger: EventLedger) -> dict[str, Behind]:
    """What does not hold the whole ledger yet, and why as far as that is known on this machine."""
    home, session = place.settings.home, ledger.session
    running = any(one.session == session for one in running_sessions(home))
    behind = what_is_behind(ledger, _database(place))
    for service, name in FILLS.items():
        if name not in behind:
            continue
        reason = told(heartbeat_path(home, session, service)).trouble if running else ""
        reason = reason or _last_reason(place, session, service)
        if running and not reason:
            reason = "it follows"
        elif not running:
            hint = f"`titanflow projections catch-up {session}` brings them up"
            reason = f"{reason or behind[name].reason}; {hint}"
        behind[name] = behind[name]._replace(reason=reason)
    return behind


def _last_reason(place: Place, session: str, service: str) -> str:
    """Why it fell or waited last, unless it went on since."""
    mine = [one for one in Incidents(place.settings.home, session).all() if one.service == service]
    return mine[-1].reason if mine else ""


def _database(place: Place) -> str:
    """The tables' server if there is one to ask: an embedded one that is stopped stays so."""
    if place.settings.database_url:
        return place.settings.database_url
    from titanflow.embedded.postgres import postgres_server

    return postgres_server(place.settings.home).status().url or ""
