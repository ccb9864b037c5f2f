"""Everything that can be set about a training, with range, default and meaning; read from a TOML file.

Sections are `data`, `label`, `features`, `validation`, `costs`, `decision`, `resources`; `model.KIND` holds a kind's
hyperparameters and `search.KIND` lists of values to try instead. One file may hold the sections of several kinds.
"""

import difflib
import itertools
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from titanflow.domain.types import NANOS_PER_SECOND, Nanos
from titanflow.errors import SettingsError
from titanflow.settings.model import FilePath, Section
from titanflow.settings.names import allowed_values, setting_names
from titanflow.training.trainers import TRAINERS, trainer_class

MAX_SETTINGS_TRIED = 256

M = TypeVar("M", bound=BaseModel)
Source = Callable[[str], str]
"""Name of a field -> where its value came from."""
OpenPart = Annotated[float, Field(gt=0, lt=1)]


def _in_utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


Moment = Annotated[datetime, AfterValidator(_in_utc)]


class DataSection(Section):
    """Which part of the data is learned from, and the bars that it is folded into."""

    bar_seconds: Annotated[int, Field(ge=1, le=86_400)] | None = Field(
        None, description="length of a bar; unset: the tape's own, or 60 for ticks"
    )
    first: Moment | None = Field(None, description="nothing earlier is read")
    last: Moment | None = Field(None, description="nothing from then on is read")
    instruments: tuple[str, ...] = Field((), description="instruments to learn from; none means all")
    options: dict[str, Any] = Field(default_factory=dict, description="the tape provider's own options")
    catalogue: FilePath | None = Field(None, description="TOML file with further instruments")

    @property
    def first_at(self) -> Nanos | None:
        """`first` in nanoseconds."""
        return None if self.first is None else int(self.first.timestamp()) * NANOS_PER_SECOND

    @property
    def last_at(self) -> Nanos | None:
        """`last` in nanoseconds."""
        return None if self.last is None else int(self.last.timestamp()) * NANOS_PER_SECOND

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.first and self.last and self.first >= self.last:
            raise ValueError(f"data.first {self.first} is not before data.last {self.last}")
        return self


class LabelSection(Section):
    """What the model learns to foresee; see docs/models.md."""

    method: Literal["triple_barrier", "forward_return"] = Field("triple_barrier", description="how a row is labelled")
    horizon_bars: Annotated[int, Field(ge=1, le=1000)] = Field(15, description="the label is settled after so many")
    profit: Annotated[float, Field(gt=0, le=100)] = Field(2.0, description="upper barrier, average true ranges")
    stop: Annotated[float, Field(gt=0, le=100)] = Field(2.0, description="lower barrier, average true ranges")


class FeaturesSection(Section):
    """What the model is shown."""

    names: tuple[str, ...] = Field((), description="features; none means all that the data know")


class ValidationSection(Section):
    """Purged and embargoed walk-forward, and the permutation test."""

    folds: Annotated[int, Field(ge=2, le=50)] = Field(5, description="test blocks, one after the other")
    embargo_bars: Annotated[int, Field(ge=0, le=10_000)] = Field(15, description="bars left out around a test block")
    early_stop: Annotated[float, Field(gt=0, le=0.5)] = Field(
        0.15, description="last part of the training rows, which tells when to stop"
    )
    permutations: Annotated[int, Field(ge=19, le=100_000)] = Field(200, description="shuffles of the labels")


class CostsSection(Section):
    """What trading costs in the validation."""

    slippage: Annotated[float, Field(ge=0, le=0.1)] | None = Field(
        None, description="part of the price, each way; unset: the instrument's own, as a session would charge it"
    )
    fee: Annotated[float, Field(ge=0, le=0.1)] | None = Field(
        None, description="part of the price, each way; unset: the instrument's own"
    )


class DecisionSection(Section):
    """When the model speaks, as quantiles of its probabilities of rows that it was not fitted on."""

    buy_quantile: OpenPart = Field(0.90, description="buys at or above it")
    sell_quantile: OpenPart = Field(0.10, description="sells at or below it")
    explanation_samples: Annotated[int, Field(ge=2, le=10_000)] = Field(
        16, description="permutations behind a sampled explanation"
    )

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.sell_quantile >= self.buy_quantile:
            raise ValueError(
                f"decision.sell_quantile {self.sell_quantile} is not below decision.buy_quantile {self.buy_quantile}"
            )
        return self


