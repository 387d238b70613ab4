"""Kubernetes' strategic merge patch, as far as kubectl sends it for the kinds that the manifests have."""

from typing import Any

_KEYS = {
    "containers": ("name",),
    "env": ("name",),
    "imagePullSecrets": ("name",),
    "initContainers": ("name",),
    "ports": ("containerPort", "port"),
    "topologySpreadConstraints": ("topologyKey",),
    "volumeMounts": ("mountPath",),
    "volumes": ("name",),
}
"""By what the items of a list are told apart; a list that is not here is replaced as a whole. A policy's ports are
in a list that is."""


def merged(old: Any, patch: Any, field: str = "") -> Any:
    """Return ``old`` with a patch applied; ``field`` is the name under which it stands.

    Raises:
        ValueError: the patch says something that this does not know.
    """
    if isinstance(patch, dict):
        return _merged_map(old if isinstance(old, dict) else {}, patch)
    if isinstance(patch, list) and _key(field, [*(old or []), *patch]):
        return _merged_list(old or [], patch, field)
    return patch


def _merged_map(old: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    found = dict(old)
    if "$retainKeys" in patch:
        found = {name: value for name, value in found.items() if name in patch["$retainKeys"]}
    for name, value in patch.items():
        if name.startswith("$"):
            continue
        if value is None:
            found.pop(name, None)
        else:
            found[name] = merged(found.get(name), value, name)
    for name, value in patch.items():
        directive, _, field = name.partition("/")
        if directive == "$setElementOrder":
            found[field] = _ordered(found.get(field, []), value, field)
        elif name.startswith("$") and name != "$retainKeys":
            raise ValueError(f"{name} is not known here")
    return found


def _merged_list(old: list[Any], patch: list[Any], field: str) -> list[Any]:
    key = _key(field, [*old, *patch])
    assert key is not None
    found = {item[key]: item for item in old}
    for item in patch:
        if item.get("$patch") == "delete":
            found.pop(item[key], None)
        elif "$patch" in item:
            raise ValueError(f"$patch: {item['$patch']} is not known here")
        else:
            found[item[key]] = merged(found.get(item[key]), item)
    return list(found.values())


def _ordered(items: list[Any], order: list[Any], field: str) -> list[Any]:
    key = _key(field, items)
    if key is None:
        raise ValueError(f"the order of {field} is not known here")
    places = {item[key]: place for place, item in enumerate(order)}
    return sorted(items, key=lambda item: places.get(item[key], len(places)))


def _key(field: str, items: list[Any]) -> str | None:
    """Return by what all items of a list are told apart; nothing where the list is one value."""
    for key in _KEYS.get(field, ()):
        if items and all(isinstance(item, dict) and key in item for item in items):
            return key
    return None
