"""Which document a request's path names."""

from coedit.identifiers import DocumentId, document_id_from_url

DOCUMENT = r"{document:[\s\S]*}"
"""The rest of a path, whatever is in it: what a document may not be named is refused with a code, not passed over."""


def document_at(raw_path: str, prefix: str) -> DocumentId:
    """Read the path as it came: a router has decoded it once, and would have taken ``..`` for a step up."""
    path = raw_path.partition("?")[0]
    return document_id_from_url(path.removeprefix(prefix))
