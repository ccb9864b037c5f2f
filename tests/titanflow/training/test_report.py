"""The report: one file that says the verdict first, holds all its pictures and asks no network for anything."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from support.tiny_samples import tiny_samples
from titanflow.training.dataset import label_report
from titanflow.training.report import ReportContent, render
from titanflow.training.report_plots import MAX_POINTS, Explained, equity_plot
from titanflow.training.results import TradedCurve
from titanflow.training.splits import walk_forward
from titanflow.training.trading import Market
from titanflow.training.validation import Judging, ScoredFold, assemble

VOID = {"meta", "link", "br"}


class Tags(HTMLParser):
    """Collects the tags of a page; fails where one is closed that is not open."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def content() -> ReportContent:
    samples = tiny_samples(edge=1.0)
    rng = np.random.default_rng(1)
    scored = [
        ScoredFold(f.number, len(f.train), f.purged, f.early_stop, samples.features[f.early_stop, 0], f.test,
                   samples.features[f.test, 0], {})
        for f in walk_forward(samples, samples.usable(1), 3)
    ]  # fmt: skip
    judging = Judging(Market((0.0005, 0.0005), 98_280.0), hold_bars=5, permutations=49)
    values = rng.standard_normal((50, 3))
    return ReportContent(
        name="first <try>",
        kind="lightgbm",
        validation=assemble(samples, scored, judging),
        training=samples.window,
        label=samples.label_spec,
        mean_settled_bars=label_report(samples).mean_horizon_bars,
        bar_seconds=60,
        features=samples.feature_names,
        settings={"leaves": 15},
        provenance={"Seed": 7},
        importance={"rsi": 0.75, "return_1": 0.25},
        explained=Explained(samples.feature_names, 0.1 * values, values, "tree_shap"),
    )


def test_the_verdict_stands_before_everything_else_and_in_the_words_of_the_validation(content: ReportContent) -> None:
    page = render(content).decode()
    word, _, numbers = content.validation.verdict.partition(": ")
    body = page[page.index("<main>") :]
    assert body.index(word.capitalize()) < body.index(numbers) < body.index("<h2>")


def test_nothing_is_fetched_and_nothing_is_run(content: ReportContent) -> None:
    page = render(content).decode()
    tags = Tags(page)
    assert not tags.open
    assert not {"script", "link", "iframe", "img"} & set(tags.seen)
    assert tags.seen.count("svg") == 5
    # Names of XML vocabularies look like addresses, and are not fetched.
    addresses = set(re.findall(r"""(?:href|src)="([^"]*)"|url\(([^)]*)\)|(@import)""", page))
    assert all(one.startswith(("#", "data:image/png;base64,")) for each in addresses for one in each if one)


def test_the_same_content_gives_the_same_bytes_and_few_of_them(content: ReportContent) -> None:
    page = render(content)
    assert page == render(content)
    assert 20_000 < len(page) < 400_000


def test_every_number_of_a_fold_is_shown_with_its_baselines(content: ReportContent) -> None:
    page = render(content).decode()
    for fold in content.validation.folds:
        for text in (f"{fold.auc:.3f}", f"{fold.brier:.4f}", f"{fold.traded.total_return:+.2%}",
                     f"{fold.baselines['buy_and_hold'].total_return:+.2%}"):  # fmt: skip
            assert f">{text}<" in page


def test_a_sharpe_ratio_is_shown_where_there_is_one_and_as_a_dash_where_not(content: ReportContent) -> None:
    page = render(content).decode()
    assert "fewer than 5 days of test have none" in page
    assert "annualised Sharpe" not in page
    found = content.validation
    first = replace(found.folds[0], traded=replace(found.folds[0].traded, sharpe=1.625))
    known = replace(found, folds=(first, *found.folds[1:]), metrics={**found.metrics, "sharpe": 1.625})
    page = render(replace(content, validation=known)).decode()
    assert "<b>1.62</b><span>annualised Sharpe</span>" in page
    assert page.count("<td>1.62</td>") == 1
    assert page.count("<td>–</td>") == len(found.folds) - 1


def test_names_from_outside_are_text_and_no_tags(content: ReportContent) -> None:
    page = render(content).decode()
    assert "first &lt;try&gt;" in page
    assert "<try>" not in page


def test_colours_follow_the_page_so_that_a_dark_one_can_be_read(content: ReportContent) -> None:
    page = render(content).decode()
    assert "prefers-color-scheme: dark" in page
    drawn = "".join(re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL))
    assert "var(--accent)" in drawn
    assert not set(re.findall(r"(?:fill|stroke): (#[0-9a-f]{6})", drawn)) - {"#ffffff"}


def test_settings_are_listed_only_where_several_were_tried(content: ReportContent) -> None:
    assert "Settings tried" not in render(content).decode()
    tried = replace(content, tried=[("leaves 7", 0.69), ("leaves 15", 0.7)])
    page = render(tried).decode()
    assert "Settings tried" in page
    assert "permutation p is 2 times as large, at most 1," in page


def test_a_report_without_explanations_says_why(content: ReportContent) -> None:
    page = render(replace(content, explained=None, importance={}, why_not_explained="not asked for")).decode()
    assert "not asked for" in page
    assert Tags(page).seen.count("svg") == 3


def test_explanations_of_groups_whose_value_is_not_known_are_drawn_too(content: ReportContent) -> None:
    assert content.explained is not None
    groups = replace(content.explained, values=np.full((50, 3), np.nan), method="grouped_shapley_sampling")
    assert "by sampling" in render(replace(content, explained=groups)).decode()


def test_a_long_curve_is_drawn_with_no_more_points_than_can_be_seen(content: ReportContent) -> None:
    at = np.arange(50_000, dtype=np.int64) * 60_000_000_000
    long = TradedCurve(at, np.cumprod(np.full(len(at), 1.0001)), 1.0, 0.0, 1.0, 1)
    fold = replace(content.validation.folds[0], traded=long, baselines={"flat": long})
    assert len(equity_plot([fold])) < 60 * MAX_POINTS + 20_000
