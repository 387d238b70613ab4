"""Who is in one document, and where: the service's side of presence.

A roster tells what changed since it was last asked, so that any number of moves costs one announcement::

    report ──┐
    alive  ──┼──▶  here (client -> presence, deadline)  ──┐
    leave  ──┤                                            ├─ the difference ──▶ take_changes()
    expire ──┘     told (what was last announced)       ──┘

All times are milliseconds since 1970 by one clock, which the caller reads.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from coedit.errors import CoeditError, ProtocolError
from coedit.identifiers import MAX_SAFE_INTEGER, AuthorId, ClientId, Revision, author_id, client_id
from coedit.ot.commit import Caret

MAX_SHOWN_NAME = 64
"""The longest name to be shown, in characters."""

MAX_TTL_MS = 3_600_000
"""The longest that anybody stays without a sign of life."""

MAX_STATE_CHARACTERS = 8_192
"""Of what a Yjs client says of itself."""

COLOUR = re.compile("#[0-9a-fA-F]{6}")
"""What colours look like."""

AVATAR = re.compile(r"https://[!-~]{1,500}")
"""What the address of a picture looks like: one that a page may show without asking where it leads."""


class YjsState(NamedTuple):
    """The awareness state of a Yjs client, as it said it: for the Yjs clients of every gateway."""

    client: int
    clock: int
    state: str
    """JSON, of any form."""


@dataclass(frozen=True, slots=True)
class Presence:
    """One client in one document; two are equal if everybody sees the same in them."""

    client_id: ClientId
    author: AuthorId
    name: str
    """How the author wants to be shown: at most 64 characters; empty: nothing else than the author."""
    colour: str
    """``#rrggbb``; empty: none was chosen."""
    revision: Revision
    """What ``caret`` refers to."""
    caret: Caret | None = None
    """None: here, but without a caret."""
    yjs: YjsState | None = None
    """None: not a Yjs client. OT clients are not told."""
    avatar: str = ""
    """The https address of a picture, which only a token can give; empty: none."""
    gateway: str = field(default="", compare=False)
    """Which gateway reported it last; nobody else may say that the client left. Clients are not told."""
    ttl_ms: int = field(default=0, compare=False)
    """For how long it stays without another sign of life; 0: as long as everybody. Clients are not told."""


@dataclass(frozen=True, slots=True)
class Stay:
    """A presence, and when it ends unless it is renewed."""

    presence: Presence
    deadline_ms: int


@dataclass(frozen=True, slots=True)
class Changes:
    """What became of a roster since it was last asked."""

    present: tuple[Stay, ...] = ()
    """Who came or changed: to be announced."""
    renewed: tuple[Stay, ...] = ()
    """Who only has a later deadline: nothing to announce."""
    left: tuple[ClientId, ...] = ()
    """Who left or expired: to be announced."""
    came: tuple[Presence, ...] = ()
    """Of `present`, who was not there before."""
    gone: tuple[Presence, ...] = ()
    """Of `left`, who they were, where that is known."""

    def __bool__(self) -> bool:
        return bool(self.present or self.renewed or self.left)


class Roster:
    """Who is present in one document; a presence ends ``ttl_ms``, or its own, after its last sign of life."""

    def __init__(self, ttl_ms: int) -> None:
        self._ttl_ms = ttl_ms
        self._here: dict[ClientId, Stay] = {}
        self._told: dict[ClientId, Presence | None] = {}
        self._touched: dict[ClientId, None] = {}  # in order of first touch
        self._joined: set[ClientId] = set()
        """Who was said to be here, and not to have left since."""
        self._given_back: dict[ClientId, Presence] = {}
        """Of who left and may not have been announced so: who they were."""

    def __len__(self) -> int:
        return len(self._here)

    def __iter__(self) -> Iterator[Stay]:
        return iter(self._here.values())

    def __contains__(self, client: ClientId) -> bool:
        return client in self._here

    def restore(self, client: ClientId, stay: Stay | None) -> None:
        """Take over what an earlier keeper announced; None: it announced the client, who is gone since."""
        self._told[client] = stay.presence if stay else None
        self._joined.add(client)
        if stay:
            self._here[client] = stay
        else:
            self._touched[client] = None

    def report(self, presence: Presence, at_ms: int) -> None:
        """Note who is here and where, as of ``at_ms``."""
        self._stay(presence, at_ms)

    def alive(self, client: ClientId, at_ms: int) -> bool:
        """Renew a presence; return whether there is one: who it was, a sign of life does not say."""
        stay = self._here.get(client)
        if stay is None:
            return False
        self._stay(stay.presence, at_ms)
        return True

    def leave(self, client: ClientId, gateway: str) -> None:
        """Note that ``gateway`` lost the client; a client that came back by another gateway stays."""
        stay = self._here.get(client)
        if stay is not None and stay.presence.gateway == gateway:
            self._remove(client)

    def expire(self, now_ms: int) -> int:
        """Remove who gave no sign of life in time; return how many."""
        gone = [client for client, stay in self._here.items() if stay.deadline_ms <= now_ms]
        for client in gone:
            self._remove(client)
        return len(gone)

    def take_changes(self) -> Changes:
        """Return what changed since the last call, and count it as announced."""
        present: list[Stay] = []
        renewed: list[Stay] = []
        left: list[ClientId] = []
        came: list[Presence] = []
        gone: list[Presence] = []
        for client in self._touched:
            stay = self._here.get(client)
            if stay is None:
                # Who came and went between two calls was never announced, and is not now.
                if client in self._told:
                    left.append(client)
                    self._joined.discard(client)
                    who = self._told.pop(client) or self._given_back.pop(client, None)
                    gone += [who] if who else []
            elif self._told.get(client) == stay.presence:
                renewed.append(stay)
            else:
                present.append(stay)
                if client not in self._joined:
                    came.append(stay.presence)
                self._joined.add(client)
                self._given_back.pop(client, None)
                self._told[client] = stay.presence
        self._touched.clear()
        return Changes(tuple(present), tuple(renewed), tuple(left), tuple(came), tuple(gone))

    def give_back(self, changes: Changes) -> None:
        """Take back changes that may not have been announced; `take_changes` returns them again."""
        clients = [stay.presence.client_id for stay in (*changes.present, *changes.renewed)]
        self._joined -= {presence.client_id for presence in changes.came}
        self._joined |= set(changes.left)
        self._given_back |= {presence.client_id: presence for presence in changes.gone}
        for client in (*clients, *changes.left):
            self._told[client] = None
            self._touched[client] = None

    def _stay(self, presence: Presence, at_ms: int) -> None:
        client = presence.client_id
        before = self._here.get(client)
        # Reports are read again after a takeover: an older one must not shorten a stay.
        deadline_ms = max(at_ms + (presence.ttl_ms or self._ttl_ms), before.deadline_ms if before else 0)
        self._here[client] = Stay(presence, deadline_ms)
        self._touched[client] = None

    def _remove(self, client: ClientId) -> None:
        del self._here[client]
        self._touched[client] = None


