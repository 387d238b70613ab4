"""Documents in the formats of others: plain text, Markdown, HTML, Quill's Delta, Yjs. Pure.

What each format carries and what it loses stands in ``docs/formats.md``.
"""

from coedit.formats.table import FORMATS, Format, export_document, import_document

__all__ = ["FORMATS", "Format", "export_document", "import_document"]
