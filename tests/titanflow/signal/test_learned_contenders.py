"""Contenders with trained models in the signal decider: beside rules, with faults, measured, and replaced."""

import msgspec
import pytest

from support.scripted_model import ScriptedModel, learned_contender, surely
from support.signal_worlds import START, clock, contender, decide, session, tick
from titanflow.domain.events import (
    BarClosed,
    Event,
    FeatureDriftMeasured,
    ModelReplaced,
    OperatorCommanded,
    SignalGenerated,
    SignalWithheld,
)
from titanflow.domain.session_settings import ContenderSpec
from titanflow.domain.types import NANOS_PER_SECOND, OperatorAction, Side, WithheldReason
from titanflow.errors import ModelError
from titanflow.signal.engine import SignalEngine
from titanflow.signal.model import FeatureRow, Inference, Models

BEFORE = START - 1


def follow(row: FeatureRow) -> Inference:
    """Sure of a rise after a rise."""
    return surely(0.9 if row[0] > 0 else 0.1)


def oppose(row: FeatureRow) -> Inference:
    """Sure of a fall after a rise."""
    return surely(0.1 if row[0] > 0 else 0.9)


def minutes(*closes: int, name: str = "A.X", first: int = 0) -> list[Event]:
    """One tick in each minute, and the clock at its end."""
    return [
        event
        for minute, close in enumerate(closes, first)
        for event in (tick(60 * minute, close, name=name), clock(60 * minute + 60))
    ]


def use_parent(contender_id: str, action: OperatorAction = OperatorAction.USE_PARENT) -> OperatorCommanded:
    return OperatorCommanded(START, action, "ada", contender_id, "", "")


def of(kind: type[Event], events: list[Event]) -> list[Event]:
    return [event for event in events if type(event) is kind]


def by_digest(*models: ScriptedModel) -> Models:
    return {model.digest: model for model in models}


def test_a_trained_model_decides_at_the_close_of_its_bars_beside_rules() -> None:
    model = ScriptedModel(follow, trained_until=BEFORE)
    field = [contender("rule", "SMACrossover", fast=1, slow=2), learned_contender(model)]
    decided = decide(session(field, models=[model.recorded()]), minutes(100, 101, 102, 99), by_digest(model))
    said = [event for event in decided if isinstance(event, SignalGenerated)]
    assert [(s.contender, s.side) for s in said] == [("learned", Side.BUY), ("rule", Side.SELL), ("learned", Side.SELL)]
    first = said[0]
    assert (first.model_hash, first.confidence, first.instrument) == (model.digest, 0.9, "A.X")
    assert first.price == 101 * 10**9
    assert len(of(BarClosed, decided)) == 4


def test_each_instrument_has_a_window_and_a_stance_of_its_own() -> None:
    model = ScriptedModel(follow, trained_until=BEFORE)
    spec = learned_contender(model, instruments=("A.X", "B.X"))
    events = [*minutes(100, 101), *minutes(50, 51, name="B.X", first=2)]
    decided = decide(session([spec], ("A.X", "B.X"), [model.recorded()]), events, by_digest(model))
    assert [(s.instrument, s.side) for s in decided if isinstance(s, SignalGenerated)] == [
        ("A.X", Side.BUY),
        ("B.X", Side.BUY),
    ]


def test_a_withheld_signal_is_an_event() -> None:
    model = ScriptedModel(follow, trained_until=START + 10**15)
    started = session([learned_contender(model)], models=[model.recorded()])
    (withheld,) = of(SignalWithheld, decide(started, minutes(100, 101, 102), by_digest(model)))
    assert isinstance(withheld, SignalWithheld)
    assert (withheld.contender, withheld.instrument, withheld.side) == ("learned", "A.X", Side.BUY)
    assert (withheld.reason, withheld.model_hash) == (WithheldReason.IN_SAMPLE, model.digest)
    assert (withheld.cause, withheld.at) == (5, START + 120 * NANOS_PER_SECOND)


def test_a_faulty_contender_is_silent_its_bars_are_not_built_and_the_others_go_on() -> None:
    model = ScriptedModel(follow, trained_until=BEFORE, bar_seconds=60)
    faulty = msgspec.structs.replace(
        learned_contender(model, "faulty"), model_hash="0" * 64, bar_seconds=10, fault="model.txt was changed"
    )
    alone = session([learned_contender(model)], models=[model.recorded()])
    both = session([faulty, learned_contender(model)], models=[model.recorded()])
    events = minutes(100, 101, 102, 99)
    assert decide(both, events, by_digest(model)) == decide(alone, events, by_digest(model))


