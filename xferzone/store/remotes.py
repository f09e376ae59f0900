"""Remotes: the repositories that this one syncs with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from xferzone.cards.extension import MAX_EPOCHS
from xferzone.store.reader import Reader
from xferzone.store.writer import Writer
from xferzone.transport.url import credentials

ORIGIN: Final = "origin"  # the remote that a repository was cloned from


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a walk of one epoch came, beside the number of the last move known.

    Fields:
        position: of the newest control artifact known, at the remote.
        checkin: the first 16 hex digits of the check-in that the move went to; empty: there was none.
    """

    position: int = 0
    checkin: str = ""


@dataclass(frozen=True, slots=True)
class Remote:
    """Where another repository is, and what is known of it.

    Fields:
        url: without a password.
        epochs: epoch -> number of the last move of its refs known here, the epoch used last at the end.
        cookie: the token of its last cookie card, to be sent back; empty: it sent none.
            Source: Fossil 2.21, src/xfer.c client_sync().
        marks: of epochs that were walked, by epoch; they go with the numbers of `epochs`.
    """

    name: str
    url: str
    epochs: Mapping[str, int] = field(default_factory=dict)
    cookie: str = ""
    marks: Mapping[str, Mark] = field(default_factory=dict)


def remotes(reader: Reader) -> list[Remote]:
    """All of them, by name."""
    epochs: dict[str, dict[str, int]] = {}
    marks: dict[str, dict[str, Mark]] = {}
    query = "SELECT remote, epoch, number, position, checkin FROM remote_epoch ORDER BY used"
    for name, epoch, number, *mark in reader.db.execute(query):
        epochs.setdefault(name, {})[epoch] = number
        if Mark(*mark) != Mark():
            marks.setdefault(name, {})[epoch] = Mark(*mark)
    rows = reader.db.execute("SELECT name, url, cookie FROM remote ORDER BY name")
    return [
        Remote(name, url, epochs.get(name, {}), _token(cookie), marks.get(name, {}))
        for name, url, cookie in rows
    ]


def origin(reader: Reader) -> Remote | None:
    """The remote that the repository was made from; None: it has none."""
    return next((each for each in remotes(reader) if each.name == ORIGIN), None)


def url_of(reader: Reader, name: str) -> str | None:
    """The URL of the remote of that name. None: there is none."""
    return next((each.url for each in remotes(reader) if each.name == name), None)


def origin_of(reader: Reader, before: str = "") -> str:
    """The URL of its origin without a login, behind the words `before`; empty: it has no origin."""
    found = origin(reader)
    return "" if found is None else f"{before}{credentials(found.url)[0]}"


def put_remote(writer: Writer, remote: Remote) -> None:
    """Record a remote, in the place of any of that name. Of its epochs the MAX_EPOCHS used last are kept."""
    row = (remote.name, remote.url, _letters(remote.cookie))
    writer.db.execute("INSERT OR REPLACE INTO remote VALUES (?, ?, ?)", row)
    known = list(remote.epochs.items())[-MAX_EPOCHS:]
    marks = [remote.marks.get(epoch, Mark()) for epoch, _ in known]
    rows = [
        (remote.name, epoch, number, used, mark.position, mark.checkin)
        for used, ((epoch, number), mark) in enumerate(zip(known, marks, strict=True))
    ]
    writer.db.execute("DELETE FROM remote_epoch WHERE remote = ?", (remote.name,))
    writer.db.executemany("INSERT INTO remote_epoch VALUES (?, ?, ?, ?, ?, ?)", rows)


def _letters(token: str) -> str:
    """The token with a letter for each octet: the octets need not be UTF-8, and SQLite would refuse them."""
    return token.encode("utf-8", "surrogateescape").decode("latin-1")


def _token(letters: str) -> str:
    return letters.encode("latin-1").decode("utf-8", "surrogateescape")


def remove_remote(writer: Writer, remote: Remote) -> None:
    writer.db.execute("DELETE FROM remote WHERE name = ?", (remote.name,))
    writer.db.execute("DELETE FROM remote_epoch WHERE remote = ?", (remote.name,))
