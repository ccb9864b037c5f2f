"""How events of older versions become events of today: tag of the old version -> raw list to raw list. None so far.

A changed event gets a new tag (`order_filled@2`); its old tag moves here with a function that fills what was not known.
"""

from collections.abc import Callable, Mapping
from typing import Any

UPCASTERS: Mapping[str, Callable[[list[Any]], list[Any]]] = {}
"""Applied when a ledger is read, until the tag is a current one."""
