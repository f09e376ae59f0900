"""Remotes: the repositories that this one syncs with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from xferzone.cards.extension import MAX_EPOCHS
from xferzone.store.reader import Reader
from xferzone.store.writer import Writer

ORIGIN: Final = "origin"  # the remote that a repository was cloned from


@dataclass(frozen=True, slots=True)
class Remote:
    """Where another repository is, and what is known of it.

    Fields:
        url: without a password.
        epochs: epoch -> number of the last move of its refs known here, the epoch used last at the end.
        cookie: the token of its last cookie card, to be sent back; empty: it sent none.
            Source: Fossil 2.21, src/xfer.c client_sync().
    """

    name: str
    url: str
    epochs: Mapping[str, int] = field(default_factory=dict)
    cookie: str = ""


def remotes(reader: Reader) -> list[Remote]:
    """All of them, by name."""
    epochs: dict[str, dict[str, int]] = {}
    for name, epoch, number in reader.db.execute(
        "SELECT remote, epoch, number FROM remote_epoch ORDER BY used"
    ):
        epochs.setdefault(name, {})[epoch] = number
    rows = reader.db.execute("SELECT name, url, cookie FROM remote ORDER BY name")
    return [Remote(name, url, epochs.get(name, {}), _token(cookie)) for name, url, cookie in rows]


def put_remote(writer: Writer, remote: Remote) -> None:
    """Record a remote, in the place of any of that name. Of its epochs the MAX_EPOCHS used last are kept."""
    row = (remote.name, remote.url, _letters(remote.cookie))
    writer.db.execute("INSERT OR REPLACE INTO remote VALUES (?, ?, ?)", row)
    known = list(remote.epochs.items())[-MAX_EPOCHS:]
    rows = [(remote.name, epoch, number, used) for used, (epoch, number) in enumerate(known)]
    writer.db.execute("DELETE FROM remote_epoch WHERE remote = ?", (remote.name,))
    writer.db.executemany("INSERT INTO remote_epoch VALUES (?, ?, ?, ?)", rows)


def _letters(token: str) -> str:
    """The token with a letter for each octet: the octets need not be UTF-8, and SQLite would refuse them."""
    return token.encode("utf-8", "surrogateescape").decode("latin-1")


def _token(letters: str) -> str:
    return letters.encode("latin-1").decode("utf-8", "surrogateescape")


def remove_remote(writer: Writer, remote: Remote) -> None:
    writer.db.execute("DELETE FROM remote WHERE name = ?", (remote.name,))
    writer.db.execute("DELETE FROM remote_epoch WHERE remote = ?", (remote.name,))
