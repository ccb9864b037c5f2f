"""Gradient boosted trees: LightGBM with early stopping and class weights, the same trees for the same seed."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import lightgbm
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from titanflow.settings.model import Section
from titanflow.training.samples import Rows, Samples
from titanflow.training.trainer import Progress
from titanflow.training.trainers import Resources

ARTEFACT = "model.txt"

Part = Annotated[float, Field(gt=0, le=1)]


class LightGBMSettings(Section):
    """Hyperparameters. The defaults keep trees few and small, so that explaining one row takes no half millisecond."""

    leaves: Annotated[int, Field(ge=2, le=255)] = Field(15, description="leaves of a tree")
    trees: Annotated[int, Field(ge=1, le=2000)] = Field(100, description="most trees")
    learning_rate: Annotated[float, Field(gt=0, le=1)] = Field(0.03, description="shrinkage of a tree")
    min_rows_per_leaf: Annotated[int, Field(ge=1, le=100_000)] = Field(100, description="rows that a leaf needs")
    feature_part: Part = Field(0.7, description="part of the features that a tree may use")
    row_part: Part = Field(0.7, description="part of the rows that a tree is grown on")
    l2: Annotated[float, Field(ge=0, le=10_000)] = Field(5.0, description="L2 penalty of a leaf's value")
    early_stop_rounds: Annotated[int, Field(ge=1, le=1000)] = Field(25, description="trees without progress")
    class_weights: bool = Field(True, description="both classes weigh the same")


class FittedLightGBM:
    """Trees up to the best iteration."""

    def __init__(self, booster: lightgbm.Booster, features: tuple[str, ...]) -> None:
        self._booster = booster
        self._features = features

    def scores(self, samples: Samples, rows: Rows) -> NDArray[np.float64]:
        """Margins: the logarithm of the odds under equal class weights."""
        return np.asarray(self._booster.predict(samples.features[rows], raw_score=True, num_threads=1), np.float64)

    def artefact(self) -> tuple[str, bytes]:
        """LightGBM's own text, which holds every number exactly."""
        return ARTEFACT, self._booster.model_to_string(num_iteration=-1).encode()

    def importance(self) -> Mapping[str, float]:
        """Share of the total gain of the splits on each feature; empty where no tree found a split."""
        gains = self._booster.feature_importance(importance_type="gain")
        total = float(gains.sum())
        return {name: float(gain) / total for name, gain in zip(self._features, gains, strict=True)} if total else {}


class LightGBMTrainer:
    """Binary objective; stops when the log loss of the early-stop rows has not fallen for some trees."""

    kind: ClassVar[str] = "lightgbm"
    Settings: ClassVar[type[LightGBMSettings]] = LightGBMSettings
    libraries: ClassVar[tuple[str, ...]] = ("lightgbm",)
    window = 1

    def __init__(self, settings: LightGBMSettings | None = None, resources: Resources | None = None) -> None:
        """`settings` default to the small model that is shipped."""
        self._settings = settings or LightGBMSettings()
        self._resources = resources or Resources()

    def fit(self, samples: Samples, train: Rows, early_stop: Rows, seed: int, progress: Progress) -> FittedLightGBM:
        """Fit on `train`, stop by `early_stop`."""
        settings = self._settings
        taught = self._dataset(samples, train)
        watched = self._dataset(samples, early_stop, taught)

        def report(state: Any) -> None:
            progress("growing trees", (state.iteration + 1) / settings.trees)

        stopping = lightgbm.early_stopping(settings.early_stop_rounds, verbose=False)
        booster = lightgbm.train(
            self._parameters(seed), taught, settings.trees, [watched], callbacks=[report, stopping]
        )
        # What comes after the best iteration is forgotten: a model from its own text has nothing else.
        best = lightgbm.Booster(model_str=booster.model_to_string(num_iteration=booster.best_iteration))
        progress("growing trees", 1.0)
        return FittedLightGBM(best, samples.feature_names)

    def _dataset(self, samples: Samples, rows: Rows, like: lightgbm.Dataset | None = None) -> lightgbm.Dataset:
        labels = samples.label[rows]
        return lightgbm.Dataset(
            samples.features[rows], labels, weight=self._weights(labels), reference=like,
            feature_name=list(samples.feature_names), params={"verbosity": -1},
        )  # fmt: skip

    def _weights(self, labels: NDArray[np.int8]) -> NDArray[np.float64] | None:
        counts = np.bincount(labels, minlength=2)
        if not self._settings.class_weights or not counts.all():
            return None
        weights: NDArray[np.float64] = (len(labels) / (2 * counts))[labels]
        return weights

    def _parameters(self, seed: int) -> dict[str, Any]:
        settings = self._settings
        return {
            "objective": "binary", "metric": "binary_logloss", "verbosity": -1, "seed": seed, "deterministic": True,
            "force_row_wise": True, "num_threads": self._resources.threads, "num_leaves": settings.leaves,
            "learning_rate": settings.learning_rate, "min_data_in_leaf": settings.min_rows_per_leaf,
            "feature_fraction": settings.feature_part, "bagging_fraction": settings.row_part, "bagging_freq": 1,
            "lambda_l2": settings.l2,
        }  # fmt: skip
