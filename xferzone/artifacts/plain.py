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
_CHECKIN = re.compile(
    rb"C ([^ \n\0]+)\nD (\d{4}-\d\d-\d\d)T([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(?:\.(\d{3}))?\n"
    rb"((?:F [^\n\0]+\n)*)(?:P (%b(?: %b)*)\n)?(?:R ([0-9a-f]{32})\n)?((?:T [^\n\0]+\n)*)U ([^ \n\0]+)\n"
    rb"Z ([0-9a-f]{32})\n" % (_ID, _ID)
)
_SEAL_SIZE = 35  # bytes of the Z card
_midnight = lru_cache(maxsize=4096)(parse_date)


def plain_checkin(content: bytes) -> CheckIn | None:
    """The check-in; None: `content` is not an ordinary one, and may be anything else.

    Raises:
        ValueError: `content` is not a check-in.
    """
    match = _CHECKIN.fullmatch(content)
    if match is None:
        return None
    comment, day, hours, minutes, seconds, ms, f_lines, p_line, r_md5, t_lines, user, seal = match.groups()
    if hashlib.md5(content[:-_SEAL_SIZE], usedforsecurity=False).hexdigest().encode("ascii") != seal:
        return None
    files = parse_files(f_lines[2:-1].split(b"\nF "), delta=False) if f_lines else ()
    parents = p_line.decode("ascii").split(" ") if p_line else ()
    if not files and not parents:
        return None
    tags: tuple[Tag, ...] = ()
    if t_lines:
        cards = [line.split(b" ") for line in t_lines[2:-1].split(b"\nT ")]
        if not all(2 <= len(card) <= 3 for card in cards):
            return None
        tags = parse_tags(cards)
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
