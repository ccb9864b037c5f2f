"""The drawn explanation: well-formed, true to scale, complete."""

import re
from xml.etree import ElementTree

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from titanflow.cli.waterfall import MAX_STEPS, Caption, page, waterfall
from titanflow.domain.events import Explanation, Features

SVG = "{http://www.w3.org/2000/svg}"
CAPTION = Caption("Why <tiny> signalled BUY A&B", "at noon", ("by tree_shap", "model 1234"))
VALUES = st.floats(-1e6, 1e6, allow_nan=False)


def explained(base: float, contributions: Features) -> Explanation:
    return Explanation("tree_shap", base, base + sum(impact for _, impact in contributions), contributions)


def bars(svg: str) -> list[tuple[str, float, float]]:
    """(kind, left edge, width) from top to bottom."""
    rects = ElementTree.fromstring(svg).iter(f"{SVG}rect")
    return [(rect.attrib["class"], float(rect.attrib["x"]), float(rect.attrib["width"])) for rect in rects]


def words(svg: str) -> list[str]:
    return ["".join(text.itertext()).strip() for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_steps_lead_from_the_base_value_to_the_score_on_one_scale() -> None:
    svg = waterfall(explained(1.0, (("rsi", -0.5), ("atr", 2.0))), (("rsi", 30.0),), CAPTION)
    base, atr, rsi, score = bars(svg)
    assert [base[0], atr[0], rsi[0], score[0]] == ["sum", "up", "down", "sum"]
    unit = base[2]
    assert [width for _, _, width in (atr, rsi, score)] == pytest.approx([2 * unit, unit / 2, 2.5 * unit], abs=0.2)
    assert atr[1] == pytest.approx(base[1] + base[2], abs=0.2), "each step begins where the last one ended"
    assert rsi[1] + rsi[2] == pytest.approx(atr[1] + atr[2], abs=0.2)
    assert score[1] + score[2] == pytest.approx(rsi[1], abs=0.2)


def test_what_the_model_saw_and_every_number_is_written() -> None:
    told = words(waterfall(explained(0.25, (("rsi", -0.5), ("trend", 0.125))), (("rsi", 30.0),), CAPTION))
    assert CAPTION.title in told, "angle brackets and ampersands are text"
    assert {"rsi = 30", "trend", "-0.5000", "+0.1250", "+0.2500", "-0.1250", *CAPTION.notes} <= set(told)


@settings(max_examples=40, deadline=None)
@example(5e-324, [])
@example(-5e-324, [("least", 5e-324)])
@example(1e308, [("most", -1e308)])
@given(VALUES, st.lists(st.tuples(st.text("<&\"'x é", max_size=5), VALUES), max_size=40))
def test_any_explanation_is_drawn_within_the_picture(base: float, contributions: list[tuple[str, float]]) -> None:
    svg = waterfall(explained(base, tuple(contributions)), (), CAPTION)
    drawn = bars(svg)
    assert len(drawn) == min(len(contributions), MAX_STEPS) + 2
    width = float(ElementTree.fromstring(svg).attrib["width"])
    assert all(left >= 0 and left + wide <= width for _, left, wide in drawn)


def test_the_page_fetches_nothing() -> None:
    text = page("Why & how", waterfall(explained(0.0, ()), (), CAPTION))
    assert "<title>Why &amp; how</title>" in text
    assert re.findall(r"(?:src|href)=|url\(|https?://(?!www\.w3\.org/2000/svg)", text) == []