def presence_fields(presence: Presence) -> dict[str, Any]:
    """Return the presence as clients are told it: the fields of the protocol's ``presence`` message."""
    caret = presence.caret
    fields: dict[str, Any] = {
        "client_id": presence.client_id,
        "author": presence.author,
        "name": presence.name,
        "colour": presence.colour,
        "revision": presence.revision,
        "caret": None if caret is None else {"anchor": caret.anchor, "head": caret.head},
    }
    return fields | {"avatar": presence.avatar} if presence.avatar else fields


def shared_fields(presence: Presence) -> dict[str, Any]:
    """Return the presence as it travels between services: what clients are told, and what Yjs clients are."""
    fields = presence_fields(presence)
    if presence.ttl_ms:
        fields["ttl_ms"] = presence.ttl_ms
    return fields if presence.yjs is None else fields | {"yjs": list(presence.yjs)}


def presence_from_fields(fields: Any) -> Presence:
    """Return the presence whose `shared_fields` these are, checked; unknown fields are passed over.

    Raises:
        ProtocolError: a field is missing, of a wrong type or outside its bounds.
    """
    try:
        return Presence(
            client_id=client_id(fields["client_id"]),
            author=author_id(fields["author"]),
            name=_shown_name(fields["name"]),
            colour=_colour(fields["colour"]),
            revision=Revision(_count(fields["revision"])),
            caret=_caret(fields["caret"]),
            yjs=_yjs(fields.get("yjs")),
            avatar=_avatar(fields.get("avatar", "")),
            ttl_ms=_ttl_ms(fields.get("ttl_ms", 0)),
        )
    except (KeyError, TypeError, AttributeError, CoeditError) as error:
        raise ProtocolError(f"not a presence: {error!r}") from error


def _shown_name(value: Any) -> str:
    if not isinstance(value, str) or len(value) > MAX_SHOWN_NAME or not _is_unicode(value):
        raise ProtocolError(f"name is not a text of at most {MAX_SHOWN_NAME} characters")
    return value


def _colour(value: Any) -> str:
    if value != "" and not (isinstance(value, str) and COLOUR.fullmatch(value)):
        raise ProtocolError("colour is not #rrggbb")
    return str(value)


def _avatar(value: Any) -> str:
    if value != "" and not (isinstance(value, str) and AVATAR.fullmatch(value)):
        raise ProtocolError("avatar is not a short https address")
    return str(value)


def _ttl_ms(value: Any) -> int:
    if _count(value) > MAX_TTL_MS:
        raise ProtocolError("nobody stays for so long without a sign of life")
    return int(value)


def _caret(value: Any) -> Caret | None:
    return None if value is None else Caret(_count(value["anchor"]), _count(value["head"]))


def _yjs(value: Any) -> YjsState | None:
    match value:
        case None:
            return None
        case [client, clock, str(state)] if len(state) <= MAX_STATE_CHARACTERS and _is_unicode(state):
            return YjsState(_count(client), _count(clock), state)
    raise ProtocolError("not the state of a Yjs client")


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= MAX_SAFE_INTEGER:
        raise ProtocolError("a number is not a whole one from 0 to 2**53 - 1")
    return value


def _is_unicode(text: str) -> bool:
    # A lone surrogate could be neither stored nor sent on.
    return not any("\ud800" <= character <= "\udfff" for character in text)
