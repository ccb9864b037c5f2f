"""Runs many fits, one a fold and setting: in this process or on Dask, each kept on disk as soon as it is done.

A run that was killed finds what it had finished and goes on; the result is the same either way.
"""

import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from pydantic import BaseModel

from titanflow.training.cluster import run_on_dask, workers_for
from titanflow.training.config import ResourcesSection
from titanflow.training.samples import Samples
from titanflow.training.splits import Fold
from titanflow.training.trainer import Progress
from titanflow.training.trainers import Resources, trainer_class
from titanflow.training.validation import ScoredFold, run_fold

TRAININGS_FOLDER = "training"
"""Under the home directory."""
SCRATCH_FOLDER = "dask"
_DIGEST_BYTES = 32


@dataclass(frozen=True)
class FoldTask:
    """One fit: which settings, on which fold."""

    name: str
    """What its result is kept under, and people are told."""
    candidate: int
    """Place of the settings among those that are tried, from 0."""
    kind: str
    settings: BaseModel
    fold: Fold
    seed: int
    resources: Resources


class FoldStore:
    """What one training has finished: files in a directory that only a training of the same inputs shares."""

    def __init__(self, home: Path, key: str) -> None:
        """`key` is a digest of all that the results follow from."""
        self.path = home / TRAININGS_FOLDER / key

    def forget(self) -> None:
        """Remove everything that was kept."""
        shutil.rmtree(self.path, ignore_errors=True)

    def checkpoint(self, name: str) -> Path:
        """Directory where one fit keeps how far it is."""
        return self.path / "checkpoints" / _file_name(name)

    def get(self, name: str) -> ScoredFold | None:
        """The scores of a fold that was finished earlier; None where there are none, or only damaged ones."""
        path = self.path / _file_name(name)
        if not path.is_file():
            return None
        written = path.read_bytes()
        digest, content = written[:_DIGEST_BYTES], written[_DIGEST_BYTES:]
        return _unpacked(content) if sha256(content).digest() == digest else None

    def put(self, name: str, scores: ScoredFold) -> None:
        """Keep a finished fold: whole or not at all, whenever the process is killed."""
        self.path.mkdir(parents=True, exist_ok=True)
        content = _packed(scores)
        handle, draft = tempfile.mkstemp(dir=self.path, prefix=".draft-")
        with os.fdopen(handle, "wb") as file:
            file.write(sha256(content).digest() + content)
            file.flush()
            os.fsync(file.fileno())
        Path(draft).replace(self.path / _file_name(name))
        shutil.rmtree(self.checkpoint(name), ignore_errors=True)


def seed_of(seed: int, part: str) -> int:
    """The seed of one fit: the same for all settings, another for every fold."""
    return int.from_bytes(sha256(f"{seed}:{part}".encode()).digest()[:4], "big") >> 1


def run_tasks(
    samples: Samples, tasks: Sequence[FoldTask], store: FoldStore, resources: ResourcesSection, progress: Progress
) -> dict[str, ScoredFold]:
    """Scores of every task by its name: those that were kept, and those that are made now."""
    done = {task.name: kept for task in tasks if (kept := store.get(task.name)) is not None}
    waiting = [task for task in tasks if task.name not in done]
    for task, scores in _made(samples, waiting, resources, store.path / SCRATCH_FOLDER, progress):
        store.put(task.name, scores)
        progress(task.name, 1.0)
        done[task.name] = scores
    return done


def _made(
    samples: Samples, tasks: Sequence[FoldTask], resources: ResourcesSection, scratch: Path, progress: Progress
) -> Iterator[tuple[FoldTask, ScoredFold]]:
    if resources.dask is None and workers_for(resources, len(tasks)) <= 1:
        return ((task, fit_task(samples, task, progress)) for task in tasks)
    return run_on_dask(resources, fit_task, samples, tasks, scratch, progress)


def fit_task(samples: Samples, task: FoldTask, progress: Progress) -> ScoredFold:
    """Fit on the fold's training rows and score those that it has not seen."""
    progress(task.name, 0.0)
    trainer = trainer_class(task.kind)(task.settings, task.resources)
    # A bar stays open until its fold is kept.
    return run_fold(trainer, samples, task.fold, task.seed, lambda _what, part: progress(task.name, 0.99 * part))


def _packed(scores: ScoredFold) -> bytes:
    written = io.BytesIO()
    np.savez(written, **{**asdict(scores), "importance": json.dumps(dict(scores.importance))})
    return written.getvalue()


def _unpacked(content: bytes) -> ScoredFold:
    with np.load(io.BytesIO(content), allow_pickle=False) as fields:
        found = {name: value if (value := fields[name]).ndim else value.item() for name in fields.files}
    return ScoredFold(**{**found, "importance": json.loads(found["importance"])})


def _file_name(name: str) -> str:
    return name.replace(", ", "-").replace(" ", "-")
