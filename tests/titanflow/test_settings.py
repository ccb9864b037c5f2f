"""Settings: which source wins, that every bad value is named with its range, and that nothing is ignored silently."""

from decimal import Decimal
from pathlib import Path

import pytest

from titanflow.domain.session_settings import RiskSettings, SessionSettings
from titanflow.domain.types import GateMode, ResumeMode
from titanflow.errors import SettingsError
from titanflow.runtime.opening import session_settings
from titanflow.settings import (
    LEGACY_VARIABLES,
    Settings,
    allowed_values,
    load_settings,
    overview,
    safe_url,
    setting_names,
)

LEGACY_VALUES = {
    "DATA_PROVIDER": ("synthetic", "synthetic"),
    "EXECUTION_MODE": ("paper", "paper"),
    "REDIS_URL": ("redis://example:6380/2", "redis://example:6380/2"),
    "DATABASE_URL": ("postgresql://u@example/db", "postgresql://u@example/db"),
    "AUDIT_LOG_PATH": ("/var/log/audit.jsonl", Path("/var/log/audit.jsonl")),
    "PAPER_STARTING_CASH": ("250000", Decimal(250_000)),
    "PAPER_MAX_MODELS": ("3", 3),
    "PAPER_PORTFOLIO_PUBLISH_SECONDS": ("5", 5),
    "PAPER_MIN_CONFIDENCE": ("0.4", 0.4),
    "PAPER_RISK_PER_TRADE": ("0.10", Decimal("0.10")),
    "RISK_PER_TRADE": ("0.02", Decimal("0.02")),
    "RISK_MAX_POSITION_SIZE": ("0.15", Decimal("0.15")),
    "RISK_MAX_DAILY_LOSS": ("0.05", Decimal("0.05")),
    "RISK_PERF_CHECK_INTERVAL": ("4", 4),
    "CIRCUIT_BREAKER_DRAWDOWN_PCT": ("0.07", Decimal("0.07")),
    "CIRCUIT_BREAKER_CONSECUTIVE_LOSSES": ("8", 8),
    "ROLLBACK_MIN_SHARPE": ("0.9", 0.9),
    "ROLLBACK_MIN_ACCURACY": ("0.6", 0.6),
}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No `titanflow.toml` of the repository or of its user is found."""
    monkeypatch.chdir(tmp_path)


def value_of(settings: Settings, name: str) -> object:
    value: object = settings
    for part in name.split("."):
        value = getattr(value, part)
    return value


def complaint(**sources: object) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(**{"env": {}, **sources})  # type: ignore[arg-type]
    return str(caught.value)


def test_what_a_session_records_by_default_is_what_the_domain_defaults_to() -> None:
    assert session_settings(load_settings(assignments=["feed.tapes=mine.csv"], env={})) == SessionSettings()


def test_the_shipped_sample_goes_on_by_itself_and_only_a_person_ends_a_halt_elsewhere() -> None:
    assert session_settings(load_settings(env={})).risk.resume is ResumeMode.NEXT_SESSION
    for elsewhere in ("feed.tapes=mine.csv", "feed.provider=synthetic", "risk.resume=operator"):
        assert session_settings(load_settings(assignments=[elsewhere], env={})).risk.resume is ResumeMode.OPERATOR


def test_gates_report_where_nobody_could_answer_and_act_elsewhere_unless_told() -> None:
    full_speed = ["runtime.topology=fused", "feed.speed=max"]
    assert session_settings(load_settings(env={})).risk.gates is GateMode.ENFORCE
    assert session_settings(load_settings(assignments=full_speed, env={})).risk.gates is GateMode.REPORT
    told = [*full_speed, "risk.gates=enforce"]
    assert session_settings(load_settings(assignments=told, env={})).risk.gates is GateMode.ENFORCE


def test_floors_of_rolling_performance_are_off_until_a_variable_sets_them() -> None:
    assert session_settings(load_settings(env={})).risk.rollback_min_sharpe is None
    set_by_older_clients = {"ROLLBACK_MIN_SHARPE": "0.5", "ROLLBACK_MIN_ACCURACY": "0.45"}
    risk = session_settings(load_settings(env=set_by_older_clients)).risk
    assert (risk.rollback_min_sharpe, risk.rollback_min_accuracy) == (0.5, 0.45)


def test_the_two_limits_on_losses_of_older_clients_are_those_of_a_day() -> None:
    env = {"RISK_MAX_DAILY_LOSS": "0.04", "CIRCUIT_BREAKER_DRAWDOWN_PCT": "0.05"}
    risk = session_settings(load_settings(env=env)).risk
    assert (risk.max_daily_loss, risk.total_max_daily_loss) == (40_000_000, 50_000_000)
    assert (risk.max_drawdown, risk.total_max_drawdown) == (
        RiskSettings().max_drawdown,
        RiskSettings().total_max_drawdown,
    )


def test_file_beats_default_variable_beats_file_flag_beats_variable_and_set_beats_all(tmp_path: Path) -> None:
    file = tmp_path / "some.toml"
    file.write_text("seed = 1\n[risk]\nmax_drawdown = 0.01\nmax_position = 0.2\n[feed]\nsilence_seconds = 5\n")
    env = {"TITANFLOW_SEED": "2", "TITANFLOW_RISK__MAX_DRAWDOWN": "0.02"}
    flags = {"seed": 3, "feed.provider": None}
    settings = load_settings(flags, assignments=["seed=4"], config=file, env=env)
    assert (settings.seed, settings.risk.max_drawdown, settings.risk.max_position) == (
        4,
        Decimal("0.02"),
        Decimal("0.2"),
    )
    assert load_settings(flags, config=file, env=env).seed == 3
    assert load_settings(config=file, env=env).seed == 2
    assert load_settings(config=file, env={}).seed == 1
    assert load_settings(env={}).seed == 7
    assert settings.feed.provider == "tape", "a flag that is not given says nothing"


def test_the_file_is_titanflow_toml_here_or_the_one_that_the_variable_names(tmp_path: Path) -> None:
    (tmp_path / "titanflow.toml").write_text("seed = 11\n")
    other = tmp_path / "other.toml"
    other.write_text("seed = 12\n")
    assert load_settings(env={}).seed == 11
    assert load_settings(env={"TITANFLOW_CONFIG": str(other)}).seed == 12


@pytest.mark.parametrize("variable", LEGACY_VARIABLES)
def test_every_variable_of_older_clients_is_honoured_and_beaten_by_our_own(variable: str) -> None:
    name = LEGACY_VARIABLES[variable]
    text, expected = LEGACY_VALUES[variable]
    assert value_of(load_settings(env={variable: text}), name) == expected
    row = next(row for row in overview(env={variable: text}) if row.name == name)
    assert row.source == variable
    ours = "TITANFLOW_" + name.replace(".", "__").upper()
    row = next(row for row in overview(env={variable: "nonsense", ours: text}) if row.name == name)
    assert (row.value, row.source) == (text, ours)


def test_of_two_older_variables_for_one_setting_the_paper_one_wins() -> None:
    env = {"RISK_PER_TRADE": "0.02", "PAPER_RISK_PER_TRADE": "0.10"}
    assert load_settings(env=env).risk.risk_per_trade == Decimal("0.10")


def test_hosts_of_older_clients_become_urls_and_odd_passwords_survive() -> None:
    env = {
        "REDIS_HOST": "r.example", "REDIS_PORT": "6390", "POSTGRES_HOST": "p.example", "POSTGRES_USER": "me@home",
        "POSTGRES_PASSWORD": "a/b:c@d", "POSTGRES_DB": "arena",
    }  # fmt: skip
    settings = load_settings(env=env)
    assert settings.redis_url == "redis://r.example:6390/0"
    assert settings.database_url == "postgresql://me%40home:a%2Fb%3Ac%40d@p.example:5432/arena"
    assert load_settings(env={**env, "REDIS_URL": "redis://other"}).redis_url == "redis://other"


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("risk.max_drawdown=2", "risk.max_drawdown = '2' (from --set): expected a number from 0 to 1"),
        ("risk.performance_window=1", "(from --set): expected a whole number from 2 to 10,000"),
        ("execution.participation=0", "expected a number above 0 to 1"),
        ("feed.speed=-1", "feed.speed = '-1' (from --set): expected max or a number above 0 to 1,000,000"),
        ("runtime.topology=quick", "expected services or fused"),
        ("risk.flat_at_close=perhaps", "expected true or false"),
        ("execution.mode=live", "expected paper"),
        ("redis_url=http://h", "expected redis://…, rediss://… or unix://…"),
        ("database_url=mysql://h", "expected postgresql://user@host:port/name"),
        ("seed=9223372036854775808", "expected a whole number from 0 below 9,223,372,036,854,775,808"),
        ("risk.min_confidence=nan", "expected a number from 0 to 1"),
        ("starting_cash=inf", "expected a number above 0 to 1,000,000,000"),
        ("feed.options=x", "expected feed.options.NAME=VALUE"),
    ],
)
def test_a_bad_value_is_refused_with_setting_source_value_and_range(assignment: str, expected: str) -> None:
    assert expected in complaint(assignments=[assignment])


def test_a_bad_value_names_the_variable_or_the_file_that_it_came_from(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[risk]\nmax_drawdown = 'much'\n")
    assert f"risk.max_drawdown = 'much' (from {file})" in complaint(config=file)
    assert "(from RISK_MAX_DAILY_LOSS)" in complaint(env={"RISK_MAX_DAILY_LOSS": "3 %"})
    assert "(from flag)" in complaint(flags={"feed.duration": 0.0})


def test_every_bad_value_is_named_at_once() -> None:
    text = complaint(assignments=["seed=-1", "max_contenders=0"])
    assert "seed = '-1'" in text
    assert "max_contenders = '0'" in text


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("risk.max_drawdon", "did you mean risk.max_drawdown"),
        ("sead", "did you mean seed"),
        ("seed.x", "no setting has this name"),
        ("risk", "no setting has this name"),
        ("colour", "`titanflow settings` lists them"),
    ],
)
def test_an_unknown_name_is_refused_with_what_comes_near(name: str, hint: str) -> None:
    assert hint in complaint(assignments=[f"{name}=1"])


def test_a_misspelt_variable_of_our_prefix_is_refused_not_ignored() -> None:
    text = complaint(env={"TITANFLOW_RISK__MAX_DRAWDWN": "0.01"})
    assert "from TITANFLOW_RISK__MAX_DRAWDWN" in text
    assert "did you mean risk.max_drawdown" in text


def test_an_assignment_without_a_value_shows_the_form() -> None:
    assert "expected KEY=VALUE" in complaint(assignments=["risk.max_drawdown"])


def test_settings_that_contradict_each_other_are_refused_by_name() -> None:
    assert "risk.stop_floor 0.06 is above risk.stop_cap 0.05" in complaint(assignments=["risk.stop_floor=0.06"])
    text = complaint(assignments=["execution.latency_min_ms=200"])
    assert "execution.latency_median_ms 100 is not between" in text


def test_a_file_that_is_missing_or_no_toml_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text("seed = = 3")
    assert f"settings file {broken}: not valid TOML" in complaint(config=broken)
    assert "cannot be read" in complaint(config=tmp_path / "none.toml")


def test_an_empty_text_takes_back_what_a_weaker_source_said() -> None:
    env = {"REDIS_URL": "redis://h", "TITANFLOW_SEED": ""}
    assert load_settings(env=env).redis_url == "redis://h"
    assert load_settings(assignments=["redis_url="], env=env).redis_url is None
    assert load_settings(env=env).seed == 7


def test_lists_are_given_with_commas_and_paths_are_made_absolute(tmp_path: Path) -> None:
    settings = load_settings(assignments=["feed.tapes=a.csv, b.csv", "risk.allowed_instruments=A.X,B.X"], env={})
    assert settings.feed.tapes == (tmp_path / "a.csv", tmp_path / "b.csv")
    assert settings.risk.allowed_instruments == ("A.X", "B.X")
    assert load_settings(assignments=["home=~/tf"], env={}).home == Path.home() / "tf"


def test_options_of_a_provider_come_from_every_source(tmp_path: Path) -> None:
    file = tmp_path / "feed.toml"
    file.write_text('[feed.options]\nsymbols = ["A", "B"]\n[feed.options.columns]\nts_ns = "time"\n')
    env = {"TITANFLOW_FEED__OPTIONS__RATE": "3"}
    options = load_settings(assignments=["feed.options.days=2"], config=file, env=env).feed.options
    assert options == {"symbols": ["A", "B"], "columns": {"ts_ns": "time"}, "rate": "3", "days": "2"}


def test_the_overview_has_every_setting_once_with_value_source_range_and_meaning() -> None:
    rows = overview(assignments=["feed.options.days=2"], env={"TITANFLOW_SEED": "9"})
    assert [row.name for row in rows] == setting_names()
    assert all(row.allowed and row.meaning for row in rows)
    by_name = {row.name: row for row in rows}
    assert by_name["seed"][1:3] == ("9", "TITANFLOW_SEED")
    assert by_name["feed.options"][1:3] == ("days=2", "--set")
    assert by_name["risk.flat_at_close"][1:3] == ("true", "default")
    assert allowed_values("feed.tapes") == "a path, or several with commas"


def test_no_password_is_ever_shown() -> None:
    url = "postgresql://me:secret@h:5432/d"
    shown = next(row.value for row in overview(env={"DATABASE_URL": url}) if row.name == "database_url")
    assert shown == "postgresql://me:***@h:5432/d"
    assert "secret" not in complaint(env={"DATABASE_URL": url.replace("postgresql", "mysql")})
    assert safe_url("redis://:pw@h") == "redis://:***@h"
    assert safe_url("redis://h:1/0") == "redis://h:1/0"


def test_settings_kept_in_a_run_file_are_read_back_the_same(tmp_path: Path) -> None:
    settings = load_settings(
        assignments=["feed.speed=max", "risk.max_drawdown=0.015", "feed.tapes=x.csv", "audit_log_path=a.jsonl"], env={}
    )
    assert Settings.model_validate_json(settings.model_dump_json()) == settings
