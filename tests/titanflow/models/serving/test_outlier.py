"""The Mahalanobis distance in parts of its limit: worked on paper, and as scipy has it."""

from math import isnan, nan, sqrt

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis

from support.serving import SPY, as_rows, served, some_windows
from titanflow.domain.models import FeatureReference, ModelReference
from titanflow.models.serving.outlier import OutlierGate


def reference(precision: tuple[tuple[float, ...], ...], limit: float) -> ModelReference:
    """Features a (mean 10, deviation 2) and b (mean 0, deviation 0.5)."""
    features = tuple(
        FeatureReference(name=name, mean=mean, deviation=deviation, edges=(), shares=(1.0,))
        for name, mean, deviation in (("a", 10.0, 2.0), ("b", 0.0, 0.5))
    )
    return ModelReference(features=features, precision=precision, distance_limit=limit, background=(), base_value=0.0)


def test_independent_features_give_the_length_of_the_standardised_row():
    gate = OutlierGate(reference(((1.0, 0.0), (0.0, 1.0)), 2.5), ("a", "b"))
    # (16 - 10) / 2 = 3 and 2 / 0.5 = 4: a distance of 5, twice the limit.
    assert gate.dissimilarity((16.0, 2.0)) == 2.0
    assert gate.dissimilarity((10.0, 0.0)) == 0.0


def test_a_row_against_the_features_correlation_lies_further_off_than_one_along_it():
    # Correlation 0.6: the inverse of ((1, 0.6), (0.6, 1)) is ((1.5625, -0.9375), (-0.9375, 1.5625)).
    gate = OutlierGate(reference(((1.5625, -0.9375), (-0.9375, 1.5625)), 1.0), ("a", "b"))
    assert gate.dissimilarity((12.0, 0.5)) == pytest.approx(sqrt(1.25))
    assert gate.dissimilarity((12.0, -0.5)) == pytest.approx(sqrt(5.0))


def test_features_are_found_by_name_and_those_unknown_to_the_reference_left_out():
    gate = OutlierGate(reference(((1.0, 0.0), (0.0, 1.0)), 2.5), ("b", "a", "position"))
    assert gate.dissimilarity((2.0, 16.0, 1.0)) == 2.0


def test_a_value_that_is_no_number_gives_no_number():
    gate = OutlierGate(reference(((1.0, 0.0), (0.0, 1.0)), 2.5), ("a", "b"))
    assert isnan(gate.dissimilarity((nan, 0.0)))


def test_scipy_measures_the_same():
    model = served("lightgbm")
    means, deviations = zip(*((each.mean, each.deviation) for each in model.reference.features), strict=True)
    for window in some_windows(model, 20):
        standard = (window[-1] - means) / deviations
        expected = mahalanobis(standard, np.zeros(len(standard)), np.array(model.reference.precision))
        found = model.infer(SPY, as_rows(window)).dissimilarity
        assert found == pytest.approx(expected / model.reference.distance_limit, rel=1e-12)