def test_recorded_models_that_are_not_at_hand_are_named_and_nothing_begins() -> None:
    model, parent = ScriptedModel(follow), ScriptedModel(oppose, seed=8)
    started = session([learned_contender(model)], models=[model.recorded(), parent.recorded("retired")])
    for at_hand in (by_digest(), by_digest(model)):
        with pytest.raises(ModelError, match=parent.digest) as refused:
            SignalEngine(at_hand).on_session_started(1, started)
    assert model.digest not in str(refused.value)
    with pytest.raises(ModelError, match=model.digest):
        SignalEngine().on_session_started(1, session([learned_contender(model)]))


def test_features_are_measured_each_hour_for_each_contender_after_its_signals() -> None:
    model = ScriptedModel(follow, trained_until=BEFORE, bar_seconds=10, horizon_bars=10_000)
    spec = learned_contender(model)
    events: list[Event] = [event for n in range(800) for event in (tick(10 * n, 100 + n % 2), clock(10 * n + 10))]
    decided = decide(session([spec], models=[model.recorded()]), events, by_digest(model))
    measured = [event for event in decided if isinstance(event, FeatureDriftMeasured)]
    hour = 3_600 * NANOS_PER_SECOND
    assert [event.at % hour for event in measured] == [0] * len(measured)
    assert [event.rows for event in measured][1:] == [360]
    assert len(measured) == 2
    assert measured[0].since == START + 20 * NANOS_PER_SECOND, "the first bar has no return"
    assert all(
        (event.contender, event.model_hash, event.drifted) == ("learned", model.digest, True) for event in measured
    )
    (bar,) = [event for event in decided if isinstance(event, BarClosed) and event.cause == measured[0].cause]
    assert decided.index(bar) < decided.index(measured[0])


class TestThePlaceOfTheParent:
    model = ScriptedModel(follow, trained_until=BEFORE)
    parent = ScriptedModel(oppose, trained_until=BEFORE, seed=8)
    spec = msgspec.structs.replace(learned_contender(model), parent_hash=parent.digest)

    def decided(self, events: list[Event], *contenders: ContenderSpec) -> list[Event]:
        started = session(
            contenders or [self.spec], ("A.X", "B.X"), [self.model.recorded(), self.parent.recorded("retired")]
        )
        return decide(started, events, by_digest(self.model, self.parent))

    def test_an_operator_puts_it_in(self) -> None:
        events = [*minutes(100, 99), use_parent("learned"), *minutes(98, first=2)]
        replaced, signal = (event for event in self.decided(events) if not isinstance(event, BarClosed))
        assert replaced == ModelReplaced(6, START, "learned", self.parent.digest, self.model.digest)
        assert isinstance(signal, SignalGenerated)
        assert (signal.side, signal.model_hash) == (Side.BUY, self.parent.digest)

    def test_the_stance_stays(self) -> None:
        """Bought by the model on the rise; the parent wants to be out after a rise."""
        events = [*minutes(100, 101), use_parent("learned"), *minutes(102, first=2)]
        said = [event for event in self.decided(events) if isinstance(event, SignalGenerated)]
        assert [(s.side, s.model_hash) for s in said] == [
            (Side.BUY, self.model.digest),
            (Side.SELL, self.parent.digest),
        ]

    def test_the_other_contenders_keep_their_models(self) -> None:
        events = [*minutes(100, 99), use_parent("learned"), *minutes(100, first=2)]
        other = msgspec.structs.replace(self.spec, id="other")
        said = [event for event in self.decided(events, self.spec, other) if isinstance(event, SignalGenerated)]
        assert [(s.contender, s.model_hash) for s in said] == [("other", self.model.digest)]

    def test_once_it_is_in_there_is_nothing_left_to_put_in(self) -> None:
        events: list[Event] = [use_parent("learned"), use_parent("learned")]
        assert [type(event) for event in self.decided(events)] == [ModelReplaced]

    @pytest.mark.parametrize("name", ["", "rule", "orphan", "nobody"])
    def test_where_there_is_none_nothing_is_decided(self, name: str) -> None:
        orphan = msgspec.structs.replace(self.spec, id="orphan", parent_hash="")
        rule = contender("rule", "SMACrossover")
        assert self.decided([use_parent(name)], self.spec, orphan, rule) == []

    def test_other_words_of_an_operator_change_nothing(self) -> None:
        assert (
            self.decided([use_parent("learned", action) for action in OperatorAction if action != "use_parent"]) == []
        )
