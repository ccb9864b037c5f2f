"""From a raw score to a probability, and which references a model may come with."""

from math import exp, inf, isnan, log, nan

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.serving import SPY, as_rows, reference_of, served, some_windows
from support.tiny_models import tiny_model_files
from titanflow.domain.models import Calibration, digest_of
from titanflow.errors import ModelError
from titanflow.models.serving import serve
from titanflow.models.serving.calibrated import probability

PLAIN = Calibration(slope=1.0, intercept=0.0)


def test_platts_scaling_of_worked_examples():
    assert probability(PLAIN, 0.0) == 0.5
    assert probability(PLAIN, log(3)) == pytest.approx(0.75, abs=1e-15)
    assert probability(PLAIN, -log(3)) == pytest.approx(0.25, abs=1e-15)
    assert probability(Calibration(slope=2.0, intercept=-1.0), 0.5) == 0.5


def test_scores_beyond_all_measure_end_at_zero_and_one():
    assert probability(PLAIN, 1e308) == probability(PLAIN, inf) == 1.0
    assert probability(PLAIN, -1e308) == probability(PLAIN, -inf) == 0.0
    assert isnan(probability(PLAIN, nan))


@given(st.floats(-600, 600), st.floats(0.01, 5), st.floats(-3, 3))
def test_the_stable_form_equals_the_formula_where_that_does_not_overflow(score, slope, intercept):
    odds = slope * score + intercept
    if abs(odds) < 700:
        assert probability(Calibration(slope=slope, intercept=intercept), score) == pytest.approx(1 / (1 + exp(-odds)))


@given(st.lists(st.floats(-50, 50), min_size=2, max_size=2))
def test_a_higher_score_is_never_less_probable(scores):
    low, high = sorted(scores)
    assert probability(PLAIN, low) <= probability(PLAIN, high)


def test_a_model_is_known_by_the_digest_of_its_manifest_and_calibrates_its_score():
    model = served("lightgbm", calibration=(0.5, 0.25))
    inference = model.infer(SPY, as_rows(some_windows(model, 1)[0]))
    assert model.digest == digest_of(model.manifest)
    assert inference.probability == pytest.approx(1 / (1 + exp(-(0.5 * inference.score + 0.25))))
    assert model.logits(SPY, some_windows(model, 1)) == pytest.approx([0.5 * inference.score + 0.25])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": ()}, "the reference describes"),
        ({"precision": ((1.0,),)}, "not a square of 6"),
        ({"distance_limit": 0.0}, "distance limit is 0.0"),
        ({"background": ()}, "has no background"),
        ({"background": (((1.0, 2.0),),)}, "not of 8 bars of 6 features"),
    ],
)
def test_a_reference_that_does_not_fit_its_model_is_refused(changes, message):
    manifest, files = tiny_model_files("lstm")
    with pytest.raises(ModelError, match=message):
        serve(manifest, files, msgspec.structs.replace(reference_of(files), **changes))


def test_a_reference_of_the_market_alone_stands_for_a_flat_position():
    manifest, files = tiny_model_files("ppo")
    whole = reference_of(files)
    market = msgspec.structs.replace(
        whole,
        features=whole.features[:-1],
        precision=tuple(row[:-1] for row in whole.precision[:-1]),
        background=tuple(tuple(row[:-1] for row in window) for window in whole.background),
    )
    flat = msgspec.structs.replace(
        whole, background=tuple(tuple((*row[:-1], 0.0) for row in window) for window in whole.background)
    )
    window = whole.background[0]
    expected, found = (serve(manifest, files, each) for each in (flat, market))
    assert found.explain(SPY, window, 1) == expected.explain(SPY, window, 1)
    assert found.infer(SPY, window).score == expected.infer(SPY, window).score
    assert "position" in dict(found.explain(SPY, window, 1).contributions)
