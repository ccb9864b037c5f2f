"""What every command needs: settings from flags, the servers, the session that is meant, its ledger."""

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from titanflow.cli.output import messages

if TYPE_CHECKING:
    import redis

    from titanflow.runtime.ledgers import EventLedger
    from titanflow.settings import Settings

SessionArgument = Annotated[
    str | None, typer.Argument(metavar="SESSION", help="Session id; none means the newest.", show_default=False)
]
SessionOption = Annotated[
    str | None, typer.Option("--session", metavar="ID", help="Session id; none means the newest.", show_default=False)
]
SessionToo = Annotated[
    str | None, typer.Option("--session", metavar="ID", help="The same, as other commands take it.", show_default=False)
]
NewSessionOption = Annotated[
    str | None, typer.Option("--session", metavar="ID", help="Name of the new session.", show_default=False)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
StrictOption = Annotated[bool, typer.Option("--strict", help="Exit 2 where the session ended with warnings.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Any setting (see `titanflow settings`); may be repeated."),
]
ConfigOption = Annotated[
    Path | None, typer.Option("--config", metavar="TOML", help="File with settings.", show_default=False)
]
ContendersOption = Annotated[
    Path | None, typer.Option(metavar="TOML", help="File with the contenders; none: the shipped.", show_default=False)
]
SeedOption = Annotated[int | None, typer.Option(metavar="N", help="Seed of everything random.", show_default=False)]


class Place:
    """Settings and the servers that they lead to; embedded servers are started when first needed."""

    def __init__(self, settings: "Settings") -> None:
        self.settings = settings

    @cached_property
    def redis_url(self) -> str:
        """The ledger's server: the one that the settings name, else the embedded one."""
        if self.settings.redis_url:
            return self.settings.redis_url
        from titanflow.embedded.redis import redis_server

        with messages.status("starting Redis …"):
            server = redis_server(self.settings.home)
            loopback = server.start()
        # Half the time of a round trip over loopback.
        return server.socket_url or loopback

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
    def client(self) -> "redis.Redis":
        """A connection to the ledger's server."""
        from titanflow.runtime.ledgers import connect

        return connect(self.redis_url)

    def session(self, named: str | None) -> str:
        """The session that is meant: the one named, else the newest. Raises SessionNotFoundError."""
        from eventstore.sessions import Sessions
        from titanflow.errors import SessionNotFoundError

        if named is not None:
            return named
        newest = next(iter(Sessions(self.client).all()), None)
        if newest is None:
            raise SessionNotFoundError("there is no session yet; `titanflow live` makes one")
        return newest.id

    def ledger(self, named: str | None) -> "EventLedger":
        """The ledger of the session that is meant. Raises SessionNotFoundError."""
        from titanflow.runtime.ledgers import open_ledger

        return open_ledger(self.client, self.session(named))


def arrive(
    flags: Mapping[str, Any] | None = None, assignments: Sequence[str] | None = None, config: Path | None = None
) -> Place:
    """Read the settings and send logs to standard error: the start of every command."""
    from titanflow.runtime.logs import configure_logging
    from titanflow.settings import load_settings

    configure_logging("titanflow", "WARNING")
    return Place(load_settings(flags, assignments=assignments or (), config=config))


def one_session(argument: str | None, option: str | None) -> str | None:
    """The session that is meant where both may name it. Raises InputError where they name two."""
    from titanflow.errors import InputError

    if None not in (argument, option) and argument != option:
        raise InputError(f"SESSION {argument!r} and --session {option!r} are two sessions: give one of them")
    return argument if option is None else option


def checked_new_name(session: str | None) -> str | None:
    """The name of a new session as it was given. Raises InputError for one that no session may have."""
    from eventstore.keys import valid_session_id
    from titanflow.errors import InputError

    try:
        return session if session is None else valid_session_id(session)
    except ValueError as error:
        raise InputError(f"--session: {error}") from error


def check_audit_file(settings: "Settings") -> None:
    """Raise SettingsError if the audit file cannot be written: better now than by a mirror that keeps falling."""
    from titanflow.errors import SettingsError

    path = settings.audit_log_path
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        trouble = "it is a directory" if path.is_dir() else ""
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            trouble = "permission denied"
    except OSError as error:
        trouble = f"{error.filename}: {error.strerror}"
    if trouble:
        raise SettingsError(f"audit_log_path = '{path}': expected a file that can be written; {trouble}")
