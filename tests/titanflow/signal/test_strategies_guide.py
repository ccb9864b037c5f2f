"""The code in docs/strategies.md does what the guide says: it is run as it stands there."""

import re
from pathlib import Path
from typing import Any

import pytest

from support.signal_worlds import clock, decide, instrument, session, tick
from titanflow.domain.events import Event, SignalGenerated
from titanflow.domain.types import Side
from titanflow.signal.contenders import parse_contenders
from titanflow.signal.strategies import STRATEGIES

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "strategies.md"


def block(language: str) -> str:
    """The one code block of this language."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return str(found)


@pytest.fixture
def breakout(monkeypatch: pytest.MonkeyPatch) -> None:
    """The guide's strategy, entered in the registry as the guide says."""
    namespace: dict[str, Any] = {"__name__": "breakout"}
    exec(compile(block("python"), str(GUIDE), "exec"), namespace)
    line = re.fullmatch(r'\s*"(\w+)": (\w+),\s*', block("text"))
    assert line is not None
    monkeypatch.setitem(STRATEGIES, line[1], namespace[line[2]])


@pytest.mark.usefixtures("breakout")
def test_the_strategy_of_the_guide_competes_as_its_contenders_file_says() -> None:
    """A range of 99 to 101 for fifteen minutes, then a close of 103, another of 104, and one of 90."""
    (spec,) = parse_contenders(block("toml"), (instrument("A.X"),), "docs/strategies.md")
    assert spec.parameters == (("window", 15),)
    closes: list[tuple[int, ...]] = [(99, 101, 100)] * 15 + [(103,), (104,), (90,)]
    events: list[Event] = []
    for minute, prices in enumerate(closes):
        events += [tick(60 * minute + second, price) for second, price in enumerate(prices)]
        events.append(clock(60 * minute + 60))
    said = [event for event in decide(session([spec]), events) if isinstance(event, SignalGenerated)]
    assert [(s.contender, s.side) for s in said] == [("breakout-15", Side.BUY), ("breakout-15", Side.SELL)]
    first = said[0]
    assert first.explanation.contributions == (("breakout", 1.0), ("beyond", 1.0))
    assert first.confidence == 2 / 3
    assert dict(first.features)["beyond"] == 1.0


@pytest.mark.usefixtures("breakout")
def test_the_strategy_of_the_guide_is_for_bars_only() -> None:
    assert not STRATEGIES["Breakout"].decides_on_ticks()


def test_the_guide_names_every_strategy_that_ships_with_its_parameters() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    for name, strategy in STRATEGIES.items():
        (row,) = re.findall(rf"^\| `{name}` \|.*$", text, re.MULTILINE)
        for spec in strategy.parameters:
            assert f"`{spec.name}`" in row
