"""Which exceptions are expected trouble, with which exit code, and which are bugs."""

import psycopg
import pytest
import redis
import sqlalchemy.exc

from eventstore.errors import CorruptEntryError, LedgerUnavailableError
from titanflow.cli.trouble import trouble_of, was_interrupted
from titanflow.errors import InputError, ServerError, SessionNotFoundError, SessionStateError, SettingsError


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (SettingsError("x"), 2),
        (InputError("x"), 2),
        (ServerError("x"), 3),
        (SessionNotFoundError("x"), 4),
        (SessionStateError("x"), 5),
        (LedgerUnavailableError("x"), 3),
        (redis.ConnectionError("x"), 3),
        (redis.ResponseError("OOM x"), 3),
        (psycopg.OperationalError("x"), 3),
        (sqlalchemy.exc.OperationalError("select", {}, psycopg.OperationalError("x")), 3),
        (CorruptEntryError(7, "x"), 1),
        (FileNotFoundError(2, "No such file", "tape.csv"), 2),
        (OSError("disk trouble x"), 1),
    ],
)
def test_expected_trouble_has_its_exit_code_and_keeps_its_words(error: Exception, exit_code: int) -> None:
    trouble = trouble_of(error)
    assert trouble is not None
    assert trouble.exit_code == exit_code
    assert "x" in trouble.message or "tape.csv: No such file" in trouble.message


@pytest.mark.parametrize("error", [ValueError("x"), KeyError("x"), AssertionError("x"), RuntimeError("x")])
def test_a_bug_is_not_hidden_behind_a_message(error: Exception) -> None:
    assert trouble_of(error) is None


class Interrupted:
    """A descriptor that Ctrl-C strikes while its class is made, as it may any import."""

    def __set_name__(self, owner: type, name: str) -> None:
        raise KeyboardInterrupt


def test_an_interrupt_is_known_also_where_python_or_a_library_has_wrapped_it() -> None:
    with pytest.raises((KeyboardInterrupt, RuntimeError)) as made:
        type("Made", (), {"field": Interrupted()})
    assert was_interrupted(made.value)
    wrapped = ImportError("x")
    wrapped.__context__ = KeyboardInterrupt()
    assert was_interrupted(wrapped)
    assert not was_interrupted(RuntimeError("x"))
