"""When a trained model speaks, and what keeps it silent. Bars are a minute each; only the first has no `return_1`."""

import math
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.scripted_model import ScriptedModel, surely
from support.signal_worlds import START
from titanflow.domain.events import BarClosed
from titanflow.domain.types import NANOS_PER_DAY, NANOS_PER_SECOND, SCALE, Side, WithheldReason
from titanflow.signal.drift import FeatureDrift
from titanflow.signal.features import MarketFeatures
from titanflow.signal.model import Inference
from titanflow.signal.strategies import LearnedModelStrategy, Opinion, Withheld

MINUTE = 60 * NANOS_PER_SECOND
HOLD = surely(0.5)
BUY = surely(0.8)
SELL = surely(0.2)
NOWHERE = Inference(math.nan, math.nan, 0.5)


def bar(number: int, close: int = 100) -> BarClosed:
    opened_at = START + number * MINUTE
    price = close * SCALE
    return BarClosed(number + 2, opened_at + MINUTE, "A.X", 60, opened_at, price, price, price, price, SCALE, 1)


def model_of(answers: Iterable[Inference], **changes: object) -> ScriptedModel:
    """A model that gives these answers in turn, trained until a day before the first bar."""
    script = iter(answers)
    changes = {"trained_until": START - NANOS_PER_DAY, **changes}
    return ScriptedModel(lambda row: next(script), **changes)  # type: ignore[arg-type]


def strategy_of(
    model: ScriptedModel, market: MarketFeatures, seed: int = 7, **parameters: float | str
) -> LearnedModelStrategy:
    values = {spec.name: spec.default for spec in LearnedModelStrategy.parameters} | parameters
    return LearnedModelStrategy(values, market, model, "learned", seed, FeatureDrift("learned", model))


def said_by(
    model: ScriptedModel, closes: Sequence[int], seed: int = 7, **parameters: float | str
) -> list[Opinion | Withheld | None]:
    """What it says at each bar."""
    market = MarketFeatures()
    strategy = strategy_of(model, market, seed, **parameters)
    said = []
    for number, close in enumerate(closes):
        each = bar(number, close)
        market.update(each)
        said.append(strategy.on_bar(each))
    return said


def answered(*answers: Inference, **parameters: float | str) -> list[Opinion | Withheld | None]:
    """What is said at each answer; the first bar, whose return is not known, is left out."""
    return said_by(model_of(answers), [100] * (len(answers) + 1), **parameters)[1:]


def sides(said: Iterable[Opinion | Withheld | None]) -> list[Side | None]:
    return [each.side if isinstance(each, Opinion) else None for each in said]


def reasons(said: Iterable[Opinion | Withheld | None]) -> list[tuple[Side, WithheldReason] | None]:
    return [(each.side, each.reason) if isinstance(each, Withheld) else None for each in said]


def test_it_buys_on_a_high_probability_once_and_sells_on_a_low_one_once() -> None:
    said = answered(HOLD, SELL, BUY, BUY, HOLD, SELL, SELL, BUY)
    assert sides(said) == [None, None, Side.BUY, None, None, Side.SELL, None, Side.BUY]


@pytest.mark.parametrize(
    ("probability", "side"), [(0.6, Side.BUY), (math.nextafter(0.6, 0), None), (0.4, None), (0.9, Side.BUY)]
)
def test_the_threshold_itself_is_enough_to_buy(probability: float, side: Side | None) -> None:
    assert sides(answered(surely(probability))) == [side]


@pytest.mark.parametrize(("probability", "side"), [(0.4, Side.SELL), (math.nextafter(0.4, 1), None)])
def test_the_threshold_itself_is_enough_to_sell(probability: float, side: Side | None) -> None:
    assert sides(answered(BUY, surely(probability))) == [Side.BUY, side]


def test_thresholds_of_the_contender_come_before_those_of_the_model() -> None:
    assert sides(answered(surely(0.8), buy_above=0.81)) == [None]
    assert sides(answered(surely(0.7), surely(0.45), buy_above=0.55, sell_below=0.45)) == [Side.BUY, Side.SELL]


