"""What the JSON bodies of the walk hold; docs/formats.md has them with examples.

    GET  /v0/refs            Refs
    POST /v0/objects/walk    Walk ─> Missing
    POST /v0/objects/pull    Walk ─> a page of what is missing, with its content (batch.py)
    POST /v0/objects/batch   Batch ─> artifacts by name (batch.py)

Lists are never null. Hashes are lower-case hex; a zone is a zone id. In a request an unknown field is an error; of one
that is given twice the last counts.
"""

from typing import Annotated, Final

import msgspec

FILES_TYPE: Final = "application/x-xferzone-unversioned"  # of bodies about unversioned files (files.py)
TABLES_TYPE: Final = "application/x-xferzone-tables"  # of bodies about synced tables alone (files.py)
#: The catalogue hash of the synced tables that whoever asks may see; a header of /v0/refs where there are any.
TABLES_HEADER: Final = "x-xferzone-tables"
MAX_FILES_REPLY: Final = 80 * 1024 * 1024  # bytes of such a reply: the budget of one, and a file of 64 MiB
MAX_NAMED: Final = 10_000  # roots and known of a walk together, hashes of a batch
MAX_PAGE: Final = 50_000  # ids of one page of a walk
MAX_WALK_S: Final = 1.0  # seconds of looking for them, one id at least

Hash = Annotated[str, msgspec.Meta(pattern="^(?:[0-9a-f]{64}|[0-9a-f]{40})$")]
Since = Annotated[str, msgspec.Meta(pattern=r"^(?:[0-9a-f]{1,64}\.[0-9]{1,18}\.[0-9]{1,18})?$")]
Beginning = Annotated[
    str, msgspec.Meta(pattern="^(?:[0-9a-f]{16})?$")
]  # the first digits of a check-in's hash
Cursor = Annotated[str, msgspec.Meta(max_length=200)]


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
        whole: all branches, tags and closed ones are told, from the beginning; false: what moved since.
        zones: of the branches told, the zones that were not removed.
        controls: control artifacts that came since on check-ins that are published here.
        more: the list was cut: ask again, since what this one says.
    """

    project: str
    epoch: str
    number: int
    position: int
    checkin: str
    whole: bool
    zones: list[str]
    branches: list[Named]
    tags: list[Named]
    closed: list[Named]
    controls: list[str]
    more: bool


class Walk(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What leads to `roots` and is not complete at the client, which has all that leads to `known`.

    Fields:
        since: EPOCH.NUMBER.POSITION up to where the client knows the controls; empty: nowhere.
        checkin: as told with `since`. Where the server's move of that number went elsewhere, `since` counts as empty.
        more: of the last page; empty: the first page is wanted.
    """

    roots: list[Hash]
    known: list[Hash] = []
    since: Since = ""
    checkin: Beginning = ""
    more: Cursor = ""


class Missing(msgspec.Struct, frozen=True):
    """A page of what is missing, oldest first. `more` goes into the next question; empty: this was the last page."""

    missing: list[Hash]
    more: str


class Batch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is wanted, in the order in which it is sent."""

    hashes: list[Hash]
