"""What can go wrong with projections beyond a server that is down."""

from titanflow.errors import TitanFlowError


class ProjectionError(TitanFlowError):
    """Ledger and tables do not fit together: the message names the seq, what was found and how to mend it."""
