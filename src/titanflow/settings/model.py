"""Every setting with its type, range, default and meaning. Where values come from is `sources` and `loading`.

Ratios are parts of one, money is dollars, paths without a root are taken from the working directory.
"""

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import platformdirs
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

Fraction = Annotated[Decimal, Field(ge=0, le=1)]
Multiple = Annotated[Decimal, Field(gt=0, le=100)]
Rate = Annotated[Decimal, Field(gt=0, le=1_000_000)]
Currency = Annotated[str, StringConstraints(to_upper=True, pattern=r"^[A-Za-z]{3,5}$")]
Dollars = Annotated[Decimal, Field(gt=0, le=1_000_000_000)]
NoDebt = Annotated[Decimal, Field(ge=0, le=1_000_000_000)]


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


FilePath = Annotated[Path, AfterValidator(_absolute)]
RedisUrl = Annotated[str, Field(pattern=r"^(rediss?|unix)://")]
DatabaseUrl = Annotated[str, Field(pattern=r"^(postgres|postgresql|postgresql\+psycopg)://")]


class Section(BaseModel):
    """A frozen group of settings that refuses names it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FeedSection(Section):
    """Where market data comes from and how fast it is played."""

    provider: str = Field("tape", description="market data provider")
    tapes: tuple[FilePath, ...] = Field((), description="tape files; none means the shipped sample")
    speed: Literal["max"] | Annotated[Decimal, Field(gt=0, le=1_000_000)] = Field(
        Decimal(1200), description="event seconds a wall-clock second, or max"
    )
    duration: Annotated[float, Field(gt=0)] | None = Field(None, description="stop after so many wall-clock seconds")
    silence_seconds: Annotated[int, Field(ge=1, le=86_400)] = Field(60, description="silence that is reported")
    max_gap_seconds: Annotated[int, Field(ge=1, le=86_400)] = Field(300, description="longer silences are jumped")
    print_band: Fraction = Field(
        Decimal("0.05"), description="a trade further off the recent range waits for a second one; 0: none does"
    )
    options: dict[str, Any] = Field(default_factory=dict, description="the provider's own options: feed.options.NAME")
    catalogue: FilePath | None = Field(None, description="TOML file with further instruments")


class RiskSection(Section):
    """Limits of the risk guardian; see docs/risk.md."""

    max_daily_loss: Fraction = Field(Decimal("0.03"), description="fall from the day's opening equity that stops one")
    total_max_daily_loss: Fraction = Field(
        Decimal("0.02"), description="the same of all together, by the equity of those that traded that day"
    )
    max_drawdown: Fraction = Field(Decimal("0.10"), description="fall from its highest equity that stops one for good")
    total_max_drawdown: Fraction = Field(
        Decimal("0.08"), description="the same of all together, by the equity of those that traded since"
    )
    max_consecutive_losses: Annotated[int, Field(ge=1, le=1000)] = Field(5, description="losing round trips in a row")
    loss_counts_from: Fraction = Field(
        Decimal("0.0002"), description="part of equity from which a loss counts in the row"
    )
    loss_streak_cost: Fraction = Field(Decimal("0.01"), description="part of equity that the row must have cost")
    gates: Literal["enforce", "report"] | None = Field(
        None,
        description="do losses in a row and poor round trips stop one, or are they told only? "
        "Unset: report where one process plays at full speed (nobody could answer), else enforce",
    )
    resume: Literal["operator", "next_session"] | None = Field(
        None,
        description="what ends a halt by daily loss or losses in a row; unset: next_session on the shipped sample, "
        "else operator",
    )
    risk_per_trade: Fraction = Field(Decimal("0.0005"), description="part of equity lost at the stop, costs included")
    stop_bar_seconds: Annotated[int, Field(ge=1, le=86_400)] = Field(
        900, description="length of the bars whose average true range sets the stop"
    )
    atr_stop_multiple: Multiple = Field(Decimal(2), description="stop distance in average true ranges")
    stop_floor: Fraction = Field(Decimal("0.002"), description="smallest stop distance, part of the price")
    stop_cap: Fraction = Field(Decimal("0.05"), description="largest stop distance, part of the price")
    max_position: Fraction = Field(Decimal("0.15"), description="largest position, part of equity")
    max_gross_exposure: Multiple = Field(Decimal("0.9"), description="largest gross exposure, part of equity")
    total_max_gross_exposure: Multiple = Field(
        Decimal("0.6"), description="the same of all together, by the equity of those that traded that day"
    )
    min_order_value: NoDebt = Field(Decimal(500), description="dollars below which nothing is entered or topped up")
    max_orders_per_minute: Annotated[int, Field(ge=1, le=100_000)] = Field(30, description="entries in 60 seconds")
    min_confidence: Annotated[float, Field(ge=0, le=1)] = Field(0.25, description="entries less sure are denied")
    allowed_instruments: tuple[str, ...] = Field((), description="instruments that may be traded; none means all")
    no_entry_after_open_seconds: Annotated[int, Field(ge=0, le=86_400)] = Field(
        0, description="no entry so soon after the venue's open"
    )
    no_entry_before_close_seconds: Annotated[int, Field(ge=0, le=86_400)] = Field(
        300, description="no entry so shortly before the venue's close"
    )
    flat_at_close: bool = Field(True, description="close every position before the venue's close")
    flatten_before_close_seconds: Annotated[int, Field(ge=1, le=86_400)] = Field(
        60, description="how long before the close"
    )
    performance_window: Annotated[int, Field(ge=2, le=10_000)] = Field(20, description="round trips looked at")
    performance_check_interval: Annotated[int, Field(ge=1, le=10_000)] = Field(10, description="trips between checks")
    rollback_min_sharpe: Annotated[float, Field(ge=-100, le=100)] | None = Field(
        None, description="rolling Sharpe below it: a person approves; unset: no such floor"
    )
    rollback_min_accuracy: Annotated[float, Field(ge=0, le=1)] | None = Field(
        None, description="share of winning round trips below it: a person approves; unset: no such floor"
    )
    harm_level: Annotated[Decimal, Field(gt=0, lt=1)] = Field(
        Decimal("0.04"),
        description="without floors: chance that evidence of harm stops one without an edge (simulated over 1,000 "
        "trips: normal 2.3 %, heavy tails 1.8 %, 35 % winners 4.6 %)",
    )
    harm_min_trips: Annotated[int, Field(ge=2, le=10_000)] = Field(
        50, description="round trips before which there is no evidence of harm"
    )
    hold_expiry_seconds: Annotated[int, Field(ge=1, le=86_400)] = Field(60, description="a held order lapses after it")
    allow_short: bool = Field(False, description="may contenders sell short?")

    @model_validator(mode="after")
    def _floor_below_cap(self) -> Self:
        if self.stop_floor > self.stop_cap:
            raise ValueError(f"risk.stop_floor {self.stop_floor} is above risk.stop_cap {self.stop_cap}")
        return self


class ExecutionSection(Section):
    """The executor's last gate and the simulated market."""

    mode: Literal["paper"] = Field("paper", description="paper is the only mode of this release")
    max_order_value: Dollars = Field(Decimal(50_000), description="dollars an order")
    max_concentration: Fraction = Field(Decimal("0.20"), description="one instrument's part of a portfolio's equity")
    cost_model: Literal["spread", "flat"] = Field(
        "spread", description="costs of the instrument's spread and of the order's impact, or a part of the price"
    )
    spread_prior: Fraction = Field(
        Decimal("0.0002"), description="full spread, part of the price, until the tape has shown it"
    )
    quote_age_seconds: Annotated[int, Field(ge=0, le=86_400)] = Field(
        60, description="an older quote does not say how wide the spread is"
    )
    impact_factor: Annotated[Decimal, Field(ge=0, le=100)] = Field(
        Decimal(1), description="Y of the square-root law of impact"
    )
    cost_noise: Fraction = Field(Decimal("0.1"), description="standard deviation, part of half spread and impact")
    slippage_base: Fraction = Field(Decimal("0.0005"), description="flat: part of the price")
    slippage_noise: Fraction = Field(Decimal("0.0001"), description="flat: standard deviation, part of the price")
    impact: Fraction = Field(Decimal("0.001"), description="flat: slippage of an order as large as its tick")
    slippage_allowance: Fraction = Field(
        Decimal("0.005"), description="part of the price that sizes and the last gate leave for slippage"
    )
    borrow_rate: Annotated[Decimal, Field(ge=0, le=10)] = Field(
        Decimal(0), description="a year's cost of borrowing for a short position, part of its value"
    )
    latency_median_ms: Annotated[Decimal, Field(ge=0, le=10_000)] = Field(
        Decimal(100), description="median of the simulated latency"
    )
    latency_sigma: Annotated[Decimal, Field(ge=0, le=3)] = Field(
        Decimal("0.35"), description="standard deviation of the latency's logarithm"
    )
    latency_min_ms: Annotated[Decimal, Field(ge=0, le=10_000)] = Field(Decimal(5), description="shortest latency")
    latency_max_ms: Annotated[Decimal, Field(ge=0, le=60_000)] = Field(Decimal(2000), description="longest latency")
    participation: Annotated[Decimal, Field(gt=0, le=1)] = Field(Decimal(1), description="part of a tick's size")

    @model_validator(mode="after")
    def _flat_costs_are_asked_for(self) -> Self:
        if self.cost_model != "flat":
            for name in ("slippage_base", "slippage_noise", "impact"):
                if getattr(self, name) != ExecutionSection.model_fields[name].default:
                    raise ValueError(f"execution.{name} counts only with execution.cost_model flat, which is not set")
        return self

    @model_validator(mode="after")
    def _latency_in_order(self) -> Self:
        if not self.latency_min_ms <= self.latency_median_ms <= self.latency_max_ms:
            raise ValueError(
                f"execution.latency_median_ms {self.latency_median_ms} is not between execution.latency_min_ms "
                f"{self.latency_min_ms} and execution.latency_max_ms {self.latency_max_ms}"
            )
        return self


