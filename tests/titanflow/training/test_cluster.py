"""Dask at the edges: how many processes, one that dies, and ports that nobody outside may reach."""

import os
from pathlib import Path

import dask
import pytest

from support.fits_on_dask import doomed, hosts_listened_on
from titanflow.errors import TitanFlowError
from titanflow.training.cluster import LOOPBACK, distributed, run_on_dask, workers_for
from titanflow.training.config import ResourcesSection
from titanflow.training.data import no_progress

ONE = ResourcesSection(workers=1)


def test_no_more_processes_are_begun_than_there_are_tasks_or_cores() -> None:
    assert workers_for(ResourcesSection(), 1) == 1
    assert workers_for(ResourcesSection(), 10_000) == os.cpu_count()
    assert workers_for(ResourcesSection(workers=3), 10_000) == 3


def test_a_fit_that_its_process_does_not_survive_ends_with_advice(tmp_path: Path) -> None:
    distributed()  # It adds its settings to Dask's, which must be there before one of them is changed.
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        pytest.raises(TitanFlowError, match=r"probably for want of memory: give it more \(resources.memory_gb\)"),
    ):
        list(run_on_dask(ONE, doomed, None, ["task"], tmp_path, no_progress))


def test_a_cluster_of_our_own_listens_on_loopback_alone(tmp_path: Path) -> None:
    ((_, hosts),) = run_on_dask(ONE, hosts_listened_on, None, ["task"], tmp_path, no_progress)
    assert hosts == {LOOPBACK}
