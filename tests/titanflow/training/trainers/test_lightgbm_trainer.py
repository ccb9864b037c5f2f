"""LightGBM: it learns what is there to learn, the same each time, and leaves behind exactly what it scored with."""

from collections.abc import Mapping

import lightgbm
import numpy as np
from numpy.testing import assert_array_equal

from support.tiny_samples import tiny_samples
from titanflow.training.metrics import auc
from titanflow.training.samples import Samples
from titanflow.training.splits import part
from titanflow.training.trainers.lightgbm_trainer import FittedLightGBM, LightGBMSettings, LightGBMTrainer

SMALL = LightGBMSettings(leaves=7, trees=40, min_rows_per_leaf=20)


def fitted_on(samples: Samples, seed: int = 1, settings: LightGBMSettings = SMALL) -> FittedLightGBM:
    told: list[float] = []
    cut = part(samples, samples.usable(1), int(samples.closed_at.max()) * 3 // 4 + int(samples.closed_at.min()) // 4)
    fitted = LightGBMTrainer(settings).fit(
        samples, cut.train, cut.early_stop, seed, lambda _what, done: told.append(done)
    )
    assert told == sorted(told)
    assert told[-1] == 1.0
    return fitted


def test_it_foresees_what_a_feature_foretells_on_rows_that_it_never_saw() -> None:
    samples = tiny_samples(bars=1200, edge=3.0)
    fitted = fitted_on(samples)
    late = samples.usable(1)[-300:]
    assert (auc(fitted.scores(samples, late), samples.label[late]) or 0) > 0.65
    importance = fitted.importance()
    assert max(importance, key=importance.__getitem__) == samples.feature_names[0]
    assert sum(importance.values()) == np.float64(1.0) or abs(sum(importance.values()) - 1) < 1e-12


def test_the_artefact_gives_the_very_scores_of_the_fitted_model() -> None:
    samples = tiny_samples(edge=1.0)
    fitted = fitted_on(samples)
    name, content = fitted.artefact()
    rows = samples.usable(1)
    loaded = lightgbm.Booster(model_str=content.decode())
    assert name == "model.txt"
    assert_array_equal(loaded.predict(samples.features[rows], raw_score=True), fitted.scores(samples, rows))


def test_a_seed_gives_the_same_bytes_again_and_another_seed_gives_others() -> None:
    samples = tiny_samples(edge=1.0)
    assert fitted_on(samples, seed=5).artefact() == fitted_on(samples, seed=5).artefact()
    assert fitted_on(samples, seed=5).artefact() != fitted_on(samples, seed=6).artefact()


def test_growing_stops_where_more_trees_do_not_help() -> None:
    noise = tiny_samples(bars=800, edge=0.0)
    settings = SMALL.model_copy(update={"trees": 200, "early_stop_rounds": 5})
    booster = lightgbm.Booster(model_str=fitted_on(noise, settings=settings).artefact()[1].decode())
    assert 1 <= booster.num_trees() < 100


def test_with_class_weights_a_rare_class_is_not_given_up() -> None:
    samples = tiny_samples(bars=800, edge=0.5)
    rng = np.random.default_rng(1)
    rare = np.where((samples.label == 1) & (rng.random(len(samples.label)) < 0.85), 0, samples.label).astype(np.int8)
    lopsided = Samples(**{**vars(samples), "label": rare})
    rows = lopsided.usable(1)
    means: Mapping[bool, float] = {
        weighted: float(
            np.mean(
                fitted_on(lopsided, settings=SMALL.model_copy(update={"class_weights": weighted})).scores(
                    lopsided, rows
                )
            )
        )
        for weighted in (True, False)
    }
    assert abs(means[True]) < 0.5 < -means[False]
