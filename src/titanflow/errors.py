"""The one tree of expected errors: each message tells a person what to do next, each class carries its exit code."""


class TitanFlowError(Exception):
    """Expected trouble: the message names what was found, what was expected and how to mend it."""

    exit_code = 1


class SettingsError(TitanFlowError):
    """A setting has a bad value: the message names the setting, the value and the allowed range."""

    exit_code = 2


class InputError(TitanFlowError):
    """Input from outside cannot be used: the message names the field, the value and what was expected."""

    exit_code = 2


class ServerError(TitanFlowError):
    """A server (Redis, Postgres) cannot be started or reached."""

    exit_code = 3


class SessionNotFoundError(TitanFlowError):
    """No session of that name is in the ledger."""

    exit_code = 4


class SessionStateError(TitanFlowError):
    """The session exists but is not in a state that allows the request (ended, already running …)."""

    exit_code = 5


class ModelError(TitanFlowError):
    """A trained model cannot be used: the message names the model and everything that is wrong with it."""

    exit_code = 6


class ModelMissingError(ModelError):
    """A trained model that is asked for is nowhere to be found: the message names it and says what there is."""
