"""The generated table of denial codes, and the page that it stands on."""

from pathlib import Path

from titanflow.domain.session_settings import RiskSettings
from titanflow.domain.types import DenialCode
from titanflow.risk.codes import codes_table


def test_the_table_has_one_row_for_every_code() -> None:
    rows = codes_table().splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == [code.value for code in DenialCode]
    assert all(row.count("|") == 3 for row in rows)


def test_the_documentation_shows_the_table_as_generated() -> None:
    document = (Path(__file__).parents[3] / "docs" / "risk.md").read_text(encoding="utf-8")
    _, _, rest = document.partition("<!-- AUTO:denial_codes -->\n")
    shown, _, _ = rest.partition("\n<!-- /AUTO -->")
    assert shown == codes_table()


def test_the_documentation_names_every_limit_of_risk() -> None:
    document = (Path(__file__).parents[3] / "docs" / "risk.md").read_text(encoding="utf-8")
    assert [name for name in RiskSettings.__struct_fields__ if f"`{name}`" not in document] == []
