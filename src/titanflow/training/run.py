"""One training from data to a registered model: read, refuse leaks, validate fold by fold, fit on all, register."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

import titanflow
from titanflow.domain.models import LabelSpec, ModelManifest
from titanflow.errors import InputError
from titanflow.models.folders import check_names
from titanflow.models.registry import Registry
from titanflow.signal.fingerprint import feature_fingerprint
from titanflow.training.config import Plan, TrainingConfig
from titanflow.training.data import BarData, DataSpec, OpenLedger, load_bars
from titanflow.training.dataset import label_report
from titanflow.training.folds import FoldStore, FoldTask, run_tasks, seed_of
from titanflow.training.labels import TRIPLE_BARRIER
from titanflow.training.lessons import Lesson, market_lesson, stack_lesson
from titanflow.training.register import REPORT_FILE, Outcome, register, versions_of
from titanflow.training.results import Validation
from titanflow.training.samples import Samples
from titanflow.training.splits import part, walk_forward
from titanflow.training.trading import market_of
from titanflow.training.trainer import Fitted, Progress
from titanflow.training.trainers import Resources, trainer_class
from titanflow.training.validation import Judging, ScoredFold, assemble, final_decision, mean_log_loss, on_scale_of

Say = Callable[[str], None]
JUDGING, FINAL = "judging the folds", "fit on all rows"
"""What progress is told of, besides reading, the lesson and the folds."""
STACK = "stack"
_CODE = ("training", "signal", "domain")
"""Packages whose code a fold's scores follow from."""


@dataclass(frozen=True)
class Trained:
    """What came of a training."""

    digest: str
    manifest: ModelManifest
    validation: Validation
    report: Path
    mean_settled_bars: float
    """Bars until a label is settled, on average."""
    settings: str
    """The chosen hyperparameters, in words."""
    folds: int
    resumed_folds: int
    """Of all folds and settings: those that an earlier run had finished."""


class TrainingRun:
    """Does what a plan says. What it finishes is kept, so that the same run, started again, goes on from there."""

    def __init__(
        self, plan: Plan, sources: tuple[str, ...], home: Path, open_ledger: OpenLedger, progress: Progress
    ) -> None:
        """`sources` as `--data` names them; `home` holds the registry and what a run has finished.

        Raises InputError for a name that no model may have: better now than when it is to be registered.
        """
        check_names(plan.name, {})
        self._plan = plan
        self._config = plan.config
        self._sources = sources
        self._home = home
        self._registry = Registry(home)
        self._open_ledger = open_ledger
        self._progress = progress
        self._trainer = trainer_class(plan.kind)

    def run(self, say: Say, *, fresh: bool = False) -> Trained:
        """Train, validate and register; `say` is told what a person should know meanwhile.

        `fresh` forgets what an earlier run of the same training has finished. Raises InputError for data that cannot
        be learned from, features that know the future, and a kind that needs other models first.
        """
        data = load_bars(data_spec(self._config, self._sources), self._open_ledger, self._progress)
        if data.refused_rows:
            say(f"{data.refused_rows:,} rows were no proper ticks and are left out")
        lesson = self._lesson(data)
        samples = lesson.samples
        store = FoldStore(self._home, training_key(self._plan, lesson))
        if fresh:
            store.forget()
        tasks = self._tasks(samples, store)
        kept = sum(store.get(task.name) is not None for task in tasks)
        if kept:
            say(f"{kept} of {len(tasks)} folds were finished earlier and are taken from there; --fresh forgets them")
        scored = run_tasks(samples, tasks, store, self._config.resources, self._progress)
        return self._concluded(data, lesson, tasks, scored, store, kept)

    def _lesson(self, data: BarData) -> Lesson:
        label = label_spec(self._config)
        if self._plan.kind != STACK:
            return market_lesson(data, self._config.features.names, label, self._progress)
        members = {tuple(getattr(settings, "members", ())) for settings in self._plan.candidates}
        if len(members) > 1:
            raise InputError("search.stack.members: a stack's members cannot be searched; train a stack of each")
        return stack_lesson(data, members.pop(), label, self._registry, self._progress)

    def _tasks(self, samples: Samples, store: FoldStore) -> list[FoldTask]:
        validation = self._config.validation
        tasks = []
        for number, settings in enumerate(self._plan.candidates):
            rows = samples.usable(self._trainer(settings, Resources()).window)
            folds = walk_forward(
                samples, rows, validation.folds, embargo_bars=validation.embargo_bars, early_stop=validation.early_stop
            )
            for fold in folds:
                named = f"fold {fold.number}"
                name = f"setting {number + 1}, {named}" if len(self._plan.candidates) > 1 else named
                seed, resources = seed_of(self._plan.seed, named), self._resources(store, name)
                tasks.append(FoldTask(name, number, self._plan.kind, settings, fold, seed, resources))
        return tasks

    def _resources(self, store: FoldStore, name: str) -> Resources:
        given = self._config.resources
        return Resources(given.device, given.threads, store.checkpoint(name))

    def _concluded(
        self, data: BarData, lesson: Lesson, tasks: list[FoldTask], scored: Mapping[str, ScoredFold],
        store: FoldStore, kept: int,
    ) -> Trained:  # fmt: skip
        samples = lesson.samples
        ranked = self._ranked(samples, tasks, scored)
        _, _, chosen, best = ranked[0]
        judging = judging_of(self._config, data, samples, self._plan.seed)
        self._progress(JUDGING, 0.0)
        validation = assemble(samples, best, judging, settings_tried=len(ranked))
        self._progress(JUDGING, 1.0)
        fitted, window, own_scores = self._fit_on_all(samples, chosen, store)
        validation = on_scale_of(validation, own_scores)
        calibration, speaks = final_decision(validation, judging, own_scores)
        outcome = Outcome(
            name=self._plan.name,
            kind=self._plan.kind,
            seed=self._plan.seed,
            samples=samples,
            market=lesson.market,
            window=lesson.member_bars or window,
            reads_position=getattr(self._trainer, "reads_position", False),
            fitted=fitted,
            validation=validation,
            calibration=calibration,
            thresholds=speaks,
            settings=chosen.model_dump(mode="json"),
            tried=[(words(settings), loss) for loss, _, settings, _ in ranked],
            explanation_samples=self._config.decision.explanation_samples,
            parent=self._registry.log.stages().champions.get(self._plan.name, ""),
            members=lesson.members,
        )
        digest, manifest = register(self._registry, outcome, self._progress)
        store.forget()
        return Trained(
            digest=digest,
            manifest=manifest,
            validation=validation,
            report=self._registry.folder(digest) / REPORT_FILE,
            mean_settled_bars=label_report(samples).mean_horizon_bars,
            settings=words(chosen),
            folds=len(tasks),
            resumed_folds=kept,
        )

    def _ranked(
        self, samples: Samples, tasks: list[FoldTask], scored: Mapping[str, ScoredFold]
    ) -> list[tuple[float, int, BaseModel, list[ScoredFold]]]:
        """(mean log loss, number, settings, folds) of all settings that were tried, the best first."""
        tried = []
        for number, settings in enumerate(self._plan.candidates):
            folds = [scored[task.name] for task in tasks if task.candidate == number]
            tried.append((mean_log_loss(samples, folds), number, settings, folds))
        return sorted(tried, key=lambda one: one[:2])

    def _fit_on_all(
        self, samples: Samples, settings: BaseModel, store: FoldStore
    ) -> tuple[Fitted, int, NDArray[np.float64]]:
        """The model that is registered; its window; its scores of the last rows, which told it when to stop.

        By those it speaks, as in every fold: the folds' own scores may be of quite another size.
        """
        trainer = self._trainer(settings, self._resources(store, FINAL))
        cut = part(samples, samples.usable(trainer.window), early_stop=self._config.validation.early_stop)
        self._progress(FINAL, 0.0)
        fitted = trainer.fit(
            samples, cut.train, cut.early_stop, seed_of(self._plan.seed, FINAL),
            lambda _what, done: self._progress(FINAL, 0.99 * done),
        )  # fmt: skip
        self._progress(FINAL, 1.0)
        return fitted, trainer.window, fitted.scores(samples, cut.early_stop)


