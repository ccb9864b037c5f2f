"""A registered model on data that it never saw: its own calibration and thresholds, behind the information barrier."""

import numpy as np
from numpy.typing import NDArray

from titanflow.domain.models import POSITION
from titanflow.errors import InputError
from titanflow.signal.model import LearnedModel
from titanflow.training.barrier import refuse_overlap
from titanflow.training.data import BarData, no_progress
from titanflow.training.dataset import build_samples
from titanflow.training.lessons import FEATURES
from titanflow.training.results import Validation
from titanflow.training.samples import Rows, Samples
from titanflow.training.splits import MIN_ROWS
from titanflow.training.trading import market_of
from titanflow.training.trainer import Progress
from titanflow.training.validation import Judging, ScoredFold, fold_result, judged

PROGRESS_ROWS = 1000


def validate_model(
    data: BarData,
    model: LearnedModel,
    *,
    slippage: float | None = None,
    permutations: int = 200,
    seed: int = 0,
    progress: Progress = no_progress,
) -> Validation:
    """One test block of all rows of `data`, scored as a session would score them.

    Raises InputError where the data lie before the end of what the model was taught on, have bars of another length,
    or know too few rows.
    """
    manifest = model.manifest
    refuse_overlap(manifest.training, data.window)
    if data.bar_seconds != manifest.bar_seconds:
        raise InputError(f"the model reads bars of {manifest.bar_seconds} s; the data are of {data.bar_seconds} s")
    features = [feature.name for feature in manifest.features if feature.name != POSITION]
    samples = build_samples(data, features, manifest.label, progress=lambda _what, done: progress(FEATURES, done))
    rows = samples.usable(manifest.window)
    if len(rows) < MIN_ROWS:
        raise InputError(f"data {data.window.source}: {len(rows)} rows can be scored; at least {MIN_ROWS} are needed")
    instruments = {instrument.id: instrument for instrument in data.instruments}
    market = market_of(samples, instruments, data.bars_per_year, slippage=slippage)
    judging = Judging(market, manifest.label.horizon_bars, permutations=permutations, seed=seed)
    none, scores = np.zeros(0, dtype=np.int64), score_rows(model, samples, rows, progress)
    fold = ScoredFold(1, manifest.training.rows, 0, none, np.zeros(0), rows, scores, {})
    return judged(samples, [fold_result(samples, fold, manifest.calibration, manifest.thresholds, judging)], judging)


def score_rows(model: LearnedModel, samples: Samples, rows: Rows, progress: Progress) -> NDArray[np.float64]:
    """Raw scores by the served artefact itself, window after window; an agent is asked as if it were flat."""
    scores = np.empty(len(rows))
    flat = (0.0,) * (len(model.manifest.features) - samples.features.shape[1])
    offsets = np.arange(1 - model.manifest.window, 1)
    for place, row in enumerate(rows.tolist()):
        window = [(*values, *flat) for values in samples.features[row + offsets].tolist()]
        scores[place] = model.infer(samples.instruments[samples.instrument[row]], window).score
        if place % PROGRESS_ROWS == 0:
            progress("scoring", place / len(rows))
    return scores