def test_confidence_is_the_probability_of_being_right() -> None:
    buy, sell = answered(surely(0.8), surely(0.3))
    assert isinstance(buy, Opinion)
    assert isinstance(sell, Opinion)
    assert (buy.confidence, sell.confidence) == (0.8, 0.7)


def test_a_signal_shows_what_the_model_read_and_made_of_it() -> None:
    said = said_by(model_of([HOLD, BUY, HOLD, SELL]), [100, 100, 110, 110, 99])
    buy, sell = said[2], said[4]
    assert isinstance(buy, Opinion)
    assert isinstance(sell, Opinion)
    assert buy.features == (("return_1", 0.1), ("probability", 0.8), ("dissimilarity", 0.5), ("bars_held", 0.0))
    assert sell.features == (("return_1", -0.1), ("probability", 0.2), ("dissimilarity", 0.5), ("bars_held", 2.0))
    assert buy.explanation.method == "scripted"


def test_after_the_time_barrier_it_sells_whatever_the_model_says() -> None:
    said = answered(BUY, BUY, BUY, BUY, BUY, hold_bars=3)
    assert sides(said) == [Side.BUY, None, None, Side.SELL, Side.BUY]
    barrier = said[3]
    assert isinstance(barrier, Opinion)
    assert barrier.confidence == 0.0, "risk blocks no exit"
    assert barrier.explanation.method == "time_barrier"
    assert dict(barrier.features)["bars_held"] == 3.0


def test_the_time_barrier_is_the_horizon_of_the_label_unless_the_contender_says_otherwise() -> None:
    said = said_by(model_of([BUY] + [HOLD] * 20, horizon_bars=4), [100] * 8)
    assert sides(said) == [None, Side.BUY, None, None, None, Side.SELL, None, None]


def test_bars_with_unknown_features_are_held_too() -> None:
    """Quotes end after the second bar, so `spread` is unknown; they come back at the sixth."""
    market = MarketFeatures()
    model = model_of([BUY, HOLD], features=("spread",))
    strategy = strategy_of(model, market, hold_bars=4)
    said = []
    for number, spread in enumerate([None, 0.001, None, None, None, 0.001]):
        each = bar(number)
        market.update(each, spread)
        said.append(strategy.on_bar(each))
    assert sides(said) == [None, Side.BUY, None, None, None, Side.SELL]
    assert len(model.asked) == 2


def test_it_is_asked_only_when_the_window_is_full_of_known_rows() -> None:
    model = model_of([HOLD] * 3, window=3)
    said_by(model, [100, 101, 102, 103, 104, 105])
    assert [len(window) for window in model.asked] == [3, 3, 3]
    assert model.asked[0] == tuple(pytest.approx((1 / close,)) for close in (100, 101, 102))
    assert model.asked[1][:2] == model.asked[0][1:]


def test_an_unknown_feature_empties_the_window() -> None:
    market = MarketFeatures()
    model = model_of([HOLD] * 9, features=("spread",), window=2)
    strategy = strategy_of(model, market)
    for number, spread in enumerate([0.1, 0.2, None, 0.3, 0.4]):
        each = bar(number)
        market.update(each, spread)
        strategy.on_bar(each)
    assert model.asked == [((0.1,), (0.2,)), ((0.3,), (0.4,))]


def test_a_model_that_reads_the_position_is_told_the_stance_before_each_bar() -> None:
    model = model_of([BUY, HOLD, SELL, HOLD], kind="ppo")
    said_by(model, [100] * 5)
    assert [window[-1][-1] for window in model.asked] == [0.0, 1.0, 1.0, 0.0]


def test_within_its_training_data_it_keeps_silent_and_says_so_once() -> None:
    model = model_of([BUY, BUY, BUY, BUY], trained_until=bar(3).at)
    said = said_by(model, [100] * 5)
    assert reasons(said) == [None, (Side.BUY, WithheldReason.IN_SAMPLE), None, None, None]
    assert sides(said) == [None, None, None, None, Side.BUY]


