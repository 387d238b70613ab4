"""Every error of coedit, as one tree.

A code is stable and is what programs look at; a message is for people. The codes, who raises them and what a
client does about each stand in ``docs/protocol.md``::

    CoeditError
      InvalidIdentifierError       invalid-identifier
      InvalidDeltaError            invalid-delta
        LengthMismatchError        length-mismatch
        SplitSurrogateError        split-surrogate
        LoneSurrogateError         lone-surrogate
        UnsupportedOpError         unsupported-op
      ProtocolError                malformed
        UnknownMessageError        unknown-message
        UnexpectedMessageError     unexpected-message
        UnsupportedVersionError    unsupported-version
        TooLargeError              too-large
      InvalidUpdateError           invalid-update
        ServerIdError              server-id
        WrongRootError             wrong-root
      NotTextError                 not-text
      LostItemsError               lost-items
      UnauthorizedError            unauthorized
        StaleTokenError            unauthorized
        UnknownTokenKeyError       unauthorized
      ForbiddenError               forbidden
      DeletedError                 deleted
      UnknownDocumentError         unknown-document
      DivergedError                diverged
      RevisionTooOldError          revision-too-old
      FutureRevisionError          future-revision
      ForgedOfferError             forged
      UnknownKeyError              unknown-key
      SequenceError                sequence
      DocumentTooLargeError        document-too-large
      QuarantinedError             quarantined
        DamagedError               quarantined
      OverloadedError              overloaded
        LimitedError               limited
      UnavailableError             unavailable
        UndecidedError             undecided
        ObjectStoreError           unavailable
        BehindSnapshotError        unavailable
        NewerFormatError           unavailable
      InvalidRequestError          invalid-request
      NoMatchError                 no-match
      PreconditionError            precondition-failed
      StillRunningError            still-running
      AnotherRequestError          another-request
      SlowBodyError                too-slow
      InvalidFormatError           invalid-format
      UnknownVersionError          unknown-version
      VersionExistsError           version-exists
      HistoryTooLongError          history-too-long
      InternalError                internal
"""

from typing import ClassVar, Literal

DamageReason = Literal["position", "object", "log", "entry", "chain", "fold"]
"""Where Redis has the document, a stored object, a gap in the log, an entry that is no commit, a broken MAC chain, a
commit that does not fit or that OT and Yjs make different documents of."""


class CoeditError(Exception):
    """The root: carries a stable code and what a client may conclude from it."""

    code: ClassVar[str] = "internal"
    definite: ClassVar[bool] = False
    """The submission was certainly not applied, and never will be; False when unsure."""
    retryable: ClassVar[bool] = False
    """The same request may succeed later, unchanged."""


class InvalidIdentifierError(CoeditError):
    """A document, client or author id breaks its rule."""

    code = "invalid-identifier"
    definite = True


class InvalidDeltaError(CoeditError):
    """The JSON is not a delta, or the delta is not fit for what it is used for."""

    code = "invalid-delta"
    definite = True


class LengthMismatchError(InvalidDeltaError):
    """A delta reaches past the end of what it is applied to, or two do not fit each other."""

    code = "length-mismatch"


class SplitSurrogateError(InvalidDeltaError):
    """An op begins or ends between the two halves of a surrogate pair."""

    code = "split-surrogate"


class LoneSurrogateError(InvalidDeltaError):
    """An inserted text holds half of a surrogate pair."""

    code = "lone-surrogate"


class UnsupportedOpError(InvalidDeltaError):
    """A well-formed op that coedit does not support, such as an embed retain."""

    code = "unsupported-op"


class ProtocolError(CoeditError):
    """A frame that is not a message of the protocol."""

    code = "malformed"
    definite = True


class UnknownMessageError(ProtocolError):
    """The message's type is not one that this side understands."""

    code = "unknown-message"


class UnexpectedMessageError(ProtocolError):
    """A known message at a time when its sender may not send it."""

    code = "unexpected-message"


class UnsupportedVersionError(ProtocolError):
    """No subprotocol that both sides speak."""

    code = "unsupported-version"


class TooLargeError(ProtocolError):
    """A frame, delta or presence above the stated limit."""

    code = "too-large"


class InvalidUpdateError(CoeditError):
    """The bytes are no Yjs update, or it holds what the document may not have."""

    code = "invalid-update"
    definite = True


class ServerIdError(InvalidUpdateError):
    """A Yjs update brings items under a client id that is the server's."""

    code = "server-id"


class WrongRootError(InvalidUpdateError):
    """A Yjs update or client names another shared type than the one that is the document's text."""

    code = "wrong-root"


class NotTextError(CoeditError):
    """The document, or what is to become part of it, is not text: a Yjs document of another shape."""

    code = "not-text"
    definite = True

    def __init__(self, message: str = "the document is not text: only Yjs clients can open it") -> None:
        super().__init__(message)


class LostItemsError(CoeditError):
    """A Yjs client has items of the server's that were lost since: it has to load the document afresh."""

    code = "lost-items"
    definite = True


class UnauthorizedError(CoeditError):
    """The token is missing, expired, or not signed by whom we trust."""

    code = "unauthorized"
    definite = True


