"""`titanflow train`: teaches a model on real data, validates it walk-forward and registers it with its evidence."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from titanflow.cli.context import JsonOption, Place, SetOption, arrive
from titanflow.cli.output import Column, console, messages, note, print_json, say, table

if TYPE_CHECKING:
    from titanflow.training.results import FoldResult, TradedCurve
    from titanflow.training.run import Trained

NEEDED = ("dask", "distributed", "matplotlib", "pandas", "shap", "sklearn", "ta")
"""What training needs whatever the kind."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("train")(train)


def train(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="lightgbm, lstm, tft, stack, ppo, or one of your own.")],
    data: Annotated[
        list[str] | None,
        typer.Option("--data", metavar="PATH", help="Tape file, or session:NAME[@FIRST-LAST]; may be repeated.",
                     show_default=False),
    ] = None,
    training: Annotated[
        Path | None,
        typer.Option("--config", metavar="TOML", help="What to train and how; see docs/models.md.", show_default=False),
    ] = None,
    name: Annotated[
        str, typer.Option(metavar="NAME", help="Name in the registry; none: the kind.", show_default=False)
    ] = "",
    bar_seconds: Annotated[
        int | None,
        typer.Option(metavar="N", help="Length of a bar; none: the tape's own, 60 for ticks.", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Seed of everything random.")] = 7,
    device: Annotated[str | None, typer.Option(metavar="auto|cpu|cuda", help="Where networks are trained.")] = None,
    workers: Annotated[
        int | None, typer.Option(metavar="N", help="Processes; none: one a core; 1: no other.", show_default=False)
    ] = None,
    dask: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="A Dask scheduler to use.", show_default=False)
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget what a stopped training has finished.")] = False,
    assignments: SetOption = None,
    json: JsonOption = False,
) -> None:  # fmt: skip
    """Train a model, validate it on data that it has not seen, and register it as a candidate."""
    check_installed(kind)
    from titanflow.errors import InputError
    from titanflow.training.config import load_plan
    from titanflow.training.run import TrainingRun

    place = arrive(assignments=assignments)
    if not data:
        raise InputError("no data to learn from: give --data PATH or --data session:NAME; it may be repeated")
    flags = {
        "data.bar_seconds": bar_seconds,
        "resources.device": device,
        "resources.workers": workers,
        "resources.dask": dask,
    }
    plan = load_plan(kind, training, flags, seed=seed, name=name)
    with TrainingView() as view:
        run = TrainingRun(plan, tuple(data), place.settings.home, _ledgers(place), view.progress)
        try:
            trained = run.run(note, fresh=fresh)
        except KeyboardInterrupt:
            view.close()
            note("interrupted: the folds that are done are kept; the same command goes on from there")
            raise
    if json:
        print_json(result_of(trained))
    else:
        show(trained)


def check_installed(kind: str | None = None) -> None:
    """Raise InputError naming the extra to install where a library that training (this kind) needs is not there.

    Raises InputError for a kind that there is not.
    """
    from titanflow.errors import InputError
    from titanflow.training.trainers import trainer_class

    missing = [library for library in NEEDED if find_spec(library) is None]
    try:
        if kind is not None:
            trainer_class(kind)
    except ModuleNotFoundError as error:
        missing = list(dict.fromkeys([*missing, str(error.name)]))
    if missing:
        raise InputError(
            f"training needs {', '.join(missing)}, which is not installed: pip install 'titanflow[training]', "
            "or in a checkout `make setup`"
        )


class TrainingView:
    """Progress on standard error: a bar for each thing that goes on; without a terminal, a line when it begins."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (
            TextColumn("{task.description:<34}"), BarColumn(), TextColumn("{task.percentage:>4.0f}%"),
            TimeElapsedColumn(),
        )  # fmt: skip
        self._screen = Progress(*columns, console=messages, transient=True)
        self._tasks: dict[str, Any] = {}
        self._open = False

    def __enter__(self) -> "TrainingView":
        self._open = messages.is_terminal
        if self._open:
            self._screen.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Take the bars away."""
        if self._open:
            self._open = False
            self._screen.stop()

    def progress(self, what: str, part: float) -> None:
        """Show how far one thing is; at 1 its bar goes."""
        if what not in self._tasks:
            if not messages.is_terminal:
                note(what)
            self._tasks[what] = self._screen.add_task(what, total=1.0)
        self._screen.update(self._tasks[what], completed=min(1.0, part), visible=part < 1.0)