def test_before_its_training_data_it_keeps_silent_for_another_reason_than_within_them() -> None:
    model = model_of([BUY] * 6, trained_from=bar(2).at, trained_until=bar(3).at)
    said = said_by(model, [100] * 6)
    before, within = (Side.BUY, WithheldReason.BEFORE_TRAINING), (Side.BUY, WithheldReason.IN_SAMPLE)
    assert reasons(said) == [None, before, within, None, None, None]
    assert sides(said) == [None, None, None, None, Side.BUY, None]
    allowed = model_of([BUY], trained_from=bar(9).at, trained_until=bar(9).at)
    assert sides(said_by(allowed, [100] * 2, in_sample="trade")) == [None, Side.BUY]


def test_once_the_time_is_said_to_forbid_it_the_model_is_not_asked_until_it_does_no_longer() -> None:
    model = model_of([HOLD, BUY, BUY, HOLD], trained_until=bar(5).at)
    said = said_by(model, [100] * 8)
    assert len(model.asked) == 4, "at the first two bars that it could read, and at the two after its training"
    assert sides(said) == [None] * 6 + [Side.BUY, None]


def test_once_it_has_said_that_it_is_stale_the_model_is_not_asked_again() -> None:
    model = model_of([HOLD, BUY], trained_until=bar(1).at - 3 * NANOS_PER_DAY)
    said = said_by(model, [100] * 9, max_age_days=2)
    assert reasons(said) == [None, None, (Side.BUY, WithheldReason.STALE)] + [None] * 6
    assert len(model.asked) == 2


def test_it_may_be_allowed_to_trade_what_it_was_trained_on() -> None:
    model = model_of([BUY], trained_until=bar(9).at)
    assert sides(said_by(model, [100, 100], in_sample="trade")) == [None, Side.BUY]


def test_a_stale_model_keeps_silent_with_its_age() -> None:
    """Two days before the second bar closes its training ended; a nanosecond more than the limit is too much."""
    for early, expected in ((0, [Side.BUY]), (1, [None])):
        model = model_of([BUY], trained_until=bar(1).at - 2 * NANOS_PER_DAY - early)
        said = said_by(model, [100, 100], max_age_days=2)[1:]
        assert sides(said) == expected
    (withheld,) = said
    assert isinstance(withheld, Withheld)
    assert withheld.reason is WithheldReason.STALE
    numbers = dict(withheld.context)
    assert numbers["age_days"] == pytest.approx(2.0)
    assert numbers["age_limit_days"] == 2
    assert (numbers["probability"], numbers["dissimilarity"]) == (0.8, 0.5)


@pytest.mark.parametrize(
    ("outliers", "dissimilarity", "confidence"),
    [
        ("lower", 1.0, 0.8),
        ("lower", 1.6, 0.5),
        ("lower", 2.0, 0.4),
        ("lower", 2.1, None),
        ("withhold", 1.0, 0.8),
        ("withhold", 1.1, None),
        ("ignore", 50.0, 0.8),
    ],
)
def test_an_outlier_is_less_sure_or_withheld(outliers: str, dissimilarity: float, confidence: float | None) -> None:
    (said,) = answered(surely(0.8, dissimilarity), outliers=outliers)
    if confidence is None:
        assert reasons([said]) == [(Side.BUY, WithheldReason.OUTLIER)]
        assert isinstance(said, Withheld)
        assert dict(said.context)["dissimilarity_limit"] == (2.0 if outliers == "lower" else 1.0)
    else:
        assert isinstance(said, Opinion)
        assert said.confidence == pytest.approx(confidence)


@pytest.mark.parametrize(
    "answer", [NOWHERE, Inference(math.inf, 1.0, 0.5), Inference(0.3, 0.8, math.nan), Inference(0.3, math.nan, 0.5)]
)
def test_what_is_no_number_is_withheld_and_told_as_a_word(answer: Inference) -> None:
    (said,) = answered(answer, outliers="ignore")
    assert reasons([said]) == [(Side.BUY, WithheldReason.NOT_FINITE)]
    assert isinstance(said, Withheld)
    assert all(isinstance(value, str) or math.isfinite(value) for _, value in said.context)


