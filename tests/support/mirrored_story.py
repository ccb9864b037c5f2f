"""A hand-made ledger in which everything happens that the legacy channels speak of, each kind at least once."""

from titanflow.domain.events import (
    ClockAdvanced,
    Event,
    Explanation,
    KillSwitchTripped,
    LeaderboardPublished,
    ModelRolledBack,
    OffMarketPrintReceived,
    OperatorCommanded,
    OrderApproved,
    OrderCancelled,
    OrderDenied,
    OrderFilled,
    OrderHeld,
    OrderRejected,
    OrderSubmitted,
    RiskCommandIssued,
    SessionEnded,
    SessionStarted,
    SignalGenerated,
    Standing,
    TickReceived,
)
from titanflow.domain.instruments import FeeSchedule, Instrument, InstrumentKind
from titanflow.domain.session_settings import ContenderSpec, FeedSpec, SessionSettings
from titanflow.domain.types import (
    SCALE,
    DenialCode,
    ExecutionMode,
    KillTrigger,
    OperatorAction,
    OrderPurpose,
    OrderType,
    RiskCommand,
    Side,
    TradingStatus,
    fixed,
)

AT = 1_549_895_400_123_456_789
"""2019-02-11 14:30:00.123456789 UTC"""
SHARE, SPOT, PERPETUAL = "AAPL.XNYS", "BTCUSDT.BINANCE-SPOT", "BTCUSDT.BINANCE-USDM"
PAPER = ExecutionMode.PAPER


