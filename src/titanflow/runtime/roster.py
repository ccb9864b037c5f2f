"""Who competes in a new session: the contenders of its file, and the trained models behind them, found and checked."""

from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import structlog

from titanflow.domain.models import RecordedModel
from titanflow.domain.session_settings import ContenderSpec
from titanflow.errors import InputError, ModelError, ModelMissingError, SettingsError
from titanflow.gateway.providers.base import Provider
from titanflow.models.loading import Loader
from titanflow.models.registry import Registry
from titanflow.models.stages import Stages
from titanflow.settings import Settings
from titanflow.signal.contenders import DEFAULT_CONTENDERS_FILE, ResolvedModel, less_sure_than, parse_contenders
from titanflow.signal.model import NO_MODELS, LearnedModel, Models
from titanflow.signal.on_tape import fitted_to_tape, told_of_tape

log = structlog.get_logger()


class Roster(NamedTuple):
    """What a session opens with."""

    contenders: tuple[ContenderSpec, ...]
    recorded: tuple[RecordedModel, ...] = ()
    """Every model that may decide: the contenders' own, members of stacks, and parents."""
    serving: tuple[tuple[str, str], ...] = ()
    """What computes their scores here; empty without models."""
    models: Models = NO_MODELS
    """The same models, loaded."""


def open_roster(settings: Settings, provider: Provider) -> Roster:
    """The contenders of the file that the settings name, else the shipped ones; their models are loaded and checked.

    A contender whose model is there but damaged or unfit is listed with its fault. Raises InputError for a file that
    cannot be used or a model that there is not, SettingsError for more contenders than allowed.
    """
    path = settings.contenders
    try:
        text = (path or files("titanflow.signal").joinpath(DEFAULT_CONTENDERS_FILE)).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"contenders file {path}: cannot be read ({error})") from error
    finder = ModelFinder(settings.home)
    contenders = parse_contenders(text, provider.instruments(), str(path or DEFAULT_CONTENDERS_FILE), finder.resolve)
    if len(contenders) > settings.max_contenders:
        raise SettingsError(
            f"max_contenders = {settings.max_contenders}: the contenders file has {len(contenders)}; "
            "raise the setting or remove some"
        )
    bars = provider.feed().bars
    contenders = fitted_to_tape(contenders, bars)
    for told in told_of_tape(contenders, bars):
        log.warning(told)
    for spec in contenders:
        if spec.fault:
            log.warning("contender cannot compete", contender=spec.id, fault=spec.fault)
    if not finder.models:
        return Roster(contenders)
    _warn_of_denials(contenders, finder, settings.risk.min_confidence)
    from titanflow.models.serving.environment import serving_environment

    return Roster(contenders, finder.recorded(), serving_environment(), finder.models)


def _warn_of_denials(contenders: tuple[ContenderSpec, ...], finder: "ModelFinder", least: float) -> None:
    manifests = {digest: model.manifest for digest, model in finder.models.items()}
    for contender, probability in less_sure_than(least, contenders, manifests).items():
        log.warning(
            "risk denies entries less sure than risk.min_confidence, and the model buys below it",
            contender=contender,
            buys_from=round(probability, 4),
            min_confidence=least,
        )


class ModelFinder:
    """Finds models in the registry under `home`, and keeps those that may decide."""

    def __init__(self, home: Path) -> None:
        self._registry = Registry(home)
        self._loader = Loader(self._registry.read)
        self.models: dict[str, LearnedModel] = {}
        """Digest -> model, the members of a stack before it."""

    @cached_property
    def _stages(self) -> Stages:
        """Read when the first model is asked for: a session of rules alone needs no log of stages."""
        return self._registry.log.stages()

    def resolve(self, reference: str) -> ResolvedModel:
        """The model that `reference` names, with what is wrong with it. Raises InputError where there is none."""
        try:
            digest = self._registry.find(reference)
        except ModelMissingError as error:
            raise InputError(str(error)) from error
        stage = self._stages.of(digest)
        try:
            model = self._keep(digest)
        except ModelError as error:
            return ResolvedModel(digest, stage, None, fault=str(error))
        return ResolvedModel(digest, stage, model.manifest, self._parent_of(model))

    def recorded(self) -> tuple[RecordedModel, ...]:
        """The models that may decide, as the session records them."""
        return tuple(
            RecordedModel(digest, self._stages.of(digest), model.manifest) for digest, model in self.models.items()
        )

    def _parent_of(self, model: LearnedModel) -> str:
        """The parent's digest, if it may take over: it loads, and its bars are as long."""
        parent = model.manifest.parent
        if not parent:
            return ""
        try:
            if self._loader.load(parent).manifest.bar_seconds == model.manifest.bar_seconds:
                return self._keep(parent).digest
            reason = "its bars are of another length"
        except ModelError as error:
            reason = str(error)
        log.warning("parent model cannot take over", model=model.digest, parent=parent, reason=reason)
        return ""

    def _keep(self, digest: str) -> LearnedModel:
        model = self._loader.load(digest)
        for member in model.manifest.members:
            self._keep(member)
        self.models[digest] = model
        return model
