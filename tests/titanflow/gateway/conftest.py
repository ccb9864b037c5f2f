"""The catalogue, and providers made in two lines."""

from collections.abc import Callable
from pathlib import Path

import pytest

from titanflow.gateway.catalogue import Catalogue, load_catalogue
from titanflow.gateway.providers.base import Provider
from titanflow.gateway.providers.registry import make_provider

TapeMaker = Callable[..., Provider]


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest.fixture
def tape_of(tmp_path: Path, catalogue: Catalogue) -> TapeMaker:
    """`tape_of(text, **options)` writes one CSV file and opens it; several texts make several files."""

    def make(*contents: str | bytes, name: str = "tape{}.csv", **options: object) -> Provider:
        paths = []
        for number, content in enumerate(contents):
            path = tmp_path / name.format(number)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
            paths.append(path)
        return make_provider("tape", tapes=paths, seed=1, options=options, catalogue=catalogue)

    return make
