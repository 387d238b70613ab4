"""The headers of requests and answers that the table names; pages of allowed origins may send and read just these."""

ASKED = {
    "Idempotency-Key": "The author's own name for this request, of 1 to 255 printable characters: it happens once.",
    "If-Match": 'The tag of the document as it has to be, `"epoch:revision"`; `*`: as anybody ever wrote it.',
    "If-None-Match": 'The tag of the document as it is known, `"epoch:revision"`; `*`: as anybody ever wrote it.',
    "Coedit-Metadata": "What the program says of the edit: a map of names to short texts, as JSON in ASCII.",
}
"""Of requests."""
ANSWERED = {
    "ETag": 'Where the document stands: `"epoch:revision"`.',
    "Coedit-Revision": "The revision that the answer shows.",
    "Coedit-Damaged": "`true`: the document is damaged, and this is its last sound revision.",
    "Coedit-Unchecked": "So many revisions behind the answer are sealed under a secret that is not known here.",
    "Content-Disposition": "The name of the file.",
    "Retry-After": "After how many seconds to ask again.",
    "WWW-Authenticate": "That a token is needed, and for what.",
}
"""Of answers."""
