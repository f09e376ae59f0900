"""A repository file of stock's, read as anybody's: nothing in it is believed.

    whole row ──> deltas of it ──> deltas of those ...     depth first: each comes behind what it is a delta of
    private, shunned                                       left out; a delta of such comes whole. Private ones come by
                                                           themselves, whole
    phantoms, deltas of such, loops                        are never reached

That an artifact hashes to its name is left to the writer that takes it.
"""

import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote

from xferzone import delta
from xferzone.cards import Config, UVFile
from xferzone.cards.unversioned import DELETED, check_name
from xferzone.errors import MalformedDelta, NotFound, XferzoneError
from xferzone.hashing import ArtifactId, parse_artifact_id
from xferzone.store.chains import MAX_ARTIFACT
from xferzone.store.incoming import Received
from xferzone.store.remedies import explained
from xferzone.store.stock import layout

_NEEDED: Final = {"blob", "delta", "config", "user"}
_LATER: Final = {
    "private": "rid",
    "shun": "uuid, mtime, scom",
    "reportfmt": "title, mtime, owner, cols, sqlcode",
    "concealed": "hash, mtime, content",
    "unversioned": "name, mtime, hash, encoding, content",
}
#: Of tables of the project's configuration: what a row is known by, and what else is taken of it.
_CONFIGURATION: Final = {
    "user": ("login", ("info", "photo")),
    "reportfmt": ("title", ("owner", "cols", "sqlcode")),
    "concealed": ("hash", ("content",)),
    "config": ("name", ("value",)),
}
_HEAD: Final = 4  # bytes: the size of what is packed behind them
_ROW: Final = """SELECT CAST(uuid AS BLOB), size, CAST(content AS BLOB),
       (SELECT srcid FROM delta WHERE delta.rid = blob.rid),
       rid IN (SELECT rid FROM private) OR uuid IN (SELECT uuid FROM shun) FROM blob WHERE rid = ?"""
_FILES: Final = """SELECT CAST(name AS TEXT), CAST(mtime AS INTEGER), CAST(hash AS BLOB), CAST(encoding AS INTEGER),
       CAST(content AS BLOB) FROM unversioned ORDER BY name"""
_PRIVATE: Final = "SELECT rid FROM private JOIN blob USING (rid) WHERE uuid NOT IN (SELECT uuid FROM shun)"
_SHUNNED: Final = """SELECT CAST(uuid AS BLOB), CAST(coalesce(mtime, 0) AS INTEGER), CAST(coalesce(scom, '') AS TEXT)
       FROM shun ORDER BY mtime, uuid"""
_LATEST_S: Final = 253_402_300_799  # the end of the year 9999, in seconds since 1970
_ROOTS: Final = "SELECT rid FROM blob WHERE size >= 0 AND rid NOT IN (SELECT rid FROM delta) ORDER BY rid"
_DELTAS: Final = (
    "SELECT delta.rid FROM delta JOIN blob USING (rid) WHERE srcid = ? AND size >= 0 ORDER BY rid DESC"
)


class StockUser(NamedTuple):
    """An account. `secret`: as Fossil keeps it, a hash, or in files of old the password itself; empty: no login."""

    login: str
    secret: str
    caps: str


class _Row(NamedTuple):
    """A row of the blob table. `source`: the row that its payload is a delta of; `is_hidden`: private or shunned."""

    artifact: ArtifactId
    payload: bytes
    source: int | None
    is_hidden: bool


