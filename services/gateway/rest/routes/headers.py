"""The headers of requests and answers that the table names; pages of allowed origins may send and read just these."""

ASKED = {
    "Idempotency-Key": "The author's own name for this request, of 1 to 255 printable characters: it happens once.",
}
"""Of requests."""
ANSWERED = {
    "Coedit-Revision": "The revision that the answer shows.",
    "Coedit-Damaged": "`true`: the document is damaged, and this is its last sound revision.",
    "Coedit-Unchecked": "So many revisions behind the answer are sealed under a secret that is not known here.",
    "Content-Disposition": "The name of the file.",
    "Retry-After": "After how many seconds to ask again.",
    "WWW-Authenticate": "That a token is needed, and for what.",
}
"""Of answers."""
