"""Many fits: the same scores in this process, on Dask and after an interruption; nothing half written is believed."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from distributed import LocalCluster
from numpy.testing import assert_array_equal

from support.tiny_samples import tiny_samples
from titanflow.errors import InputError
from titanflow.training import folds
from titanflow.training.config import ResourcesSection
from titanflow.training.data import no_progress
from titanflow.training.folds import FoldStore, FoldTask, run_tasks, seed_of
from titanflow.training.samples import Samples
from titanflow.training.splits import walk_forward
from titanflow.training.trainers import Resources
from titanflow.training.trainers.lightgbm_trainer import LightGBMSettings
from titanflow.training.validation import ScoredFold

ALONE = ResourcesSection(workers=1)
SETTINGS = LightGBMSettings(trees=10, leaves=4, min_rows_per_leaf=10)


@pytest.fixture(scope="module")
def samples() -> Samples:
    return tiny_samples(edge=1.0)


@pytest.fixture(scope="module")
def tasks(samples: Samples) -> Sequence[FoldTask]:
    cut = walk_forward(samples, samples.usable(1), 3)
    return [
        FoldTask(f"fold {f.number}", 0, "lightgbm", SETTINGS, f, seed_of(7, str(f.number)), Resources()) for f in cut
    ]


@pytest.fixture(scope="module")
def alone(
    samples: Samples, tasks: Sequence[FoldTask], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, ScoredFold]:
    return run_tasks(samples, tasks, FoldStore(tmp_path_factory.mktemp("home"), "k"), ALONE, no_progress)


def assert_same(found: dict[str, ScoredFold], expected: dict[str, ScoredFold]) -> None:
    assert sorted(found) == sorted(expected)
    for name, fold in expected.items():
        for field, value in vars(fold).items():
            assert_array_equal(getattr(found[name], field), value, err_msg=f"{name} {field}")


def test_dask_gives_the_same_scores_as_this_process_and_tells_how_far_it_is(
    samples: Samples, tasks: Sequence[FoldTask], alone: dict[str, ScoredFold], tmp_path: Path
) -> None:
    told: dict[str, float] = {}
    store = FoldStore(tmp_path, "k")
    found = run_tasks(samples, tasks, store, ResourcesSection(workers=2), lambda what, part: told.update({what: part}))
    assert_same(found, alone)
    assert {name: told[name] for name in alone} == dict.fromkeys(alone, 1.0)


def test_a_scheduler_that_is_there_already_is_used_by_its_address(
    samples: Samples, tasks: Sequence[FoldTask], alone: dict[str, ScoredFold], tmp_path: Path
) -> None:
    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, host="127.0.0.1", protocol="tcp",
        dashboard_address="127.0.0.1:0", scheduler_kwargs={"dashboard": False},
    ) as cluster:  # fmt: skip
        there = ResourcesSection(workers=1, dask=cluster.scheduler_address)
        assert_same(run_tasks(samples, tasks, FoldStore(tmp_path, "k"), there, no_progress), alone)


def test_what_was_finished_is_not_done_again_and_changes_nothing(
    samples: Samples, tasks: Sequence[FoldTask], alone: dict[str, ScoredFold], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    store, fitted = FoldStore(tmp_path, "k"), []
    fit = folds.fit_task

    def interrupted(samples: Samples, task: FoldTask, progress: object) -> ScoredFold:
        if len(fitted) == 2:
            raise KeyboardInterrupt
        fitted.append(task.name)
        return fit(samples, task, no_progress)

    monkeypatch.setattr(folds, "fit_task", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_tasks(samples, tasks, store, ALONE, no_progress)
    fitted.clear()
    assert_same(run_tasks(samples, tasks, store, ALONE, no_progress), alone)
    assert fitted == ["fold 3"]


@pytest.mark.parametrize("damage", [lambda content: content[:-1], lambda content: b"", lambda content: b"x" + content])
def test_a_damaged_result_is_made_anew(
    samples: Samples, tasks: Sequence[FoldTask], alone: dict[str, ScoredFold], tmp_path: Path, damage: object
) -> None:
    store = FoldStore(tmp_path, "k")
    run_tasks(samples, tasks, store, ALONE, no_progress)
    path = store.path / "fold-2"
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    assert store.get("fold 2") is None
    assert_same(run_tasks(samples, tasks, store, ALONE, no_progress), alone)


def test_a_finished_fold_needs_its_checkpoints_no_more_and_a_store_forgets_everything(
    alone: dict[str, ScoredFold], tmp_path: Path
) -> None:
    store = FoldStore(tmp_path, "k")
    half_done = store.checkpoint("fold 1")
    half_done.mkdir(parents=True)
    store.put("fold 1", alone["fold 1"])
    assert not half_done.exists()
    assert store.get("fold 1") is not None
    store.forget()
    assert store.get("fold 1") is None
    assert FoldStore(tmp_path, "other").get("fold 1") is None


def test_a_scheduler_that_does_not_answer_is_named(
    samples: Samples, tasks: Sequence[FoldTask], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("titanflow.training.cluster.CONNECT_SECONDS", 0.2)
    nowhere = ResourcesSection(dask="tcp://127.0.0.1:9")
    with pytest.raises(InputError, match=r"resources.dask = 'tcp://127.0.0.1:9': no Dask scheduler answers"):
        run_tasks(samples, tasks, FoldStore(tmp_path, "k"), nowhere, no_progress)


def test_every_fold_has_a_seed_of_its_own() -> None:
    seeds = [seed_of(7, f"fold {number}") for number in range(100)]
    assert len(set(seeds)) == 100
    assert seeds == [seed_of(7, f"fold {number}") for number in range(100)]
    assert np.all((np.array(seeds) >= 0) & (np.array(seeds) < 2**31))