class LeaderboardSection(Section):
    """How often standings are published, and how returns are sampled (seconds of event time)."""

    publish_seconds: Annotated[int, Field(ge=1, le=86_400)] = Field(2, description="between two publications")
    sample_seconds: Annotated[int, Field(ge=1, le=86_400)] = Field(60, description="between two looks at exposure")


class RuntimeSection(Section):
    """How the session's processes run. No decision's bytes depend on it: where a call is stopped, an event says so."""

    topology: Literal["services", "fused"] = Field("services", description="a process a service, or all in one")
    max_lag_events: Annotated[int, Field(ge=100, le=10_000_000)] = Field(
        200, description="the feed waits while a decider is further behind, or fills would lie in its future"
    )
    restart_limit: Annotated[int, Field(ge=0, le=1000)] = Field(10, description="restarts of one service in a row")
    contender_cpu_seconds: Annotated[float, Field(ge=0.1, le=3_600)] = Field(
        5.0, description="a contender of which one call takes more CPU time is stopped and set aside"
    )
    other_code: bool = Field(False, description="may a session go on under other code than it was opened with?")
    hang_seconds: Annotated[float, Field(ge=5, le=86_400)] = Field(
        120.0, description="a service without a sign of life for so long is killed and restarted"
    )
    end_seconds: Annotated[float, Field(ge=1, le=86_400)] = Field(
        60.0, description="an end that nothing brings nearer for so long is broken off, and what is behind is named"
    )


