"""How exact a sampled explanation is, as a person is told it."""

from support.serving import SPY, as_rows, served, some_windows
from titanflow.cli.model_story import learned_details
from titanflow.domain.events import SignalGenerated
from titanflow.domain.models import RecordedModel
from titanflow.domain.types import OrderType, Side
from titanflow.models.serving.calibrated import ServedModel


def told(model: ServedModel) -> dict[str, str]:
    explanation = model.explain(SPY, as_rows(some_windows(model, 1)[0]), 1)
    signal = SignalGenerated(
        1, 0, "c", SPY, Side.BUY, 0.6, 10**9, 0, OrderType.MARKET, 0, (("rsi", 50.0),), explanation, model.digest
    )
    recorded = RecordedModel(model.digest, "champion", model.manifest)
    return dict(learned_details(signal, {model.digest: recorded}))


def test_a_sampled_explanation_is_told_with_its_samples_and_standard_errors():
    details = told(served("tft"))
    assert details["sampled"].startswith("by at least 16 permutations; standard errors momentum ±")
    assert "newest bar" in details["attention"]
    assert "return_1" in details["selection"]


def test_a_network_that_shows_nothing_else_has_no_weights_to_tell():
    details = told(served("lstm"))
    assert "sampled" in details
    assert details.keys().isdisjoint({"selection", "attention"})


def test_an_exact_explanation_is_told_without_samples():
    assert "sampled" not in told(served("lightgbm"))
