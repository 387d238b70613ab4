"""A history followed commit by commit: whether each entry is one, comes next, and was sealed behind the one before."""

from collections.abc import Iterable, Iterator, Sequence

from coedit.errors import DamagedError, InvalidDeltaError
from coedit.identifiers import DocumentId, Revision
from coedit.ot.commit import Commit
from coedit.protocol.log_entry import ChainKey, decode_commit


def follow(
    document_id: DocumentId,
    entries: Iterable[bytes],
    revision: int,
    before: str | None,
    chain_key: ChainKey | None,
) -> Iterator[Commit]:
    """Yield the commits that ``entries`` are, which follow ``revision`` and its mac ``before``, as far as they do.

    Without ``before`` (it is not known) the first one is taken as it is, and without ``chain_key`` all are. What was
    sealed under a secret that is not known here cannot be checked, which is no offence: see `unchecked`.

    Raises:
        DamagedError: an entry is no commit, is of another revision, or does not continue the history.
    """
    for entry in entries:
        commit = read_entry(entry, revision + 1)
        if (
            before is not None
            and chain_key is not None
            and chain_key.knows(commit.key_id)
            and not chain_key.holds(document_id, commit, before)
        ):
            message = f"revision {commit.revision} does not continue the history before it"
            raise DamagedError(message, "chain", commit.revision)
        yield commit
        revision, before = commit.revision, commit.mac


def unchecked(commits: Sequence[Commit], before: str | None, chain_key: ChainKey | None) -> list[Revision]:
    """Return which of the commits that `follow` yielded nobody can vouch for: they may be anybody's."""
    if chain_key is None:
        return []
    return [
        commit.revision
        for place, commit in enumerate(commits)
        if not chain_key.knows(commit.key_id) or (before is None and place == 0)
    ]


def read_entry(entry: bytes, revision: int) -> Commit:
    """Return the commit in the entry of ``revision``.

    Raises:
        DamagedError: it is none, or of another revision.
    """
    try:
        commit = decode_commit(entry)
    except InvalidDeltaError as error:
        raise DamagedError(f"revision {revision} cannot be read: {error}", "entry", revision) from error
    if commit.revision != revision:
        message = f"revision {commit.revision} stands in the place of {revision}"
        raise DamagedError(message, "log", revision)
    return commit
