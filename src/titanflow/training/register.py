"""Puts a trained model together: manifest, artefact, reference, out-of-fold scores, report; and explains a sample."""

import io
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version

import msgspec
import numpy as np
from msgspec import structs

from titanflow import __version__
from titanflow.domain.decider import random_bits
from titanflow.domain.models import (
    POSITION,
    REFERENCE_FILE,
    Calibration,
    FeatureCode,
    ModelManifest,
    ModelReference,
    Thresholds,
)
from titanflow.models.checks import SERVED_BY
from titanflow.models.registry import Registry
from titanflow.models.serving import serve
from titanflow.models.serving.calibrated import ServedModel
from titanflow.signal.fingerprint import feature_fingerprint
from titanflow.signal.model import LearnedModel
from titanflow.training.dataset import label_report
from titanflow.training.reference import reference_of
from titanflow.training.report import ReportContent, render
from titanflow.training.report_plots import Explained
from titanflow.training.results import VALIDATION_FILE, Validation
from titanflow.training.samples import Rows, Samples
from titanflow.training.trainer import Fitted, Progress
from titanflow.training.trainers import trainer_class
from titanflow.training.validation import out_of_fold

REPORT_FILE = "report.html"
DATA_LIBRARIES = ("numpy", "pandas", "ta")
"""What makes every model's features."""
EXPLAINED_ROWS = 200
EXPLAINED_EXACTLY = ("model.txt",)
"""Artefacts whose explanations need no sampling."""


@dataclass(frozen=True)
class Outcome:
    """What a training has found, from which its model is put together."""

    name: str
    kind: str
    seed: int
    samples: Samples
    """What the model was taught on; of a stack, its members' scores."""
    market: Samples
    """The features that the served model reads on the same bars; for all but a stack the samples themselves."""
    window: int
    """Bars of the market that one inference reads."""
    reads_position: bool
    fitted: Fitted
    validation: Validation
    calibration: Calibration
    thresholds: Thresholds
    settings: Mapping[str, object]
    tried: Sequence[tuple[str, float]]
    """(settings in words, mean log loss of the folds), best first."""
    explanation_samples: int
    parent: str
    members: Sequence[LearnedModel] = ()

    @property
    def features(self) -> tuple[str, ...]:
        """In the artefact's order."""
        return (*self.market.feature_names, *((POSITION,) if self.reads_position else ()))


def register(registry: Registry, outcome: Outcome, progress: Progress) -> tuple[str, ModelManifest]:
    """Add the model with all its evidence to the registry; its digest and manifest."""
    name, artefact = outcome.fitted.artefact()
    manifest = describe(outcome, name)
    rows = outcome.market.usable(outcome.window)
    reference = reference_of(outcome.market, rows, outcome.window, outcome.seed)
    model, reference = with_base_value(manifest, artefact, reference, outcome.members)
    explained = explain_sample(model, outcome.market, rows, outcome.seed, progress)
    files = {
        name: artefact,
        REFERENCE_FILE: msgspec.json.encode(reference),
        VALIDATION_FILE: out_of_fold_file(outcome.samples, outcome.validation),
        REPORT_FILE: render(content_of(outcome, manifest, explained)),
    }
    digest = registry.add(manifest, files, reason=f"trained on {manifest.training.source}")
    return digest, registry.manifest(digest)


def describe(outcome: Outcome, artefact: str) -> ModelManifest:
    """The manifest, but for the files beside it."""
    return ModelManifest(
        name=outcome.name,
        kind=outcome.kind,
        artefact=artefact,
        files=(),
        features=tuple(FeatureCode(name=name, fingerprint=_fingerprint(name)) for name in outcome.features),
        window=outcome.window,
        bar_seconds=outcome.samples.bar_seconds,
        label=outcome.samples.label_spec,
        training=outcome.samples.window,
        calibration=outcome.calibration,
        thresholds=outcome.thresholds,
        explanation_samples=0 if artefact in EXPLAINED_EXACTLY else outcome.explanation_samples,
        seed=outcome.seed,
        versions=versions_of(outcome.kind, SERVED_BY[artefact]),
        metrics=outcome.validation.metrics,
        has_edge=outcome.validation.has_edge,
        trained_at=time.time_ns(),
        code_version=__version__,
        parent=outcome.parent,
        members=tuple(member.digest for member in outcome.members),
    )


