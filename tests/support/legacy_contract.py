"""The contract of the legacy channels as data: what a reader that predates the ledger relies on, field by field."""

import re
from collections.abc import Mapping
from typing import Any

NUMBER = (int, float)
TEXTS = [str]
ISO_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")
RATIO = (float, None)
COMMON = {"schema_version": {"1.0"}, "seq": int, "session_id": str}

FILL = {
    "id": str, "order_id": str, "model_id": str, "model_name": str, "symbol": str, "side": {"BUY", "SELL"},
    "qty": NUMBER, "price": float, "timestamp": ISO_UTC, "status": {"FILLED", "PARTIALLY_FILLED"},
    "mode": {"paper", "live"}, "slippage": float, "realized_pnl": float, "explanation": TEXTS,
}  # fmt: skip

CHANNELS: Mapping[str, Mapping[str, Any]] = {
    "market_data": {
        "symbol": str, "price": float, "size": NUMBER, "volume": NUMBER, "timestamp": int, "type": {"trade"},
        "provider": str,
    },
    "trade_signals": {
        "model_id": str, "model_name": str, "symbol": str, "signal": {"BUY", "SELL", "HOLD"}, "confidence": float,
        "price": float, "timestamp": int, "explanation": TEXTS, "attributions": [{"feature": str, "impact": float}],
    },
    "execution_requests": {
        "model_id": str, "symbol": str, "side": {"buy", "sell"}, "qty": NUMBER, "type": {"market", "limit", "stop"},
        "confidence": float, "price": (float, None), "explanation": TEXTS, "timestamp": int,
    },
    "execution_filled": FILL,
    "paper_portfolio_updates": {
        "timestamp": ISO_UTC, "mode": {"paper", "live"}, "best_model": (str, None),
        "models": [{
            "model_id": str, "model_name": str, "cash": float, "equity": float, "pnl": float, "pnl_pct": float,
            "realized_pnl": float, "trades": int, "wins": int, "win_rate": float, "open_positions": int,
            "max_drawdown_pct": float, "sharpe": RATIO, "sortino": RATIO,
        }],
        "max_drawdown_pct": float, "sharpe": RATIO, "sortino": RATIO,
    },
    "risk_commands": {
        "command": {"LIQUIDATE_ALL", "ACTIVATE_MANUAL_APPROVAL", "RESUME"}, "reason": str, "model_id": (str, None),
        "rolling_sharpe": RATIO, "rolling_accuracy": RATIO,
    },
}  # fmt: skip

AUDIT: Mapping[str, Mapping[str, Any]] = {
    "SIGNAL": {
        "model_id": str, "symbol": str, "signal": {"BUY", "SELL"}, "confidence": float, "price": float,
        "explanation": TEXTS,
    },
    "ORDER": {
        "model_id": str, "symbol": str, "side": {"buy", "sell"}, "qty": NUMBER, "price": (float, None),
        "confidence": float, "order_id": str, "mode": {"paper", "live"},
        "status": {"APPROVED", "HELD", "DENIED", "SUBMITTED", "TRIGGERED", "REJECTED", "CANCELLED"},
    },
    "FILL": FILL,
    "KILL_SWITCH": {"model_id": (str, None), "trigger": str, "drawdown_pct": float, "equity": float},
    "MANUAL_APPROVAL_MODE": {
        "model_id": str, "trigger": str, "reason": str, "metric_name": str, "metric_value": float, "threshold": float,
    },
}  # fmt: skip


def breaches(channel: str, message: Mapping[str, Any]) -> list[str]:
    """Where a message departs from the contract; fields beyond it are free."""
    if channel == "audit_events":
        fields = {**AUDIT[message["event_type"]], "logged_at": ISO_UTC, "model_version": (str, None)}
    else:
        fields = dict(CHANNELS[channel])
    return _departures(channel, message, {**COMMON, **fields})


def _departures(place: str, value: Any, expected: Any) -> list[str]:
    if isinstance(expected, Mapping):
        missing = [f"{place}.{name} is missing" for name in expected if name not in value]
        return missing + [
            text
            for name, kind in expected.items()
            if name in value
            for text in _departures(f"{place}.{name}", value[name], kind)
        ]
    if isinstance(expected, list):
        return [text for each in value for text in _departures(f"{place}[]", each, expected[0])]
    if isinstance(expected, tuple):
        sound = any(not _departures(place, value, kind) for kind in expected)
    elif isinstance(expected, set):
        sound = value in expected
    elif isinstance(expected, re.Pattern):
        sound = isinstance(value, str) and bool(expected.fullmatch(value))
    else:
        sound = value is None if expected is None else type(value) is expected
    return [] if sound else [f"{place} is {value!r}, expected {expected}"]
