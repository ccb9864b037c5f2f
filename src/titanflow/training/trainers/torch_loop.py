"""Fits a torch network: seeded epochs, early stop, checkpoints, device. What learns what is the trainers' affair."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from math import inf, isfinite
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from titanflow.errors import InputError
from titanflow.training.samples import Rows
from titanflow.training.trainer import Progress
from titanflow.training.trainers import Resources

BatchLoss = Callable[[Rows, torch.device], Tensor]
"""Mean loss of some rows: a scalar that knows its gradient."""
CHECKPOINT_FILE = "epoch.pt"
JUDGING_BATCH = 512
"""Rows at once where no gradient is kept: more would fall out of a processor's cache."""


class LoopSettings(BaseModel):
    """How long and how fast a network learns; the same for every kind of network."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    window: int = Field(30, ge=2, le=500, description="bars that one inference reads")
    epochs: int = Field(20, ge=1, le=1000, description="epochs at most")
    patience: int = Field(4, ge=1, le=1000, description="epochs without a better early-stop loss before it stops")
    batch: int = Field(256, ge=1, le=65_536, description="rows a step")
    epoch_rows: int = Field(20_000, ge=1, le=100_000_000, description="rows an epoch at most, drawn anew each time")
    learning_rate: float = Field(0.002, gt=0, le=1, description="step size of AdamW")
    weight_decay: float = Field(0.01, ge=0, le=1, description="weight decay of AdamW")
    gradient_clip: float = Field(1.0, gt=0, le=1000, description="largest norm of a step's gradient")
    dropout: float = Field(0.1, ge=0, lt=1, description="part of the activations left out while it learns")


@dataclass
class Standing:
    """Where a fit stands after an epoch: all that it takes to go on as if nothing had happened."""

    epoch: int
    """Epochs done."""
    best_loss: float
    waited: int
    """Epochs since the best."""
    best: dict[str, Tensor]
    network: dict[str, Tensor]
    optimiser: dict[str, Any]


def fit_network(
    network: nn.Module,
    batch_loss: BatchLoss,
    train: Rows,
    early_stop: Rows,
    *,
    settings: LoopSettings,
    seed: int,
    resources: Resources,
    progress: Progress,
) -> None:
    """Fit in place, ending on the CPU with the weights that did best on `early_stop` (or, if that is empty, `train`).

    The same seed, rows and settings give the same weights on one machine's CPU, whether a fit was interrupted or not.
    Raises InputError where no row is given to learn from, or the loss is not a finite number.
    """
    if not len(train):
        raise InputError("no rows to train on: every one lacks a label or a feature; give more data")
    device = device_of(resources.device)
    network.to(device)
    optimiser = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    checkpoint = _Checkpoint(resources.checkpoint, _identity(network, train, early_stop, settings, seed))
    judges = early_stop if len(early_stop) else train
    with reproducible(seed, resources.threads, device):
        standing = checkpoint.load(device) or Standing(0, inf, 0, {}, network.state_dict(), optimiser.state_dict())
        network.load_state_dict(standing.network)
        optimiser.load_state_dict(standing.optimiser)
        while standing.epoch < settings.epochs and standing.waited < settings.patience:
            # Randomness of an epoch hangs on its number alone, so that a resumed fit draws what it would have drawn.
            torch.manual_seed(_derived(seed, standing.epoch))
            _learn(network, batch_loss, _drawn(train, settings.epoch_rows), optimiser, settings, device)
            loss = _mean_loss(network, batch_loss, judges, device)
            standing = _after(standing, loss, network, optimiser)
            checkpoint.save(standing)
            progress(f"epoch {standing.epoch} of {settings.epochs}, loss {loss:.4f}", standing.epoch / settings.epochs)
    network.load_state_dict(standing.best)
    network.to("cpu").eval()
    progress(f"best loss {standing.best_loss:.4f} after {standing.epoch} epochs", 1.0)


def device_of(wanted: str) -> torch.device:
    """`auto`: a GPU where torch finds one. Raises InputError for one that is not there or not known."""
    if wanted not in ("auto", "cpu", "cuda"):
        raise InputError(f"device {wanted!r} is not known; expected auto, cpu or cuda")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise InputError("device cuda: torch finds no GPU here; give --device cpu or auto")
    return torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")


@contextmanager
def reproducible(seed: int, threads: int = 1, device: torch.device | None = None) -> Iterator[None]:
    """Torch's global randomness, threads and algorithms set for one fit, and as they were afterwards."""
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    on_cpu = device is None or device.type == "cpu"
    with torch.random.fork_rng():
        torch.manual_seed(_derived(seed, -1))
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(on_cpu)
        try:
            yield
        finally:
            torch.set_num_threads(before[0])
            torch.use_deterministic_algorithms(before[1])