def data_spec(config: TrainingConfig, sources: tuple[str, ...]) -> DataSpec:
    """What to read."""
    data = config.data
    return DataSpec(
        sources, data.bar_seconds, data.instruments, data.first_at, data.last_at, data.options, data.catalogue
    )


def label_spec(config: TrainingConfig) -> LabelSpec:
    """What is taught; the share of label 1 is known once the rows are."""
    label = config.label
    barriers = label.method == TRIPLE_BARRIER
    return LabelSpec(
        method=label.method,
        horizon_bars=label.horizon_bars,
        profit=label.profit if barriers else 0.0,
        stop=label.stop if barriers else 0.0,
        positives=0.0,
    )


def judging_of(config: TrainingConfig, data: BarData, samples: Samples, seed: int) -> Judging:
    """How the folds' scores are traded and tested."""
    instruments = {instrument.id: instrument for instrument in data.instruments}
    costs = config.costs
    market = market_of(samples, instruments, data.bars_per_year, slippage=costs.slippage, fee=costs.fee)
    return Judging(
        market=market,
        hold_bars=samples.label_spec.horizon_bars,
        buy_quantile=config.decision.buy_quantile,
        sell_quantile=config.decision.sell_quantile,
        permutations=config.validation.permutations,
        seed=seed,
    )


def training_key(plan: Plan, lesson: Lesson) -> str:
    """Names all that the folds' scores follow from: data, features, settings, seed, code and libraries."""
    followed: dict[str, Any] = {
        "kind": plan.kind,
        "config": plan.config.model_dump(mode="json", exclude={"resources", "decision", "costs"}),
        "device": plan.config.resources.device,
        "settings": [settings.model_dump(mode="json") for settings in plan.candidates],
        "seed": plan.seed,
        "data": msgspec.to_builtins(lesson.samples.window),
        "features": [[name, feature_fingerprint(name)] for name in lesson.market.feature_names],
        "members": [member.digest for member in lesson.members],
        "bar_seconds": lesson.samples.bar_seconds,
        "versions": versions_of(plan.kind),
        "code": _code_digest(),
    }
    return sha256(json.dumps(followed, sort_keys=True).encode()).hexdigest()[:32]


def words(settings: BaseModel) -> str:
    """Settings as a person reads them."""
    return ", ".join(f"{name} {value}" for name, value in settings.model_dump(mode="json").items())


def _code_digest() -> str:
    root = Path(titanflow.__file__).parent
    digest = sha256()
    for package in _CODE:
        for path in sorted((root / package).rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
