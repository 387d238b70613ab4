"""Every key that coedit keeps in Redis, in one table.

All keys of a shard carry the shard's hash tag ``{s}``, so that a cluster keeps a shard on one node and a script may
touch all of them. A document id comes last in a key, since it may hold any character.

======================  ==========  ====================================================================
key                     type        what
======================  ==========  ====================================================================
ops:{s}                 stream      submissions on their way in; trimmed behind the cursor
owner:{s}               string      the token of the transformer that owns the shard; expires
cursor:{s}              string      id of the last entry of ops:{s} that was dealt with
refused:{s}             stream      entries of ops:{s} that nobody could decode or decide; bounded
begun:{s}               hash        by an owner's token: where it began, as long as nothing there is finished; expires
tried:{s}:WORK:ID       hash        by a process's token: how it began a piece of work on a document; expires
asked:{s}:KEY:ID        hash        a request that was made under a key: fingerprint, until, base, answer; expires
changed:{s}             sorted set  documents with commits above their snapshot, by time of the last commit (ms)
idle:{s}                sorted set  documents that their snapshots cover, by time of the last commit (ms), or later
fresh:{s}               sorted set  documents without a snapshot, by the names of their folders in the object store
document:{s}:ID         hash        epoch, head, mac, floor, snapshot, number, incarnation, log_bytes, wanted
log:{s}:ID              stream      the commits; the entry of revision r has the id r-0
ended:{s}:ID            sorted set  clients that were definitely rejected in a document, by when (ms); bounded, expires
staged:{s}:ID           stream      a repaired log, before it takes the place of the damaged one; expires
events:{s}:ID           channel     what gateways with the document open must know (sharded pub/sub)
damaged:{s}             hash        documents that take no writes until they are repaired, and why
deleted:{s}             hash        by document: what was decided last of its deletion, "number state at until"
deletions:{s}           sorted set  documents whose deletion is to be looked at, by when (ms)
reviewed:{s}            string      the incarnation of the shard in which all deletion records were read back
incarnation:{s}         hash        id, server, suspect_until, grace_ms: whether Redis still holds what it held
offers:{s}              stream      commits that are given back to a shard that lost some; bounded
barrier:{s}             string      written by readers who wait until what they read is durable; holds nothing
folder:{s}              string      the token of the snapshotter that works on the shard; expires
reports:{s}             stream      presence, as gateways report it; bounded
keeper:{s}              string      the token of the presence service that works on the shard; expires
position:{s}            string      id of the last entry of reports:{s} that was dealt with
presence:{s}:CLIENT:ID  string      one client's presence in one document; expires
roster:{s}:ID           set         the client ids that are present in a document
deadlines:{s}           sorted set  CLIENT:ID by the time of expiry (ms)
members:ROLE            sorted set  the living processes of a role, by the time of their last sign of life (ms)
process:{0}:ROLE:TOKEN  string      what a process says of itself, for people to look at; expires
deployment:{0}          hash        id, shard_count, format, key_id: what the deployment was begun with
orders:{0}              stream      what all gateways are to do: look at rights again, end connections; bounded
looks:{0}               stream      what one gateway asks all of them, for a moment; bounded, expires
look:{0}:LOOK:TOKEN     string      what the gateway with this token answered; expires
happened:{s}            stream      what applications are to be told; there only while there are webhooks; bounded
taken:{s}               string      how many entries of happened:{s} went elsewhere: what else is missing was dropped
deliveries:{s}:NAME     stream      what the endpoint NAME has not been told yet
due:{s}:NAME            sorted set  each of these, with how often it was tried, by when it is tried next (ms)
failed:{s}              stream      what could not be delivered to an endpoint; bounded
endpoints:{s}           set         the names of endpoints for which the shard may have deliveries
webhooks:{0}            hash        an endpoint's address (a digest), events, and since when it is disabled, by name
rate:{0}:KIND:AUTHOR    string      when an author may have all of a kind at once again (us since 1970); expires
moves:ROLE              stream      one entry: that one of them came, or gave shards back; wakes the others
======================  ==========  ====================================================================

The fields of document:{s}:ID:

- ``epoch`` (int, from 1) and ``head`` (the newest revision) and ``mac`` (hex, of the head),
- ``floor``: revisions up to here are no longer in the log, and stand in the archive,
- ``snapshot``: the newest revision that a stored snapshot covers, and ``number``: that snapshot's number,
- ``incarnation``: that of the shard in which the document was last compared with the object store,
- ``lost``: the revisions whose loss began the epoch, ``first-last``; empty or absent: none,
- ``told``: the newest revision of which applications have been told; absent where the snapshot's is,
- ``log_bytes``: about what the log takes in memory; only a hint, for the snapshotter.
- ``wanted``: the revision at which somebody asked for a snapshot, who has too much to keep until there is one.
"""

from dataclasses import dataclass
from zlib import crc32

from coedit.identifiers import AuthorId, ClientId, DocumentId

DEPLOYMENT = "deployment:{0}"
"""Lies with the shard 0, which every deployment has."""

ORDERS = "orders:{0}"
"""Lies there, too."""
LOOKS = "looks:{0}"
"""As well."""

WEBHOOKS = "webhooks:{0}"
"""And this."""

RATES = "rate:{0}:"
"""What the keys of authors' rates begin with; they lie there, too, so that one script may touch all of them."""


def look_answer(look_id: str, token: str) -> str:
    """What a gateway answered to what was asked; neither holds a colon."""
    return f"look:{{0}}:{look_id}:{token}"