class ResourcesSection(Section):
    """What a training may use; none of it changes the result."""

    workers: Annotated[int, Field(ge=1, le=1024)] | None = Field(
        None, description="processes; unset: one a core; 1: no further process"
    )
    dask: str | None = Field(None, description="address of a Dask scheduler; unset: one of our own")
    threads: Annotated[int, Field(ge=1, le=256)] = Field(1, description="threads of one fit")
    memory_gb: Annotated[float, Field(gt=0, le=10_000)] | None = Field(
        None, description="memory of one process; unset: an equal part of the machine's"
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: a GPU where torch finds one")


class TrainingConfig(Section):
    """What all kinds have in common. Frozen."""

    data: DataSection = DataSection()
    label: LabelSection = LabelSection()
    features: FeaturesSection = FeaturesSection()
    validation: ValidationSection = ValidationSection()
    costs: CostsSection = CostsSection()
    decision: DecisionSection = DecisionSection()
    resources: ResourcesSection = ResourcesSection()


@dataclass(frozen=True)
class Plan:
    """What one `titanflow train` is to do."""

    kind: str
    config: TrainingConfig
    candidates: tuple[BaseModel, ...]
    """Hyperparameters to try, at least one; each a `Settings` of the kind's trainer."""
    seed: int
    name: str
    """The model's name in the registry."""


def load_plan(
    kind: str, path: Path | None = None, flags: Mapping[str, Any] | None = None, *, seed: int = 7, name: str = ""
) -> Plan:
    """Read a plan from a TOML file, then from flags (dotted names; None: not given).

    Raises SettingsError that names every bad field, where it came from, the value and what was expected, and
    InputError for an unknown kind.
    """
    settings = trainer_class(kind).Settings
    given = _read(path) if path else {}
    models, searches = given.pop("model", {}), given.pop("search", {})
    source = str(path)
    for section, kinds in (("model", models), ("search", searches)):
        if not isinstance(kinds, dict):
            raise SettingsError(f"{section} = {kinds!r} (from {source}): expected sections {section}.KIND")
        _refuse_unknown(section, kinds, tuple(TRAINERS), source)
    sources = dict.fromkeys((flag for flag, value in (flags or {}).items() if value is not None), "flag")
    for flag, value in (flags or {}).items():
        if value is not None:
            section, _, field = flag.partition(".")
            if isinstance(given.setdefault(section, {}), dict):
                given[section][field] = value
    config = _checked(TrainingConfig, given, "", lambda field: sources.get(field, source))
    grid = _grid(kind, settings, searches.get(kind, {}), source)
    prefix = f"model.{kind}."
    candidates = [
        _checked(settings, {**models.get(kind, {}), **chosen}, prefix, lambda _field: source) for chosen in grid
    ]
    return Plan(kind, config, tuple(candidates), seed, name or kind)


def _grid(kind: str, settings: type[BaseModel], search: Any, source: str) -> list[dict[str, Any]]:
    """Every combination of the values to try; one empty one where nothing is searched."""
    if not isinstance(search, dict) or not all(isinstance(values, list) and values for values in search.values()):
        raise SettingsError(f"search.{kind} = {search!r} (from {source}): expected lists of values to try")
    _refuse_unknown(f"search.{kind}", search, tuple(settings.model_fields), source)
    grid = [dict(zip(search, values, strict=True)) for values in itertools.product(*search.values())]
    if len(grid) > MAX_SETTINGS_TRIED:
        raise SettingsError(
            f"search.{kind} (from {source}) asks for {len(grid):,} combinations; at most {MAX_SETTINGS_TRIED}"
        )
    return grid


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"training file {path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"training file {path}: not valid TOML ({error})") from error


def _checked(model: type[M], given: Mapping[str, Any], prefix: str, source: Source) -> M:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        found = [_explained(model, item, prefix, source) for item in error.errors()]
        raise SettingsError("\n".join(dict.fromkeys(found))) from None


def _explained(model: type[BaseModel], item: ErrorDetails, prefix: str, source: Source) -> str:
    parts = [str(part) for part in item["loc"]]
    names = setting_names(model)
    name = next((found for n in range(len(parts), 0, -1) if (found := ".".join(parts[:n])) in names), "")
    where = f"{prefix}{name or '.'.join(parts)}"
    if name:
        expected = allowed_values(name, model)
        return f"{where} = {item['input']!r} (from {source(name)}): expected {expected}"
    if item["type"] == "extra_forbidden":
        return _unknown(where, [prefix + known for known in names], source(where))
    if item["type"] == "model_type":
        return f"{where} = {item['input']!r} (from {source(where)}): expected a section [{where}]"
    return str(item["msg"]).removeprefix("Value error, ")


def _refuse_unknown(section: str, given: Mapping[str, Any], known: tuple[str, ...], source: str) -> None:
    for name in given:
        if name not in known:
            raise SettingsError(_unknown(f"{section}.{name}", [f"{section}.{one}" for one in known], source))


def _unknown(name: str, known: list[str], source: str) -> str:
    near = difflib.get_close_matches(name, known, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}"
    return f"{name} (from {source}): nothing has this name; {hint}"
