"""All settings, read in one place: defaults < TOML file < environment < flags. Nothing else reads the environment.

Every setting has a dotted name (`risk.max_drawdown`), which `--set`, the TOML file and, as
`TITANFLOW_RISK__MAX_DRAWDOWN`, the environment understand; the variables of older clients are honoured too.
Ratios are parts of one, money is dollars.
"""

import difflib
import os
import tomllib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from titanflow.errors import SettingsError

PREFIX = "TITANFLOW_"

Fraction = Annotated[Decimal, Field(ge=0, le=1)]
Multiple = Annotated[Decimal, Field(gt=0, le=100)]
Dollars = Annotated[Decimal, Field(gt=0, le=1_000_000_000)]


class Section(BaseModel):
    """A frozen group of settings that refuses names it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FeedSection(Section):
    """Where market data comes from and how fast it is played."""

    provider: str = Field("tape", description="market data provider")
    tapes: tuple[Path, ...] = Field((), description="tape files; none means the shipped sample")
    speed: Literal["max"] | Annotated[Decimal, Field(gt=0, le=1_000_000)] = Field(
        Decimal(1200), description="event seconds a wall-clock second, or max"
    )
    duration: Annotated[float, Field(gt=0)] | None = Field(None, description="stop after so many wall-clock seconds")
    silence_seconds: Annotated[int, Field(ge=1, le=86_400)] = Field(60, description="silence that is reported")
    max_gap_seconds: Annotated[int, Field(ge=1, le=86_400)] = Field(300, description="longer silences are jumped")
    options: dict[str, Any] = Field(default_factory=dict, description="options of the provider")
    catalogue: Path | None = Field(None, description="TOML file with further instruments")


class RiskSection(Section):
    """Limits of the risk guardian; see docs/risk.md."""

    max_drawdown: Fraction = Field(Decimal("0.03"), description="fall from the day's opening equity that stops one")
    total_max_drawdown: Fraction = Field(Decimal("0.03"), description="the same for all contenders together")
    max_consecutive_losses: Annotated[int, Field(ge=1, le=1000)] = Field(5, description="losing round trips in a row")
    risk_per_trade: Fraction = Field(Decimal("0.01"), description="part of equity lost at the stop")
    atr_stop_multiple: Multiple = Field(Decimal(2), description="stop distance in average true ranges")
    stop_floor: Fraction = Field(Decimal("0.002"), description="smallest stop distance, part of the price")
    stop_cap: Fraction = Field(Decimal("0.05"), description="largest stop distance, part of the price")
    max_position: Fraction = Field(Decimal("0.10"), description="largest position, part of equity")
    max_gross_exposure: Multiple = Field(Decimal(1), description="largest gross exposure, part of equity")
    total_max_gross_exposure: Multiple = Field(Decimal(1), description="the same for all contenders together")
    max_orders_per_minute: Annotated[int, Field(ge=1, le=100_000)] = Field(30, description="entries in 60 seconds")
    min_confidence: Annotated[float, Field(ge=0, le=1)] = Field(0.25, description="signals below it are denied")
    allowed_instruments: tuple[str, ...] = Field((), description="instruments that may be traded; none means all")
    no_entry_after_open_seconds: Annotated[int, Field(ge=0, le=86_400)] = 0
    no_entry_before_close_seconds: Annotated[int, Field(ge=0, le=86_400)] = 300
    flat_at_close: bool = Field(True, description="close every position before the venue's close")
    flatten_before_close_seconds: Annotated[int, Field(ge=1, le=86_400)] = 60
    performance_window: Annotated[int, Field(ge=2, le=10_000)] = Field(20, description="round trips looked at")
    performance_check_interval: Annotated[int, Field(ge=1, le=10_000)] = Field(10, description="trips between checks")
    rollback_min_sharpe: Annotated[float, Field(ge=-100, le=100)] = 0.5
    rollback_min_accuracy: Annotated[float, Field(ge=0, le=1)] = 0.5
    hold_expiry_seconds: Annotated[int, Field(ge=1, le=86_400)] = 60
    allow_short: bool = Field(False, description="may contenders sell short?")


class ExecutionSection(Section):
    """The executor's last gate and the simulated market."""

    mode: Literal["paper"] = Field("paper", description="paper is the only mode of this release")
    max_order_value: Dollars = Field(Decimal(50_000), description="dollars an order")
    max_concentration: Fraction = Field(Decimal("0.20"), description="one instrument's part of a portfolio's equity")
    slippage_base: Fraction = Field(Decimal("0.0005"), description="part of the price")
    slippage_noise: Fraction = Field(Decimal("0.0001"), description="standard deviation, part of the price")
    impact: Fraction = Field(Decimal("0.001"), description="slippage of an order as large as its tick")
    latency_median_ms: Annotated[Decimal, Field(ge=0, le=10_000)] = Decimal(100)
    latency_sigma: Annotated[Decimal, Field(ge=0, le=3)] = Decimal("0.35")
    latency_min_ms: Annotated[Decimal, Field(ge=0, le=10_000)] = Decimal(5)
    latency_max_ms: Annotated[Decimal, Field(ge=0, le=60_000)] = Decimal(2000)
    participation: Annotated[Decimal, Field(gt=0, le=1)] = Field(Decimal(1), description="part of a tick's size")