class Settings(Section):
    """Everything that can be set. Frozen; made by `load_settings`."""

    home: FilePath = Field(
        default_factory=lambda: Path(platformdirs.user_data_dir("titanflow")),
        description="where embedded servers, models, trainings, logs and run files live",
    )
    redis_url: RedisUrl | None = Field(None, description="a Redis to use; unset: an embedded one")
    database_url: DatabaseUrl | None = Field(None, description="a PostgreSQL to use; unset: an embedded one")
    audit_log_path: FilePath | None = Field(None, description="JSONL file that receives every audit record")
    seed: Annotated[int, Field(ge=0, lt=2**63)] = Field(7, description="seed of everything random")
    starting_cash: Dollars = Field(Decimal(100_000), description="opening cash of each contender")
    currency: Currency = Field("USD", description="of all accounts, and of all limits in money")
    fx: dict[Currency, Rate] = Field(
        default_factory=dict, description="account money for one unit of another currency: fx.EUR = 1.08"
    )
    contenders: FilePath | None = Field(None, description="TOML file with the contenders; unset: the shipped ones")
    max_contenders: Annotated[int, Field(ge=1, le=1000)] = Field(10, description="most contenders of a session")
    feed: FeedSection = FeedSection()
    risk: RiskSection = RiskSection()
    execution: ExecutionSection = ExecutionSection()
    leaderboard: LeaderboardSection = LeaderboardSection()
    runtime: RuntimeSection = RuntimeSection()
