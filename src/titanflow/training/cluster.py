"""Dask: a cluster of processes on this machine, or one that is there already. What runs on it is `folds`."""

import logging
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any, TypeVar

from titanflow.errors import InputError, TitanFlowError
from titanflow.training.config import ResourcesSection
from titanflow.training.trainer import Progress

PROGRESS_TOPIC = "titanflow-progress"
CONNECT_SECONDS = 20
GIGABYTE = 1_000_000_000
LOOPBACK = "127.0.0.1"
SILENT = logging.CRITICAL + 1
"""Level of Dask's log, which tells of every connection that ends; what matters comes as an exception."""

Task = TypeVar("Task")
Result = TypeVar("Result")
Shared = TypeVar("Shared")
Work = Callable[[Shared, Task, Progress], Result]
"""(what all tasks read, the task, whom to tell how far it is) -> its result. Importable by a worker."""


def workers_for(resources: ResourcesSection, tasks: int) -> int:
    """Processes worth having for so many tasks; 1 means this one alone."""
    return min(tasks, resources.workers or os.cpu_count() or 1)


def run_on_dask(
    resources: ResourcesSection, work: Work[Shared, Task, Result], shared: Shared, tasks: Sequence[Task],
    scratch: Path, progress: Progress,
) -> Iterator[tuple[Task, Result]]:  # fmt: skip
    """Each task with its result, as they are done. Raises InputError where the scheduler cannot be reached, and
    TitanFlowError where it, or a process, is lost.

    `scratch` is a directory for what the processes of this machine keep; `progress` is told what the tasks tell theirs.
    """
    library = distributed()
    with _client(resources, len(tasks), scratch) as client:
        client.subscribe_topic(PROGRESS_TOPIC, lambda event: progress(*event[1]))
        spread = client.scatter(shared, broadcast=True)
        # A task is not pure: its name is no hash of its arguments, which would be made of the data each time.
        places = {client.submit(_tell_while, work, spread, task, pure=False, retries=2): task for task in tasks}
        try:
            for future, result in library.as_completed(places, with_results=True):
                yield places[future], result
        except library.scheduler.KilledWorker as error:
            raise TitanFlowError(
                f"a process was killed while it fitted, probably for want of memory: give it more "
                f"(resources.memory_gb), or have fewer processes (--workers); finished folds are kept ({error})"
            ) from error
        except library.CancelledError as error:
            raise TitanFlowError(
                "the Dask scheduler went away; finished folds are kept, the same command goes on from there"
            ) from error


def _tell_while(work: Work[Shared, Task, Result], shared: Shared, task: Task) -> Result:
    """On a worker: do the work and send its progress to the client."""
    worker = distributed().get_worker()
    told = -1.0

    def tell(what: str, part: float) -> None:
        nonlocal told
        if part >= 1 or part - told >= 0.02 or part < told:
            told = part
            worker.log_event(PROGRESS_TOPIC, (what, part))

    return work(shared, task, tell)


def distributed() -> Any:
    """Dask's library, imported when it is needed; its functions have no types."""
    return import_module("distributed")


@contextmanager
def _client(resources: ResourcesSection, tasks: int, scratch: Path) -> Iterator[Any]:
    library = distributed()
    for name in [name for name in logging.root.manager.loggerDict if name.partition(".")[0] == "distributed"]:
        logging.getLogger(name).setLevel(SILENT)
    if resources.dask:
        try:
            client = library.Client(resources.dask, timeout=CONNECT_SECONDS)
        except (OSError, ValueError, TimeoutError) as error:
            raise InputError(
                f"resources.dask = {resources.dask!r}: no Dask scheduler answers ({error}); expected an address such "
                "as tcp://10.0.0.5:8786"
            ) from error
        with client:
            yield client
        return
    memory = int(resources.memory_gb * GIGABYTE) if resources.memory_gb else "auto"
    with _children_deaf_to_interrupts():
        cluster = library.LocalCluster(
            n_workers=workers_for(resources, tasks), threads_per_worker=1, processes=True, host=LOOPBACK,
            dashboard_address=f"{LOOPBACK}:0", scheduler_kwargs={"dashboard": False}, memory_limit=memory,
            local_directory=str(scratch), silence_logs=SILENT,
        )  # fmt: skip
    with cluster, library.Client(cluster) as client:
        yield client


@contextmanager
def _children_deaf_to_interrupts() -> Iterator[None]:
    """Ctrl-C reaches a terminal's whole process group: this process ends the others, none of which need say anything.

    A blocked signal is blocked in the threads and processes that are begun meanwhile, and comes here afterwards.
    """
    # Python's tracker of shared resources, begun by the first child, would lift the block on its way.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
