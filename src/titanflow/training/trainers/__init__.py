"""The kinds of model that can be trained, each with the class that trains it; imported when it is asked for.

A trainer's class is what `TrainerClass` describes; docs/models.md adds one in thirty lines.
"""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Protocol, cast

from pydantic import BaseModel

from titanflow.errors import InputError
from titanflow.training.trainer import Trainer

TRAINERS = {
    "lightgbm": "titanflow.training.trainers.lightgbm_trainer:LightGBMTrainer",
    "lstm": "titanflow.training.trainers.lstm_trainer:LSTMTrainer",
    "tft": "titanflow.training.trainers.tft_trainer:TFTTrainer",
    "stack": "titanflow.training.trainers.stack_trainer:StackTrainer",
    "ppo": "titanflow.training.trainers.ppo_trainer:PPOTrainer",
}
"""Kind -> module and class."""


@dataclass(frozen=True)
class Resources:
    """What a fit may use. None of it changes the result on one machine's CPU."""

    device: str = "auto"
    """auto, cpu or cuda."""
    threads: int = 1
    checkpoint: Path | None = None
    """Directory of this fit alone, where one that was killed left off; None: nothing is kept."""


class TrainerClass(Protocol):
    """The class of a trainer, as `TRAINERS` names it."""

    kind: ClassVar[str]
    Settings: ClassVar[type[BaseModel]]
    """Its hyperparameters, frozen, each with range, default and meaning: section `model.KIND` of a training file."""
    libraries: ClassVar[tuple[str, ...]]
    """Distributions that make its artefact: the manifest holds their versions."""

    def __call__(self, settings: Any, resources: Resources) -> Trainer:
        """Make a trainer for one fit."""
        ...


def trainer_class(kind: str) -> TrainerClass:
    """The class that trains `kind`. Raises InputError that names the kinds that there are.

    Raises ModuleNotFoundError where a library that the kind's training needs is not installed.
    """
    if kind not in TRAINERS:
        raise InputError(f"no kind of model is called {kind!r}; expected one of {', '.join(TRAINERS)}")
    module, _, name = TRAINERS[kind].partition(":")
    return cast(TrainerClass, getattr(import_module(module), name))
