"""Whether the two derivations of a document, by OT and by Yjs, are one document."""

from coedit.crdt.document import ROOT, YjsDocument
from coedit.errors import DamagedError
from coedit.identifiers import DocumentId


def audited_update(document_id: DocumentId, document: YjsDocument, root: str | None = ROOT) -> bytes:
    """Return the document as one Yjs update from which, loaded afresh, exactly this document comes back.

    Its text is ``root``; None: it is no text.

    Raises:
        DamagedError: OT and Yjs disagree, or the update holds another document than it was taken from.
    """
    if document.render() != document.content:
        raise DamagedError("OT and Yjs made different documents of the same commits", "fold")
    update = document.update()
    loaded = YjsDocument(document_id, update, root=root)
    if loaded.content != document.content or loaded.state_vector() != document.state_vector():
        raise DamagedError("the Yjs update loads as another document", "fold")
    return update
