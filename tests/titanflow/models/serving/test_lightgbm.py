"""LightGBM through its shared library: the Python package's numbers, and those that `shap` reckons by itself."""

from math import isnan, nan

import lightgbm
import numpy as np
import pytest

from support.serving import SPY, as_rows, reference_of, served, some_windows
from support.shap_library import shap
from support.tiny_models import tiny_model_files
from titanflow.domain.types import InstrumentId
from titanflow.errors import ModelError
from titanflow.models.serving import lightgbm_native, serve
from titanflow.models.serving.lightgbm_native import NativeBooster

MANIFEST, FILES = tiny_model_files("lightgbm")
TEXT = FILES[MANIFEST.artefact]
NAMES = tuple(feature.name for feature in MANIFEST.features)


@pytest.fixture(scope="module")
def package() -> lightgbm.Booster:
    return lightgbm.Booster(model_str=TEXT.decode())


@pytest.fixture(scope="module")
def model():
    return served("lightgbm")


@pytest.fixture(scope="module")
def rows(model) -> np.ndarray:
    return some_windows(model, 200)[:, 0, :]


def test_one_row_scores_as_the_python_package_scores_it(model, package, rows):
    expected = package.predict(rows, raw_score=True)
    assert [model.infer(SPY, (tuple(row),)).score for row in rows.tolist()] == expected.tolist()


def test_many_rows_score_as_one_by_one(model, rows):
    one_by_one = [model.infer(SPY, (tuple(row),)).score for row in rows.tolist()]
    assert model.scores(SPY, rows[:, None, :]).tolist() == one_by_one


def test_only_the_newest_row_of_longer_windows_is_read(model, rows):
    windows = np.stack([rows[:100], rows[100:]], axis=1)
    assert model.scores(SPY, windows).tolist() == model.scores(SPY, rows[100:, None, :]).tolist()


def test_contributions_are_those_of_the_python_package(model, package, rows):
    expected = package.predict(rows, pred_contrib=True)
    for row, contributions in zip(rows.tolist(), expected.tolist(), strict=True):
        explanation = model.explain(SPY, (tuple(row),), 0)
        assert [name for name, _ in explanation.contributions] == list(NAMES)
        assert [value for _, value in explanation.contributions] == contributions[:-1]
        assert explanation.base_value == contributions[-1]


def test_contributions_and_base_value_equal_the_score_to_a_billionth_and_to_the_stated_error(model, rows):
    for row in rows.tolist():
        explanation = model.explain(SPY, (tuple(row),), 0)
        total = explanation.base_value + sum(value for _, value in explanation.contributions)
        assert explanation.method == "tree_shap"
        assert explanation.score == model.infer(SPY, (tuple(row),)).score
        assert abs(total - explanation.score) <= explanation.error <= 1e-9


def test_shap_reckons_the_same_contributions_from_the_trees_alone(model, package, rows):
    explainer = shap.TreeExplainer(package, feature_perturbation="tree_path_dependent")
    # Left alone, shap would ask LightGBM for the contributions: this makes it walk the trees itself.
    explainer.model.model_type = "internal"
    expected = np.asarray(explainer.shap_values(rows))
    found = [[value for _, value in model.explain(SPY, (tuple(row),), 0).contributions] for row in rows.tolist()]
    assert np.abs(np.array(found) - expected).max() < 1e-9
    assert np.abs(expected).max() > 0.1


def test_a_missing_value_goes_where_the_trees_send_it(model, package, rows):
    row = [nan, *rows[0, 1:].tolist()]
    inference = model.infer(SPY, (tuple(row),))
    assert inference.score == package.predict(np.array([row]), raw_score=True)[0]
    assert isnan(inference.dissimilarity)


def test_two_models_do_not_share_their_buffers(rows):
    first, second = served("lightgbm"), served("lightgbm", seed=8)
    window = (tuple(rows[0].tolist()),)
    alone = first.infer(SPY, window), second.infer(SPY, window)
    assert alone[0] != alone[1]
    assert (first.infer(SPY, window), second.infer(SPY, window)) == alone


def test_a_model_of_another_number_of_inputs_is_refused():
    other, _ = tiny_model_files("lightgbm", features=NAMES[:-1])
    _, files = tiny_model_files("lightgbm", features=NAMES[:-1])
    with pytest.raises(ModelError, match=r"model\.txt.* reads 6 features, the manifest has 5"):
        serve(other, {**files, "model.txt": TEXT}, reference_of(files))


def test_a_model_that_reads_its_features_in_another_order_is_refused():
    named = lightgbm.train(
        {"objective": "binary", "verbose": -1, "num_threads": 1, "min_data_in_leaf": 5},
        lightgbm.Dataset(np.arange(60.0).reshape(30, 2), np.arange(30) % 2, feature_name=["rsi", "atr"]),
        2,
    )
    text = named.model_to_string().encode()
    NativeBooster(text, ("rsi", "atr")).close()
    with pytest.raises(ModelError, match="reads rsi where the manifest has atr"):
        NativeBooster(text, ("atr", "rsi"))


def test_trees_that_found_nothing_to_split_give_the_base_rate():
    constant = lightgbm.train(
        {"objective": "binary", "verbose": -1, "num_threads": 1},
        lightgbm.Dataset(np.zeros((100, 2)), np.arange(100) % 4 == 0),
        3,
    )
    booster = NativeBooster(constant.model_to_string().encode(), ("rsi", "atr"))
    assert booster.score(InstrumentId(SPY), ((1.0, 2.0),)) == pytest.approx(np.log(0.25 / 0.75))
    assert booster.contributions((1.0, 2.0))[:2] == [0.0, 0.0]
    booster.close()


def test_a_window_that_trees_cannot_read_is_refused():
    manifest, files = tiny_model_files("lightgbm", window=3)
    with pytest.raises(ModelError, match="window of 3"):
        serve(manifest, files, reference_of(files))


def test_a_closed_model_is_freed_once(rows):
    booster = NativeBooster(TEXT, NAMES)
    window = as_rows(rows[:1])
    assert booster.score(InstrumentId(SPY), window) == booster.score(InstrumentId(SPY), window)
    booster.close()
    booster.close()


def test_a_library_that_the_system_cannot_load_is_a_fault_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def unloadable(path: str) -> None:
        raise OSError("libgomp.so.1: cannot open shared object file: No such file or directory")

    lightgbm_native._library.cache_clear()
    monkeypatch.setattr(lightgbm_native.ctypes, "CDLL", unloadable)
    with pytest.raises(ModelError, match=r"libgomp\.so\.1 \(Debian: apt-get install libgomp1\)"):
        NativeBooster(TEXT, NAMES)
