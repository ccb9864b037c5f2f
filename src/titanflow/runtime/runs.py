"""How a session was started on this machine: kept beside its logs, so that it can be resumed and its services agree."""

from pathlib import Path

from pydantic import ValidationError

from titanflow.errors import SessionStateError
from titanflow.settings import Settings


def run_directory(home: Path, session: str) -> Path:
    """The directory of one session's run file and logs."""
    return home / "sessions" / session


def heartbeat_path(home: Path, session: str, service: str) -> Path:
    """The file by which a supervised service of a session shows that it lives."""
    return run_directory(home, session) / f"{service}.heartbeat"


def save_run(settings: Settings, session: str) -> None:
    """Write the settings of a run, whole or not at all; without the servers' addresses, which may hold passwords."""
    directory = run_directory(settings.home, session)
    directory.mkdir(parents=True, exist_ok=True)
    draft = directory / "run.json.new"
    text = settings.model_dump_json(indent=2, exclude={"redis_url", "database_url"})
    draft.write_text(text, encoding="utf-8")
    draft.replace(directory / "run.json")


def load_run(home: Path, session: str) -> Settings:
    """The settings that a run was started with. Raises SessionStateError if this machine never ran the session."""
    path = run_directory(home, session) / "run.json"
    try:
        return Settings.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError) as error:
        raise SessionStateError(
            f"session {session!r} was not started from {home}: {path} is missing or damaged ({error})"
        ) from error
