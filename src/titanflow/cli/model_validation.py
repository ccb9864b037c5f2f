"""`titanflow models validate`: a registered model on data that it never saw, behind the information barrier."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from titanflow.cli.context import JsonOption, arrive
from titanflow.cli.models import SHORT, ModelArgument
from titanflow.cli.output import Column, console, number, print_json, say, table, to_second
from titanflow.cli.train import TrainingView, check_installed
from titanflow.domain.types import NANOS_PER_SECOND, Nanos

if TYPE_CHECKING:
    from titanflow.signal.model import LearnedModel
    from titanflow.training.data import BarData
    from titanflow.training.results import TradedCurve, Validation


def register(models: typer.Typer) -> None:
    """Add the command."""
    models.command()(validate)


def validate(
    model: ModelArgument,
    data: Annotated[
        list[str],
        typer.Option("--data", metavar="PATH", help="Tape file, or session:NAME[@FIRST-LAST]; may be repeated."),
    ],
    first: Annotated[
        str, typer.Option("--first", metavar="TIME", help="Read nothing earlier (UTC).", show_default=False)
    ] = "",
    last: Annotated[
        str, typer.Option("--last", metavar="TIME", help="Read nothing from then on (UTC).", show_default=False)
    ] = "",
    json: JsonOption = False,
) -> None:
    """Score data that begin after a model's training ended, trade the scores, and say whether there is an edge."""
    check_installed()
    from titanflow.models.loading import Loader
    from titanflow.models.registry import Registry
    from titanflow.training.data import DataSpec, load_bars
    from titanflow.training.revalidation import validate_model

    place = arrive()
    registry = Registry(place.settings.home)
    loaded = Loader(registry.read).load(registry.find(model))
    spec = DataSpec(
        tuple(data),
        bar_seconds=loaded.manifest.bar_seconds,
        first_at=_nanos("--first", first),
        last_at=_nanos("--last", last),
    )
    with TrainingView() as view:
        bars = load_bars(spec, lambda session: place.ledger(session), view.progress)
        found = validate_model(bars, loaded, progress=view.progress)
    if json:
        print_json(_result(loaded, bars, found))
    else:
        _show(loaded, bars, found)


def _nanos(option: str, text: str) -> Nanos | None:
    from titanflow.errors import InputError

    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"{option} {text!r}: expected a time such as 2019-02-13 or 2019-02-13T14:30") from error
    utc = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(utc.timestamp()) * NANOS_PER_SECOND


def _result(model: "LearnedModel", data: "BarData", found: "Validation") -> dict[str, Any]:
    [fold] = found.folds
    curves = {"model": fold.traded, **fold.baselines}
    return {
        "digest": model.digest,
        "name": model.manifest.name,
        "source": data.window.source,
        "first_at_ns": data.window.first_at,
        "last_at_ns": data.window.last_at,
        "rows": len(fold.test),
        "has_edge": found.has_edge,
        "verdict": found.verdict,
        "metrics": found.metrics,
        "traded": {name: _curve(curve) for name, curve in curves.items()},
    }


def _curve(curve: "TradedCurve") -> dict[str, Any]:
    return {
        "total_return": curve.total_return,
        "sharpe": curve.sharpe,
        "max_drawdown": curve.max_drawdown,
        "trades": curve.trades,
    }


def _show(model: "LearnedModel", data: "BarData", found: "Validation") -> None:
    [fold] = found.folds
    window = data.window
    say(
        Text(f"{model.manifest.name} {model.digest[:SHORT]}", style="bold"),
        f"on {window.source}, {to_second(window.first_at)} to {to_second(window.last_at)} UTC: {len(fold.test):,} rows",
    )
    say(f"accuracy {fold.accuracy:.1%} · AUC {number(fold.auc)} · Brier score {fold.brier:.4f}")
    columns = (
        Column("after costs"),
        Column("return", right=True),
        Column("Sharpe, annualised" if fold.traded.sharpe is not None else "Sharpe", right=True),
        Column("largest fall", right=True),
        Column("round trips", right=True),
    )
    curves = {"the model": fold.traded, **fold.baselines}
    rows = [
        (
            name.replace("_", " "),
            f"{curve.total_return:+.2%}",
            number(curve.sharpe),
            f"{curve.max_drawdown:.2%}",
            f"{curve.trades:,}",
        )
        for name, curve in curves.items()
    ]
    console.print(table("", columns, rows))
    say(Text(found.verdict, style="green" if found.has_edge else ""))
