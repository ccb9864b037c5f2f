"""A trained model as a strategy: whatever its kind, it buys on a high probability of a rise and sells on a low one.

How a model computes is behind `titanflow.signal.model`; here is when it speaks, and which guards keep it silent.
"""

from collections import deque
from collections.abc import Mapping
from math import isfinite
from typing import ClassVar

from titanflow.domain.decider import random_bits
from titanflow.domain.events import BarClosed, Context, Features
from titanflow.domain.models import POSITION, ModelManifest, Thresholds
from titanflow.domain.types import NANOS_PER_DAY, ContenderId, Nanos, Side, WithheldReason
from titanflow.signal.drift import FeatureDrift
from titanflow.signal.explain import explain_rule
from titanflow.signal.features import MarketFeatures
from titanflow.signal.model import FeatureRow, Inference, LearnedModel
from titanflow.signal.strategies.base import (
    Opinion,
    ParameterSpec,
    ParameterValue,
    Strategy,
    Withheld,
    number,
    whole,
)

TIME_BARRIER = "time_barrier"
"""Method name of the explanation of an exit that time alone asked for: the model had no say in it."""
DISSIMILARITY_LIMIT = 1.0
"""A dissimilarity above it is an outlier: further out than 99 in 100 training rows."""
LOWERED_LIMIT = 2.0
"""With `outliers = "lower"` the signal is withheld only above this one, and less sure in between."""


