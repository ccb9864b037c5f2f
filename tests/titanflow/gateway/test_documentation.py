"""The page about market data: its tables are the code's, its example works as printed."""

import re
from pathlib import Path
from types import ModuleType

import pytest

from titanflow.domain.events import TickReceived
from titanflow.errors import InputError
from titanflow.gateway.bad_ticks import BadTickReason, reasons_table
from titanflow.gateway.catalogue import Catalogue, load_catalogue
from titanflow.gateway.feed import Feed
from titanflow.gateway.providers import registry
from titanflow.gateway.providers.registry import PROVIDERS, make_provider
from titanflow.gateway.samples import CRYPTO, sample_tape

PAGE = Path(__file__).parents[3] / "docs" / "providers.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture
def ladder(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's own provider, in the table."""
    (source,) = blocks("python")
    module = ModuleType("ladder_provider")
    exec(compile(source, str(PAGE), "exec"), module.__dict__)
    monkeypatch.setattr(registry, "PROVIDERS", {**PROVIDERS, "ladder": module.LadderDataProvider})


@pytest.mark.usefixtures("ladder")
def test_the_provider_of_the_page_feeds_a_session(catalogue: Catalogue) -> None:
    provider = make_provider("ladder", tapes=[], seed=1, options={"ticks": "5"}, catalogue=catalogue)
    ticks = [e for item in Feed(provider).items() for e in item.events if isinstance(e, TickReceived)]
    assert [tick.price for tick in ticks] == [n * 10_000_000 for n in range(1, 6)]
    assert list(provider.rows(3)) == list(provider.rows())[3:]
    with pytest.raises(InputError, match="no option 'rungs'"):
        make_provider("ladder", tapes=[], seed=1, options={"rungs": 5}, catalogue=catalogue)


def test_the_catalogue_file_of_the_page_is_read(tmp_path: Path) -> None:
    text, *_ = blocks("toml")
    own = tmp_path / "own.toml"
    own.write_text(text)
    assert load_catalogue(own).instrument("SAP.XETR").currency == "EUR"


def test_the_page_shows_the_reasons_as_generated() -> None:
    _, _, rest = PAGE.read_text(encoding="utf-8").partition("<!-- AUTO:bad_ticks -->\n")
    assert rest.partition("\n<!-- /AUTO -->")[0] == reasons_table()
    assert all(f"`{reason}`" in reasons_table() for reason in BadTickReason)


@pytest.mark.parametrize("name", PROVIDERS)
def test_the_page_names_every_option(name: str, catalogue: Catalogue) -> None:
    with pytest.raises(InputError) as refused:
        make_provider(name, tapes=[sample_tape(CRYPTO)], seed=1, options={"no such": 1}, catalogue=catalogue)
    known = str(refused.value).split("it knows: ")[1].split(", ")
    assert len(known) > 3
    assert [option for option in known if f"`{option}`" not in PAGE.read_text(encoding="utf-8")] == []
