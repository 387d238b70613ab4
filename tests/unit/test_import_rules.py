"""The layers, held: who may import whom (see docs/architecture.md)."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.imports import ROOT, imported, names_in

_LEAVES = {"identifiers", "errors"}
_MAY_IMPORT = {
    "identifiers": {"errors"},
    "errors": set(),
    "ot": _LEAVES | {"ot"},
    "presence": _LEAVES | {"ot", "presence"},
    "crdt": _LEAVES | {"ot", "protocol", "crdt"},
    "formats": _LEAVES | {"ot", "protocol", "crdt", "formats"},
    "protocol": _LEAVES | {"ot", "presence", "protocol"},
    "store": _LEAVES | {"ot", "protocol", "presence", "crdt", "store"},
    "client": _LEAVES | {"ot", "protocol", "presence", "client"},
    "replay": _LEAVES | {"ot", "protocol", "crdt", "store", "client", "replay"},
    "commands": _LEAVES | {"ot", "protocol", "store", "client", "replay", "doctor", "runtime", "commands"},
    "doctor": _LEAVES | {"ot", "protocol", "crdt", "store", "doctor"},
    "runtime": {"errors", "runtime"},
}
_SERVICE_MAY_IMPORT = {*_MAY_IMPORT} - {"client", "replay", "commands", "doctor"}
_PURE = {"identifiers", "errors", "ot", "protocol", "presence", "crdt", "formats"}
_IMPURE = {
    "aiohttp",
    "asyncio",
    "concurrent",
    "http",
    "importlib",
    "io",
    "logging",
    "multiprocessing",
    "obstore",
    "os",
    "pathlib",
    "random",
    "redis",
    "secrets",
    "select",
    "selectors",
    "shutil",
    "signal",
    "socket",
    "ssl",
    "subprocess",
    "sys",
    "tempfile",
    "threading",
    "time",
    "urllib.request",
    "uuid",
    "uvloop",
}
"""Clocks, chance, files, sockets, processes, threads; and what imports by name, which this test cannot see."""
_SERVICES = {"gateway", "transformer", "presence", "snapshotter"}


def test_every_layer_is_known() -> None:
    """A new folder in the package must be given its place here."""
    found = {_layer(path) for path in (ROOT / "libs/coedit").rglob("*.py")}
    assert found - {"", "testing"} <= _MAY_IMPORT.keys()


@pytest.mark.parametrize("layer", sorted(_MAY_IMPORT))
def test_layer_imports_only_what_it_may(layer: str) -> None:
    for path, name in _imports(ROOT / "libs/coedit", layer):
        if name.startswith("coedit."):
            assert name.split(".")[1] in _MAY_IMPORT[layer], f"{path} imports {name}"
        assert not name.startswith("services"), f"{path} imports {name}"


@pytest.mark.parametrize("layer", sorted(_PURE))
def test_pure_layer_does_no_input_or_output(layer: str) -> None:
    for path, name in _imports(ROOT / "libs/coedit", layer):
        assert not _is_impure(name), f"{path} imports {name}"


@pytest.mark.parametrize("layer", sorted(_PURE))
def test_pure_layer_has_no_clock(layer: str) -> None:
    """A ``datetime`` is a value like any other; what it is now is an argument."""
    for path in _files(ROOT / "libs/coedit", layer):
        read = {
            node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)
        }
        assert not read & {"now", "utcnow", "today"}, path


@pytest.mark.parametrize("module", ["diagnosis", "plan", "report"])
def test_what_the_doctor_thinks_is_pure(module: str) -> None:
    """Of the store it knows the values alone."""
    names = list(names_in(ROOT / f"libs/coedit/doctor/{module}.py"))
    assert not list(filter(_is_impure, names))


def test_every_service_is_known() -> None:
    assert {
        path.name for path in (ROOT / "services").iterdir() if (path / "__init__.py").exists()
    } == _SERVICES


def test_what_starts_the_services_imports_none_of_them() -> None:
    """They are processes of their own; ``services/*.py`` knows their names and settings of the environment only."""
    beside = {path.stem for path in (ROOT / "services").glob("*.py")}
    for path in (ROOT / "services").glob("*.py"):
        for name in names_in(path):
            parts = name.split(".")
            assert parts[0] != "coedit", f"{path} imports {name}"
            assert parts[0] != "services" or parts[1] in beside, f"{path} imports {name}"


@pytest.mark.parametrize("service", sorted(_SERVICES))
def test_no_service_imports_another(service: str) -> None:
    for path, name in _imports(ROOT / "services", service):
        parts = name.split(".")
        if parts[0] == "services" and len(parts) > 1:
            assert parts[1] == service, f"{path} imports {name}"
        if parts[0] == "coedit" and len(parts) > 1:
            assert parts[1] in _SERVICE_MAY_IMPORT, f"{path} imports {name}"


def test_package_is_imported_by_one_name() -> None:
    """``libs.coedit`` would be a second copy of every module."""
    for folder in ("libs", "services", "tests", "bench", "examples"):
        for path in (ROOT / folder).rglob("*.py"):
            assert not [name for name in names_in(path) if name.startswith("libs")], path


@pytest.mark.parametrize(
    ("statement", "names"),
    [
        ("import os.path, redis", ["os.path", "redis"]),
        ("from coedit.store import keys", ["coedit.store.keys"]),
        ("from . import replica", ["coedit.ot.replica"]),
        ("from .replica import Replica", ["coedit.ot.replica.Replica"]),
        ("from ..store import keys", ["coedit.store.keys"]),
        ("from .. import store", ["coedit.store"]),
        ("def f():\n    from ...services import gateway", ["services.gateway"]),
    ],
)
def test_import_is_seen_however_it_is_written(statement: str, names: list[str]) -> None:
    assert list(imported(ast.parse(statement), "coedit.ot")) == names


def _imports(root: Path, layer: str) -> Iterator[tuple[Path, str]]:
    for path in _files(root, layer):
        yield from ((path, name) for name in names_in(path))


def _files(root: Path, layer: str) -> list[Path]:
    return [
        path for path in root.rglob("*.py") if path.relative_to(root).parts[0].removesuffix(".py") == layer
    ]


def _is_impure(name: str) -> bool:
    return any(name == impure or name.startswith(f"{impure}.") for impure in _IMPURE)


def _layer(path: Path) -> str:
    part = path.relative_to(ROOT / "libs/coedit").parts[0]
    return part.removesuffix(".py") if part != "__init__.py" else ""


def test_opentelemetry_is_imported_in_two_places() -> None:
    """By the servers in one room, entered if traces are wanted, and by clients that say that they want them."""
    found = {
        path.relative_to(ROOT).as_posix()
        for folder in ("libs", "services")
        for path in (ROOT / folder).rglob("*.py")
        if any(name.startswith("opentelemetry") for name in names_in(path))
    }
    room = "libs/coedit/runtime/tracing/"
    assert {name for name in found if not name.startswith(room)} == {"libs/coedit/client/traces.py"}
    assert f"{room}active.py" not in found