class LearnedModelStrategy(Strategy):
    """Flat, it buys at a probability of `buy_above` or more; long, it sells at one of `sell_below` or less.

    It also sells `hold_bars` bars after it bought: the time barrier of its label, behind which it foresees nothing.
    Its guards withhold what the model asks for, never that exit. A bar with an unknown feature starts the window anew.
    """

    name = "LearnedModel"
    parameters: ClassVar[tuple[ParameterSpec, ...]] = (
        ParameterSpec("buy_above", 0.0, "Probability of a rise at which it buys; 0: the model's own.", 0.0, 1.0),
        ParameterSpec("sell_below", 0.0, "Probability of a rise at which it sells; 0: the model's own.", 0.0, 1.0),
        ParameterSpec("max_age_days", 30, "Days since its training ended after which it is stale.", 0, 36_500),
        ParameterSpec(
            "outliers",
            "lower",
            "What becomes of a signal on features unlike those of the training.",
            choices=("withhold", "lower", "ignore"),
        ),
        ParameterSpec(
            "in_sample", "withhold", "May it trade times it was trained on, or earlier?", choices=("withhold", "trade")
        ),
        ParameterSpec("hold_bars", 0, "Bars after which it sells; 0: the horizon of its label.", 0, 10_000),
    )

    def __init__(
        self,
        values: Mapping[str, ParameterValue],
        market: MarketFeatures,
        model: LearnedModel,
        contender: ContenderId,
        seed: int,
        drift: FeatureDrift,
    ) -> None:
        """`seed` is the session's; `drift` counts the rows of all the contender's instruments."""
        super().__init__(values, market)
        self._values = values
        self._contender = contender
        self._seed = seed
        self._drift = drift
        self._max_age: Nanos = whole(values, "max_age_days") * NANOS_PER_DAY
        self._long = False
        self._bars_held = 0
        self._said: tuple[Side, WithheldReason] | None = None
        """What was withheld last, and has been said."""
        self.use(model)

    def use(self, model: LearnedModel) -> None:
        """Decide by `model` from now on. The stance is kept; the window fills anew."""
        manifest = model.manifest
        names = tuple(code.name for code in manifest.features)
        self._model = model
        self._names = names
        self._knows_position = names[-1] == POSITION
        self._read = self.market.reader(names[:-1] if self._knows_position else names)
        self._rows: deque[FeatureRow] = deque(maxlen=manifest.window)
        self._thresholds = thresholds_of(self._values, manifest)
        self._hold_bars = whole(self._values, "hold_bars") or manifest.label.horizon_bars

    @classmethod
    def complaint(cls, values: Mapping[str, ParameterValue]) -> str | None:
        """Thresholds of the parameters' own must not cross."""
        buy, sell = number(values, "buy_above"), number(values, "sell_below")
        return f"sell_below = {sell:g} must be less than buy_above = {buy:g}" if buy and sell >= buy else None

    def on_bar(self, bar: BarClosed) -> Opinion | Withheld | None:
        """Decide on the close."""
        self._bars_held += self._long
        row = self._read()
        if row is None:
            self._rows.clear()
            return self._leave() if self._is_due() else None
        self._drift.count(bar.at, row)
        self._rows.append((*row, float(self._long)) if self._knows_position else row)
        if len(self._rows) < self._model.manifest.window:
            return self._leave() if self._is_due() else None
        if self._is_silenced(bar):
            return None
        return self._decide(bar, self._model.infer(bar.instrument, tuple(self._rows)))

    def _is_due(self) -> bool:
        """Whether it is long and the time barrier is reached."""
        return self._long and self._bars_held >= self._hold_bars > 0

    def _is_silenced(self, bar: BarClosed) -> bool:
        """Whether the time forbids it to buy and it has said so: then the model is not asked, as it has no say."""
        return not self._long and self._said == (Side.BUY, self._barred_by_time(bar))

    def _decide(self, bar: BarClosed, inference: Inference) -> Opinion | Withheld | None:
        side = self._wanted(inference)
        withheld = None if side is None else self._withheld(bar, side, inference)
        if side is not None and withheld is None:
            return self._speak(bar, side, inference)
        if self._is_due():
            return self._leave(inference)
        if withheld is None or (withheld.side, withheld.reason) == self._said:
            return None
        self._said = withheld.side, withheld.reason
        return withheld

    def _wanted(self, inference: Inference) -> Side | None:
        """What the model asks for; where it has no usable number, what it might have asked for."""
        side = Side.SELL if self._long else Side.BUY
        if not all(map(isfinite, inference)):
            return side
        if self._long:
            return side if inference.probability <= self._thresholds.sell_below else None
        return side if inference.probability >= self._thresholds.buy_above else None

    def _withheld(self, bar: BarClosed, side: Side, inference: Inference) -> Withheld | None:
        """The first guard that forbids it, with the numbers of all."""
        barred = self._barred_by_time(bar)
        limit = LOWERED_LIMIT if self._values["outliers"] == "lower" else DISSIMILARITY_LIMIT
        if not all(map(isfinite, inference)):
            reason = WithheldReason.NOT_FINITE
        elif barred is not None:
            reason = barred
        elif inference.dissimilarity > limit and self._values["outliers"] != "ignore":
            reason = WithheldReason.OUTLIER
        else:
            return None
        numbers: Context = (
            ("probability", _told(inference.probability)),
            ("dissimilarity", _told(inference.dissimilarity)),
            ("dissimilarity_limit", limit),
            ("age_days", self._age(bar) / NANOS_PER_DAY),
            ("age_limit_days", whole(self._values, "max_age_days")),
        )
        return Withheld(side, reason, numbers)

    def _barred_by_time(self, bar: BarClosed) -> WithheldReason | None:
        """Why the model has no say at this time, whatever it would answer."""
        age = self._age(bar)
        if age <= 0 and self._values["in_sample"] == "withhold":
            before = bar.at < self._model.manifest.training.first_at
            return WithheldReason.BEFORE_TRAINING if before else WithheldReason.IN_SAMPLE
        return WithheldReason.STALE if age > self._max_age else None

    def _age(self, bar: BarClosed) -> Nanos:
        """Since the last of the training's times."""
        return bar.at - self._model.manifest.training.last_at

    def _speak(self, bar: BarClosed, side: Side, inference: Inference) -> Opinion:
        confidence = inference.probability if side is Side.BUY else 1.0 - inference.probability
        if self._values["outliers"] == "lower" and inference.dissimilarity > DISSIMILARITY_LIMIT:
            confidence /= inference.dissimilarity
        features = self._features(inference)
        seed = random_bits(self._seed, f"{self._contender}|{bar.instrument}|explanation", bar.cause)
        explanation = self._model.explain(bar.instrument, tuple(self._rows), seed)
        self._turn(side)
        return Opinion(side, confidence, features, explanation, closes_only=side is Side.SELL)

    def _leave(self, inference: Inference | None = None) -> Opinion:
        """Sell because of the time, not of a fall foreseen, and so without confidence; None: it could not be asked."""
        read = self._features(inference) if inference else (("bars_held", float(self._bars_held)),)
        features = tuple(pair for pair in read if isfinite(pair[1]))
        explanation = explain_rule((("bars_held", -1.0),), method=TIME_BARRIER)
        self._turn(Side.SELL)
        return Opinion(Side.SELL, 0.0, features, explanation, closes_only=True)

    def _features(self, inference: Inference) -> Features:
        """What it read of the newest bar, and what it made of it."""
        return (
            *zip(self._names, self._rows[-1], strict=True),
            ("probability", inference.probability),
            ("dissimilarity", inference.dissimilarity),
            ("bars_held", float(self._bars_held)),
        )

    def _turn(self, side: Side) -> None:
        self._long = side is Side.BUY
        self._bars_held = 0
        self._said = None


def thresholds_of(values: Mapping[str, ParameterValue], manifest: ModelManifest) -> Thresholds:
    """The thresholds that hold: the parameters', and where they are 0 the model's own."""
    own = manifest.thresholds
    return Thresholds(
        buy_above=number(values, "buy_above") or own.buy_above,
        sell_below=number(values, "sell_below") or own.sell_below,
    )


def _told(value: float) -> float | str:
    """A number for a record; what is none, as a word, since formats differ on how they write it."""
    return value if isfinite(value) else str(value)
