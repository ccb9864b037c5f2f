"""Draws an explanation as a waterfall: from the base value, step by step, to the model's score. Plain SVG."""

from collections.abc import Iterator, Sequence
from html import escape
from typing import NamedTuple

from titanflow.domain.events import Explanation, Features

MAX_STEPS = 14
"""Contributions that are drawn one by one; the smallest of more are drawn as one."""

_WIDTH, _LABELS, _NUMBERS, _MARGIN = 860, 270, 80, 28
_ROW, _BAR, _TOP, _FOOT = 30, 18, 92, 64
_STYLE = """
  svg { background: #fff; font: 13px system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif; }
  text { fill: #1f2933; } .dim { fill: #697586; } .title { font-size: 17px; font-weight: 600; }
  .number { font-variant-numeric: tabular-nums; } .total { font-weight: 600; }
  .up { fill: #15803d; } .down { fill: #c2410c; } .sum { fill: #475569; }
  line { stroke: #cbd2d9; } .zero { stroke-dasharray: 3 3; }
  @media (prefers-color-scheme: dark) {
    svg { background: #12161c; } text { fill: #e4e7eb; } .dim { fill: #9aa5b1; }
    .up { fill: #4ade80; } .down { fill: #fb923c; } .sum { fill: #94a3b8; } line { stroke: #3e4c59; }
  }"""


class Caption(NamedTuple):
    """The words around the picture."""

    title: str
    subtitle: str
    notes: Sequence[str]
    """At most two lines under it."""


class _Step(NamedTuple):
    label: str
    detail: str
    start: float
    end: float
    kind: str
    """sum, up or down."""

    @property
    def number(self) -> str:
        return f"{self.end if self.kind == 'sum' else self.end - self.start:+.4f}"


def waterfall(explanation: Explanation, values: Features, caption: Caption) -> str:
    """The picture as the text of an SVG file, for light and dark screens. `values` are what the model saw."""
    steps = list(_steps(explanation, dict(values)))
    ends = [0.0, *(end for step in steps for end in (step.start, step.end))]
    # In parts of the largest, which are neither too small nor too large to be subtracted and divided.
    largest = max(map(abs, ends)) or 1.0
    low, high = min(ends) / largest, max(ends) / largest
    room = _WIDTH - _LABELS - _NUMBERS - 2 * _MARGIN

    def across(value: float) -> float:
        return _MARGIN + _LABELS + room * (value / largest - low) / ((high - low) or 1.0)

    height = _TOP + _ROW * len(steps) + _FOOT
    zero, bottom = across(0.0), _TOP + _ROW * len(steps)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}" '
        f'role="img" aria-label="{escape(caption.title)}">',
        f"<style>{_STYLE}</style>",
        _text(_MARGIN, 36, caption.title, "title"),
        _text(_MARGIN, 60, caption.subtitle, "dim"),
        f'<line class="zero" x1="{zero:.1f}" y1="{_TOP - 6}" x2="{zero:.1f}" y2="{bottom}"/>',
    ]
    for row, step in enumerate(steps):
        parts += _bar(step, _TOP + row * _ROW, across(step.start), across(step.end), last=row == len(steps) - 1)
    parts += [_text(_MARGIN, bottom + 26 + 20 * n, line, "dim") for n, line in enumerate(caption.notes)]
    return "\n".join([*parts, "</svg>", ""])


def page(title: str, svg: str) -> str:
    """The picture as an HTML page of its own."""
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        '<meta name="color-scheme" content="light dark">\n'
        "<style>body { margin: 0; display: grid; place-items: center; background: #fff }\n"
        "svg { max-width: 100%; height: auto } @media (prefers-color-scheme: dark) { body { background: #12161c } }"
        "</style>\n"
        f"{svg}</html>\n"
    )


def _steps(explanation: Explanation, values: dict[str, float]) -> Iterator[_Step]:
    reached = explanation.base_value
    yield _Step("base value", "the average answer", 0.0, reached, "sum")
    for name, impact, detail in _largest(explanation.contributions, values):
        yield _Step(name, detail, reached, reached + impact, "up" if impact >= 0 else "down")
        reached += impact
    yield _Step("score", "", 0.0, explanation.score, "sum")


def _largest(contributions: Features, values: dict[str, float]) -> Iterator[tuple[str, float, str]]:
    """(name, contribution, what it saw), largest first, the smallest put together."""
    ordered = sorted(contributions, key=lambda pair: -abs(pair[1]))
    kept = len(ordered) if len(ordered) <= MAX_STEPS else MAX_STEPS - 1
    for name, impact in ordered[:kept]:
        yield name, impact, f"= {values[name]:.4g}" if name in values else ""
    if rest := ordered[kept:]:
        yield f"{len(rest)} others", sum(impact for _, impact in rest), ""


def _bar(step: _Step, y: float, start: float, end: float, *, last: bool) -> list[str]:
    left, width = min(start, end), max(1.0, abs(end - start))
    middle = y + _BAR - 5
    emphasis = " total" if step.kind == "sum" else ""
    label = f'{escape(step.label)} <tspan class="dim">{escape(step.detail)}</tspan>'
    parts = [
        f'<text class="label{emphasis}" x="{_MARGIN}" y="{middle}">{label}</text>',
        f'<rect class="{step.kind}" x="{left:.1f}" y="{y}" width="{width:.1f}" height="{_BAR}" rx="2"/>',
        f'<text class="number{emphasis}" x="{_WIDTH - _MARGIN}" y="{middle}" text-anchor="end">{step.number}</text>',
    ]
    if not last:
        parts.append(f'<line x1="{end:.1f}" y1="{y + _BAR}" x2="{end:.1f}" y2="{y + _ROW}"/>')
    return parts


def _text(x: float, y: float, text: str, style: str) -> str:
    return f'<text class="{style}" x="{x}" y="{y}">{escape(text)}</text>'