def _instrument(name: str, kind: InstrumentKind) -> Instrument:
    symbol, venue = name.split(".", 1)
    return Instrument(name, symbol, venue, kind, SCALE // 100, 1, "24/7", "USD", FeeSchedule())


def _signal(contender: str, instrument: str, side: Side, price: str) -> SignalGenerated:
    reasons = Explanation("shap", 0.0, 0.25, (("SMA", 0.1), ("RSI", -0.25), ("MACD", 0.1)))
    return SignalGenerated(
        3, AT, contender, instrument, side, 0.8, fixed(price), 0, OrderType.MARKET, 0, (), reasons, "hash-1"
    )


def _approved(order: str, contender: str, instrument: str, quantity: str, price: str, signal: int) -> OrderApproved:
    return OrderApproved(
        signal, AT, order, contender, instrument, Side.BUY, fixed(quantity), OrderType.MARKET, 0, fixed(168),
        OrderPurpose.ENTRY, fixed(price), 0.8, signal, (),
    )  # fmt: skip


def _submitted(
    order: str, parent: str, side: Side, quantity: int, kind: OrderType, price: int, purpose: OrderPurpose
) -> OrderSubmitted:
    return OrderSubmitted(
        7, AT, order, parent, "m1", SHARE, side, quantity * SCALE, kind, price * SCALE, purpose, fixed(170), AT, PAPER
    )


def _filled(
    order: str, side: Side, price: str, slippage: str, remaining: int, purpose: OrderPurpose, pnl: str
) -> Event:
    return OrderFilled(
        9, AT, f"fill-{order}", order, "m1", SHARE, side, 4 * SCALE, fixed(price), fixed("0.02"), fixed(slippage),
        remaining * SCALE, purpose, fixed(pnl), PAPER,
    )  # fmt: skip


def _standing(contender: str, equity: str, trades: int, wins: int, sharpe: float | None) -> Standing:
    return Standing(
        contender, TradingStatus.ACTIVE, fixed("99000"), fixed(equity), fixed("12.5"), 0, 0, 0, 1, 2, trades, wins, 0,
        fixed(equity) // 100_000 - SCALE, fixed("0.025"), None, sharpe, None, None, 0, 0,
        "rule", 20, 20, *((None, None, None) if sharpe is None else (sharpe - 2, sharpe + 2, 0.9)),
    )  # fmt: skip


def story() -> list[Event]:
    """The events, in ledger order: the first has seq 1."""
    contenders = (
        ContenderSpec("m1", "Model One", "s", (), (SHARE,), 60, "hash-1"),
        ContenderSpec("m2", "Model Two", "s", (), (SPOT,), 60, "hash-2"),
    )
    instruments = (
        _instrument(SHARE, InstrumentKind.EQUITY),
        _instrument(SPOT, InstrumentKind.CRYPTO_SPOT),
        _instrument(PERPETUAL, InstrumentKind.PERPETUAL),
    )
    entry, stop, out = OrderPurpose.ENTRY, OrderPurpose.STOP_LOSS, OrderPurpose.LIQUIDATION
    held = DenialCode.MANUAL_APPROVAL
    return [
        SessionStarted(AT, "story", 1, SessionSettings(), instruments, (), contenders, FeedSpec("tape", "", ""), "1"),
        TickReceived(AT, SPOT, fixed("60000.5"), fixed("0.25")),
        TickReceived(AT, SHARE, fixed("170.25"), 100 * SCALE),
        OffMarketPrintReceived(AT, SHARE, fixed("150"), 100 * SCALE),
        ClockAdvanced(AT // SCALE * SCALE),
        _signal("m1", SHARE, Side.BUY, "170.25"),
        _approved("o1", "m1", SHARE, "10", "170.25", 6),
        _submitted("o1", "", Side.BUY, 10, OrderType.MARKET, 0, entry),
        TickReceived(AT, PERPETUAL, fixed("60010"), fixed("2")),
        _filled("o1", Side.BUY, "170.5", "0.25", 6, entry, "0"),
        _submitted("s1", "o1", Side.SELL, 4, OrderType.STOP, 168, stop),
        LeaderboardPublished(
            10, AT, (_standing("m2", "101000", 0, 0, None), _standing("m1", "99500", 3, 1, 1.5)), fixed("200500"),
            fixed("0.01"), 0.75, None,
        ),
        OrderCancelled(10, AT, "o1", "m1", SHARE, 6 * SCALE, DenialCode.LIQUIDATION),
        _signal("m2", SPOT, Side.SELL, "60000.5"),
        OrderDenied(14, AT, "m2", SPOT, Side.SELL, 14, "", DenialCode.SHORTING_DISABLED, ()),
        _signal("m2", SPOT, Side.BUY, "60000.5"),
        OrderHeld(16, AT, "h1", "m2", SPOT, Side.BUY, fixed("0.5"), fixed("60000.5"), 16, held, AT),
        OperatorCommanded(AT, OperatorAction.APPROVE, "ann", "", "h1", ""),
        _approved("h1", "m2", SPOT, "0.5", "60000.5", 16),
        OrderRejected(19, AT, "h1", "m2", SPOT, DenialCode.ORDER_VALUE, ()),
        KillSwitchTripped(10, AT, "", KillTrigger.DAILY_LOSS, fixed("194000"), fixed("200000"), fixed("0.03"), 2),
        RiskCommandIssued(10, AT, RiskCommand.LIQUIDATE_ALL, "", "daily_loss", None, None),
        _submitted("l1", "", Side.SELL, 4, OrderType.MARKET, 0, out),
        _filled("l1", Side.SELL, "169", "-1", 0, out, "-6"),
        ModelRolledBack(24, AT, "m2", "sharpe", 0.1, 0.5, 0.1, 0.4, 20),
        RiskCommandIssued(24, AT, RiskCommand.ACTIVATE_MANUAL_APPROVAL, "m2", "rolling sharpe", 0.1, 0.4),
        RiskCommandIssued(24, AT, RiskCommand.RESUME, "m2", "reviewed", None, None),
        OrderDenied(28, AT, "", "", Side.BUY, 0, "nobody", DenialCode.UNKNOWN_ORDER, ()),
        _signal("m2", SPOT, Side.BUY, "60000.5"),
        OrderHeld(29, AT, "h2", "m2", SPOT, Side.BUY, fixed("0.5"), fixed("60000.5"), 29, held, AT),
        OrderDenied(30, AT, "m2", SPOT, Side.BUY, 29, "h2", DenialCode.HOLD_EXPIRED, ()),
        SessionEnded(AT, "end of tape"),
    ]  # fmt: skip
