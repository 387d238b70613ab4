"""The Python client: open documents, edit them, and see what others do.

::

    async with coedit.client.connect("http://127.0.0.1:8000", author="ada") as session:
        document = await session.open("notes")
        await document.insert(0, "hi")
        async for change in document.changes():
            ...
"""

from coedit.client.connection import ConnectionRefusedByServerError, Session, UnreachableError, connect
from coedit.client.document import Document
from coedit.client.events import Acknowledged, DocumentError, Submitted
from coedit.client.formats import DocumentFormats
from coedit.client.history import DocumentHistory, NamedVersion, PastDocument, PastEdit
from coedit.protocol.client_session import Change, Rejection

__all__ = [
    "Acknowledged",
    "Change",
    "ConnectionRefusedByServerError",
    "Document",
    "DocumentError",
    "DocumentFormats",
    "DocumentHistory",
    "NamedVersion",
    "PastDocument",
    "PastEdit",
    "Rejection",
    "Session",
    "Submitted",
    "UnreachableError",
    "connect",
]
