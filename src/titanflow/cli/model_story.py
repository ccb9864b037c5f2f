"""What trained models did, told to a person: signals with the evidence behind the model, silence, drift, change."""

from collections.abc import Iterable, Mapping
from typing import Any

from titanflow.cli.output import to_second
from titanflow.domain.events import FeatureDriftMeasured, Features, ModelReplaced, SignalGenerated, SignalWithheld
from titanflow.domain.models import ModelManifest, RecordedModel
from titanflow.domain.types import WithheldReason

RecordedModels = Mapping[str, RecordedModel]
"""Digest -> model, as the session's opening recorded them."""
ModelEvent = SignalWithheld | FeatureDriftMeasured | ModelReplaced

MOST_WEIGHTS = 8
"""Weights of each kind that a person is shown."""
ATTENTION, STANDARD_ERROR = "attention", "standard_error"
"""Kinds of weights: by bars ago, and how exact each sampled contribution is."""
_MEANINGS: Mapping[WithheldReason, str] = {
    WithheldReason.OUTLIER: "the market lies too far from anything that it was trained on",
    WithheldReason.STALE: "its training ended too long ago",
    WithheldReason.IN_SAMPLE: "it was trained on this very time, so that a result would prove nothing",
    WithheldReason.BEFORE_TRAINING: "it was trained on what came after this time, so that a result would prove nothing",
    WithheldReason.NOT_FINITE: "it returned no usable number",
}


def model_sentence(event: ModelEvent) -> str:
    """What happened."""
    match event:
        case SignalWithheld():
            why = _MEANINGS[event.reason]
            return f"{event.contender} withheld a signal to {event.side} {event.instrument}: {why}"
        case FeatureDriftMeasured():
            verdict = "the market has drifted from its training" if event.drifted else "no drift from its training"
            return f"{event.contender}: {verdict}, by {event.rows:,} bars since {to_second(event.since)} UTC"
        case ModelReplaced():
            return f"{event.contender} decides by its parent model from now on"


def model_details(event: ModelEvent, models: RecordedModels) -> Iterable[tuple[str, str]]:
    """What it rests on: (label, text) pairs."""
    match event:
        case SignalWithheld():
            yield "numbers", _numbers(event.context)
        case FeatureDriftMeasured():
            yield "psi", joined((name, f"{index:.3f}") for name, index in event.indices)
        case ModelReplaced():
            yield "instead of", _named(event.replaced_hash, models)
    yield "model", _named(event.model_hash, models)


def reasons(contributions: Features) -> str:
    """Contributions, largest first."""
    return joined((name, f"{impact:+.3f}") for name, impact in sorted(contributions, key=lambda pair: -abs(pair[1])))


def learned_details(signal: SignalGenerated, models: RecordedModels) -> Iterable[tuple[str, str]]:
    """What the signal of a trained model rests on."""
    why, recorded = signal.explanation, models[signal.model_hash]
    seen = dict(signal.features)
    yield "because", reasons(why.contributions)
    within = f", within {why.error:.2g}" if why.error else ""
    yield "score", f"base {why.base_value:+.3f} and the above make {why.score:+.3f}{within}; {why.method}"
    yield from _weights(why.weights, recorded.manifest.explanation_samples)
    if "probability" in seen:
        yield "foresees", _foresight(recorded.manifest, seen)
    yield "saw", joined((name, f"{value:.6g}") for name, value in signal.features)
    yield "model", _named(signal.model_hash, models)
    yield "evidence", _evidence(recorded.manifest)


def model_fields(recorded: RecordedModel) -> dict[str, Any]:
    """The evidence of a model for programs."""
    manifest = recorded.manifest
    return {
        "name": manifest.name,
        "kind": manifest.kind,
        "stage": recorded.stage,
        "trained_through_ns": manifest.training.last_at,
        "training_rows": manifest.training.rows,
        "metrics": manifest.metrics,
        "has_edge": manifest.has_edge,
        "thresholds": {"buy_above": manifest.thresholds.buy_above, "sell_below": manifest.thresholds.sell_below},
    }


def joined(pairs: Iterable[tuple[str, Any]]) -> str:
    """`rsi 51.9 · atr 0.05`."""
    return " · ".join(f"{name} {value}" for name, value in pairs)


def _weights(weights: Features, samples: int) -> Iterable[tuple[str, str]]:
    """What a model shows of itself, kind by kind, and how exact its sampled contributions are."""
    kinds: dict[str, list[tuple[str, float]]] = {}
    for name, weight in weights:
        kind, _, of = name.partition(".")
        kinds.setdefault(kind, []).append((of, weight))
    if doubts := kinds.pop(STANDARD_ERROR, []):
        errors = joined((of, f"±{value:.2g}") for of, value in doubts)
        yield "sampled", f"by at least {samples} permutations; standard errors {errors}"
    for kind, shown in kinds.items():
        largest = sorted(shown, key=lambda pair: -pair[1])[:MOST_WEIGHTS]
        yield kind, joined((_bars_ago(of) if kind == ATTENTION else of, f"{weight:.1%}") for of, weight in largest)


def _bars_ago(number: str) -> str:
    return "newest bar" if number == "0" else f"{number} back"


def _foresight(manifest: ModelManifest, seen: Mapping[str, float]) -> str:
    own = manifest.thresholds
    chance = f"a rise within {manifest.label.horizon_bars} bars with {seen['probability']:.2%}"
    speaks = f"the model's own thresholds: buy from {own.buy_above:.2%}, sell up to {own.sell_below:.2%}"
    unlike = f"; dissimilarity to its training {seen['dissimilarity']:.2f} (limit 1)" if "dissimilarity" in seen else ""
    return f"{chance} ({speaks}){unlike}"


def _evidence(manifest: ModelManifest) -> str:
    metrics = joined((name, f"{value:.4g}") for name, value in sorted(manifest.metrics.items()))
    training = manifest.training
    edge = "an edge" if manifest.has_edge else "no edge"
    rows = f"trained on {training.rows:,} rows through {to_second(training.last_at)} UTC"
    return f"validation found {edge}: {metrics or 'no metrics'}; {rows}"


def _named(digest: str, models: RecordedModels) -> str:
    recorded = models.get(digest)
    return f"{recorded.manifest.name} ({recorded.stage}) {digest}" if recorded else digest


def _numbers(context: Iterable[tuple[str, int | float | str]]) -> str:
    shown = ((name.replace("_", " "), value if isinstance(value, str) else f"{value:.4g}") for name, value in context)
    return joined(shown)
