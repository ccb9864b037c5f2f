"""What every kind of model owes, whoever wrote its trainer: asked of the kinds that ship, and of the guide's."""

from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from support.tiny_samples import tiny_samples
from titanflow.models.serving.lightgbm_native import NativeBooster
from titanflow.models.serving.onnx_session import OnnxSession
from titanflow.models.serving.scoring import Scorer
from titanflow.training.samples import Rows, Samples
from titanflow.training.trainer import Fitted
from titanflow.training.trainers import Resources, TrainerClass

FEATURES = ("rsi", "macd_histogram", "return_1")
SAMPLES = tiny_samples(bars=480, features=FEATURES, edge=1.0, bars_a_day=60)


def assert_keeps_the_contract(kind: str, trainer: TrainerClass, small: Mapping[str, Any]) -> None:
    """Everything at once, from two brief fits. `small`: settings that keep a fit to a second or so."""
    assert trainer.kind == kind
    assert_settings_are_plain(trainer)
    assert all(version(library) for library in trainer.libraries)
    settings = trainer.Settings.model_validate(small)
    bars = trainer(settings, Resources("cpu")).window
    rows = SAMPLES.usable(bars)
    days = SAMPLES.segment[rows] % 8
    train, early_stop, later = rows[days < 4], rows[days == 4], rows[days > 5]
    before = {name: array.copy() for name, array in arrays(SAMPLES).items()}
    told: list[float] = []

    def fit(samples: Samples) -> Fitted:
        made = trainer(settings, Resources("cpu"))
        return made.fit(samples, train, early_stop, 7, lambda _what, part: told.append(part))

    fitted = fit(SAMPLES)
    for name, array in arrays(SAMPLES).items():
        np.testing.assert_array_equal(array, before[name], err_msg=f"the fit wrote into {name}")
    assert all(0.0 <= part <= 1.0 for part in told)
    assert_scores_are_those_of_the_artefact(trainer, fitted, bars, later)
    assert_importance_is_shares(fitted)
    again = fit(another_future(SAMPLES, int(early_stop.max())))
    assert np.array_equal(again.scores(SAMPLES, later), fitted.scores(SAMPLES, later)), (
        "the same seed and rows gave another model: something is random, or rows were read that were not given"
    )


def assert_settings_are_plain(trainer: TrainerClass) -> None:
    """Defaults for everything, a meaning for everything, nothing unknown, nothing that changes."""
    settings = trainer.Settings()
    assert settings.model_config.get("frozen")
    assert all(field.description for field in trainer.Settings.model_fields.values())
    with pytest.raises(ValidationError):
        trainer.Settings.model_validate({"no_such_setting": 1})


def assert_scores_are_those_of_the_artefact(trainer: TrainerClass, fitted: Fitted, bars: int, rows: Rows) -> None:
    """What serving computes from the artefact alone is what was validated."""
    names = (*FEATURES, "position") if getattr(trainer, "reads_position", False) else FEATURES
    name, content = fitted.artefact()
    served: Scorer = (
        NativeBooster(content, names) if name == "model.txt" else OnnxSession(content, bars, names, SAMPLES.instruments)
    )
    scores = fitted.scores(SAMPLES, rows)
    assert scores.shape == (len(rows),)
    assert scores.dtype == np.float64
    assert np.isfinite(scores).all()
    for number, instrument in enumerate(SAMPLES.instruments):
        own = SAMPLES.instrument[rows] == number
        windows = SAMPLES.windows(rows[own], bars).astype(np.float64)
        flat = np.zeros((*windows.shape[:2], len(names) - len(FEATURES)))
        theirs = served.scores(instrument, np.concatenate((windows, flat), axis=2))
        np.testing.assert_allclose(scores[own], theirs, rtol=1e-4, atol=1e-5)


def assert_importance_is_shares(fitted: Fitted) -> None:
    """Nothing, or a share for each feature."""
    importance = fitted.importance()
    if importance:
        assert importance.keys() == set(FEATURES)
        assert min(importance.values()) >= 0.0
        assert sum(importance.values()) == pytest.approx(1.0)


def another_future(samples: Samples, last: int) -> Samples:
    """The same up to the last day of `last`; from the next day but one on, other features, prices and labels."""
    other = samples.segment % 8 > samples.segment[last] % 8 + 1

    def changed(array: NDArray[Any], values: NDArray[Any]) -> NDArray[Any]:
        return np.where(other.reshape(-1, *[1] * (array.ndim - 1)), values, array).astype(array.dtype)

    return replace(
        samples,
        features=changed(samples.features, -samples.features),
        open=changed(samples.open, samples.open * 1.5),
        high=changed(samples.high, samples.high * 1.5),
        low=changed(samples.low, samples.low * 1.5),
        close=changed(samples.close, samples.close * 1.5),
        label=changed(samples.label, np.where(samples.label >= 0, 1 - samples.label, samples.label)),
        forward_return=changed(samples.forward_return, -samples.forward_return),
    )


def arrays(samples: Samples) -> dict[str, NDArray[Any]]:
    """The samples' columns."""
    return {name: value for name, value in vars(samples).items() if isinstance(value, np.ndarray)}
