"""Repositories that this one syncs with, and what was made here that has not been pushed yet."""

from collections.abc import Iterable
from dataclasses import dataclass

from xferzone.hashing import ArtifactId
from xferzone.store.chains import id_of
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


def unsent(reader: Reader) -> list[ArtifactId]:
    """What was made here and not pushed yet, oldest first. A primary does not keep count."""
    return [
        id_of(raw)
        for (raw,) in reader.db.execute("SELECT hash FROM unsent JOIN blob USING (rid) ORDER BY rid")
    ]


@dataclass(frozen=True, slots=True)
class Unsent:
    """How many check-ins of a branch were made here and not pushed, and how many artifacts that tag any of it."""

    branch: str
    checkins: int
    tags: int


def unsent_branches(reader: Reader) -> list[Unsent]:
    """What there is of each branch, by name; the zone files of the check-ins go without saying."""
    query = """SELECT branch, sum(rid IN (SELECT rid FROM checkin)), sum(rid NOT IN (SELECT rid FROM checkin)) FROM (
                   SELECT rid, branch FROM unsent JOIN checkin USING (rid)
                   UNION SELECT unsent.rid, branch FROM unsent JOIN tag ON source = unsent.rid
                         JOIN checkin ON checkin.rid = target)
               WHERE branch IS NOT NULL GROUP BY branch ORDER BY branch"""
    return [Unsent(*row) for row in reader.db.execute(query)]


def forget_unsent(writer: Writer, pushed: Iterable[ArtifactId]) -> None:
    """Note that these have been pushed."""
    query = "DELETE FROM unsent WHERE rid = (SELECT rid FROM blob WHERE hash = ?)"
    writer.db.executemany(query, [(bytes.fromhex(artifact),) for artifact in pushed])
