"""Fingerprints of feature code: what changes them, what does not, and the ones that trained models were made with."""

import os
import subprocess
import sys
from functools import partial

import pytest

from titanflow.errors import InputError
from titanflow.signal import bars, features, fingerprint
from titanflow.signal.features import FEATURE_MEANINGS
from titanflow.signal.fingerprint import feature_fingerprint, feature_fingerprints

PINNED = {
    "return_1": "a46c30032992",
    "return_5": "6bedbc50cf2f",
    "return_15": "7713b8d53ede",
    "return_30": "14ac15a6614e",
    "volatility_10": "ce52c0e4dd23",
    "volatility_30": "e0d3f4755a69",
    "rsi": "5ad6e137834b",
    "macd_line": "066b00d32dfe",
    "macd_signal": "94ec93385157",
    "macd_histogram": "20f460327b91",
    "bollinger_percent_b": "ed9b21fdddc0",
    "bollinger_width": "4a787ec37760",
    "atr": "92ad6645e2e3",
    "volume_zscore": "eead4fdff7db",
    "time_sin": "451a2e84f657",
    "time_cos": "71ebe23fbdee",
    "spread": "fa4fb0370712",
}
"""Feature -> beginning of its fingerprint."""


def test_the_live_code_is_that_with_which_the_shipped_models_were_trained() -> None:
    now = {name: fingerprint[:12] for name, fingerprint in feature_fingerprints().items()}
    changed = sorted(name for name in now.keys() | PINNED.keys() if now.get(name) != PINNED.get(name))
    assert not changed, (
        f"the code that computes {', '.join(changed)} gives other values than before, so no trained model that reads "
        f"them can be served. Undo the change; or, if it is meant, pin these anew and retrain the shipped models: {now}"
    )


def recomputed() -> dict[str, str]:
    """Fingerprints of the code as it stands, past the cache."""
    return feature_fingerprints.__wrapped__()


def changed_by(monkeypatch: pytest.MonkeyPatch, module: object, name: str, replacement: object) -> set[str]:
    before = recomputed()
    monkeypatch.setattr(module, name, replacement)
    after = recomputed()
    return {feature for feature in FEATURE_MEANINGS if before[feature] != after[feature]}


@pytest.mark.parametrize(
    ("indicator", "other", "dependent"),
    [
        ("RelativeStrengthIndex", {"window": 15}, {"rsi"}),
        ("MovingAverageConvergenceDivergence", {"fast": 11}, {"macd_line", "macd_signal", "macd_histogram"}),
        ("MovingAverageConvergenceDivergence", {"signal": 8}, {"macd_signal", "macd_histogram"}),
        ("BollingerBands", {"window": 21}, {"bollinger_percent_b", "bollinger_width"}),
        ("AverageTrueRange", {"window": 13}, {"atr"}),
        ("ZScore", {"window": 19}, {"volume_zscore"}),
    ],
)
def test_another_window_changes_exactly_the_fingerprints_that_depend_on_it(
    monkeypatch: pytest.MonkeyPatch, indicator: str, other: dict[str, int], dependent: set[str]
) -> None:
    replacement = partial(getattr(features, indicator), **other)
    assert changed_by(monkeypatch, features, indicator, replacement) == dependent


def test_other_spans_change_exactly_their_features(monkeypatch: pytest.MonkeyPatch) -> None:
    assert changed_by(monkeypatch, features, "RETURN_BARS", (1, 5, 15, 29)) == {"return_30"}
    assert changed_by(monkeypatch, features, "VOLATILITY_BARS", (9, 30)) == {"volatility_10"}


def test_another_meaning_of_a_bars_spread_changes_the_spread_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    class LastSpread(bars.BarSpread):
        __slots__ = ()

        def of(self, opened_at: int) -> float | None:
            return self._last

    assert changed_by(monkeypatch, fingerprint, "BarSpread", LastSpread) == {"spread"}


def test_bars_of_another_making_change_the_features_that_read_prices(monkeypatch: pytest.MonkeyPatch) -> None:
    class FirstPriceBars(bars.BarBuilder):
        __slots__ = ()

        def add(self, seq: int, tick: object) -> object:
            if tick.at < self.ends_at:  # type: ignore[attr-defined]
                return None
            return super().add(seq, tick)  # type: ignore[arg-type]

    unmoved = {"time_sin", "time_cos", "spread"}
    assert changed_by(monkeypatch, fingerprint, "BarBuilder", FirstPriceBars) == set(FEATURE_MEANINGS) - unmoved


def test_every_feature_has_a_fingerprint_of_its_own() -> None:
    assert list(feature_fingerprints()) == list(FEATURE_MEANINGS)
    assert len(set(feature_fingerprints().values())) == len(FEATURE_MEANINGS)
    assert feature_fingerprint("rsi") == feature_fingerprints()["rsi"]


def test_a_feature_that_does_not_exist_has_no_fingerprint() -> None:
    with pytest.raises(InputError, match="no feature is called 'moon'; there are return_1, "):
        feature_fingerprint("moon")


@pytest.mark.parametrize(
    "environment", [{"PYTHONHASHSEED": "1"}, {"PYTHONHASHSEED": "2", "LC_ALL": "de_DE.UTF-8", "TZ": "Asia/Tokyo"}]
)
def test_another_process_computes_the_same_fingerprints(environment: dict[str, str]) -> None:
    code = "from titanflow.signal.fingerprint import feature_fingerprints; print(*feature_fingerprints().values())"
    output = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, check=True
    )
    assert output.stdout.split() == list(feature_fingerprints().values())
