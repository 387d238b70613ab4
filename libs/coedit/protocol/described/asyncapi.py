"""The messages of v1 as an AsyncAPI 3 document: one channel, the WebSocket, on which both sides say what they may."""

from typing import Any, get_args

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from coedit.protocol.codec import Codec
from coedit.protocol.described.server_messages import ServerMessage
from coedit.protocol.messages import ClientMessage

Json = dict[str, Any]

_CHANNEL = "#/channels/v1"
_CLIENT: tuple[type[BaseModel], ...] = get_args(ClientMessage)
_SERVER: tuple[type[BaseModel], ...] = get_args(ServerMessage)


def describe_messages(version: str) -> Json:
    """Return the document."""
    models = [*_CLIENT, *_SERVER]
    _, schemas = models_json_schema(
        [(model, "validation") for model in models], ref_template="#/components/schemas/{model}"
    )
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "coedit",
            "version": version,
            "description": "What a client and the server say to each other on a WebSocket; see docs/protocol.md.",
        },
        "defaultContentType": "application/json",
        "channels": {
            "v1": {
                "address": "/v1/ws",
                "description": "One connection, many documents. Subprotocols: "
                f"{', '.join(codec.value for codec in Codec)}. One frame is one message.",
                "messages": {
                    model.__name__: {"$ref": f"#/components/messages/{model.__name__}"} for model in models
                },
                "bindings": {"ws": {"bindingVersion": "0.1.0", "method": "GET"}},
            }
        },
        "operations": {
            "say": _operation("receive", "What a client says", _CLIENT),
            "hear": _operation("send", "What the server says", _SERVER),
        },
        "components": {
            "messages": {model.__name__: _message(model) for model in models},
            "schemas": schemas["$defs"],
        },
    }


def _operation(action: str, summary: str, models: tuple[type[BaseModel], ...]) -> Json:
    messages = [{"$ref": f"{_CHANNEL}/messages/{model.__name__}"} for model in models]
    return {"action": action, "channel": {"$ref": _CHANNEL}, "summary": summary, "messages": messages}


def _message(model: type[BaseModel]) -> Json:
    (name,) = get_args(model.model_fields["type"].annotation)
    said = (model.__doc__ or "").partition("\n")[0]
    return {"name": name, "summary": said, "payload": {"$ref": f"#/components/schemas/{model.__name__}"}}
