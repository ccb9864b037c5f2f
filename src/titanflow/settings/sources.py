"""Where the values of settings come from: a TOML file, the environment, `--set`. Nothing is judged here.

Every source answers with dotted names, each with its value and the name of the place where it was found.
"""

import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from titanflow.errors import SettingsError
from titanflow.settings.names import OPTIONS, TABLES, setting_names

PREFIX = "TITANFLOW_"
CONFIG_VARIABLE = f"{PREFIX}CONFIG"
"""Names the TOML file where no flag does."""
LOCAL_CONFIG = Path("titanflow.toml")

Given = dict[str, tuple[Any, str]]
"""Dotted name -> its value and where that came from."""

LEGACY_VARIABLES: Mapping[str, str] = {
    "DATA_PROVIDER": "feed.provider",
    "EXECUTION_MODE": "execution.mode",
    "REDIS_URL": "redis_url",
    "DATABASE_URL": "database_url",
    "AUDIT_LOG_PATH": "audit_log_path",
    "PAPER_STARTING_CASH": "starting_cash",
    "PAPER_MAX_MODELS": "max_contenders",
    "PAPER_PORTFOLIO_PUBLISH_SECONDS": "leaderboard.publish_seconds",
    "PAPER_MIN_CONFIDENCE": "risk.min_confidence",
    "PAPER_RISK_PER_TRADE": "risk.risk_per_trade",
    "RISK_PER_TRADE": "risk.risk_per_trade",
    "RISK_MAX_POSITION_SIZE": "risk.max_position",
    "RISK_MAX_DAILY_LOSS": "risk.max_daily_loss",
    "RISK_PERF_CHECK_INTERVAL": "risk.performance_check_interval",
    "CIRCUIT_BREAKER_DRAWDOWN_PCT": "risk.total_max_daily_loss",
    "CIRCUIT_BREAKER_CONSECUTIVE_LOSSES": "risk.max_consecutive_losses",
    "ROLLBACK_MIN_SHARPE": "risk.rollback_min_sharpe",
    "ROLLBACK_MIN_ACCURACY": "risk.rollback_min_accuracy",
}
"""Variables of older clients -> setting. Where two name one setting the first in this table wins."""


def environment() -> Mapping[str, str]:
    """The process's environment: read here and nowhere else."""
    return os.environ


def variable_of(name: str) -> str:
    """The environment variable of a setting: `risk.max_drawdown` is TITANFLOW_RISK__MAX_DRAWDOWN."""
    return PREFIX + name.replace(".", "__").upper()


def from_toml(named: Path | None, env: Mapping[str, str]) -> Given:
    """Values of the file that is named by flag or variable, else of `titanflow.toml` here, if there is one."""
    path = named or (Path(env[CONFIG_VARIABLE]) if env.get(CONFIG_VARIABLE) else None)
    if path is None and not LOCAL_CONFIG.is_file():
        return {}
    path = path or LOCAL_CONFIG
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"settings file {path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"settings file {path}: not valid TOML ({error})") from error
    return {name: (value, str(path)) for name, value in _flat(tree).items()}


def from_environment(env: Mapping[str, str]) -> Given:
    """Values of older variables, then those of our own prefix, which win. An empty variable counts as not set.

    A variable of our prefix that names no setting is given too, under its name in lower case, to be refused.
    """
    found: Given = {}
    if env.get("REDIS_HOST"):
        found["redis_url"] = (f"redis://{env['REDIS_HOST']}:{env.get('REDIS_PORT') or 6379}/0", "REDIS_HOST")
    if env.get("POSTGRES_HOST"):
        found["database_url"] = (_postgres_url(env), "POSTGRES_HOST")
    for variable, name in reversed(list(LEGACY_VARIABLES.items())):
        if env.get(variable):
            found[name] = (env[variable], variable)
    for variable, value in env.items():
        if variable.startswith(PREFIX) and variable != CONFIG_VARIABLE and value:
            name = variable.removeprefix(PREFIX).lower().replace("__", ".")
            found[name] = (_listed(name, value), variable)
    return found


def from_assignments(assignments: Sequence[str]) -> Given:
    """Values of `--set KEY=VALUE`."""
    found: Given = {}
    for text in assignments:
        name, separator, value = text.partition("=")
        if not separator or not name.strip():
            raise SettingsError(f"--set {text!r}: expected KEY=VALUE, as in --set risk.max_drawdown=0.02")
        found[name.strip()] = (_listed(name.strip(), value.strip()), "--set")
    return found


def is_known(name: str) -> bool:
    """Whether a setting, or an option of a provider, may have this name."""
    table, _, entry = name.rpartition(".")
    return name in setting_names() or (table in TABLES and entry != "")


def _postgres_url(env: Mapping[str, str]) -> str:
    credentials = quote(env.get("POSTGRES_USER") or "postgres", safe="")
    if env.get("POSTGRES_PASSWORD"):
        credentials += ":" + quote(env["POSTGRES_PASSWORD"], safe="")
    port, name = env.get("POSTGRES_PORT") or 5432, env.get("POSTGRES_DB") or "titanflow"
    return f"postgresql://{credentials}@{env['POSTGRES_HOST']}:{port}/{name}"


def _listed(name: str, value: str) -> Any:
    """Text for a list-valued setting, split at commas; any other text as it is."""
    if name in ("feed.tapes", "risk.allowed_instruments"):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        name = prefix + key
        if isinstance(value, dict) and not name.startswith(f"{OPTIONS}."):
            flat |= _flat(value, f"{name}.")
        else:
            flat[name] = value
    return flat
