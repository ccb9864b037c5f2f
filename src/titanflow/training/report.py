"""The report of a training: one HTML file with everything that it shows, its verdict first. Plots: `report_plots`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from importlib.resources import files

from titanflow.domain.models import LabelSpec, TrainingWindow
from titanflow.training.report_plots import (
    Explained,
    beeswarm_plot,
    calibration_plot,
    equity_plot,
    importance_plot,
    permutation_plot,
)
from titanflow.training.results import FoldResult, TradedCurve, Validation
from titanflow.training.trading import SHARPE_DAYS

NAMES = {
    "lightgbm": "LightGBM", "lstm": "LSTM with attention", "tft": "Temporal Fusion Transformer",
    "stack": "Stacking meta-model", "ppo": "PPO agent",
}  # fmt: skip
"""Kind -> its name for people."""
METHODS = {
    "tree_shap": "TreeSHAP values",
    "grouped_shapley_sampling": "Shapley values of groups of features, by sampling,",
}
_GONE = "–"


@dataclass(frozen=True)
class ReportContent:
    """What a report tells."""

    name: str
    kind: str
    validation: Validation
    training: TrainingWindow
    label: LabelSpec
    mean_settled_bars: float
    """Bars until a label is settled, on average."""
    bar_seconds: int
    features: Sequence[str]
    settings: Mapping[str, object]
    """Hyperparameters that were chosen."""
    provenance: Mapping[str, object]
    """Seed, versions, thresholds …: name -> value, as a person reads them."""
    importance: Mapping[str, float]
    tried: Sequence[tuple[str, float]] = ()
    """(settings, mean log loss of the folds), best first, where several were tried."""
    explained: Explained | None = None
    why_not_explained: str = ""
    dpi: int = field(default=110)
    """Of the one plot that is a picture."""


def render(content: ReportContent) -> bytes:
    """The HTML of a report; the same content gives the same bytes. Needs no network and runs no script."""
    sections = (
        _verdict(content), _figures(content.validation), _data(content), _folds(content.validation), _equity(content),
        _probabilities(content.validation), _importance(content), _beeswarm(content), _tried(content),
        _provenance(content),
    )  # fmt: skip
    kind = NAMES.get(content.kind, content.kind)
    style = files("titanflow.training").joinpath("report.css").read_text(encoding="utf-8")
    page = (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(content.name)}: training report</title>\n<style>\n{style}</style></head>\n<body><main>\n"
        f"<header><h1>{escape(content.name)}</h1><p>{escape(kind)}, trained on {escape(content.training.source)}</p>"
        f"</header>\n{''.join(sections)}</main></body></html>\n"
    )
    return page.encode()


def _verdict(content: ReportContent) -> str:
    word, _, numbers = content.validation.verdict.partition(": ")
    return (
        f'<section class="verdict{" edge" if content.validation.has_edge else ""}">'
        f"<strong>{escape(word.capitalize())}</strong><p>{escape(numbers)}</p></section>\n"
    )


def _figures(validation: Validation) -> str:
    metrics = validation.metrics
    shown = (
        ("auc", "AUC, 0.5 is chance", "{:.3f}"), ("accuracy", "accuracy", "{:.1%}"), ("brier", "Brier score", "{:.4f}"),
        ("log_loss", "log loss", "{:.4f}"), ("sharpe", "annualised Sharpe", "{:.2f}"),
        ("total_return", "return of a fold", "{:+.2%}"), ("max_drawdown", "largest drawdown", "{:.2%}"),
    )  # fmt: skip
    tiles = [(label, form.format(metrics[name])) for name, label, form in shown if name in metrics]
    tiles.append(("permutation p", f"{validation.permutation.p_value:.3f}"))
    cells = "".join(f"<div><b>{value}</b><span>{escape(label)}</span></div>" for label, value in tiles)
    return f'<div class="figures">{cells}</div>\n'


def _data(content: ReportContent) -> str:
    training, label = content.training, content.label
    barriers = f", {label.profit:g} ATR up, {label.stop:g} ATR down" if label.method == "triple_barrier" else ""
    facts = {
        "Data": training.source,
        "From": moment(training.first_at),
        "To": f"{moment(training.last_at)}: nothing before it may validate this model, nor be traded by it",
        "Instruments": f"{len(training.instruments)}: {', '.join(training.instruments)}",
        "Rows": f"{training.rows:,} bars of {content.bar_seconds} s with every feature and a settled label",
        "Label": f"{label.method.replace('_', ' ')}, {label.horizon_bars} bars{barriers}",
        "Label horizon": f"settled after {content.mean_settled_bars:.1f} bars on average",
        "Class balance": f"{label.positives:.1%} are 1, {1 - label.positives:.1%} are 0",
        "SHA-256 of the data": training.sha256,
    }
    if training.session:
        facts["Ledger"] = f"session {training.session}, seqs {training.first_seq} to {training.last_seq}"
    return f"<section><h2>Data</h2>{_facts(facts)}</section>\n"


def _folds(validation: Validation) -> str:
    head = (
        "fold", "from", "trained on", "purged", "tested on", "accuracy", "AUC", "Brier", "Sharpe", "drawdown", "return",
        "trades", "buy, hold", "SMA",
    )  # fmt: skip
    return (
        "<section><h2>Walk-forward, fold by fold</h2><p>Each fold is tested on rows that come after all that it was "
        "trained on; rows whose labels reach into the test are purged. Sharpe, drawdown and return are after costs, as "
        f"are the returns of buying and holding and of an SMA crossover. Sharpe is annualised; "
        f"fewer than {SHARPE_DAYS} days of test have none.</p>"
        f"{_table(head, map(_fold_row, validation.folds))}</section>\n"
    )


def _fold_row(fold: FoldResult) -> tuple[str, ...]:
    traded = fold.traded
    return (
        str(fold.number), moment(int(traded.at[0])) if len(traded.at) else _GONE, f"{fold.train_rows:,}",
        f"{fold.purged_rows:,}", f"{len(fold.test):,}", f"{fold.accuracy:.1%}", _number(fold.auc, "{:.3f}"),
        f"{fold.brier:.4f}", _number(traded.sharpe, "{:.2f}"), f"{traded.max_drawdown:.2%}",
        _gain(traded.total_return), f"{traded.trades:,}", _baseline(fold.baselines, "buy_and_hold"),
        _baseline(fold.baselines, "sma_crossover"),
    )  # fmt: skip


def _equity(content: ReportContent) -> str:
    return (
        "<section><h2>Equity after costs</h2><p>What one dollar became in each fold, traded by the model's own rule, "
        f"beside the baselines on the same rows.</p>{equity_plot(content.validation.folds)}</section>\n"
    )


def _probabilities(validation: Validation) -> str:
    calibration = (
        "<section><h2>Calibration</h2><p>Points on the dashed line are honest probabilities.</p>"
        f"{calibration_plot(validation.calibration_curve)}</section>"
        if validation.calibration_curve
        else ""
    )
    test = validation.permutation
    return (
        f'<div class="pair">{calibration}<section><h2>Permutation test</h2><p>{len(test.shuffled):,} shuffles of the '
        f"labels in blocks of time. Below p = 0.05 chance alone is an unlikely answer.</p>{permutation_plot(test)}"
        "</section></div>\n"
    )


def _importance(content: ReportContent) -> str:
    if not content.importance:
        return ""
    return (
        "<section><h2>Feature importance</h2><p>Shares of the model's own measure: what it used, not whether it was "
        f"right to.</p>{importance_plot(content.importance)}</section>\n"
    )


def _beeswarm(content: ReportContent) -> str:
    if content.explained is None:
        why = content.why_not_explained
        return f"<section><h2>Explanations</h2><p>{escape(why)}</p></section>\n" if why else ""
    rows, method = len(content.explained.contributions), content.explained.method
    method = METHODS.get(method, method)
    return (
        f"<section><h2>Explanations</h2><p>{escape(method)} of {rows:,} rows drawn from the training "
        "data: each point is a row, and how far the feature pushed its score.</p>"
        f"{beeswarm_plot(content.explained, content.dpi)}</section>\n"
    )


def _tried(content: ReportContent) -> str:
    if len(content.tried) < 2:
        return ""
    rows = [(escape(settings), f"{loss:.5f}") for settings, loss in content.tried]
    return (
        f"<section><h2>Settings tried</h2><p>{len(rows)} settings; the one with the smallest mean log loss over the "
        "folds was chosen. The best of many looks better than it is: the folds above are those of the chosen one, and "
        f"the permutation p is {len(rows)} times as large, at most 1, as it would be of one setting (Bonferroni).</p>"
        f"{_table(('settings', 'log loss'), rows)}</section>\n"
    )


def _provenance(content: ReportContent) -> str:
    facts = {
        "Features": ", ".join(content.features),
        "Settings": ", ".join(f"{name} {value}" for name, value in content.settings.items()),
        **content.provenance,
    }
    return f"<section><h2>How it was made</h2>{_facts(facts)}</section>\n"


def moment(at: int) -> str:
    """Event time in UTC to the minute."""
    return f"{datetime.fromtimestamp(at // 1_000_000_000, UTC):%Y-%m-%d %H:%M}"


def _facts(facts: Mapping[str, object]) -> str:
    rows = "".join(f"<tr><td>{escape(name)}</td><td>{escape(str(value))}</td></tr>" for name, value in facts.items())
    return f'<table class="facts">{rows}</table>'


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Cells are HTML; headings are text."""
    titles = "".join(f"<th>{escape(title)}</th>" for title in head)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><tr>{titles}</tr>{body}</table></div>'


def _number(value: float | None, form: str) -> str:
    return _GONE if value is None else form.format(value)


def _gain(ratio: float) -> str:
    colour = "good" if ratio > 0 else "bad" if ratio < 0 else ""
    return f'<span class="{colour}">{ratio:+.2%}</span>'


def _baseline(baselines: Mapping[str, TradedCurve], name: str) -> str:
    return _gain(baselines[name].total_return) if name in baselines else _GONE
