"""What came of a zone's records from one canonical text to another, as lines without comments: `www 300 A 192.0.2.1`.

    texts of both ─> lines that only one of them has ─> their comments taken off ─> what still differs

A record has one line in canonical text, so lines can be compared without reading them: a zone of 1,000,000 records
takes a second. Lines that begin with ; are comments; the one that begins with $ says the default TTL.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import dns.name

from xferzone.zonefile import text


@dataclass(frozen=True, slots=True)
class Difference:
    """Removed and added canonical lines, each in canonical order, relative to the zone.

    `default_ttl`: the zone's default TTL before and after, in seconds, if it has changed.
    """

    gone: tuple[bytes, ...] = ()
    come: tuple[bytes, ...] = ()
    default_ttl: tuple[int, int] | None = None

    def default_told(self) -> str | None:
        """What people are told of the default TTL. None: it has not changed."""
        if self.default_ttl is None:
            return None
        kinds = {line.split(b" ", 3)[2] for line in (*self.gone, *self.come)}
        return default_told(self.default_ttl, is_same=kinds <= {b"SOA"})  # people raise its serial


def default_change(before: int | None, after: int | None) -> tuple[int, int] | None:
    """Difference.default_ttl of two versions; None for one without a zone, or whose default TTL is not looked at."""
    return None if before is None or after is None or before == after else (before, after)


def default_told(change: tuple[int, int], *, is_same: bool) -> str:
    """A change of the default TTL in words; `is_same`: no record has changed, but for the SOA."""
    before, after = change
    return f"default TTL {before} -> {after}" + (
        "; no record changes, all of them state theirs" if is_same else ""
    )


def between(before: Iterable[bytes], after: Iterable[bytes], origin: dns.name.Name) -> Difference:
    """The difference of two zones, or parts of them, each given as canonical texts in owner order."""
    was, now = _lines(before), _lines(after)
    gone = _bare((line for line in was if line not in now), origin)
    come = _bare((line for line in now if line not in was), origin)
    firsts = [text.default_of(next(iter(lines), b"")) for lines in (was, now)]
    before_ttl, after_ttl = (None if first is None else first.ttl for first in firsts)
    return Difference(
        tuple(line for line in gone if line not in come),
        tuple(line for line in come if line not in gone),
        default_change(before_ttl, after_ttl),
    )


def _lines(texts: Iterable[bytes]) -> dict[bytes, None]:
    """The lines, in order."""
    lines: dict[bytes, None] = {}
    for content in texts:
        lines |= dict.fromkeys(content.split(b"\n"))
    return lines


def _bare(lines: Iterable[bytes], origin: dns.name.Name) -> dict[bytes, None]:
    """The lines of records among these, in order, without the comments behind them."""
    bare: dict[bytes, None] = {}
    for line in lines:
        if line[:1] not in (b"", b";", b"$"):
            # A semicolon may also be part of the data.
            whole = text.lines(text.read(line, origin), origin)[0] if b";" in line else line
            bare[whole] = None
    return bare