class StockReader:
    """One moment of a file."""

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self._db = db
        self._path = path

    def setting(self, name: str) -> str:
        """A row of `config`; empty: there is none."""
        row = self._db.execute("SELECT CAST(value AS TEXT) FROM config WHERE name = ?", (name,)).fetchone()
        return "" if row is None else str(row[0])

    def users(self) -> list[StockUser]:
        query = "SELECT CAST(login AS TEXT), CAST(coalesce(pw, '') AS TEXT), CAST(coalesce(cap, '') AS TEXT) FROM user"
        return [StockUser(*row) for row in self._db.execute(f"{query} WHERE login <> '' ORDER BY uid")]

    def configuration(self) -> Iterator[Config]:
        """The project's configuration, as cards would bring it; of accounts what beside their rights is known."""
        for table, (key, columns) in _CONFIGURATION.items():
            literals = ", ".join(f"CAST(quote({column}) AS BLOB)" for column in columns)
            query = f"SELECT mtime, CAST(quote({key}) AS BLOB), {literals} FROM {table} WHERE typeof(mtime) = 'integer'"  # noqa: S608 our own names
            for mtime, name, *values in self._db.execute(f"{query} AND mtime >= 0"):
                fields = b"".join(
                    b" %s %s" % (column.encode(), literal)
                    for column, literal in zip(columns, values, strict=True)
                )
                yield Config(f"/{table}", b"%d %s%s" % (mtime, name, fields))

    def count(self) -> int:
        """How many artifacts `artifacts` should come to, if all can be reached."""
        query = """SELECT count(*) FROM blob WHERE size >= 0 AND rid NOT IN (SELECT rid FROM private)
                   AND uuid NOT IN (SELECT uuid FROM shun)"""
        (count,) = self._db.execute(query).fetchone()
        return int(count)

    def artifacts(self) -> Iterator[Received]:
        """Every artifact that is neither private nor shunned, each behind its source.

        Raises:
            XferzoneError: a row is damaged.
        """
        hidden = set[int]()
        for rid, row in self._rows():
            if row.is_hidden:
                hidden.add(rid)
            elif row.source is None:
                yield Received(row.artifact, None, row.payload)
            elif row.source in hidden:
                yield Received(row.artifact, None, self._content(rid))
            else:
                yield Received(row.artifact, self._row(row.source).artifact, row.payload)

    def private(self) -> Iterator[tuple[ArtifactId, bytes]]:
        """Every private artifact that is not shunned, and its content.

        Raises:
            XferzoneError: a row is damaged.
        """
        wanted = {rid for (rid,) in self._db.execute(_PRIVATE)}
        for rid, row in self._rows() if wanted else ():
            if rid in wanted:
                yield row.artifact, self._content(rid)

    def shunned(self) -> Iterator[tuple[ArtifactId, int, str]]:
        """Every name that is shunned, since when, in milliseconds since 1970, and why; empty: nobody said.

        Raises:
            XferzoneError: a row is damaged.
        """
        for name, mtime, comment in self._db.execute(_SHUNNED):
            try:
                artifact = parse_artifact_id(bytes(name))
            except ValueError as exc:
                raise self._damaged("in the table shun", str(exc)) from exc
            yield artifact, min(max(mtime, 0), _LATEST_S) * 1000, comment

    def _rows(self) -> Iterator[tuple[int, _Row]]:
        """Every row with content that can be reached, each behind the one that it is a delta of."""
        for (root,) in self._db.execute(_ROOTS):
            ahead = [root]
            while ahead:
                rid = ahead.pop()
                yield rid, self._row(rid)
                ahead += [each for (each,) in self._db.execute(_DELTAS, (rid,))]

    def files(self) -> Iterator[UVFile]:
        """Every unversioned file, deleted ones too, as cards would bring it.

        Raises:
            XferzoneError: a row is damaged.
        """
        for name, mtime, digits, encoding, content in self._db.execute(_FILES):
            try:
                check_name(name or "")
                artifact = None if digits is None else parse_artifact_id(bytes(digits))
                payload = content or b""
                payload = (
                    self._unpacked(f"of unversioned file {name}", payload)
                    if encoding == 1 and payload
                    else payload
                )
            except ValueError as exc:
                raise self._damaged(f"of unversioned file {name!r}", str(exc)) from exc
            if artifact is None:
                yield UVFile(name, mtime or 0, None, 0, DELETED)
            else:
                yield UVFile(name, mtime or 0, artifact, len(payload), payload=payload)

    def _content(self, rid: int) -> bytes:
        """What a row's chain of deltas makes, which `_rows` has come down."""
        chain = [self._row(rid)]
        while (source := chain[-1].source) is not None:
            chain.append(self._row(source))
        made = chain.pop().payload
        for row in reversed(chain):
            try:
                made = delta.apply(made, row.payload, limit=MAX_ARTIFACT)
            except MalformedDelta as exc:
                raise self._damaged(row.artifact, str(exc)) from exc
        return made

    def _row(self, rid: int) -> _Row:
        name, size, content, source, is_hidden = self._db.execute(_ROW, (rid,)).fetchone()
        try:
            artifact = parse_artifact_id(bytes(name))
        except ValueError as exc:
            raise self._damaged(f"in row {rid}", str(exc)) from exc
        if not isinstance(size, int) or size > MAX_ARTIFACT:
            raise XferzoneError(
                f"{self._path}: artifact {artifact} has over {MAX_ARTIFACT} bytes, and cannot be taken"
            )
        return _Row(artifact, self._unpacked(artifact, content or b""), source, bool(is_hidden))

    def _unpacked(self, artifact: str, stored: bytes) -> bytes:
        size, inflate = int.from_bytes(stored[:_HEAD], "big"), zlib.decompressobj()
        try:
            payload = inflate.decompress(stored[_HEAD:], min(size, MAX_ARTIFACT) + 1)
        except zlib.error as exc:
            raise self._damaged(artifact, str(exc)) from exc
        if len(payload) != size or not inflate.eof:
            raise self._damaged(artifact, "its content has not the size that is stated")
        return payload

    def _damaged(self, artifact: str, why: str) -> XferzoneError:
        return XferzoneError(
            f"{self._path}: artifact {artifact} is damaged, nothing was made: {why}. `fossil test-integrity` lists "
            "what is damaged"
        )


@contextmanager
def opened(path: Path) -> Iterator[StockReader]:
    """The file, which others may use meanwhile.

    Raises:
        NotFound: there is no such file.
        XferzoneError: it is not a repository of stock's, or cannot be read.
    """
    if not path.is_file():
        raise NotFound(f"no file at {path}: give the repository file of a stock fossil")
    uri = f"file:{quote(str(path.absolute()))}?mode=ro"
    with explained(path, "read"), closing(sqlite3.connect(uri, uri=True)) as db:
        db.isolation_level = None
        db.execute("BEGIN")
        _check(db, path)
        yield StockReader(db, path)


def _check(db: sqlite3.Connection, path: Path) -> None:
    try:
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    except sqlite3.DatabaseError as exc:
        raise XferzoneError(f"{path} is not a repository of stock fossil ({exc})") from exc
    if not tables >= _NEEDED:
        raise XferzoneError(
            f"{path} is not a repository of stock fossil: it has no table {min(_NEEDED - tables)}. Copy one of ours by "
            "its name, or by `xferzone backup`"
        )
    reader = StockReader(db, path)
    if (found := reader.setting("content-schema")) != layout.CONTENT_SCHEMA:
        raise XferzoneError(
            f"{path} has content-schema {found[:40]!r}, {layout.CONTENT_SCHEMA} is known: is it of another release?"
        )
    for name, columns in _LATER.items():
        if name not in tables:  # as in files of very old releases; the last is made when a file comes
            db.execute(f"CREATE TEMP TABLE {name} ({columns})")