def _learn(
    network: nn.Module,
    batch_loss: BatchLoss,
    rows: Rows,
    optimiser: torch.optim.Optimizer,
    settings: LoopSettings,
    device: torch.device,
) -> None:
    network.train()
    for start in range(0, len(rows), settings.batch):
        optimiser.zero_grad(set_to_none=True)
        loss = batch_loss(rows[start : start + settings.batch], device)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(network.parameters(), settings.gradient_clip)
        optimiser.step()


def _drawn(rows: Rows, limit: int) -> Rows:
    """At most `limit` of the rows, in an order drawn from torch's generator."""
    order: Rows = torch.randperm(len(rows))[:limit].numpy()
    return rows[order]


def _mean_loss(network: nn.Module, batch_loss: BatchLoss, rows: Rows, device: torch.device) -> float:
    network.eval()
    total = 0.0
    with torch.no_grad():
        for start in range(0, len(rows), JUDGING_BATCH):
            batch = rows[start : start + JUDGING_BATCH]
            total += batch_loss(batch, device).item() * len(batch)
    if not isfinite(total):
        raise InputError("the loss is not a finite number: give a smaller learning_rate, or look at the features")
    return total / len(rows)


def _after(last: Standing, loss: float, network: nn.Module, optimiser: torch.optim.Optimizer) -> Standing:
    state = network.state_dict()
    better = loss < last.best_loss
    return Standing(
        epoch=last.epoch + 1,
        best_loss=loss if better else last.best_loss,
        waited=0 if better else last.waited + 1,
        best={name: value.detach().clone() for name, value in state.items()} if better else last.best,
        network=state,
        optimiser=optimiser.state_dict(),
    )


class _Checkpoint:
    """The last epoch's standing on disk, if a directory was given. That of another fit counts as none."""

    def __init__(self, directory: Path | None, identity: str) -> None:
        self.path = directory / CHECKPOINT_FILE if directory else None
        self.identity = identity

    def load(self, device: torch.device) -> Standing | None:
        if self.path is None or not self.path.is_file():
            return None
        kept = torch.load(self.path, map_location=device, weights_only=True)
        return Standing(**kept["standing"]) if kept["identity"] == self.identity else None

    def save(self, standing: Standing) -> None:
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.path.with_suffix(".new")
        torch.save({"identity": self.identity, "standing": vars(standing)}, unfinished)
        unfinished.replace(self.path)


def _identity(network: nn.Module, train: Rows, early_stop: Rows, settings: LoopSettings, seed: int) -> str:
    """Of one fit: its settings, seed, rows, and the weights that it began with (which know the features' scale)."""
    digest = sha256(f"{type(network).__name__} {settings.model_dump_json()} {seed}".encode())
    for rows in (train, early_stop):
        digest.update(b"rows")
        digest.update(np.ascontiguousarray(rows, dtype=np.int64).tobytes())
    for name, value in network.state_dict().items():
        digest.update(name.encode())
        digest.update(value.cpu().numpy().tobytes())
    return digest.hexdigest()


def _derived(seed: int, epoch: int) -> int:
    return int.from_bytes(sha256(f"{seed}/{epoch}".encode()).digest()[:8]) >> 1