class LeaderboardSection(Section):
    """How often standings are published, and how returns are sampled (seconds of event time)."""

    publish_seconds: Annotated[int, Field(ge=1, le=86_400)] = 2
    sample_seconds: Annotated[int, Field(ge=1, le=86_400)] = 60


class RuntimeSection(Section):
    """How the session's processes run; none of this changes a decision's bytes."""

    topology: Literal["services", "fused"] = "services"
    max_lag_events: Annotated[int, Field(ge=100, le=10_000_000)] = Field(5_000, description="the feed waits beyond it")
    restart_limit: Annotated[int, Field(ge=0, le=1000)] = Field(10, description="restarts of one service in a row")


class Settings(Section):
    """Everything that can be set. Frozen; made by `load_settings`."""

    home: Path = Field(default_factory=lambda: Path(platformdirs.user_data_dir("titanflow")))
    redis_url: str | None = Field(None, description="a Redis to use; unset: an embedded one")
    database_url: str | None = Field(None, description="a PostgreSQL to use; unset: an embedded one")
    audit_log_path: Path | None = Field(None, description="JSONL file that receives every audit record")
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 7
    starting_cash: Dollars = Field(Decimal(100_000), description="opening cash of each contender")
    contenders: Path | None = Field(None, description="TOML file with the contenders; unset: the shipped ones")
    max_contenders: Annotated[int, Field(ge=1, le=1000)] = 10
    feed: FeedSection = FeedSection()
    risk: RiskSection = RiskSection()
    execution: ExecutionSection = ExecutionSection()
    leaderboard: LeaderboardSection = LeaderboardSection()
    runtime: RuntimeSection = RuntimeSection()


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
    "RISK_MAX_DAILY_LOSS": "risk.max_drawdown",
    "RISK_PERF_CHECK_INTERVAL": "risk.performance_check_interval",
    "CIRCUIT_BREAKER_DRAWDOWN_PCT": "risk.total_max_drawdown",
    "CIRCUIT_BREAKER_CONSECUTIVE_LOSSES": "risk.max_consecutive_losses",
    "ROLLBACK_MIN_SHARPE": "risk.rollback_min_sharpe",
    "ROLLBACK_MIN_ACCURACY": "risk.rollback_min_accuracy",
}
"""Variables of older clients -> setting. Where two name one setting the first in this table wins."""


