"""The layers, held: who may import whom (see docs/architecture.md)."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_LEAVES = {"identifiers", "errors"}
_MAY_IMPORT = {
    "identifiers": {"errors"},
    "errors": set(),
    "ot": _LEAVES | {"ot"},
    "presence": _LEAVES | {"ot", "presence"},
    "crdt": _LEAVES | {"ot", "crdt"},
    "protocol": _LEAVES | {"ot", "presence", "protocol"},
    "store": _LEAVES | {"ot", "protocol", "presence", "crdt", "store"},
    "client": _LEAVES | {"ot", "protocol", "presence", "crdt", "store", "client", "doctor"},
    "doctor": _LEAVES | {"ot", "protocol", "crdt", "store", "runtime", "doctor"},
    "runtime": {"errors", "runtime"},
}
_SERVICE_MAY_IMPORT = {*_MAY_IMPORT} - {"client", "doctor"}
_PURE = {"identifiers", "errors", "ot", "protocol", "presence", "crdt"}
_IMPURE = {
    "asyncio",
    "redis",
    "aiohttp",
    "logging",
    "os",
    "time",
    "random",
    "secrets",
    "socket",
    "threading",
    "uuid",
}
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
        assert name.split(".")[0] not in _IMPURE, f"{path} imports {name}"


@pytest.mark.parametrize("module", ["diagnosis", "plan", "report"])
def test_what_the_doctor_thinks_is_pure(module: str) -> None:
    """Of the store it knows the values alone."""
    names = list(_names(ROOT / f"libs/coedit/doctor/{module}.py"))
    assert not {name.split(".")[0] for name in names} & _IMPURE


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
            assert not [name for name in _names(path) if name.startswith("libs")], path


def _imports(root: Path, layer: str) -> Iterator[tuple[Path, str]]:
    for path in root.rglob("*.py"):
        if path.relative_to(root).parts[0].removesuffix(".py") == layer:
            yield from ((path, name) for name in _names(path))


def _names(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _layer(path: Path) -> str:
    part = path.relative_to(ROOT / "libs/coedit").parts[0]
    return part.removesuffix(".py") if part != "__init__.py" else ""
