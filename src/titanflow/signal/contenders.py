"""Contenders from TOML text: which strategy, with which parameters, on which instruments. Reading files is elsewhere.

[[contender]]
id = "sma-5-20"
name = "Crossover 5/20"             # optional
strategy = "SMACrossover"
instruments = "*"                   # all that can be traded, or a list of ids such as ["AAPL.XNYS"]
bar_seconds = 60                    # 0: decide on every tick
[contender.parameters]              # optional; what is not named takes its default
fast = 5
slow = 20

[[contender]]
id = "boosted"
strategy = "LearnedModel"
model = "lightgbm"                  # its champion; "lightgbm@candidate"; or 8 and more digits of a model's digest
instruments = "*"                   # the model's manifest says how long the bars are
"""

import json
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple, NoReturn

from titanflow.domain.instruments import Instrument
from titanflow.domain.models import ModelManifest
from titanflow.domain.session_settings import ContenderSpec, Parameter
from titanflow.domain.types import InstrumentId
from titanflow.errors import InputError
from titanflow.signal.strategies import STRATEGIES, LearnedModelStrategy, Strategy
from titanflow.signal.strategies.learned_model import thresholds_of

DEFAULT_CONTENDERS_FILE = "default_contenders.toml"
"""Name of the file, in this package, of the contenders that run when none are given."""
MAX_BAR_SECONDS = 7 * 86_400
FIELDS = ("id", "name", "strategy", "model", "instruments", "bar_seconds", "parameters")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_A_MODEL = "a model's name, NAME@candidate, or at least 8 digits of its digest (`titanflow models list`)"


class ResolvedModel(NamedTuple):
    """The trained model that a contender's `model` names."""

    digest: str
    stage: str
    manifest: ModelManifest | None
    """None where it cannot be read; then there is a fault."""
    parent: str = ""
    """Digest of the model that could take its place: it loads, and reads bars of the same length."""
    fault: str = ""
    """Why it cannot be loaded; empty where it can."""


Resolver = Callable[[str], ResolvedModel]
"""Finds a model by what a contenders file calls it. Raises InputError where there is none."""


def no_models(reference: str) -> ResolvedModel:
    """The resolver of those who have no models."""
    raise InputError("there is no registry of models here")


def parse_contenders(
    text: str, instruments: Sequence[Instrument], source_name: str, resolve: Resolver = no_models
) -> tuple[ContenderSpec, ...]:
    """The contenders that `text` lists, in its order; `source_name` tells people where the text came from.

    A model that is there and cannot be loaded is the fault of its contender alone, which is listed with it. Raises
    InputError, which names contender, field, value and what was expected, at the first thing that is wrong.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{source_name}: not valid TOML: {error}") from error
    entries = document.get("contender")
    if set(document) != {"contender"} or not isinstance(entries, list) or not entries:
        raise InputError(f"{source_name}: expected one or more [[contender]] tables and nothing else")
    specs: dict[str, ContenderSpec] = {}
    for number, entry in enumerate(entries, start=1):
        spec = _Entry(entry, number, source_name).spec(instruments, resolve)
        if spec.id in specs:
            raise InputError(f"{source_name}: contender {spec.id}: id is used twice; give each contender its own")
        specs[spec.id] = spec
    return tuple(specs.values())


def less_sure_than(
    least: float, contenders: Sequence[ContenderSpec], manifests: Mapping[str, ModelManifest]
) -> dict[str, float]:
    """Contender -> probability from which its model buys, for those that buy below `least` (risk.min_confidence).

    A calibrated probability is seldom far from the share of rises, so that risk may well deny all that they ask for.
    `manifests` are those of the session's models by digest.
    """
    buys = {
        spec.id: thresholds_of(dict(spec.parameters), manifests[spec.model_hash]).buy_above
        for spec in contenders
        if spec.model_hash in manifests and not spec.fault
    }
    return {contender: probability for contender, probability in buys.items() if probability < least}


def model_hash(strategy: type[Strategy], parameters: Sequence[Parameter]) -> str:
    """SHA-256 over the strategy's name and version and all its parameters: equal hashes decide alike."""
    return sha256(json.dumps([strategy.name, strategy.version, sorted(parameters)]).encode()).hexdigest()


