"""Style as a test: what a reader may rely on in every module of the product."""

import ast
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("src/titanflow", "eventstore", "projections", "replay")
MODULES = sorted(path.relative_to(ROOT) for package in PACKAGES for path in (ROOT / package).rglob("*.py"))

MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 70
MAX_DOCSTRING_LINES = 5

LONG_MODULES = {
    Path("src/titanflow/domain/events.py"): "the whole vocabulary, one event after the other",
}
"""Modules that may be longer, with the reason."""
LONG_DOCSTRINGS = {
    Path("src/titanflow/gateway/providers/bars.py"): "the whole rule by which a bar becomes ticks",
    Path("src/titanflow/signal/contenders.py"): "the form of a contenders file",
}
"""Modules that say more at their head, with the reason."""
ENVIRONMENT_READERS = {
    Path("src/titanflow/settings/sources.py"): "settings",
    Path("src/titanflow/runtime/supervisor.py"): "a child's environment is its parent's and more",
}
PURE = ("domain", "signal", "risk", "execution", "deciders.py")
IMPURE = {
    "asyncio", "datetime", "eventstore", "exchange_calendars", "hiredis", "io", "logging", "numpy", "os", "pandas",
    "pathlib", "psycopg", "random", "redis", "secrets", "socket", "sqlalchemy", "structlog", "subprocess",
    "threading", "time", "uuid",
}  # fmt: skip

Function = ast.FunctionDef | ast.AsyncFunctionDef
each_module = pytest.mark.parametrize("path", MODULES, ids=str)


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


def functions(node: ast.AST) -> Iterator[Function]:
    return (child for child in ast.walk(node) if isinstance(child, Function))


def public_definitions(body: list[ast.stmt]) -> Iterator[Function | ast.ClassDef]:
    for node in body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public_definitions(node.body)


def overrides(node: Function | ast.ClassDef) -> bool:
    return any("override" in ast.unparse(decorator) for decorator in node.decorator_list)


def is_use(node: ast.AST, name: str | None) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


def test_the_packages_are_found() -> None:
    assert len(MODULES) > 100
    assert {path.parts[0] for path in MODULES} == {"src", "eventstore", "projections", "replay"}


@each_module
def test_a_module_says_in_a_few_lines_what_lives_in_it(path: Path) -> None:
    docstring = ast.get_docstring(tree_of(path))
    assert docstring, f"{path} has no docstring"
    assert len(docstring.splitlines()) <= MAX_DOCSTRING_LINES or path in LONG_DOCSTRINGS


@each_module
def test_a_module_and_its_functions_are_short(path: Path) -> None:
    if path not in LONG_MODULES:
        assert len((ROOT / path).read_text(encoding="utf-8").splitlines()) <= MAX_MODULE_LINES
    long = [f.name for f in functions(tree_of(path)) if (f.end_lineno or 0) - f.lineno + 1 > MAX_FUNCTION_LINES]
    assert not long, f"longer than {MAX_FUNCTION_LINES} lines: {long}"


@each_module
def test_public_names_say_what_they_mean(path: Path) -> None:
    bare = [
        node.name
        for node in public_definitions(tree_of(path).body)
        if not ast.get_docstring(node) and not overrides(node)
    ]
    assert not bare, f"without a docstring: {bare}"


@each_module
def test_no_exception_is_swallowed_unseen(path: Path) -> None:
    swallowed = [
        handler.lineno
        for handler in ast.walk(tree_of(path))
        if isinstance(handler, ast.ExceptHandler)
        and (handler.type is None or ast.unparse(handler.type) in ("Exception", "BaseException"))
        and not any(isinstance(node, ast.Raise) or is_use(node, handler.name) for node in ast.walk(handler))
    ]
    assert not swallowed, f"every exception is caught, and neither raised again nor told, at lines {swallowed}"


@each_module
def test_nothing_is_left_to_do(path: Path) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    assert not [word for word in ("TODO", "FIXME", "XXX", "NotImplemented") if word in text]


@each_module
def test_only_the_listed_modules_read_the_environment(path: Path) -> None:
    reads = [
        ast.unparse(node)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.environ", "os.getenv", "os.environb")
    ]
    assert not reads or path in ENVIRONMENT_READERS, f"{path} reads {reads}"


@pytest.mark.parametrize(
    "path", [p for p in MODULES if p.parts[:2] == ("src", "titanflow") and p.parts[2] in PURE], ids=str
)
def test_what_decides_imports_nothing_impure(path: Path) -> None:
    assert not imported(path) & IMPURE


def test_every_exception_to_a_rule_is_still_needed() -> None:
    for path in LONG_DOCSTRINGS:
        assert len((ast.get_docstring(tree_of(path)) or "").splitlines()) > MAX_DOCSTRING_LINES
    for path in LONG_MODULES:
        assert len((ROOT / path).read_text(encoding="utf-8").splitlines()) > MAX_MODULE_LINES
    for path in ENVIRONMENT_READERS:
        assert "os.environ" in (ROOT / path).read_text(encoding="utf-8"), f"{path} need not be listed"


def test_properties_are_checked_on_the_same_examples_in_every_run_but_a_soak() -> None:
    soaking = os.environ.get("HYPOTHESIS_PROFILE") == "soak"
    assert settings().derandomize is not soaking
    assert settings().deadline is None, "a slow machine fails no property"
