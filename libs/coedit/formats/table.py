"""The formats by name, and the two functions that everybody outside calls."""

from collections.abc import Callable
from dataclasses import dataclass

from coedit.crdt.document import ROOT
from coedit.errors import InvalidFormatError, InvalidRequestError
from coedit.formats.delta_json import read_delta_json, write_delta_json
from coedit.formats.html_reader import read_html
from coedit.formats.html_writer import write_html
from coedit.formats.markdown_reader import read_markdown
from coedit.formats.markdown_writer import write_markdown
from coedit.formats.plain_text import read_text, write_text
from coedit.formats.yjs_update import read_yjs, write_yjs
from coedit.ot.delta import Delta


@dataclass(frozen=True, slots=True)
class Format:
    """One format: what it is called where, and whether reading and writing it takes next to no time."""

    name: str
    content_type: str
    suffix: str
    """Of file names."""
    is_cheap: bool = False


FORMATS = {
    form.name: form
    for form in (
        Format("text", "text/plain; charset=utf-8", ".txt", is_cheap=True),
        Format("markdown", "text/markdown; charset=utf-8", ".md"),
        Format("html", "text/html; charset=utf-8", ".html"),
        Format("delta", "application/json", ".json", is_cheap=True),
        Format("yjs", "application/octet-stream", ".yjs"),
    )
}


def format_named(name: str) -> Format:
    """Return the format of a name.

    Raises:
        InvalidRequestError: there is none.
    """
    if name not in FORMATS:
        raise InvalidRequestError(f"format {name!r} is none of {', '.join(FORMATS)}")
    return FORMATS[name]


def export_document(document: Delta, name: str, seed: str = "") -> bytes:
    """Return a document in a format; ``seed`` is what a Yjs export takes its client id from.

    Raises:
        InvalidRequestError: there is no such format.
        DamagedError: Yjs cannot hold the document.
    """
    match format_named(name).name:
        case "text":
            return write_text(document)
        case "markdown":
            return write_markdown(document).encode()
        case "html":
            return write_html(document).encode()
        case "yjs":
            return write_yjs(document, seed)
        case _:
            return write_delta_json(document)


def import_document(body: bytes, name: str, root: str = ROOT) -> Delta:
    """Return the document that ``body`` holds; of a Yjs update the text of the name ``root``.

    Raises:
        InvalidFormatError: the body is not of the format.
        InvalidDeltaError: it is, and what it holds is no document.
        InvalidRequestError: there is no such format.
    """
    match format_named(name).name:
        case "yjs":
            return read_yjs(body, root)
        case "delta":
            return read_delta_json(body)
        case _:
            return _READERS[name](_decoded(body))


_READERS: dict[str, Callable[[str], Delta]] = {
    "text": read_text,
    "markdown": read_markdown,
    "html": read_html,
}


def _decoded(body: bytes) -> str:
    """Return text without a byte order mark, its lines ended by ``\\n``."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidFormatError(f"not UTF-8: byte {error.start} is {body[error.start]:#04x}") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")
