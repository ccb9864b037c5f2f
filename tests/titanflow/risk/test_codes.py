"""The generated table of denial codes."""

from titanflow.domain.types import DenialCode
from titanflow.risk.codes import codes_table


def test_the_table_has_one_row_for_every_code() -> None:
    rows = codes_table().splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == [code.value for code in DenialCode]
    assert all(row.count("|") == 3 for row in rows)
