"""The table of denial codes for the documentation, generated from the closed enum."""

from titanflow.domain.types import DenialCode


def codes_table() -> str:
    """A Markdown table of every denial code and its meaning, in the enum's order."""
    rows = [f"| `{code.value}` | {code.meaning} |" for code in DenialCode]
    return "\n".join(["| code | meaning |", "|---|---|", *rows])
