"""The rooms of the store and of the services, held: who may import whom (see docs/architecture.md)."""

import pytest

from tests.imports import ROOT, circle_in, import_graph

_MOST_FILES = 16
_GATEWAY = "services.gateway"
_ROOMS = {
    "coedit.store": {
        "keys": set[str](),
        "scripts": set(),
        "redis": {"keys"},
        "objects": set(),
        "streams": {"keys", "scripts", "redis"},
        "limits": {"keys", "scripts", "redis"},
        "presence": {"keys", "scripts", "redis"},
        "webhooks": {"keys", "scripts", "redis"},
        "deployment": {"keys", "scripts", "redis", "objects", "streams"},
        "documents": {"keys", "scripts", "redis", "objects"},
        "writes": {"keys", "scripts", "redis", "objects", "documents"},
        "deletion": {"keys", "scripts", "redis", "objects", "streams"},
    },
    _GATEWAY: {
        "settings": set(),
        "metrics": set(),
        "traces": set(),
        "heavy": {"settings", "metrics"},
        "limits": {"settings", "metrics"},
        "access": {"settings", "metrics", "heavy", "limits"},
        "sockets": {"settings", "metrics", "limits"},
        "redis": {"settings", "metrics", "traces"},
        "documents": {"settings", "metrics", "traces", "redis"},
        "ot": {"settings", "metrics", "traces", "access", "sockets", "redis", "documents"},
        "yjs": {
            "settings",
            "metrics",
            "traces",
            "access",
            "sockets",
            "heavy",
            "limits",
            "redis",
            "documents",
        },
        "rest": {"settings", "metrics", "traces", "access", "heavy", "redis", "documents"},
    },
    "services.transformer": {
        "settings": set(),
        "metrics": set(),
        "heads": {"metrics"},
        "recovery": {"metrics", "heads"},
        "documents": {"metrics", "recovery"},
        "heavy": {"metrics"},
        "deciding": {"metrics", "documents", "heavy"},
        "loop": {"metrics", "heads", "recovery", "documents", "deciding"},
    },
}
_PUT_TOGETHER = {"__main__", "app"}
"""What starts a service knows all of its rooms."""
_DOORS = {"ot", "yjs", "rest"}
_GRAPH = import_graph()


@pytest.mark.parametrize("house", sorted(_ROOMS))
def test_every_room_is_known(house: str) -> None:
    """A new folder or file beside the rooms must be given its place here."""
    assert {_room(house, module) for module in _GRAPH if module.startswith(f"{house}.")} - _PUT_TOGETHER == (
        _ROOMS[house].keys()
    )


@pytest.mark.parametrize("house", sorted(_ROOMS))
def test_room_imports_only_what_stands_below_it(house: str) -> None:
    for module, others in _GRAPH.items():
        if not module.startswith(f"{house}.") or _room(house, module) in _PUT_TOGETHER:
            continue
        room = _room(house, module)
        for other in others:
            if other.startswith(f"{house}."):
                assert _room(house, other) in _ROOMS[house][room] | {room}, f"{module} imports {other}"


@pytest.mark.parametrize("house", sorted(_ROOMS))
def test_arrows_between_rooms_lead_downwards(house: str) -> None:
    """As the table has them: each room stands above all that it may import."""
    above = list(_ROOMS[house])
    for place, room in enumerate(above):
        assert _ROOMS[house][room] <= set(above[:place]), room


@pytest.mark.parametrize("door", sorted(_DOORS))
def test_no_door_of_the_gateway_imports_another(door: str) -> None:
    """Whatever else the table comes to say."""
    assert not _ROOMS[_GATEWAY][door] & _DOORS
    for module, others in _GRAPH.items():
        if module.startswith(f"{_GATEWAY}.{door}."):
            assert not {_room(_GATEWAY, other) for other in others} & (_DOORS - {door}), module


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Not even where only types are checked: whoever reads one of them has to read all."""
    assert circle_in(_GRAPH) == []


def test_circle_is_found_whatever_hangs_on_it() -> None:
    graph = {"a": {"b"}, "b": {"c", "d"}, "c": set(), "d": {"e"}, "e": {"b"}}
    assert circle_in(graph) == ["b", "d", "e", "b"]
    assert circle_in(graph | {"e": {"c"}}) == []


def test_rooms_of_the_ot_core_stand_on_each_other() -> None:
    """The algebra stands on what deltas are made of; what either side does and what is asked of the past, on both."""
    for module, others in _GRAPH.items():
        room = _room("coedit.ot", module) if module.startswith("coedit.ot.") else ""
        rooms = {_room("coedit.ot", other) for other in others if other.startswith("coedit.ot.")}
        if room == "parts":
            assert rooms <= {"parts"}, module
        elif room:
            assert not rooms & ({"roles", "past"} - {room}), module


@pytest.mark.parametrize("folder", ["libs", "services"])
def test_no_folder_is_crowded(folder: str) -> None:
    """But for the tests: a folder that is full wants rooms."""
    for room in {path.parent for path in (ROOT / folder).rglob("*.py")}:
        assert len(list(room.glob("*.py"))) <= _MOST_FILES, room


def _room(house: str, module: str) -> str:
    return module.removeprefix(f"{house}.").partition(".")[0]
