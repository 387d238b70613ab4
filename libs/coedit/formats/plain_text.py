"""Plain text: the characters, without any formatting."""

from coedit.ot.delta import Delta


def write_text(document: Delta) -> bytes:
    """Return the text in UTF-8, with U+FFFC for each embed."""
    return document.text.encode()


def read_text(text: str) -> Delta:
    """Return the document of a text; nothing is added to it, not even a newline at its end."""
    return Delta().insert(text)
