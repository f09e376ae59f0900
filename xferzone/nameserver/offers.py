"""What a server says of itself to those who ask: NSID, cookies, its version and name in class CHAOS.

    option 3, NSID                     its identifier, in the same option
    option 10, COOKIE                  cookies.py; FORMERR if malformed
    version.bind, version.server       TXT and ANY of class CHAOS: the version
    hostname.bind, id.server           the same: the name

What is not configured is not said: options are ignored, and such questions REFUSED.

A cookie costs some 8 microseconds. What is said of one that is valid is remembered, MEMORY bytes of it; so is, apart
from it, what is said to clients that have none of ours yet: they may be any number, and push out only each other.

Source: RFC 5001 2, RFC 7873 5.2, RFC 4892 3 (CHAOS names).
"""

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from xferzone.nameserver.cookies import CLIENT_SIZE, COOKIE, Cookies
from xferzone.nameserver.edns import found, option
from xferzone.nameserver.generations import Generations
from xferzone.nameserver.wire import BADCOOKIE, FORMERR, NOERROR
from xferzone.zone.index import RRset
from xferzone.zonefile.rdtypes import ANY, TXT

CHAOS: Final = 3  # the class
NSID: Final = 3  # the option code
RENEWED: Final = 60  # seconds; a client that brings none of ours back gets the same for so long
MEMORY: Final = 4 * 1024 * 1024  # bytes; some 10,000 clients
NEW_MEMORY: Final = 1024 * 1024  # bytes

_OVERHEAD: Final = 400  # bytes that CPython spends on what is remembered
_TO_QUESTION: Final = 0xC00C
_RECORD: Final = struct.Struct(">HHHLHB")  # of a TXT record, to the size of its one string


class Told(NamedTuple):
    """What options of a question bring about.

    Fields:
        options: for the answer.
        has_cookie: it had a cookie, and one goes back.
        fault: FORMERR: a cookie is malformed; BADCOOKIE: a server cookie is not valid, which is no reason to refuse.
        until: the last second in which the same may be said to that client again; 0: nobody remembers it.
    """

    options: bytes = b""
    has_cookie: bool = False
    fault: int = NOERROR
    until: int = 0


NOTHING: Final = Told()
_MALFORMED: Final = Told(fault=FORMERR)


class Offers:
    """What this server says of itself, in answers of one process, one after the other.

    Fields:
        now: the time, in seconds since 1970, for whoever has a clock to set.
        is_proven: `told` was asked about a valid cookie since this was last set to False.
    """

    __slots__ = ("_cookies", "_new", "_nsid", "_remembered", "_texts", "is_proven", "now")

    def __init__(
        self, nsid: bytes = b"", version: str = "", identity: str = "", secrets: Sequence[bytes] = ()
    ) -> None:
        """What is empty is not said; `secrets` as Cookies."""
        self.now = 0
        self.is_proven = False
        # By options and address.
        self._remembered: Generations[Told] = Generations(MEMORY)
        self._new: Generations[Told] = Generations(NEW_MEMORY)
        self._nsid = option(NSID, nsid) if nsid else b""
        self._cookies = Cookies(secrets) if secrets else None
        self._texts: dict[bytes, RRset] = {}
        for text, names in (
            (version, (b"\7version\4bind\0", b"\7version\6server\0")),
            (identity, (b"\10hostname\4bind\0", b"\2id\6server\0")),
        ):
            octets = text.encode()
            if octets:
                head = _RECORD.pack(_TO_QUESTION, TXT, CHAOS, 0, 1 + len(octets), len(octets))
                self._texts.update(dict.fromkeys(names, RRset(TXT, 1, head + octets)))

    def told(self, asked: bytes, client: bytes) -> Told:
        """What the options `asked` of the client of that address bring about."""
        key = asked, client
        known = self._remembered.young.get(key) or self._remembered.old.get(key)
        if known is not None and self.now <= known.until:
            if key not in self._remembered.young:
                _remember(self._remembered, key, known)
            self.is_proven = True
            return known
        known = self._new.young.get(key) or self._new.old.get(key)
        if known is not None and self.now <= known.until:
            return known
        nsid = self._nsid if self._nsid and found(asked, NSID) is not None else b""
        cookie = found(asked, COOKIE) if self._cookies is not None else None
        if self._cookies is None or cookie is None:
            return Told(nsid) if nsid else NOTHING
        judged = self._cookies.judged(cookie, client, self.now)
        if judged is None:
            return _MALFORMED
        if judged.is_valid:
            self.is_proven = True
            told = Told(nsid + judged.option, has_cookie=True, until=judged.until)
            _remember(self._remembered, key, told)
            return told
        if len(cookie) > CLIENT_SIZE:
            return Told(nsid + judged.option, True, BADCOOKIE)
        told = Told(nsid + judged.option, has_cookie=True, until=self.now + RENEWED)
        _remember(self._new, key, told)
        return told

    def text(self, name: bytes, rdtype: int) -> RRset | None:
        """What is at a name of class CHAOS, in wire form and lower case; None: nothing is said."""
        return self._texts.get(name) if rdtype in (TXT, ANY) else None

    def free(self) -> None:
        """To be called between batches."""
        self._remembered.free()
        self._new.free()


def _remember(kept: Generations[Told], key: tuple[bytes, bytes], told: Told) -> None:
    kept.put(key, told, len(key[0]) + len(told.options) + _OVERHEAD)


#: A server that says nothing of itself.
SILENT: Final = Offers()
