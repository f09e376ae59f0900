"""One RDATA or several in the words of a command line.

A 192.0.2.1                          all words are one RDATA, where they can be
A 192.0.2.1 192.0.2.2                else each word is one
MX "10 a.example." "20 b.example."   (a shell takes the quotes away)
MX 10 a.example. 20 b.example.       else, in types with a fixed number of words, each so many
TXT v=spf1 -all --and token=1        AND always divides, in any type
"""

from collections.abc import Sequence
from typing import Final

import dns.name

from xferzone.errors import UsageError
from xferzone.zonefile import text
from xferzone.zonefile.rdtypes import MNEMONICS

AND: Final = "--and"
#: The types whose RDATA has always so many words.
_FIXED = {
    1: b"A AAAA NS CNAME DNAME PTR EUI48 EUI64",
    2: b"MX AFSDB KX LP RP L32 L64 NID",
    3: b"CAA URI",
    4: b"SRV",
    6: b"NAPTR",
}
_WORDS = {MNEMONICS[name]: count for count, types in _FIXED.items() for name in types.split()}


def divided(kind: str, words: Sequence[str]) -> list[Sequence[str]]:
    """The words of each RDATA, in order. Raises UsageError: they are not RDATA of that type."""
    groups: list[Sequence[str]] = [[]]
    for word in words:
        if word == AND:
            groups.append([])
        else:
            groups[-1] = [*groups[-1], word]
    if not all(groups):
        raise UsageError(f"{kind}: {AND} stands between two RDATA")
    return [each for group in groups for each in _divided(kind, group)]


def rdata(kind: str, words: Sequence[str]) -> tuple[int, bytes]:
    """Type and rdata that the words of one RDATA say, names absolute. Raises UsageError."""
    return text.rdata_from_words(kind, words, dns.name.root)


def is_rdata(kind: str, words: Sequence[str]) -> bool:
    """Whether the words are one RDATA."""
    try:
        rdata(kind, words)
    except UsageError:
        return False
    return True


def _divided(kind: str, words: Sequence[str]) -> list[Sequence[str]]:
    try:
        rdata(kind, words)
    except UsageError as exc:
        failed = exc
    else:
        return [words]
    size = _WORDS.get(text.parse_type(kind), 0)
    for count in dict.fromkeys((1, size)):
        if not count or len(words) % count:
            continue
        way = [words[at : at + count] for at in range(0, len(words), count)]
        try:
            for group in way:
                rdata(kind, group)
        except UsageError as exc:
            failed = exc if count == size else failed
        else:
            return way
    raise failed