class _Entry:
    """One [[contender]] table while it is checked."""

    def __init__(self, table: object, number: int, source_name: str) -> None:
        self.where = f"{source_name}: contender number {number}"
        if not isinstance(table, dict):
            raise InputError(f"{self.where}: expected a table with {', '.join(FIELDS)}")
        self.table: Mapping[str, object] = table
        identity = table.get("id")
        if not isinstance(identity, str) or not _ID.fullmatch(identity):
            self._refuse("id", identity, "1 to 64 letters, digits, dots, dashes or underscores")
        self.id = identity
        self.where = f"{source_name}: contender {self.id}"

    def spec(self, instruments: Sequence[Instrument], resolve: Resolver) -> ContenderSpec:
        """The whole entry, checked."""
        for field in self.table:
            if field not in FIELDS:
                self._refuse(field, self.table[field], f"no such field; the fields are {', '.join(FIELDS)}")
        strategy = self._strategy()
        parameters = self._parameters(strategy)
        common = self.id, self._name(), strategy.name, parameters, self._instruments(instruments)
        if not issubclass(strategy, LearnedModelStrategy):
            if "model" in self.table:
                self._refuse("model", self.table["model"], f"none: {strategy.name} is a rule, LearnedModel runs models")
            return ContenderSpec(*common, self._bar_seconds(strategy), model_hash(strategy, parameters))
        model = self._model(resolve)
        if model.manifest is not None:
            self._check_thresholds(parameters, model.manifest)
        seconds = self._bars_of(model)
        return ContenderSpec(*common, seconds, model.digest, model.stage, model.parent, model.fault)

    def _refuse(self, field: str, value: object, expectation: str) -> NoReturn:
        found = "missing" if value is None else repr(value)
        raise InputError(f"{self.where}: {field} is {found}; expected {expectation}")

    def _name(self) -> str:
        name = self.table.get("name", self.id)
        if not isinstance(name, str) or not name.strip():
            self._refuse("name", name, "a text")
        return name

    def _strategy(self) -> type[Strategy]:
        name = self.table.get("strategy")
        if not isinstance(name, str) or name not in STRATEGIES:
            self._refuse("strategy", name, f"one of {', '.join(STRATEGIES)}")
        return STRATEGIES[name]

    def _model(self, resolve: Resolver) -> ResolvedModel:
        reference = self.table.get("model")
        if not isinstance(reference, str) or not reference:
            self._refuse("model", reference, _A_MODEL)
        try:
            return resolve(reference)
        except InputError as error:
            raise InputError(f"{self.where}: model is {reference!r}: {error}") from error

    def _bars_of(self, model: ResolvedModel) -> int:
        """The length of bars that the model reads; what the file says where the model cannot be read."""
        given = self.table.get("bar_seconds")
        if given is not None:
            self._bar_seconds(LearnedModelStrategy)
        if model.manifest is None:
            return given if isinstance(given, int) else 0
        if given not in (None, model.manifest.bar_seconds):
            self._refuse("bar_seconds", given, f"{model.manifest.bar_seconds}, which the model reads, or nothing")
        return model.manifest.bar_seconds

    def _check_thresholds(self, parameters: Sequence[Parameter], manifest: ModelManifest) -> None:
        both = thresholds_of(dict(parameters), manifest)
        if both.sell_below >= both.buy_above:
            raise InputError(
                f"{self.where}: parameters: with the model's own thresholds, sell_below = {both.sell_below:g} is not "
                f"less than buy_above = {both.buy_above:g}; give both"
            )

    def _bar_seconds(self, strategy: type[Strategy]) -> int:
        seconds = self.table.get("bar_seconds")
        lowest = 0 if strategy.decides_on_ticks() else 1
        if not isinstance(seconds, int) or isinstance(seconds, bool) or not lowest <= seconds <= MAX_BAR_SECONDS:
            note = " (0: on every tick)" if lowest == 0 else f" ({strategy.name} decides on bars only)"
            self._refuse("bar_seconds", seconds, f"a whole number from {lowest} to {MAX_BAR_SECONDS}{note}")
        return seconds

    def _instruments(self, instruments: Sequence[Instrument]) -> tuple[InstrumentId, ...]:
        tradable = tuple(instrument.id for instrument in instruments if instrument.tradable)
        named = self.table.get("instruments")
        if named == "*" and tradable:
            return tradable
        if not isinstance(named, list) or not named:
            self._refuse("instruments", named, '"*" or a list of instrument ids such as ["AAPL.XNYS"]')
        for name in named:
            if name not in tradable:
                self._refuse("instruments", name, f"instruments that can be traded here: {', '.join(tradable)}")
            if named.count(name) > 1:
                self._refuse("instruments", name, "each instrument once")
        return tuple(named)

    def _parameters(self, strategy: type[Strategy]) -> tuple[Parameter, ...]:
        given = self.table.get("parameters", {})
        if not isinstance(given, dict):
            self._refuse("parameters", given, "a table of the strategy's parameters")
        known = {spec.name: spec for spec in strategy.parameters}
        for name, value in given.items():
            if name not in known:
                self._refuse(f"parameters.{name}", value, f"a parameter of {strategy.name}: {', '.join(known)}")
        values: dict[str, int | float | str | bool] = {}
        for name, spec in sorted(known.items()):
            try:
                values[name] = spec.accepted(given.get(name, spec.default))
            except ValueError as error:
                self._refuse(f"parameters.{name}", given[name], str(error))
        complaint = strategy.complaint(values)
        if complaint:
            raise InputError(f"{self.where}: parameters: {complaint}")
        return tuple(values.items())