@dataclass(frozen=True, slots=True)
class Shard:
    """One of a deployment's shards, and the names of its keys."""

    number: int

    @property
    def tag(self) -> str:
        """The hash tag that every key of the shard carries."""
        return f"{{{self.number}}}"

    @property
    def ops(self) -> str:
        """The stream of submissions."""
        return f"ops:{self.tag}"

    @property
    def owner(self) -> str:
        """The lease of the transformer."""
        return f"owner:{self.tag}"

    @property
    def cursor(self) -> str:
        """How far the submissions were dealt with."""
        return f"cursor:{self.tag}"

    @property
    def refused(self) -> str:
        """The stream of entries that nobody could decode or decide."""
        return f"refused:{self.tag}"

    @property
    def begun(self) -> str:
        """Where owners began with the shard, and did not finish."""
        return f"begun:{self.tag}"

    def tried(self, work: str, document_id: DocumentId) -> str:
        """Who began a piece of work on a document that is not finished; its name holds no colon."""
        return f"tried:{self.tag}:{work}:{document_id}"

    def asked(self, key: str, document_id: DocumentId) -> str:
        """What became of a request that was made under a key, which holds no colon."""
        return f"asked:{self.tag}:{key}:{document_id}"

    @property
    def changed(self) -> str:
        """The documents that want a snapshot."""
        return f"changed:{self.tag}"

    @property
    def idle(self) -> str:
        """The documents that want nothing, and may be evicted one day."""
        return f"idle:{self.tag}"

    @property
    def fresh(self) -> str:
        """The documents that the object store may have nothing of."""
        return f"fresh:{self.tag}"

    @property
    def damaged(self) -> str:
        """The documents that are quarantined."""
        return f"damaged:{self.tag}"

    @property
    def deleted(self) -> str:
        """What was decided of documents that are in the trash, or erased."""
        return f"deleted:{self.tag}"

    @property
    def deletions(self) -> str:
        """When a deletion is to be looked at next."""
        return f"deletions:{self.tag}"

    @property
    def reviewed(self) -> str:
        """Whether Redis knows of every deletion that the object store knows of."""
        return f"reviewed:{self.tag}"

    @property
    def incarnation(self) -> str:
        """Whether Redis still holds what it held."""
        return f"incarnation:{self.tag}"

    @property
    def offers(self) -> str:
        """The stream of what is given back."""
        return f"offers:{self.tag}"

    @property
    def barrier(self) -> str:
        """What readers write to wait for it."""
        return f"barrier:{self.tag}"

    @property
    def folder(self) -> str:
        """The lease of the snapshotter."""
        return f"folder:{self.tag}"

    @property
    def reports(self) -> str:
        """The stream of presence reports."""
        return f"reports:{self.tag}"

    @property
    def position(self) -> str:
        """How far the presence reports were dealt with."""
        return f"position:{self.tag}"

    @property
    def keeper(self) -> str:
        """The lease of the presence service."""
        return f"keeper:{self.tag}"

    @property
    def deadlines(self) -> str:
        """When each presence expires."""
        return f"deadlines:{self.tag}"

    @property
    def happened(self) -> str:
        """The stream of what applications are to be told."""
        return f"happened:{self.tag}"

    @property
    def taken(self) -> str:
        """How many entries of `happened` went elsewhere."""
        return f"taken:{self.tag}"

    @property
    def failed(self) -> str:
        """The stream of what could not be delivered."""
        return f"failed:{self.tag}"

    @property
    def endpoints(self) -> str:
        """The endpoints for which there may be deliveries."""
        return f"endpoints:{self.tag}"

    def deliveries(self, endpoint: str) -> str:
        """The stream of what an endpoint has not been told yet."""
        return f"deliveries:{self.tag}:{endpoint}"

    def due(self, endpoint: str) -> str:
        """When each of these is tried next."""
        return f"due:{self.tag}:{endpoint}"

    def document(self, document_id: DocumentId) -> str:
        """The hash that says where a document stands."""
        return f"document:{self.tag}:{document_id}"

    def log(self, document_id: DocumentId) -> str:
        """The stream of a document's commits."""
        return f"log:{self.tag}:{document_id}"

    def events(self, document_id: DocumentId) -> str:
        """The channel of a document."""
        return f"events:{self.tag}:{document_id}"

    def ended(self, document_id: DocumentId) -> str:
        """The clients of which nothing more is committed to a document."""
        return f"ended:{self.tag}:{document_id}"

    def staged(self, document_id: DocumentId) -> str:
        """A log that is being put together again, before it takes the place of the damaged one; expires."""
        return f"staged:{self.tag}:{document_id}"

    def roster(self, document_id: DocumentId) -> str:
        """Who is present in a document."""
        return f"roster:{self.tag}:{document_id}"

    def presence(self, client_id: ClientId, document_id: DocumentId) -> str:
        """One client's presence in one document."""
        return f"presence:{self.tag}:{client_id}:{document_id}"


def shard_of(document_id: DocumentId, shard_count: int) -> Shard:
    """Return the shard of a document: CRC-32 of its UTF-8 bytes, modulo ``shard_count``.

    It is the same in every process and version; a deployment may therefore never change its shard count.
    """
    return Shard(crc32(document_id.encode("utf-8")) % shard_count)


def members(role: str) -> str:
    """Return the key of the living processes of ``role``."""
    return f"members:{role}"


def process(role: str, token: str) -> str:
    """Return the key of what a process says of itself; all lie with the shard 0, which every deployment has."""
    return f"process:{{0}}:{role}:{token}"


def rate(kind: str, author: AuthorId) -> str:
    """Return the key of what an author has spent of a kind, whose name holds no colon."""
    return f"{RATES}{kind}:{author}"


def moves(role: str) -> str:
    """Return the key of the stream on which the processes of ``role`` tell one another that shards are to be had."""
    return f"moves:{role}"
