"""TSIG keys in BIND's form, as tsig-keygen writes them and named.conf has them.

    key "transfer.example" {
        algorithm hmac-sha256;
        secret "DmxJ...=";
    };

Other statements of a named.conf are passed over. Source: BIND 9, doc/arm, "key".
"""

from collections.abc import Iterator
from typing import NamedTuple

from xferzone.zonefile.namedconf import Statement, parse


class Found(NamedTuple):
    """A key as its file writes it; `line` is where the statement ends."""

    name: str
    algorithm: str
    secret: str
    line: int


def keys(text: str) -> Iterator[Found]:
    """The keys of a file, in its order. Raises ValueError: it is not of that grammar; says in which line."""
    for statement in parse(text):
        match statement.words:
            case ("key", name):
                yield Found(name, _word(statement, "algorithm"), _word(statement, "secret"), statement.line)


def _word(key: Statement, name: str) -> str:
    found = [each.words[1] for each in key.block if each.words[0] == name and len(each.words) == 2]
    if len(found) != 1:
        raise ValueError(f"line {key.line}: key {key.words[1]} has {len(found) or 'no'} {name}")
    return found[0]
