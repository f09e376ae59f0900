"""One resource record of a zone file, with the comments that travel with it."""

from typing import NamedTuple


class Record(NamedTuple):
    """A record, as all of xferzone passes it on; made by zonefile and zone/changes.py.

    Fields:
        owner: relative to the zone in canonical presentation form, lower case: b"@", b"www", b"*.a".
        ttl: seconds.
        rdtype: the type's number.
        rdata: wire form, never compressed; names absolute, in lower case where RFC 4034 6.2 asks for it.
        above: comment lines that stand above it, each from its ";" on, without line feed.
        behind: the comment that ends its line, from its ";" on; empty if none.
        line: where it began in the text it was read from, 1-based; 0 if it was made.
    """

    owner: bytes
    ttl: int
    rdtype: int
    rdata: bytes
    above: tuple[bytes, ...] = ()
    behind: bytes = b""
    line: int = 0
