"""GET /v0/refs: where the refs stand, or what moved since the client asked last.

    ?since=EPOCH.NUMBER.POSITION&checkin=DIGITS

    another epoch, or the move NUMBER went elsewhere, or positions end before POSITION       all is told
    else        branches that moved after NUMBER; controls, tags and closings behind POSITION

A long list is cut, and `number` and `position` say up to where it tells. First the branches are told, then the rest:
as long as branches are left, the position stays where the client's was.
"""

import re
from dataclasses import dataclass
from typing import Final

from xferzone.errors import PeerError
from xferzone.refs import told
from xferzone.replicate.messages import Named, Refs
from xferzone.store import Reader, controls

MAX_TOLD: Final = 10_000  # branches of one reply, controls, tags and closed ones; some 1 MB each
CHECKIN_DIGITS: Final = 16  # of the check-in that a move went to

_SINCE = re.compile(r"([0-9a-f]{1,64})\.([0-9]{1,18})\.([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class Since:
    """Up to where a client knows the refs and the controls; `checkin`: the first digits of what the move went to."""

    epoch: str
    number: int
    position: int
    checkin: str

    @classmethod
    def parse(cls, text: str, checkin: str) -> "Since | None":
        """None: an empty text. Raises PeerError: it is malformed."""
        if not text:
            return None
        match = _SINCE.fullmatch(text)
        if match is None:
            raise PeerError("since: give EPOCH.NUMBER.POSITION, as it was told")
        return cls(match[1], int(match[2]), int(match[3]), checkin)


def tag_of(reader: Reader) -> str:
    """EPOCH.NUMBER.POSITION as of now: whatever is told changes with it. Three short queries."""
    return f"{reader.setting('epoch') or ''}.{told.newest(reader)}.{controls.newest(reader)}"


def holds(reader: Reader, since: Since | None) -> bool:
    """Whether the client knows this life of the repository; where not, nothing that it remembers counts."""
    if since is None or since.epoch != (reader.setting("epoch") or "") or since.position > reader.last_row():
        return False
    return _digits(reader, since.number) == since.checkin


def refs(reader: Reader, since: Since | None, most: int = MAX_TOLD) -> Refs:
    """What to tell a client that knows `since`."""
    is_known = since is not None and holds(reader, since)
    number, position = (since.number, since.position) if since is not None and is_known else (0, 0)
    newest = told.newest(reader)
    stands = told.moved(reader, number, most + 1)
    is_cut = len(stands) > most
    stands = stands[:most]
    reached = stands[-1].number if is_cut else newest
    marks = _Marks(reader, position, 0 if is_cut else most)
    return Refs(
        project=reader.project_code,
        epoch=reader.setting("epoch") or "",
        number=reached,
        position=position if is_cut else marks.position,
        checkin=_digits(reader, reached),
        whole=not is_known,
        zones=sorted({each.branch.zone for each in stands if not each.is_removed}),
        branches=[Named(each.branch.zone, each.branch.branch, each.checkin) for each in stands],
        tags=marks.tags,
        closed=marks.closed,
        controls=marks.controls,
        more=is_cut or marks.is_cut,
    )


class _Marks:
    """Controls, tags and closed branches behind a position, at most `most` of each, up to `position`."""

    def __init__(self, reader: Reader, behind: int, most: int) -> None:
        every = (
            controls.published_since(reader, behind, most + 1),
            [(each.position, each) for each in told.tags(reader, behind, most + 1)],
            [(each.position, each) for each in told.closed(reader, behind, most + 1)],
        )
        # What is cut was set by what a list still has: one artifact may set many tags, and is told as a whole.
        cut = [rows[most - 1][0] for rows in every if len(rows) > most > 0]
        self.is_cut = bool(cut)
        self.position = min(cut, default=controls.newest(reader))
        found, tags, closed = every
        self.controls: list[str] = [name for at, name in found if at <= self.position and most]
        self.tags = [_named(each) for at, each in tags if at <= self.position and most]
        self.closed = [_named(each) for at, each in closed if at <= self.position and most]


def _named(mark: told.Mark) -> Named:
    return Named(mark.branch.zone, mark.branch.branch, mark.checkin)


def _digits(reader: Reader, number: int) -> str:
    """The first digits of the check-in that this move went to; empty: there was no such move."""
    return (told.went_to(reader, number) or "")[:CHECKIN_DIGITS]
