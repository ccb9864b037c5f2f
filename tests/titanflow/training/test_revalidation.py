"""A registered model judged again: by its own numbers, on data behind its training, as a session would trade it."""

import dataclasses

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from support.scripted_model import ScriptedModel, surely
from support.signal_worlds import START
from support.tiny_models import TRAINED_UNTIL, tiny_model_files
from titanflow.domain.events import BarClosed
from titanflow.domain.models import REFERENCE_FILE, ModelReference
from titanflow.domain.types import NANOS_PER_SECOND, SCALE, Side
from titanflow.errors import InputError
from titanflow.gateway.samples import CRYPTO, sample_tape
from titanflow.models.serving import serve
from titanflow.signal.drift import FeatureDrift
from titanflow.signal.features import MarketFeatures
from titanflow.signal.model import LearnedModel
from titanflow.signal.strategies import LearnedModelStrategy, Opinion
from titanflow.training.calibration import probabilities
from titanflow.training.data import BarData, DataSpec, load_bars
from titanflow.training.revalidation import validate_model
from titanflow.training.trading import Stance, long_while

BAR_SECONDS = 5
MINUTE = 60 * NANOS_PER_SECOND


def model_of(kind: str = "lightgbm", **changes: object) -> LearnedModel:
    manifest, files = tiny_model_files(kind, bar_seconds=BAR_SECONDS, **changes)  # type: ignore[arg-type]
    return serve(manifest, files, msgspec.json.decode(files[REFERENCE_FILE], type=ModelReference), ())


@pytest.fixture(scope="module")
def later() -> BarData:
    """August 2024: the tiny models were trained until November 2023."""
    return load_bars(DataSpec((str(sample_tape(CRYPTO)),), bar_seconds=BAR_SECONDS))


@pytest.mark.parametrize("kind", ["lightgbm", "ppo"])
def test_rows_are_scored_and_calibrated_as_the_served_model_does(later: BarData, kind: str) -> None:
    model = model_of(kind)
    told: list[tuple[str, float]] = []
    found = validate_model(later, model, permutations=19, progress=lambda what, part: told.append((what, part)))
    (fold,) = found.folds
    assert len(fold.test) > 100
    assert_allclose(fold.probabilities, probabilities(model.manifest.calibration, fold.scores))
    assert found.verdict.startswith(("edge: AUC", "no edge: AUC"))
    assert max(part for _, part in told) <= 1.0
    assert {what for what, _ in told} == {"features and labels", "scoring"}  # whatever the number of instruments


def test_data_from_before_the_end_of_the_training_are_refused_with_both_times(later: BarData) -> None:
    earlier = load_bars(DataSpec((str(sample_tape()),), instruments=("SPY.XNYS",)))
    with pytest.raises(InputError, match=r"up to 2023-11-21T20:53:20Z.*begin at 2019-02-11T14:31:"):
        validate_model(earlier, model_of())
    seen = model_of(trained_until=later.window.first_at)
    with pytest.raises(InputError, match="give data that begin later"):
        validate_model(later, seen)


def test_a_session_that_it_was_trained_on_is_refused_with_both_seqs(later: BarData) -> None:
    seen = model_of(session=("x", 1, 5000), trained_until=TRAINED_UNTIL)
    window = msgspec.structs.replace(later.window, session="x", first_seq=1, last_seq=9000)
    with pytest.raises(InputError, match=r"session x up to seq 5000; .* begin at seq 1: give session:x@5001-"):
        validate_model(dataclasses.replace(later, window=window), seen)


def test_bars_of_another_length_are_refused() -> None:
    minutes = load_bars(DataSpec((str(sample_tape(CRYPTO)),)))
    with pytest.raises(InputError, match="the model reads bars of 5 s; the data are of 60 s"):
        validate_model(minutes, model_of())


@pytest.fixture(scope="module")
def script() -> list[float]:
    """The probabilities that the scripted model will give, the next one first."""
    return []


@pytest.fixture(scope="module")
def scripted(script: list[float]) -> ScriptedModel:
    return ScriptedModel(lambda row: surely(script.pop(0)), trained_until=START - MINUTE)


def stances(model: ScriptedModel, bars: int, hold: int) -> list[bool]:
    """Whether the live strategy is long after each bar, by the signals that it gives."""
    market = MarketFeatures()
    values = {spec.name: spec.default for spec in LearnedModelStrategy.parameters}
    values |= {"buy_above": 0.6, "sell_below": 0.4, "hold_bars": hold}
    strategy = LearnedModelStrategy(values, market, model, "learned", 7, FeatureDrift("learned", model))
    long, found = False, []
    for number in range(bars + 1):  # the first bar has no return, so that the model is not asked
        opened_at, price = START + number * MINUTE, (100 + number) * SCALE
        bar = BarClosed(number + 2, opened_at + MINUTE, "A.X", 60, opened_at, price, price, price, price, SCALE, 1)
        market.update(bar)
        said = strategy.on_bar(bar)
        if isinstance(said, Opinion):
            long = said.side is Side.BUY
        found.append(long)
    return found[1:]


@given(chances=st.lists(st.sampled_from([0.2, 0.4, 0.5, 0.6, 0.9]), min_size=1, max_size=30), hold=st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_the_stance_that_is_validated_is_the_live_strategys(
    scripted: ScriptedModel, script: list[float], chances: list[float], hold: int
) -> None:
    script[:] = chances
    a_day = np.zeros(len(chances) + 1, dtype=np.int64)
    simulated = long_while(np.array([*chances, 0.5]), a_day, Stance(0.6, 0.4, hold))
    assert_array_equal(simulated[:-1], stances(scripted, len(chances), hold))
