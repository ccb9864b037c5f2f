"""The messages of the six trading channels: one function an event, from what is known to what is sent."""

from projections.mirror.formats import iso, known, lower, number, percent
from projections.mirror.messages import (
    AbsentFigure,
    Attribution,
    ExecutionFilled,
    ExecutionRequest,
    MarketData,
    ModelPortfolio,
    PortfolioUpdate,
    RiskCommandMessage,
    TradeSignal,
)
from projections.mirror.records import Records
from titanflow.domain.events import (
    LeaderboardPublished,
    OrderApproved,
    OrderFilled,
    Print,
    RiskCommandIssued,
    SignalGenerated,
    Standing,
)
from titanflow.domain.types import as_float
from titanflow.risk.absences import Known, absent_figures
from titanflow.risk.performance import win_rate


def market_data(records: Records, seq: int, tick: Print) -> MarketData:
    """`market_data`: the tick."""
    instrument = records.instruments[tick.instrument]
    size = number(tick.size)
    return MarketData(
        seq=seq,
        session_id=records.session,
        symbol=instrument.symbol,
        price=as_float(tick.price),
        size=size,
        volume=size,
        timestamp=tick.at,
        provider=records.provider,
        instrument=instrument.id,
        venue=instrument.venue,
    )


def trade_signal(records: Records, seq: int, signal: SignalGenerated) -> TradeSignal:
    """`trade_signals`: the signal with its reasons."""
    instrument = records.instruments[signal.instrument]
    reasons = records.signals[seq]
    return TradeSignal(
        seq=seq,
        session_id=records.session,
        model_id=signal.contender,
        model_name=records.contenders[signal.contender].name,
        symbol=instrument.symbol,
        signal=signal.side,
        confidence=signal.confidence,
        price=as_float(signal.price),
        timestamp=signal.at,
        explanation=reasons.explanation,
        attributions=tuple(Attribution(feature, impact) for feature, impact in reasons.contributions),
        instrument=instrument.id,
        venue=instrument.venue,
    )


def execution_request(records: Records, seq: int, approved: OrderApproved) -> ExecutionRequest:
    """`execution_requests`: the order that risk sized and approved."""
    instrument = records.instruments[approved.instrument]
    order = records.orders[approved.order_id]
    return ExecutionRequest(
        seq=seq,
        session_id=records.session,
        model_id=approved.contender,
        symbol=instrument.symbol,
        side=lower(approved.side),
        qty=number(approved.quantity),
        type=approved.order_type,
        confidence=approved.confidence,
        price=known(order.price),
        explanation=order.explanation,
        timestamp=approved.at,
        order_id=approved.order_id,
        purpose=approved.purpose,
        stop_price=known(approved.stop_price),
        instrument=instrument.id,
        venue=instrument.venue,
    )


def execution_filled(records: Records, seq: int, fill: OrderFilled) -> ExecutionFilled:
    """`execution_filled`: the fill, whole or part."""
    instrument = records.instruments[fill.instrument]
    return ExecutionFilled(
        seq=seq,
        session_id=records.session,
        id=fill.fill_id,
        order_id=fill.order_id,
        model_id=fill.contender,
        model_name=records.contenders[fill.contender].name,
        symbol=instrument.symbol,
        side=fill.side,
        qty=number(fill.quantity),
        price=as_float(fill.price),
        timestamp=iso(fill.at),
        status="PARTIALLY_FILLED" if fill.remaining else "FILLED",
        mode=fill.mode,
        slippage=as_float(fill.slippage),
        realized_pnl=as_float(fill.realized_pnl),
        explanation=records.orders[fill.order_id].explanation,
        fee=as_float(fill.fee),
        purpose=fill.purpose,
        instrument=instrument.id,
        venue=instrument.venue,
    )


def portfolio_update(records: Records, seq: int, published: LeaderboardPublished) -> PortfolioUpdate:
    """`paper_portfolio_updates`: the leaderboard, best equity first."""
    return PortfolioUpdate(
        seq=seq,
        session_id=records.session,
        timestamp=iso(published.at),
        mode=records.mode,
        best_model=published.standings[0].contender if published.standings else None,
        models=tuple(_model_portfolio(records, standing) for standing in published.standings),
        max_drawdown_pct=percent(published.max_drawdown),
        sharpe=published.sharpe,
        sortino=published.sortino,
        sharpe_low=published.sharpe_low,
        sharpe_high=published.sharpe_high,
        sharpe_probability=published.sharpe_probability,
        sessions=published.sessions,
    )


def risk_command(records: Records, seq: int, issued: RiskCommandIssued) -> RiskCommandMessage:
    """`risk_commands`: the command and whom it concerns."""
    return RiskCommandMessage(
        seq=seq,
        session_id=records.session,
        command=issued.command,
        reason=issued.reason,
        model_id=issued.contender or None,
        rolling_sharpe=issued.rolling_sharpe,
        rolling_accuracy=issued.rolling_accuracy,
    )


def _model_portfolio(records: Records, standing: Standing) -> ModelPortfolio:
    return ModelPortfolio(
        model_id=standing.contender,
        model_name=records.contenders[standing.contender].name,
        cash=as_float(standing.cash),
        equity=as_float(standing.equity),
        pnl=as_float(standing.equity - records.starting_cash),
        pnl_pct=percent(standing.total_return),
        realized_pnl=as_float(standing.realized_pnl),
        trades=standing.trades,
        wins=standing.wins,
        win_rate=percent(win_rate(standing.wins, standing.trades)),
        open_positions=standing.open_positions,
        max_drawdown_pct=percent(standing.max_drawdown),
        sharpe=standing.sharpe,
        sortino=standing.sortino,
        sharpe_low=standing.sharpe_low,
        sharpe_high=standing.sharpe_high,
        sharpe_probability=standing.sharpe_probability,
        sessions=standing.sessions,
        absent=tuple(AbsentFigure(figure, reason) for figure, reason in absent_figures(_known(standing))),
    )


def _known(standing: Standing) -> Known:
    return Known(*(getattr(standing, name) for name in Known._fields))