def test_a_withheld_signal_is_said_again_when_its_side_or_reason_changes() -> None:
    far = surely(0.8, 9.0)
    said = answered(far, far, NOWHERE, far, BUY, surely(0.2, 9.0), surely(0.2, 9.0))
    assert reasons(said) == [
        (Side.BUY, WithheldReason.OUTLIER),
        None,
        (Side.BUY, WithheldReason.NOT_FINITE),
        (Side.BUY, WithheldReason.OUTLIER),
        None,
        (Side.SELL, WithheldReason.OUTLIER),
        None,
    ]


def test_no_unknown_feature_keeps_a_position_open_past_the_time_barrier() -> None:
    """Quotes end for good after the second bar, so the model can never be asked again."""
    market = MarketFeatures()
    strategy = strategy_of(model_of([BUY], features=("spread",)), market, hold_bars=3)
    said = []
    for number, spread in enumerate([None, 0.001, None, None, None, None]):
        each = bar(number)
        market.update(each, spread)
        said.append(strategy.on_bar(each))
    assert sides(said) == [None, Side.BUY, None, None, Side.SELL, None]
    left = said[4]
    assert isinstance(left, Opinion)
    assert left.explanation.method == "time_barrier"
    assert left.features == (("bars_held", 3.0),)


def test_every_sell_of_a_trained_model_only_closes() -> None:
    foreseen = [each for each in answered(BUY, SELL) if isinstance(each, Opinion)]
    timed = [each for each in answered(BUY, HOLD, HOLD, hold_bars=2) if isinstance(each, Opinion)]
    assert [(each.side, each.closes_only) for each in foreseen] == [(Side.BUY, False), (Side.SELL, True)]
    assert [(each.side, each.closes_only) for each in timed] == [(Side.BUY, False), (Side.SELL, True)]


def test_no_guard_keeps_a_position_open_past_the_time_barrier() -> None:
    said = answered(BUY, NOWHERE, NOWHERE, hold_bars=2)
    assert sides(said) == [Side.BUY, None, Side.SELL]
    left = said[2]
    assert isinstance(left, Opinion)
    assert left.confidence == 0.0
    assert all(math.isfinite(value) for _, value in left.features)


def test_the_seed_of_an_explanation_follows_from_session_contender_instrument_and_cause() -> None:
    first, again, other = (model_of([BUY, SELL, BUY]) for _ in range(3))
    for model, seed in ((first, 7), (again, 7), (other, 8)):
        said_by(model, [100] * 4, seed)
    assert first.explained == again.explained
    assert len({seed for _, seed in first.explained + other.explained}) == 6


ANSWERS = st.lists(
    st.builds(Inference, st.floats(), st.floats(0, 1) | st.just(math.nan), st.floats(0, 3) | st.just(math.inf)),
    max_size=30,
)


@given(answers=ANSWERS, hold=st.integers(0, 5), outliers=st.sampled_from(["lower", "withhold", "ignore"]))
@settings(max_examples=60, deadline=None)
def test_opinions_alternate_are_held_no_longer_than_the_barrier_and_are_sure_within_bounds(
    answers: list[Inference], hold: int, outliers: str
) -> None:
    said = answered(*answers, hold_bars=hold, outliers=outliers)
    spoken = [(index, each) for index, each in enumerate(said) if isinstance(each, Opinion)]
    assert [each.side for _, each in spoken] == [Side.BUY, Side.SELL] * (len(spoken) // 2) + [Side.BUY] * (
        len(spoken) % 2
    )
    assert all(0.0 <= each.confidence <= 1.0 for _, each in spoken)
    for (bought, _), (sold, _) in zip(spoken[::2], spoken[1::2], strict=False):
        assert sold - bought <= (hold or 15)


def test_thresholds_that_cross_are_refused() -> None:
    values = {spec.name: spec.default for spec in LearnedModelStrategy.parameters}
    assert LearnedModelStrategy.complaint(values | {"buy_above": 0.5, "sell_below": 0.5}) is not None
    assert LearnedModelStrategy.complaint(values | {"buy_above": 0.5, "sell_below": 0.4}) is None
    assert LearnedModelStrategy.complaint(values | {"sell_below": 0.4}) is None