def result_of(trained: "Trained") -> dict[str, Any]:
    """The documented JSON fields."""
    validation, manifest = trained.validation, trained.manifest
    return {
        "digest": trained.digest,
        "name": manifest.name,
        "kind": manifest.kind,
        "has_edge": manifest.has_edge,
        "verdict": validation.verdict,
        "metrics": manifest.metrics,
        "rows": manifest.training.rows,
        "instruments": list(manifest.training.instruments),
        "source": manifest.training.source,
        "label": manifest.label.method,
        "label_horizon_bars": manifest.label.horizon_bars,
        "mean_settled_bars": trained.mean_settled_bars,
        "positives": manifest.label.positives,
        "settings": trained.settings,
        "settings_tried": validation.settings_tried,
        "folds": [_record(fold) for fold in validation.folds],
        "folds_run": trained.folds,
        "folds_resumed": trained.resumed_folds,
        "size_bytes": sum(file.size for file in manifest.files),
        "report": str(trained.report),
    }


def _record(fold: "FoldResult") -> dict[str, Any]:
    return {
        "fold": fold.number,
        "train_rows": fold.train_rows,
        "purged_rows": fold.purged_rows,
        "test_rows": len(fold.test),
        "accuracy": fold.accuracy,
        "auc": fold.auc,
        "brier": fold.brier,
        **_curve(fold.traded),
        "baselines": {name: _curve(curve) for name, curve in fold.baselines.items()},
    }


def _curve(curve: "TradedCurve") -> dict[str, Any]:
    return {
        "sharpe": curve.sharpe,
        "max_drawdown": curve.max_drawdown,
        "total_return": curve.total_return,
        "trades": curve.trades,
    }


def show(trained: "Trained") -> None:
    """Print what came of a training, for people."""
    validation, manifest = trained.validation, trained.manifest
    columns = (
        Column("fold"), Column("trained on", 3, right=True), Column("purged", 6, right=True),
        Column("tested on", 2, right=True), Column("accuracy", 4, right=True), Column("AUC", right=True),
        Column("Brier", 5, right=True), Column(_sharpe_heading(validation.folds), 1, right=True),
        Column("drawdown", 7, right=True), Column("return", right=True), Column("trades", 8, right=True),
        Column("buy and hold", 1, right=True), Column("SMA crossover", 9, right=True),
    )  # fmt: skip
    console.print(table("Walk-forward, after costs", columns, map(_row, validation.folds)))
    label, training = manifest.label, manifest.training
    word, _, numbers = validation.verdict.partition(": ")
    say(Text(f"{word:<9}", style="bold green" if validation.has_edge else "bold red"), f" {numbers}")
    say(
        f"labels     {label.method.replace('_', ' ')}, settled after {trained.mean_settled_bars:.1f} bars on average "
        f"(at most {label.horizon_bars}); {label.positives:.1%} are 1"
    )
    say(f"data       {training.source}: {training.rows:,} rows of {len(training.instruments)} instruments")
    if validation.settings_tried > 1:
        say(f"settings   the best of {validation.settings_tried} tried: {trained.settings}")
    say(f"model      {trained.digest}")
    say(f"           {manifest.name}, candidate, {sum(file.size for file in manifest.files) / 1000:,.0f} kB")
    say(f"report     {trained.report}")
    say(f"use it     titanflow models promote {trained.digest[:12]}")


def _row(fold: "FoldResult") -> tuple[str | Text, ...]:
    traded = fold.traded
    return (
        str(fold.number), f"{fold.train_rows:,}", f"{fold.purged_rows:,}", f"{len(fold.test):,}",
        f"{fold.accuracy:.1%}", "–" if fold.auc is None else f"{fold.auc:.3f}", f"{fold.brier:.4f}",
        "–" if traded.sharpe is None else f"{traded.sharpe:.2f}", f"{traded.max_drawdown:.2%}",
        _gain(traded), f"{traded.trades:,}", _gain(fold.baselines["buy_and_hold"]),
        _gain(fold.baselines["sma_crossover"]),
    )  # fmt: skip


def _sharpe_heading(folds: "Sequence[FoldResult]") -> str:
    known = any(fold.traded.sharpe is not None for fold in folds)
    return "Sharpe, annualised" if known else "Sharpe"


def _gain(curve: "TradedCurve") -> Text:
    ratio = curve.total_return
    return Text(f"{ratio:+.2%}", style="green" if ratio > 0 else "red" if ratio < 0 else "")


def _ledgers(place: Place) -> Any:
    """Opens the ledger of a session; the server is started when one is asked for."""
    return lambda session: place.ledger(session)
