"""What every command needs: settings from flags, the servers, the session that is meant, its ledger."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import redis
import typer

from eventstore.sessions import Sessions
from titanflow.cli.output import messages
from titanflow.errors import SessionNotFoundError
from titanflow.runtime.ledgers import EventLedger, connect, open_ledger
from titanflow.settings import Settings, load_settings

SessionArgument = Annotated[str | None, typer.Argument(help="Session id; none means the newest.", show_default=False)]
SessionOption = Annotated[
    str | None, typer.Option("--session", help="Session id; none means the newest.", show_default=False)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any setting by its name; may be repeated.")
]
ConfigOption = Annotated[Path | None, typer.Option("--config", help="TOML file with settings.", show_default=False)]


class Place:
    """Settings and the servers that they lead to; embedded servers are started when first needed."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def redis_url(self) -> str:
        """The ledger's server: the one that the settings name, else the embedded one."""
        if self.settings.redis_url:
            return self.settings.redis_url
        from titanflow.embedded.redis import redis_server

        with messages.status("starting Redis …"):
            return redis_server(self.settings.home).start()

    @cached_property
    def database_url(self) -> str:
        """The projections' server, with its schema brought up to date."""
        from projections.migrate import migrate

        url = self.settings.database_url
        if not url:
            from titanflow.embedded.postgres import postgres_server

            with messages.status("starting Postgres …"):
                url = postgres_server(self.settings.home).start()
        migrate(url)
        return url

    @cached_property
    def client(self) -> redis.Redis:
        """A connection to the ledger's server."""
        return connect(self.redis_url)

    def session(self, named: str | None) -> str:
        """The session that is meant: the one named, else the newest. Raises SessionNotFoundError."""
        if named is not None:
            return named
        newest = next(iter(Sessions(self.client).all()), None)
        if newest is None:
            raise SessionNotFoundError("there is no session yet; `titanflow live` makes one")
        return newest.id

    def ledger(self, named: str | None) -> EventLedger:
        """The ledger of the session that is meant. Raises SessionNotFoundError."""
        return open_ledger(self.client, self.session(named))


def arrive(
    flags: Mapping[str, Any] | None = None, assignments: Sequence[str] | None = None, config: Path | None = None
) -> Place:
    """Read the settings: the start of every command."""
    return Place(load_settings(flags, assignments=assignments or (), config=config))
