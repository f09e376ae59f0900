"""Remotes: the repositories that this one syncs with."""

from dataclasses import dataclass

from xferzone.store.reader import Reader
from xferzone.store.writer import Writer

ORIGIN = "origin"  # the remote that a repository was cloned from


@dataclass(frozen=True, slots=True)
class Remote:
    """Where another repository is, and what is known of it.

    Fields:
        url: without a password.
        epoch, number: up to which move its refs are known here; empty and 0: nothing is.
        cookie: the token that it gave last, to be brought back (spec xfer 3.10); empty: none.
    """

    name: str
    url: str
    epoch: str = ""
    number: int = 0
    cookie: str = ""


def remotes(reader: Reader) -> list[Remote]:
    """All of them, by name."""
    rows = reader.db.execute("SELECT name, url, epoch, number, cookie FROM remote ORDER BY name")
    return [Remote(name, url, epoch, number, _token(cookie)) for name, url, epoch, number, cookie in rows]


def put_remote(writer: Writer, remote: Remote) -> None:
    """Make or replace it."""
    row = (remote.name, remote.url, remote.epoch, remote.number, _letters(remote.cookie))
    writer.db.execute("INSERT OR REPLACE INTO remote VALUES (?, ?, ?, ?, ?)", row)


def _letters(token: str) -> str:
    """A token whose octets need be no UTF-8, which SQLite would refuse: a letter an octet."""
    return token.encode("utf-8", "surrogateescape").decode("latin-1")


def _token(letters: str) -> str:
    return letters.encode("latin-1").decode("utf-8", "surrogateescape")


def remove_remote(writer: Writer, remote: Remote) -> None:
    writer.db.execute("DELETE FROM remote WHERE name = ?", (remote.name,))
