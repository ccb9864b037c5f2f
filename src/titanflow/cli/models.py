"""`titanflow models list|show|promote|rollback|verify|validate`: the registry of trained models."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from titanflow.cli.context import JsonOption, arrive
from titanflow.cli.output import Column, console, number, print_json, say, table, to_second

if TYPE_CHECKING:
    from titanflow.domain.models import ModelManifest
    from titanflow.models.registry import RegisteredModel, Registry
    from titanflow.models.stages import StageChange

app = typer.Typer(help="Trained models: what there is, what proves it, and which one decides.", no_args_is_help=True)

ModelArgument = Annotated[
    str,
    typer.Argument(metavar="MODEL", help="A name (its champion), name@candidate, or 8 or more digits of a digest."),
]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the models, such as lightgbm.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept in the history.", show_default=False)]

SHORT = 12
"""Digits of a digest that a person is shown."""
_LABEL_WIDTH = 13
_STYLES = {"champion": "green", "retired": "dim"}


@app.command("list")
def list_models(json: JsonOption = False) -> None:
    """List every model with its stage and the evidence for it."""
    registry = _registry()
    models = registry.models()
    if json:
        print_json([_fields(model) for model in models])
        return
    if not models:
        say(f"{registry.path} holds no model; `titanflow train lightgbm --data FILE` makes one")
        return
    columns = (
        Column("name"),
        Column("digest"),
        Column("stage"),
        Column("kind", 5),
        Column("trained through (UTC)", 3),
        Column("rows", 4, right=True),
        Column("AUC", right=True),
        Column("edge"),
        Column("kB", 6, right=True),
        Column("from", 7),
    )
    console.print(table(f"Models: {len(models)}", columns, map(_row, models)))
    if any(model.damaged for model in models):
        say("damaged models cannot be used; `titanflow models verify` says what is wrong with them")
    else:
        say("only sizes were looked at; `titanflow models verify` checks every byte")


@app.command()
def show(model: ModelArgument, json: JsonOption = False) -> None:
    """Show what is known of a model: data, features, metrics, files, and what was done to it."""
    from titanflow.errors import ModelError

    registry = _registry()
    found = registry.model(registry.find(model))
    if found.manifest is None:
        raise ModelError(f"model {found.digest}: {_manifest_trouble(registry, found.digest)}")
    history = registry.history(found.name)
    folder = registry.folder(found.digest)
    if json:
        print_json({**_fields(found), "folder": str(folder), "history": [_change_fields(each) for each in history]})
        return
    say(Text(f"{found.name} {found.digest}", style="bold"))
    told = (("history", _told(change)) for change in history)
    damage = "; damaged: `titanflow models verify` says what is wrong with it" if found.damaged else ""
    for label, text in (("stage", found.stage + damage), ("folder", str(folder)), *_evidence(found.manifest), *told):
        say(Text(f"{label:<{_LABEL_WIDTH}}", style="dim").append(text, style="not dim"))


@app.command()
def promote(model: ModelArgument, reason: Reason = "", json: JsonOption = False) -> None:
    """Make a model the champion of its name, for sessions to come; the champion until now is retired."""
    _tell_change(_registry().promote(model, reason=reason), json)


@app.command()
def rollback(name: NameArgument, reason: Reason = "", json: JsonOption = False) -> None:
    """Retire the champion of a name and put its parent in its place, for sessions to come."""
    _tell_change(_registry().rollback(name, reason=reason), json)


@app.command()
def verify(
    model: Annotated[
        str | None, typer.Argument(metavar="MODEL", help="One model; none means all.", show_default=False)
    ] = None,
    json: JsonOption = False,
) -> None:
    """Check every file, feature and library version, and load each model; exit code 1 where something is wrong."""
    from titanflow.models.loading import all_faults

    registry = _registry()
    chosen = [registry.model(registry.find(model))] if model else registry.models()
    checked = [(found, all_faults(registry, found.digest)) for found in chosen]
    if json:
        print_json([{"digest": found.digest, "name": found.name, "faults": wrong} for found, wrong in checked])
    else:
        for found, wrong in checked:
            _tell_verdict(found, wrong)
        say(f"{sum(not wrong for _, wrong in checked)} of {len(checked)} models are intact")
    if any(wrong for _, wrong in checked):
        raise typer.Exit(1)


def _registry() -> "Registry":
    from titanflow.models.registry import Registry

    return Registry(arrive().settings.home)


def _fields(model: "RegisteredModel") -> dict[str, Any]:
    import msgspec

    return {
        "digest": model.digest,
        "name": model.name,
        "stage": model.stage,
        "shipped": model.shipped,
        "size_bytes": model.size,
        "damaged": model.damaged,
        "manifest": msgspec.to_builtins(model.manifest),
    }


def _row(model: "RegisteredModel") -> Sequence[str | Text]:
    origin = "shipped" if model.shipped else "own"
    size = f"{model.size / 1000:,.0f}"
    manifest = model.manifest
    if manifest is None:
        return (model.name, model.digest[:SHORT], _stage(model), "–", "–", "–", "–", "–", size, origin)
    return (
        manifest.name,
        model.digest[:SHORT],
        _stage(model),
        manifest.kind,
        to_second(manifest.training.last_at),
        f"{manifest.training.rows:,}",
        number(manifest.metrics.get("auc")),
        Text("yes", style="green") if manifest.has_edge else Text("no"),
        size,
        origin,
    )


def _stage(model: "RegisteredModel") -> Text:
    return Text("damaged", style="red") if model.damaged else Text(model.stage, style=_STYLES.get(model.stage, ""))


def _evidence(manifest: "ModelManifest") -> Sequence[tuple[str, str]]:
    training, label, speaks = manifest.training, manifest.label, manifest.thresholds
    barriers = f", profit {label.profit:g} and stop {label.stop:g} average true ranges" if label.profit else ""
    seqs = f", seq {training.first_seq:,} to {training.last_seq:,}" if training.session else ""
    libraries = sorted(manifest.versions.items())
    return (
        ("kind", f"{manifest.kind}, {manifest.artefact}, seed {manifest.seed}"),
        ("decides on", f"{manifest.window} bars of {manifest.bar_seconds} s"),
        ("features", ", ".join(code.name for code in manifest.features)),
        ("foresees", f"{label.method}, settled within {label.horizon_bars} bars{barriers}; {label.positives:.1%} rose"),
        ("trained on", f"{training.source}{seqs}: {training.rows:,} rows"),
        ("", f"{to_second(training.first_at)} to {to_second(training.last_at)} UTC, {len(training.instruments)} "
             f"instruments, sha256 {training.sha256}"),
        ("metrics", " · ".join(f"{name} {value:.4g}" for name, value in sorted(manifest.metrics.items())) or "–"),
        ("edge", "validation found one" if manifest.has_edge else "validation found none"),
        ("speaks", f"buys from {speaks.buy_above:.2%} on, sells up to {speaks.sell_below:.2%}"),
        ("made", f"{to_second(manifest.trained_at)} UTC by TitanFlow {manifest.code_version}"),
        ("libraries", ", ".join(f"{library} {version}" for library, version in libraries)),
        ("parent", manifest.parent or "none: the first of its name"),
        *(("member", member) for member in manifest.members),
        *(("file", f"{file.name}  {file.size:,} bytes  {file.sha256}") for file in manifest.files),
    )  # fmt: skip


def _manifest_trouble(registry: "Registry", digest: str) -> str:
    from titanflow.models.checks import faults

    return "; ".join(faults(digest, registry.read(digest), known=registry.digests()))


def _tell_verdict(model: "RegisteredModel", wrong: Sequence[str]) -> None:
    line = Text(f"{model.name} {model.digest[:SHORT]} ({model.stage}): ")
    say(line + (Text("damaged or unfit", style="red") if wrong else Text("intact", style="green")))
    for fault in wrong:
        say(f"  {fault}")


def _tell_change(change: "StageChange", json: bool) -> None:
    if json:
        print_json(_change_fields(change))
        return
    say(f"{change.digest} is the champion of {change.name}")
    if change.replaced:
        say(f"{change.replaced} is retired")


def _change_fields(change: "StageChange") -> dict[str, Any]:
    import msgspec

    fields: dict[str, Any] = msgspec.to_builtins(change)
    return fields


def _told(change: "StageChange") -> str:
    what = {"register": "registered", "promote": "promoted", "roll_back": "brought back"}[change.action]
    instead = f" in place of {change.replaced[:SHORT]}" if change.replaced else ""
    why = f": {change.reason}" if change.reason else ""
    return f"{to_second(change.at)} UTC {change.who} {what} {change.digest[:SHORT]}{instead}{why}"
