"""The scenario files, replayed by the Python client; the TypeScript client replays the same ones."""

import json
from typing import Any

import pytest

from coedit.identifiers import DocumentId
from coedit.ot.delta import Delta
from coedit.protocol.client_session import ClientDocument
from tests.scenarios.generate import FOLDER, SEEDS, file_text, scenario


@pytest.mark.parametrize("seed", SEEDS)
def test_python_client_sends_and_shows_what_the_scenario_says(seed: int) -> None:
    facts = json.loads((FOLDER / f"{seed:02}.json").read_text(encoding="utf-8"))
    clients = [ClientDocument(DocumentId("d")) for _ in range(facts["clients"])]
    for number, step in enumerate(facts["steps"]):
        sent = _replay(clients[step["client"]], step)
        assert json.dumps(sent, sort_keys=True) == json.dumps(step.get("sent", []), sort_keys=True), number
    assert all(client.saved for client in clients)
    assert all(client.content.to_json() == facts["document"] for client in clients)


def test_files_are_what_the_generator_writes() -> None:
    assert {path.name for path in FOLDER.glob("*.json")} == {f"{seed:02}.json" for seed in SEEDS}
    stale = [
        seed for seed in SEEDS if (FOLDER / f"{seed:02}.json").read_text(encoding="utf-8") != file_text(seed)
    ]
    assert not stale, "run: .venv/bin/python -m tests.scenarios.generate"


def test_long_scenarios_of_a_fresh_seed_converge(seed: int) -> None:
    for number in range(8):
        scenario(seed + number, 300)


def _replay(client: ClientDocument, step: dict[str, Any]) -> list[Any]:
    match step["do"]:
        case "connect":
            return [client.open_message()]
        case "cut":
            client.lost()
            return []
        case "edit":
            return list(client.edit(Delta.from_json(step["delta"]), group=step["group"]))
        case "undo":
            return list(client.undo()[1])
        case "redo":
            return list(client.redo()[1])
        case "resend":
            return list(client.resend())
    return _receive(client, step["message"])


def _receive(client: ClientDocument, message: dict[str, Any]) -> list[Any]:
    if message["type"] == "opened":
        client.opened(message, Delta.from_json(message["content"]) if message["mode"] == "content" else None)
        return list(client.resend())
    if message["type"] == "ack":
        return list(client.receive_ack(message))
    client.receive_commits(message)
    return []