class StaleTokenError(UnauthorizedError):
    """The rights have changed since the token was made."""


class UnknownTokenKeyError(UnauthorizedError):
    """The token names a key, or an algorithm, that none of the known keys has; its issuer may have a new one."""


class ForbiddenError(CoeditError):
    """The token does not grant this right on this document; ``required`` is the facet that was missing, if one was."""

    code = "forbidden"
    definite = True

    def __init__(self, message: str, required: str = "") -> None:
        super().__init__(message)
        self.required = required


class DeletedError(CoeditError):
    """The document is in the trash, or was erased: then no document will ever have its id again."""

    code = "deleted"
    definite = True

    def __init__(self, message: str = "the document was deleted") -> None:
        super().__init__(message)


class UnknownDocumentError(CoeditError):
    """Nobody ever wrote a document of this id, or it is not in the trash."""

    code = "unknown-document"
    definite = True


class DivergedError(CoeditError):
    """The client holds another history than the server: another mac at a revision, or another epoch."""

    code = "diverged"
    definite = True


class RevisionTooOldError(CoeditError):
    """The base revision is older than any history that is kept; the client must reload."""

    code = "revision-too-old"
    definite = True


class FutureRevisionError(CoeditError):
    """The base revision is above the document's head."""

    code = "future-revision"
    definite = True


class ForgedOfferError(CoeditError):
    """What a client gives back was never committed here, or was altered since."""

    code = "forged"
    definite = True


class UnknownKeyError(CoeditError):
    """What a client gives back was sealed under a secret that is not known here any more: no proof, and no offence."""

    code = "unknown-key"
    definite = True


class SequenceError(CoeditError):
    """The client's sequence leaves a gap, or comes back after a later one was committed."""

    code = "sequence"
    definite = True


class DocumentTooLargeError(CoeditError):
    """The document would grow beyond the configured bound."""

    code = "document-too-large"
    definite = True


class TooCostlyError(CoeditError):
    """To decide about the edit takes too long, or ended the process that tried: others would wait for it."""

    code = "too-costly"
    definite = True


class QuarantinedError(CoeditError):
    """The document is damaged and takes no writes until an operator has looked at it."""

    code = "quarantined"


class DamagedError(QuarantinedError):
    """What is stored of a document does not fit together; ``reason`` says which part, for metrics.

    ``revision`` is the first one that is concerned; 0: none in particular.
    """

    def __init__(self, message: str, reason: DamageReason, revision: int = 0) -> None:
        super().__init__(message)
        self.reason: DamageReason = reason
        self.revision = revision


class OverloadedError(CoeditError):
    """The shard's backlog is above its bound, or too many ask for the same work.

    ``retry_after_seconds`` says after how long to ask again; 0: soon.
    """

    code = "overloaded"
    retryable = True

    def __init__(self, message: str = "", retry_after_seconds: int = 0) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class LimitedError(OverloadedError):
    """Somebody asks for more, or more often, than one may; ``retry_after_seconds`` says when there is some again."""

    code = "limited"


class UnavailableError(CoeditError):
    """Redis or the object store cannot be reached at the moment."""

    code = "unavailable"
    retryable = True


class UndecidedError(UnavailableError):
    """Who somebody is, or what one may do, cannot be found out now: whoever decides that does not answer."""

    code = "undecided"


class ObjectStoreError(UnavailableError):
    """The object store did not do what it was asked; a write may or may not have happened."""


class BehindSnapshotError(UnavailableError):
    """Redis has a document at a lower revision than its newest snapshot: it lost something, and is being mended."""


class NewerFormatError(UnavailableError):
    """A newer version of coedit stored it so that this one cannot read it: there is nothing wrong with it."""


class InvalidRequestError(CoeditError):
    """What is asked for over HTTP is not said as it should be."""

    code = "invalid-request"
    definite = True


class NoMatchError(CoeditError):
    """What is to be replaced does not stand in the document, or several times."""

    code = "no-match"
    definite = True


class PreconditionError(CoeditError):
    """The document is not at the revision that the edit is wanted on, and on no other."""

    code = "precondition-failed"
    definite = True


class StillRunningError(CoeditError):
    """The same request is being dealt with."""

    code = "still-running"
    retryable = True


class AnotherRequestError(CoeditError):
    """Another request was made under the same key."""

    code = "another-request"
    definite = True


class SlowBodyError(CoeditError):
    """The body of a request did not come in time."""

    code = "too-slow"
    definite = True
    retryable = True


class InvalidFormatError(CoeditError):
    """What is imported is not of the format that it is said to be."""

    code = "invalid-format"
    definite = True


class UnknownVersionError(CoeditError):
    """The document has no version of this name."""

    code = "unknown-version"
    definite = True


class VersionExistsError(CoeditError):
    """Another version has this name already; versions are never changed."""

    code = "version-exists"
    definite = True


class HistoryTooLongError(CoeditError):
    """Going through the history took longer than one request may."""

    code = "history-too-long"
    definite = True


class InternalError(CoeditError):
    """A defect of the server; it is logged there."""

    code = "internal"
