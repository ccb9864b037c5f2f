"""The loop that fits networks: what it promises of early stop, resuming, and what it leaves untouched."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from titanflow.errors import InputError
from titanflow.training.samples import Rows
from titanflow.training.trainers import Resources
from titanflow.training.trainers.torch_loop import (
    CHECKPOINT_FILE,
    LoopSettings,
    device_of,
    fit_network,
    reproducible,
)

SETTINGS = LoopSettings(epochs=8, patience=8, batch=16, learning_rate=0.02)
TRAIN, EARLY_STOP = np.arange(200), np.arange(200, 260)


class Task:
    """A small regression with dropout, so that every bit of randomness counts."""

    def __init__(self) -> None:
        with reproducible(seed=5):
            self.network = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.3), nn.Tanh(), nn.Linear(8, 1))
            self.values = torch.randn(260, 4)
        self.targets = self.values[:, :1] * 2 - self.values[:, 1:2]
        self.judged: list[float] = []
        self.rows_seen = 0

    def loss(self, rows: Rows, device: torch.device) -> Tensor:
        at = torch.from_numpy(rows)
        loss = nn.functional.mse_loss(self.network(self.values[at].to(device)), self.targets[at].to(device))
        if self.network.training:
            self.rows_seen += len(rows)
        else:
            self.judged.append(loss.item())
        return loss

    def fit(
        self,
        *,
        settings: LoopSettings = SETTINGS,
        seed: int = 1,
        resources: Resources | None = None,
        early_stop: Rows = EARLY_STOP,
        progress: Callable[[str, float], None] = lambda _what, _part: None,
    ) -> "Task":
        fit_network(
            self.network, self.loss, TRAIN, early_stop, settings=settings, seed=seed,
            resources=resources or Resources(device="cpu"), progress=progress,
        )  # fmt: skip
        return self

    def weights(self) -> list[float]:
        return torch.cat([value.flatten() for value in self.network.state_dict().values()]).tolist()


def killed_at(epoch: int) -> Callable[[str, float], None]:
    def progress(what: str, _part: float) -> None:
        if what.startswith(f"epoch {epoch} "):
            raise KeyboardInterrupt

    return progress


def test_a_seed_gives_the_same_weights_again_and_another_seed_others() -> None:
    assert Task().fit(seed=1).weights() == Task().fit(seed=1).weights()
    assert Task().fit(seed=1).weights() != Task().fit(seed=2).weights()


def test_threads_change_no_weight() -> None:
    assert Task().fit().weights() == Task().fit(resources=Resources(device="cpu", threads=2)).weights()


def test_a_killed_fit_goes_on_where_it_was_and_ends_as_if_it_had_not_been_killed(tmp_path: Path) -> None:
    resources = Resources(device="cpu", checkpoint=tmp_path / "fold-1")
    with pytest.raises(KeyboardInterrupt):
        Task().fit(resources=resources, progress=killed_at(3))
    resumed = Task().fit(resources=resources)
    assert resumed.weights() == Task().fit().weights()
    assert len(resumed.judged) == SETTINGS.epochs - 3


def test_a_fit_that_was_done_is_not_done_again(tmp_path: Path) -> None:
    resources = Resources(device="cpu", checkpoint=tmp_path)
    first = Task().fit(resources=resources)
    again = Task().fit(resources=resources)
    assert again.judged == []
    assert again.weights() == first.weights()


def test_the_checkpoint_of_another_fit_is_not_used(tmp_path: Path) -> None:
    resources = Resources(device="cpu", checkpoint=tmp_path)
    Task().fit(seed=1, resources=resources)
    assert (tmp_path / CHECKPOINT_FILE).is_file()
    assert Task().fit(seed=2, resources=resources).weights() == Task().fit(seed=2).weights()


def test_a_fit_ends_with_the_weights_that_did_best_on_the_early_stop_rows() -> None:
    task = Task()
    settings = LoopSettings(epochs=200, patience=3, batch=16, learning_rate=0.3)
    task.fit(settings=settings)
    assert len(task.judged) < 200
    assert min(task.judged) == task.judged[-4]
    task.loss(EARLY_STOP, torch.device("cpu"))
    assert task.judged[-1] == pytest.approx(min(task.judged), abs=1e-7)


def test_without_early_stop_rows_the_training_rows_judge() -> None:
    task = Task().fit(early_stop=np.arange(0))
    assert len(task.judged) == SETTINGS.epochs
    assert task.judged[-1] < task.judged[0]


def test_an_epoch_looks_at_no_more_rows_than_it_may() -> None:
    task = Task().fit(settings=LoopSettings(epochs=3, batch=16, epoch_rows=50))
    assert task.rows_seen == 150


def test_progress_is_told_after_every_epoch() -> None:
    told: list[tuple[str, float]] = []
    Task().fit(progress=lambda what, part: told.append((what, part)))
    assert [part for _, part in told[:-1]] == [epoch / 8 for epoch in range(1, 9)]
    assert told[0][0].startswith("epoch 1 of 8, loss ")
    assert told[-1][1] == 1.0


def test_a_fit_leaves_torch_as_it_found_it() -> None:
    torch.manual_seed(11)
    before = torch.get_rng_state(), torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    Task().fit(resources=Resources(device="cpu", threads=2))
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1:] == (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled())


def test_a_loss_that_is_not_a_number_is_said_in_words() -> None:
    task = Task()
    task.targets[3] = float("nan")
    with pytest.raises(InputError, match="not a finite number"):
        task.fit()


def test_no_rows_to_train_on_is_said_in_words() -> None:
    task = Task()
    with pytest.raises(InputError, match="no rows to train on"):
        fit_network(
            task.network, task.loss, np.arange(0), EARLY_STOP, settings=SETTINGS, seed=1, resources=Resources(),
            progress=lambda _what, _part: None,
        )  # fmt: skip


def test_a_device_that_nobody_knows_is_refused() -> None:
    with pytest.raises(InputError, match="'tpu' is not known; expected auto, cpu or cuda"):
        device_of("tpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_auto_takes_the_processor_where_there_is_no_gpu_and_asking_for_one_is_refused() -> None:
    assert device_of("auto").type == "cpu"
    with pytest.raises(InputError, match="torch finds no GPU here"):
        device_of("cuda")
