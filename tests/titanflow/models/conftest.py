"""Tiny models of every kind in a registry of their own."""

from pathlib import Path

import pytest

from support.tiny_models import Files, tiny_model_files
from titanflow.domain.models import ModelManifest
from titanflow.models.registry import Registry

Tiny = tuple[ModelManifest, Files]


@pytest.fixture(scope="session")
def lightgbm() -> Tiny:
    return tiny_model_files("lightgbm")


@pytest.fixture(scope="session")
def lstm() -> Tiny:
    return tiny_model_files("lstm")


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """One that ships nothing."""
    return Registry(tmp_path / "home", tmp_path / "shipped")