def load_settings(
    flags: Mapping[str, Any] | None = None,
    *,
    assignments: Sequence[str] = (),
    config: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Merge every source into one frozen `Settings`.

    `flags` maps dotted names to values (None: not given), `assignments` are `KEY=VALUE` texts of `--set`, `config` is a
    TOML file (default: `titanflow.toml` in the working directory, if there). Raises SettingsError that names the
    setting, where its value came from, the value and what was expected.
    """
    env = os.environ if environment is None else environment
    given: dict[str, tuple[Any, str]] = {}
    given |= _from_toml(config or _default_config(env))
    given |= _from_environment(env)
    given |= {name: (value, "flag") for name, value in (flags or {}).items() if value is not None}
    given |= _from_assignments(assignments)
    try:
        return Settings.model_validate(_nested(given))
    except ValidationError as error:
        raise SettingsError("\n".join(_explain(item, given) for item in error.errors())) from None


def setting_names(model: type[BaseModel] = Settings, prefix: str = "") -> list[str]:
    """Dotted names of all settings, in order."""
    names: list[str] = []
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            names += setting_names(field.annotation, f"{prefix}{name}.")
        else:
            names.append(prefix + name)
    return names


def _default_config(env: Mapping[str, str]) -> Path | None:
    named = env.get(f"{PREFIX}CONFIG")
    if named:
        return Path(named)
    local = Path("titanflow.toml")
    return local if local.is_file() else None


def _from_toml(path: Path | None) -> dict[str, tuple[Any, str]]:
    if path is None:
        return {}
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"settings file {path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"settings file {path}: not valid TOML ({error})") from error
    return {name: (value, str(path)) for name, value in _flat(tree).items()}


def _from_environment(env: Mapping[str, str]) -> dict[str, tuple[Any, str]]:
    found: dict[str, tuple[Any, str]] = {}
    if env.get("REDIS_HOST"):
        found["redis_url"] = (f"redis://{env['REDIS_HOST']}:{env.get('REDIS_PORT') or 6379}/0", "REDIS_HOST")
    if env.get("POSTGRES_HOST"):
        found["database_url"] = (_postgres_url(env), "POSTGRES_HOST")
    for variable, name in reversed(list(LEGACY_VARIABLES.items())):
        if env.get(variable):
            found[name] = (env[variable], variable)
    known = {PREFIX + name.replace(".", "__").upper(): name for name in setting_names()}
    for variable, value in env.items():
        if variable in known and value:
            found[known[variable]] = (_listed(known[variable], value), variable)
    return found


def _postgres_url(env: Mapping[str, str]) -> str:
    user = env.get("POSTGRES_USER") or "postgres"
    password = env.get("POSTGRES_PASSWORD")
    credentials = f"{user}:{password}" if password else user
    port, name = env.get("POSTGRES_PORT") or 5432, env.get("POSTGRES_DB") or "titanflow"
    return f"postgresql+psycopg://{credentials}@{env['POSTGRES_HOST']}:{port}/{name}"


def _from_assignments(assignments: Sequence[str]) -> dict[str, tuple[Any, str]]:
    found: dict[str, tuple[Any, str]] = {}
    for text in assignments:
        name, separator, value = text.partition("=")
        if not separator or not name.strip():
            raise SettingsError(f"--set {text!r}: expected KEY=VALUE, as in --set risk.max_drawdown=0.02")
        found[name.strip()] = (_listed(name.strip(), value.strip()), "--set")
    return found


def _listed(name: str, value: str) -> Any:
    """Text for a list-valued setting, split at commas; any other text as it is."""
    if name in ("feed.tapes", "risk.allowed_instruments"):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        name = prefix + key
        if isinstance(value, dict) and name != "feed.options":
            flat |= _flat(value, f"{name}.")
        else:
            flat[name] = value
    return flat


def _nested(given: Mapping[str, tuple[Any, str]]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, (value, source) in given.items():
        node = tree
        *sections, last = name.split(".")
        for section in sections:
            inner = node.setdefault(section, {})
            if not isinstance(inner, dict):
                raise SettingsError(f"{name} (from {source}): {section} is a setting, not a group of settings")
            node = inner
        node[last] = value
    return tree


def _explain(item: Any, given: Mapping[str, tuple[Any, str]]) -> str:
    parts = [str(part) for part in item["loc"]]
    name = next(
        (".".join(parts[:n]) for n in range(len(parts), 0, -1) if ".".join(parts[:n]) in given), ".".join(parts)
    )
    value, source = given.get(name, (item.get("input"), "default"))
    if item["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, setting_names(), n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "`titanflow settings` lists them"
        return f"{name} (from {source}): no setting has this name; {hint}"
    return f"{name} = {value!r} (from {source}): {_expectation(name, str(item['msg']))}"


def _expectation(name: str, message: str) -> str:
    """The range of a setting in words, or pydantic's own words where it has none."""
    bounds = {type(bound).__name__: _number_of(bound) for bound in _metadata(name)}
    low = next((f"{word} {bounds[kind]}" for kind, word in (("Ge", "from"), ("Gt", "above")) if kind in bounds), "")
    high = next((f"{word} {bounds[kind]}" for kind, word in (("Le", "to"), ("Lt", "below")) if kind in bounds), "")
    if low or high:
        return f"expected a number {low} {high}".rstrip()
    return message.replace("Input should be", "expected", 1)


def _number_of(bound: Any) -> Any:
    """The number in an annotated bound such as `Ge(ge=0)`."""
    return next(getattr(bound, name) for name in ("ge", "gt", "le", "lt") if hasattr(bound, name))


def _metadata(name: str) -> list[Any]:
    model: type[BaseModel] = Settings
    *sections, last = name.split(".")
    for section in sections:
        field = model.model_fields.get(section)
        if field is None or not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            return []
        model = field.annotation
    field = model.model_fields.get(last)
    return [bound for bound in field.metadata if type(bound).__name__ in ("Ge", "Gt", "Le", "Lt")] if field else []
