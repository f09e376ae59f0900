r"""Ordinary check-ins, read in a fifth of the time: C D F* P? R? T* U Z, and nothing unusual in them.

The verdict is that of grammar.read() and parse_checkin(), which read everything else.
"""

import hashlib
import re
from functools import lru_cache

from xferzone.artifacts.checkin import CheckIn, parse_files
from xferzone.artifacts.control import Tag, parse_tags
from xferzone.artifacts.dates import parse_date
from xferzone.artifacts.grammar import text
from xferzone.hashing import ArtifactId

_ID = rb"[0-9a-f]{40}(?:[0-9a-f]{24})?"
_HEAD = re.compile(rb"C ([^ \n\0]+)\nD (\d{4}-\d\d-\d\d)T([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(?:\.(\d{3}))?\n")
_TAIL = re.compile(
    rb"(?:P (%b(?: %b)*)\n)?(?:R ([0-9a-f]{32})\n)?((?:T [^\n\0]+\n)*)U ([^ \n\0]+)\nZ ([0-9a-f]{32})\n"
    % (_ID, _ID)
)
_SEAL_SIZE = 35  # bytes of the Z card
_midnight = lru_cache(maxsize=4096)(parse_date)


def plain_checkin(content: bytes) -> CheckIn | None:
    """The check-in; None: `content` is not an ordinary one, and may be anything else.

    Raises:
        ValueError: `content` is not a check-in.
    """
    head = _HEAD.match(content)
    if head is None:
        return None
    cards, end = _file_cards(content, head.end())
    tail = None if cards is None else _TAIL.fullmatch(content, end)
    if cards is None or tail is None:
        return None
    comment, day, hours, minutes, seconds, ms = head.groups()
    p_line, r_md5, t_lines, user, seal = tail.groups()
    if hashlib.md5(content[:-_SEAL_SIZE], usedforsecurity=False).hexdigest().encode("ascii") != seal:
        return None
    files = parse_files(cards, delta=False) if cards else ()
    parents = p_line.decode("ascii").split(" ") if p_line else ()
    if not files and not parents:
        return None
    tags: tuple[Tag, ...] = ()
    if t_lines:
        t_cards = [line.split(b" ") for line in t_lines[2:-1].split(b"\nT ")]
        if not all(2 <= len(card) <= 3 for card in t_cards):
            return None
        tags = parse_tags(t_cards)
    return CheckIn(
        comment=text(comment),
        date_ms=_midnight(day)
        + (int(hours) * 60 + int(minutes)) * 60_000
        + int(seconds) * 1000
        + int(ms or 0),
        user=text(user) or "anonymous",
        files=files,
        parents=tuple([ArtifactId(parent) for parent in parents]),
        tags=tags,
        r_card=None if r_md5 is None else r_md5.decode("ascii"),
    )


def files_below(content: bytes, beginning: str) -> dict[str, ArtifactId] | None:
    """The files of a check-in whose names begin so; `content` was parsed before, and is one.

    Each card is a line, and no text holds a line feed. None: it takes a full parser to tell, for the check-in builds on
    a baseline, or a name is escaped.
    """
    if content.startswith(b"B ") or b"\nB " in content:
        return None
    start = b"\nF " + beginning.encode()
    found: dict[str, ArtifactId] = {}
    at = content.find(start)
    while at >= 0:
        end = content.index(b"\n", at + 1)
        card = content[at + 3 : end].split(b" ")
        if len(card) < 2 or b"\\" in card[0]:
            return None
        found[card[0].decode("utf-8", "surrogateescape")] = ArtifactId(card[1].decode("ascii"))
        at = content.find(start, end)
    return found


def _file_cards(content: bytes, at: int) -> tuple[list[bytes] | None, int]:
    """The F cards that begin at `at`, without their letter, and where they end; None: not all are ordinary."""
    if not content.startswith(b"F ", at):
        return [], at
    end = content.index(b"\n", content.rindex(b"\nF ", at - 1) + 1)
    lines = content[at + 2 : end]
    cards = lines.split(b"\nF ")
    # A line of another letter among them is part of a card now.
    if lines.count(b"\n") >= len(cards) or b"\0" in lines or b"" in cards:
        return None, end
    return cards, end + 1
