"""Tables of what companies did, and of what it did to the books. All others are in `tables`."""

from projections.columns import check, exact, integer, of_contender, of_instrument, one_of, refers_to, table, text, time
from titanflow.domain.types import CorporateActionKind

corporate_actions = table(
    "corporate_actions",
    ("seq",),
    text("instrument"),
    text("kind"),
    integer("new"),
    integer("old"),
    exact("amount"),
    exact("last_price"),
    *time("ex_at"),
    *time("pay_at", null=True),
    of_instrument(),
    one_of("kind", CorporateActionKind),
    check("split", "(new > 0 AND old > 0) = (kind = 'split')"),
    check("amount", "(amount > 0) = (kind <> 'split')"),
)

action_entries = table(
    "action_entries",
    ("seq", "contender"),
    text("contender"),
    text("instrument"),
    exact("quantity_before"),
    exact("quantity_after"),
    exact("cash_change"),
    exact("cost_change"),
    exact("realized_pnl"),
    exact("receivable_change"),
    exact("dividends"),
    refers_to("corporate_actions", "seq"),
    of_contender(),
    check("balanced", "cash_change + receivable_change + cost_change - realized_pnl - dividends = 0"),
)
"""What a split or a dividend did to each contender that held the instrument, or was owed."""
