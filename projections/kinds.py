"""Closed sets of words that stand in the tables and nowhere in the ledger."""

from enum import StrEnum


class OrderStatus(StrEnum):
    """Where an order stands in its life."""

    HELD = "held"
    APPROVED = "approved"
    WORKING = "working"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    DENIED = "denied"


class VerdictKind(StrEnum):
    """Who said what: risk approved, denied or held; `rejected` is the executor's last gate."""

    APPROVED = "approved"
    DENIED = "denied"
    HELD = "held"
    REJECTED = "rejected"


class AuditType(StrEnum):
    """Kinds of record in the audit trail."""

    SIGNAL = "SIGNAL"
    ORDER = "ORDER"
    FILL = "FILL"
    KILL_SWITCH = "KILL_SWITCH"
    MANUAL_APPROVAL_MODE = "MANUAL_APPROVAL_MODE"
    OPERATOR_COMMAND = "OPERATOR_COMMAND"
    MODEL_REPLACED = "MODEL_REPLACED"
    CONTENDER_SET_ASIDE = "CONTENDER_SET_ASIDE"


class OrderStep(StrEnum):
    """How far an order is in its life, as the audit trail tells it; a signal denied at once has no order."""

    APPROVED = "approved"
    HELD = "held"
    DENIED = "denied"
    SUBMITTED = "submitted"
    TRIGGERED = "triggered"
    ADJUSTED = "adjusted"
    REJECTED = "rejected"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"


class RiskEventType(StrEnum):
    """Kinds of record in the table of risk events."""

    COMMAND = "command"
    KILL_SWITCH = "kill_switch"
    ROLLBACK = "rollback"
    GATE_REPORT = "gate_report"
