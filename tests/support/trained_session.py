"""Sessions of real tiny models: a home with a registry, a contenders file, and a tape of an hour."""

from pathlib import Path
from typing import Any

from support.short_session import settings_of
from support.tiny_models import install, tiny_model_files
from titanflow.models.registry import Registry
from titanflow.settings import Settings

FEATURES = ("return_1", "return_5")
"""Known from the sixth bar on, so that a brief tape is enough."""
RULE = """
[[contender]]
id = "rule"
strategy = "SMACrossover"
instruments = "*"
bar_seconds = 60
parameters = { fast = 2, slow = 5 }
"""
LEARNED = """
[[contender]]
id = "{name}"
strategy = "LearnedModel"
model = "{model}"
instruments = "*"
parameters = {{ max_age_days = 0, in_sample = "trade", outliers = "ignore", hold_bars = 5 }}
"""
"""The tape is of 2019 and the tiny models say that they were trained in 2023, so every time is in sample."""


def champion(home: Path, kind: str = "lightgbm", **changes: Any) -> str:
    """A tiny model of 60-second bars that speaks often, promoted; its digest."""
    settings = {"features": FEATURES, "thresholds": (0.5, 0.45), **changes}
    digest = install(home, *tiny_model_files(kind, **settings))
    Registry(home).promote(digest, who="ada", reason="a test")
    return digest


def learned(model: str = "lightgbm", name: str | None = None) -> str:
    """A contender of this model."""
    return LEARNED.format(model=model, name=name or model.partition("@")[0])


def trained_settings(home: Path, tape: Path, *contenders: str, **changes: Any) -> Settings:
    """Settings to play a tape with a rule and these contenders."""
    path = home / "contenders.toml"
    path.write_text("\n".join([RULE, *contenders]), encoding="utf-8")
    return settings_of(home, tape, contenders=path, **changes)
