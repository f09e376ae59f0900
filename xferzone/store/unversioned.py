"""Unversioned files: a name, the time of its last change and the content since; what was there before is gone.

    state     (mtime, hash)    the hash of a deleted file is "-", which is less than any
    newer     the greater state, as a pair; any is greater than none

So of whatever states of a file replicas have heard, in whatever order, all keep the same one. The time is whoever
changed the file's: a clock that is ahead wins until others come there.

    catalogue hash    SHA1 of `NAME YYYY-MM-DD HH:MM:SS HASH LF` of each file that is not deleted, in order of names

Source: Fossil 2.21, src/unversioned.c unversioned_status(), unversioned_content_hash(). Stock forgets who was deleted
where it never had the file; we remember that too, so that nobody brings it again.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from xferzone.errors import CorruptArtifact, NotFound, PeerError, Refused
from xferzone.hashing import ArtifactId, artifact_id, is_named
from xferzone.store import frames
from xferzone.store.chains import MAX_ARTIFACT, id_of
from xferzone.store.reader import Reader
from xferzone.store.writer import Writer

MAX_SIZE: Final = MAX_ARTIFACT  # bytes of one
MAX_FILES: Final = 10_000  # names, those of deleted files included; ours, some 30 ms for the catalogue hash
MAX_NAME: Final = 1_000  # bytes; Fossil's command line takes 500
MAX_MTIME: Final = (
    253_402_300_799  # seconds since 1970; the end of the year 9999, after which no date is written
)

_DELETED: Final = "-"
#: Damage may leave a value of another type. It is read as the type that it should have; the content does not hash.
_COLUMNS: Final = "CAST(name AS TEXT), CAST(mtime AS INTEGER), CAST(hash AS BLOB), CAST(size AS INTEGER)"


@dataclass(frozen=True, slots=True)
class Unversioned:
    """The state of a file.

    Fields:
        mtime: seconds since 1970.
        artifact: the hash of its content; None: it is deleted.
        size: bytes of the content; 0 where it is deleted.
    """

    name: str
    mtime: int
    artifact: ArtifactId | None
    size: int = 0

    @property
    def rank(self) -> tuple[int, str]:
        """What states are compared by."""
        return self.mtime, self.artifact or _DELETED


def files(reader: Reader, *, deleted: bool = False) -> list[Unversioned]:
    """All of them, by name. `deleted`: those that are deleted, too."""
    among = "" if deleted else "WHERE hash IS NOT NULL"
    query = f"SELECT {_COLUMNS} FROM unversioned {among} ORDER BY name"  # noqa: S608 our own text
    return [_state(*row) for row in reader.db.execute(query)]


def file(reader: Reader, name: str) -> Unversioned | None:
    """The state of the file of that name, which may be deleted; None: there never was one."""
    query = f"SELECT {_COLUMNS} FROM unversioned WHERE name = ?"  # noqa: S608 our own text
    row = reader.db.execute(query, (name,)).fetchone()
    return None if row is None else _state(*row)


def content(reader: Reader, name: str) -> bytes:
    """The content of a file, verified.

    Raises:
        NotFound: there is no such file, or it is deleted.
        CorruptArtifact: it is damaged.
    """
    known = file(reader, name)
    if known is None or known.artifact is None:
        raise NotFound(f"there is no unversioned file {name}: `xferzone uv ls` lists them")
    query = "SELECT CAST(content AS BLOB) FROM unversioned WHERE name = ?"
    (frame,) = reader.db.execute(query, (name,)).fetchone()
    try:
        found = frames.expand(frame or b"", MAX_SIZE)
    except ValueError as exc:
        raise CorruptArtifact(known.artifact, f"{exc}, as unversioned file {name}") from exc
    if not is_named(known.artifact, found):
        raise CorruptArtifact(known.artifact, f"its bytes do not hash to it, as unversioned file {name}")
    return found


def totals(reader: Reader) -> tuple[int, int]:
    """How many files there are, and bytes of their contents; deleted ones do not count."""
    query = "SELECT count(*), coalesce(sum(size), 0) FROM unversioned WHERE hash IS NOT NULL"
    files, size = reader.db.execute(query).fetchone()
    return files, size


def has_any(reader: Reader) -> bool:
    """Whether there are any, deleted ones included."""
    return reader.db.execute("SELECT 1 FROM unversioned LIMIT 1").fetchone() is not None


def catalogue_hash(reader: Reader) -> str:
    """The hash by which two repositories see that they have the same files; deleted ones do not count."""
    query = """SELECT CAST(name AS TEXT) || ' ' || coalesce(datetime(mtime, 'unixepoch'), '') || ' ' ||
               lower(hex(hash)) || char(10) FROM unversioned WHERE hash IS NOT NULL ORDER BY name"""
    hashed = hashlib.sha1()
    for (line,) in reader.db.execute(query):
        hashed.update(line.encode("utf-8", "replace"))
    return hashed.hexdigest()


def is_news(reader: Reader, state: Unversioned) -> bool:
    """Whether `state` is newer than the one that is known here."""
    known = file(reader, state.name)
    return known is None or state.rank > known.rank


def has_content(reader: Reader, state: Unversioned) -> bool:
    """Whether the content of `state` is what the file has here: only its time can be new."""
    known = file(reader, state.name)
    return known is not None and known.artifact is not None and known.artifact == state.artifact


def put(writer: Writer, state: Unversioned, content: bytes | None = None) -> bool:
    """Store `state` if it is newer than what is known; whether it was.

    `content` None: it is deleted, or has the content that it has here.

    Raises:
        PeerError: the content is not the one that `state` names.
        Refused: there are MAX_FILES already.
    """
    if content is not None and (state.artifact is None or not is_named(state.artifact, content)):
        raise PeerError(f"unversioned file {state.name}: HASH does not match CONTENT")
    if not is_news(writer, state):
        return False
    if has_content(writer, state):
        writer.db.execute("UPDATE unversioned SET mtime = ? WHERE name = ?", (state.mtime, state.name))
        return True
    assert state.artifact is None or content is not None, "a file without its content"
    _make_room(writer, state.name)
    raw = None if state.artifact is None else bytes.fromhex(state.artifact)
    frame = None if content is None else frames.compress(content)
    row = (state.name, state.mtime, raw, len(content or b""), frame)
    writer.db.execute("INSERT OR REPLACE INTO unversioned VALUES (?, ?, ?, ?, ?)", row)
    return True


def put_own(writer: Writer, name: str, content: bytes | None, now_s: int) -> bool:
    """Change a file here, or delete it (`content` None); whether that changes anything.

    It is dated now, or just after what it replaces, so that no other clock undoes it.

    Raises:
        NotFound: it is to be deleted, and there is no such file.
        Refused: there are MAX_FILES already, or what it replaces is dated to the end of time.
    """
    known = file(writer, name)
    if content is None and (known is None or known.artifact is None):
        raise NotFound(f"there is no unversioned file {name}: `xferzone uv ls` lists them")
    artifact = None if content is None else artifact_id(content)
    if known is not None and known.artifact == artifact:
        return False
    mtime = now_s if known is None else max(now_s, known.mtime + 1)
    if mtime > MAX_MTIME:
        raise Refused(f"unversioned file {name} is dated to the end of the year 9999: take another name")
    return put(writer, Unversioned(name, mtime, artifact, len(content or b"")), content)


def faults(reader: Reader) -> Iterator[str]:
    """Files that cannot be read back, or are of another size than recorded, a line each."""
    for each in files(reader):
        try:
            found = content(reader, each.name)
        except CorruptArtifact as exc:
            yield f"unversioned file {each.name} is damaged: {exc.reason}: {_REMEDY}"
        else:
            if len(found) != each.size:
                yield f"unversioned file {each.name} has {len(found)} bytes, not the {each.size} recorded: {_REMEDY}"


_REMEDY: Final = "put it again with `xferzone uv put FILE --as NAME`"


def _make_room(writer: Writer, name: str) -> None:
    """Forget the file deleted longest ago where a new name would be one too many. Raises Refused: none is deleted."""
    (count,) = writer.db.execute("SELECT count(*) FROM unversioned WHERE name <> ?", (name,)).fetchone()
    if count < MAX_FILES:
        return
    query = """DELETE FROM unversioned WHERE rowid IN
               (SELECT rowid FROM unversioned WHERE hash IS NULL AND name <> ? ORDER BY mtime, name LIMIT ?)"""
    if writer.db.execute(query, (name, count - MAX_FILES + 1)).rowcount < count - MAX_FILES + 1:
        raise Refused(f"there are {MAX_FILES} unversioned files already: `xferzone uv rm NAME` removes one")


def _state(name: str, mtime: int, raw: bytes | None, size: int) -> Unversioned:
    return Unversioned(name, mtime, None if raw is None else id_of(raw), size)
