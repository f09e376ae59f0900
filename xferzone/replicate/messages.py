"""What the JSON bodies of the walk hold; docs/formats.md has them with examples.

    GET  /v0/refs            Refs
    POST /v0/objects/walk    Walk ─> Missing
    POST /v0/objects/batch   Batch ─> a body of its own (batch.py)

Lists are never null. Hashes are lower-case hex; a zone is a zone id.
"""

from typing import Final

import msgspec

MAX_NAMED: Final = 10_000  # roots and known of a walk together, hashes of a batch


class Named(msgspec.Struct, frozen=True):
    """A branch, tag or closed branch of a zone, and the check-in that it stands on."""

    zone: str
    name: str
    hash: str


class Refs(msgspec.Struct, frozen=True, kw_only=True):
    """Where the refs stand; of those that moved since, when the question says since when.

    Fields:
        project: the project code.
        epoch, number, position: up to where this tells: the move of that number in that epoch, and the newest control
            artifact. Together they are the ETag, EPOCH.NUMBER.POSITION.
        checkin: the first 16 hex digits of the check-in that the move `number` went to; empty: there was none. It is
            sent back with `since`, so that a file that was rolled back is noticed.
        controls: control artifacts that came since on check-ins that are published here.
        more: the list was cut: ask again, since what this one says.
    """

    project: str
    epoch: str
    number: int
    position: int
    checkin: str
    zones: list[str]
    branches: list[Named]
    tags: list[Named]
    closed: list[Named]
    controls: list[str]
    more: bool


class Walk(msgspec.Struct, frozen=True, kw_only=True):
    """What leads to `roots` and is not complete at the client, which has all that leads to `known`.

    Fields:
        since: EPOCH.NUMBER.POSITION up to where the client knows the controls; empty: nowhere.
        more: of the last page; empty: the first page is wanted.
    """

    roots: list[str]
    known: list[str] = []
    since: str = ""
    more: str = ""


class Missing(msgspec.Struct, frozen=True):
    """A page of what is missing, oldest first. `more` goes into the next question; empty: this was the last page."""

    missing: list[str]
    more: str


class Batch(msgspec.Struct, frozen=True):
    """What is wanted, in the order in which it is sent."""

    hashes: list[str]