def versions_of(kind: str, *serving: str) -> dict[str, str]:
    """Installed versions of the libraries that make a kind, and of those that serve it."""
    return {library: version(library) for library in (*serving, *trainer_class(kind).libraries, *DATA_LIBRARIES)}


def content_of(outcome: Outcome, manifest: ModelManifest, explained: Explained) -> ReportContent:
    """What the report tells."""
    speaks, calibration = manifest.thresholds, manifest.calibration
    return ReportContent(
        name=outcome.name,
        kind=outcome.kind,
        validation=outcome.validation,
        training=manifest.training,
        label=manifest.label,
        mean_settled_bars=label_report(outcome.samples).mean_horizon_bars,
        bar_seconds=manifest.bar_seconds,
        features=outcome.features,
        settings=outcome.settings,
        provenance={
            "Speaks": f"buys at a probability of {speaks.buy_above:.4f}, sells at {speaks.sell_below:.4f}",
            "Calibration": f"slope {calibration.slope:.6g}, intercept {calibration.intercept:.6g}",
            "Seed": outcome.seed,
            "Made with": ", ".join(f"{library} {found}" for library, found in manifest.versions.items()),
            "TitanFlow": manifest.code_version,
            "Champion that it would replace": outcome.parent or "none",
            **({"Members": ", ".join(manifest.members)} if manifest.members else {}),
        },
        importance=outcome.fitted.importance(),
        tried=outcome.tried,
        explained=explained,
    )


def with_base_value(
    manifest: ModelManifest, artefact: bytes, reference: ModelReference, members: Sequence[LearnedModel]
) -> tuple[ServedModel, ModelReference]:
    """The model as it will be served, and its reference with the mean score of the background filled in."""
    files = {manifest.artefact: artefact}
    model = serve(manifest, files, reference, members)
    instrument = manifest.training.instruments[0]
    flat = (0.0,) * (len(manifest.features) - len(reference.features))
    scores = [model.infer(instrument, [(*row, *flat) for row in window]).score for window in reference.background]
    filled = structs.replace(reference, base_value=float(np.mean(scores)))
    return serve(manifest, files, filled, members), filled


def out_of_fold_file(samples: Samples, validation: Validation) -> bytes:
    """validation.npz: what a stacking model learns from, its scores in units of the final model's.

    Scores have seven digits, probabilities four decimals.
    """
    columns = {
        name: column.astype(np.float32) if column.dtype == np.float64 else column
        for name, column in out_of_fold(samples, validation).items()
    }
    columns["probability"] = columns["probability"].round(4)
    written = io.BytesIO()
    np.savez_compressed(written, **columns)  # type: ignore[arg-type]
    return written.getvalue()


def explain_sample(
    model: LearnedModel, samples: Samples, rows: Rows, seed: int, progress: Progress, limit: int = EXPLAINED_ROWS
) -> Explained:
    """Explanations of rows spread evenly over `rows`, by the very code that explains live signals."""
    chosen = rows[np.unique(np.linspace(0, len(rows) - 1, min(limit, len(rows))).astype(int))]
    window, position = model.manifest.window, model.manifest.features[-1].name == POSITION
    contributions, values, method = [], [], ""
    names: tuple[str, ...] = ()
    for number, row in enumerate(chosen):
        shown = samples.features[row - window + 1 : row + 1]
        bars = [(*map(float, bar), *((0.0,) if position else ())) for bar in shown]
        instrument = samples.instruments[samples.instrument[row]]
        why = model.explain(instrument, bars, random_bits(seed, "report", number))
        names, method = tuple(name for name, _ in why.contributions), why.method
        known = dict(zip((code.name for code in model.manifest.features), bars[-1], strict=True))
        contributions.append([part for _, part in why.contributions])
        values.append([known.get(name, np.nan) for name in names])
        progress("explaining", (number + 1) / len(chosen))
    return Explained(names, np.array(contributions), np.array(values), method)


def _fingerprint(name: str) -> str:
    # No code computes the position from bars: it is what the contender wants.
    return "" if name == POSITION else feature_fingerprint(name)
