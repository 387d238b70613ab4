"""Who imports whom, read from the sources: nothing is run."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]


def names_in(path: Path) -> Iterator[str]:
    """Yield all that the module in a file imports, by absolute names, also where only types are checked."""
    return imported(ast.parse(path.read_text()), _package(path))


def imported(tree: ast.AST, package: str) -> Iterator[str]:
    """Yield all that a module in ``package`` imports, by absolute names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: max(0, package.count(".") + 2 - node.level)] if node.level else []
            module = ".".join([*parents, *filter(None, [node.module])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def _package(path: Path) -> str:
    parts = path.parent.relative_to(ROOT).parts
    return ".".join(parts[1:] if parts[:1] == ("libs",) else parts)


def import_graph() -> dict[str, set[str]]:
    """Return which of our modules each module in ``libs`` and ``services`` imports."""
    paths = {_module(path): path for folder in ("libs", "services") for path in (ROOT / folder).rglob("*.py")}
    return {module: _ours(names_in(path), paths) - {module} for module, path in paths.items()}


def circle_in(graph: Mapping[str, set[str]]) -> list[str]:
    """Return modules of which each imports the next, and the last is the first; none where there is no circle."""
    done, way = set[str](), list[str]()

    def walk(module: str) -> list[str]:
        if module in way:
            return [*way[way.index(module) :], module]
        if module not in done:
            way.append(module)
            for other in sorted(graph[module]):
                if circle := walk(other):
                    return circle
            done.add(way.pop())
        return []

    return next(filter(None, map(walk, graph)), [])


def _ours(names: Iterator[str], known: Mapping[str, Path]) -> set[str]:
    """Return the modules that names are of: what is imported may be a module, or something in one."""
    found = {name if name in known else name.rpartition(".")[0] for name in names}
    return found & known.keys()


def _module(path: Path) -> str:
    return _package(path) if path.name == "__init__.py" else f"{_package(path)}.{path.stem}"
