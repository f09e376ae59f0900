"""The grammar of named.conf, as far as it says which zones a server holds.

    statement  =  word... [ { statement... } ] ;
    word       =  letters without blanks, braces and semicolons, or "text in quotes"
    comment    =  # or // to the end of the line, /* to */

What the words mean is up to the reader. Source: BIND 9, lib/isccfg/parser.c and doc/arm, "Configuration File".
"""

import re
from typing import NamedTuple

MAX_DEPTH = 20  # blocks within blocks; ours: BIND's deepest statement has 5
_TOKEN = re.compile(
    r'\s+|#[^\n]*|//[^\n]*|/\*.*?\*/|"((?:\\.|[^"\\])*)"|([{};])|((?:(?!/\*|//)[^\s{};"#])+)', re.DOTALL
)


class Statement(NamedTuple):
    """One statement; `block` is empty if it has none."""

    words: tuple[str, ...]
    block: tuple["Statement", ...]
    line: int  # where it ends, from 1


def parse(text: str) -> tuple[Statement, ...]:
    """The statements of a file. Raises ValueError: it is not of that grammar; says in which line."""
    open_: list[tuple[list[Statement], list[str]]] = [
        ([], [])
    ]  # of each block: its statements, the words so far
    block: tuple[Statement, ...] = ()
    line, at = 1, 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise ValueError(f"line {line}: a quote or comment is not closed")
        at = found.end()
        line += found[0].count("\n")
        match found.lastindex and found[found.lastindex], found.lastindex:
            case "{", 2:
                if len(open_) > MAX_DEPTH:
                    raise ValueError(f"line {line}: over {MAX_DEPTH} blocks within one another")
                open_.append(([], []))
            case "}", 2:
                statements, words = open_.pop()
                if words or not open_:
                    raise ValueError(
                        f"line {line}: a semicolon is missing" if words else f"line {line}: a }} too many"
                    )
                block = tuple(statements)
            case ";", 2:
                statements, words = open_[-1]
                if words or block:
                    statements.append(Statement(tuple(words), block, line))
                words.clear()
                block = ()
            case str(word), _:
                open_[-1][1].append(word)
    if len(open_) > 1 or open_[0][1]:
        raise ValueError(f"line {line}: the file ends within a statement")
    return tuple(open_[0][0])
