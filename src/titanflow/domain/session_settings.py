"""The settings that a session's decisions depend on, as recorded in SessionStarted. Ratios and money are 1e-9 integers.

Reading them from files, environment and flags, with their ranges, is `titanflow.settings`.
"""

from msgspec import Struct

from titanflow.domain.types import (
    SCALE,
    CostModelName,
    ExecutionMode,
    GateMode,
    InstrumentId,
    Money,
    Ratio,
    ResumeMode,
)

SHORT_BAR_SECONDS = 300
"""A tape's bars up to this length are missing now and then, where nobody traded."""

Parameter = tuple[str, int | float | str | bool]
"""One named parameter of a strategy."""


class RiskSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of the risk guardian; each holds for every contender by itself, `total_*` for all together."""

    max_daily_loss: Ratio = 30_000_000
    """Fall of marked equity below the day's opening equity that trips a contender's kill switch."""
    total_max_daily_loss: Ratio = 20_000_000
    """The same of all together, as a part of the opening equity of those that traded that day."""
    max_drawdown: Ratio = 100_000_000
    """Fall of marked equity from its peak that trips a contender's kill switch for good."""
    total_max_drawdown: Ratio = 80_000_000
    """The same of all together, as a part of the equity at the peak of those that traded since."""
    max_consecutive_losses: int = 5
    """Losing round trips in a row that trip a contender's kill switch, once they cost `loss_streak_cost`."""
    loss_counts_from: Ratio = 200_000
    """Part of equity from which a losing round trip counts: a smaller one neither adds to the row nor ends it."""
    loss_streak_cost: Ratio = 10_000_000
    """Part of equity that the losses in a row must have cost together."""
    gates: GateMode = GateMode.ENFORCE
    """Whether losses in a row and poor round trips stop a contender, or are only reported."""
    resume: ResumeMode = ResumeMode.OPERATOR
    """Who ends a halt by daily loss or by losses in a row."""
    risk_per_trade: Ratio = 500_000
    """Part of equity lost if the stop is hit, costs included: the fixed fraction of position sizing."""
    stop_bar_seconds: int = 900
    """Length of the bars whose average true range sets the stop."""
    atr_stop_multiple: Ratio = 2 * SCALE
    """Stop distance in average true ranges."""
    stop_floor: Ratio = 2_000_000
    """Smallest stop distance as a part of the price."""
    stop_cap: Ratio = 50_000_000
    """Largest stop distance as a part of the price."""
    max_position: Ratio = 150_000_000
    """Largest position in one instrument as a part of equity."""
    max_gross_exposure: Ratio = 900_000_000
    """Largest sum of absolute position values as a part of equity."""
    total_max_gross_exposure: Ratio = 600_000_000
    """The same over all contenders together, as a part of the equity of those that traded that day."""
    min_order_value: Money = 500 * SCALE
    """Entries, and what tops up a position, below it are denied."""
    max_orders_per_minute: int = 30
    """Entry orders approved for one contender in any 60 seconds."""
    min_confidence: float = 0.25
    """Signals below this confidence are denied."""
    allowed_instruments: tuple[InstrumentId, ...] = ()
    """Instruments that may be traded; none named means all of the session."""
    no_entry_after_open_seconds: int = 0
    no_entry_before_close_seconds: int = 300
    flat_at_close: bool = True
    """Close every position `flatten_before_close_seconds` (on short bars two of them) before the venue's close."""
    flatten_before_close_seconds: int = 60
    performance_window: int = 20
    """Closed round trips over which rolling Sharpe and accuracy are taken."""
    performance_check_interval: int = 10
    """Closed round trips between two checks of rolling performance against its floors."""
    rollback_min_sharpe: float | None = None
    """Rolling Sharpe below it puts a contender under manual approval. None: no such floor."""
    rollback_min_accuracy: float | None = None
    """Rolling accuracy below it does. Where neither floor is set, evidence of harm does."""
    harm_level: Ratio = 40_000_000
    """Chance with which evidence of harm may stop a contender that neither gains nor loses, however often it looks."""
    harm_min_trips: int = 50
    """Round trips before which there is no evidence of harm."""
    hold_expiry_seconds: int = 60
    """Seconds of event time after which a held order lapses."""
    allow_short: bool = False

    def closing_lead(self, tape_bar_seconds: int) -> int:
        """Seconds before the close at which positions are closed, so that the order meets a print of the tape.

        Short bars of the tape: two of them at least, as the last one may be missing. Longer ones reach to the close,
        and an order that is active before it meets the way to their last price. 0: the tape has trades.
        """
        tape = 2 * tape_bar_seconds if tape_bar_seconds <= SHORT_BAR_SECONDS else 0
        return max(self.flatten_before_close_seconds, tape)


class ExecutionSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of the executor's last gate and the model of the simulated market."""

    mode: ExecutionMode = ExecutionMode.PAPER
    max_order_value: Money = 50_000 * SCALE
    max_concentration: Ratio = 200_000_000
    """Largest part of a portfolio's equity in one instrument."""
    allow_short: bool = False
    slippage_base: Ratio = 500_000
    """Flat model: adverse slippage of every market fill as a part of the price (5 basis points)."""
    slippage_noise: Ratio = 100_000
    """Flat model: standard deviation of the seeded noise around the base, as a part of the price."""
    impact: Ratio = 1_000_000
    """Flat model: impact as a part of the price for an order as large as the tick that fills it, by its square root."""
    latency_median_nanos: int = 100_000_000
    latency_sigma: Ratio = 350_000_000
    """Standard deviation of the logarithm of the latency."""
    latency_min_nanos: int = 5_000_000
    latency_max_nanos: int = 2_000_000_000
    slippage_allowance: Ratio = 5_000_000
    """What risk and the last gate set aside for slippage, as a part of the price: sizes leave room for it."""
    participation: Ratio = SCALE
    """Largest part of one tick's size that one order may take; the rest of the order keeps working."""
    cost_model: CostModelName = CostModelName.SPREAD
    """Half the instrument's spread and square-root impact, or `slippage_base` and its noise and impact."""
    spread_prior: Ratio = 200_000
    """Full spread, as a part of the price, that is believed of an instrument before its tape has shown its own."""
    quote_age_seconds: int = 60
    """How old a quote may be to say how wide the spread is."""
    impact_factor: Ratio = SCALE
    """Y of the square-root law: the impact of an order of one bar's volume, in volatilities of one bar."""
    cost_noise: Ratio = 100_000_000
    """Standard deviation of the noise around half spread and impact, as a part of the two."""
    borrow_rate: Ratio = 0
    """What borrowing the shares of a short position costs in a year, as a part of their value."""


class LeaderboardSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often standings are published (seconds of event time) and exposure is looked at (seconds of open time)."""

    publish_seconds: int = 2
    sample_seconds: int = 60


class SessionSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything besides the feed, the contenders and the seed that the decisions of a session depend on."""

    starting_cash: Money = 100_000 * SCALE
    """Opening cash of each contender's portfolio."""
    risk: RiskSettings = RiskSettings()
    execution: ExecutionSettings = ExecutionSettings()
    leaderboard: LeaderboardSettings = LeaderboardSettings()
    currency: str = "USD"
    """Of all accounts; what is quoted in another is booked at its instrument's rate."""


class ContenderSpec(Struct, frozen=True, array_like=True):
    """One competing model: a strategy with its parameters on its instruments."""

    id: str
    name: str
    strategy: str
    parameters: tuple[Parameter, ...]
    """Sorted by name."""
    instruments: tuple[InstrumentId, ...]
    bar_seconds: int
    """Length of the bars it decides on; 0 means on every tick."""
    model_hash: str
    """SHA-256 over strategy, code version and parameters; for a trained model the digest that names it."""
    stage: str = "rule"
    """Of a trained model when the session opened: candidate, champion or retired."""
    parent_hash: str = ""
    """The model that an operator may put in its place; empty where it has none."""
    fault: str = ""
    """Why its model could not be loaded: the contender is listed and stays silent. Empty for all that compete."""


class FeedSpec(Struct, frozen=True, array_like=True):
    """Where the session's market data comes from, so that a reader of the ledger can find the same bytes again."""

    provider: str
    source: str
    """File names, or the provider's own description; never a path of the machine."""
    sha256: str
    """Digest of the source's bytes; empty for a live feed."""
    bars: tuple[tuple[InstrumentId, int], ...] = ()
    """(instrument, seconds) for each instrument that the source gives in bars, sorted; those of trades are left out."""
    notes: tuple[str, ...] = ()
    """What is to be known of the source's rows, for people: bars told twice, trades that look told twice."""
