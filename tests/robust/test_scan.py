"""Whatever is damaged in a repository: `check` names it, and no verb hangs or ends in a traceback."""

import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from itertools import cycle, islice, product
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.robust import scan
from xferzone.store import schema
from xferzone.store.database import newest_schema

VERBS = [
    "status", "log", "log -p example.com", "show www.example.com", "zone list", "zone export example.com",
    "diff example.com", "blame example.com", "reflog example.com", "branch example.com", "tag example.com", "stats",
    "user list", "remote list", "uv ls", "table list", "set www.example.com A 300 192.0.2.77", "rebuild",
]  # fmt: skip
EACH = 3  # verbs that meet a damage besides `check`; all of them were run

#: What may stand there just as well, and why.
LAWFUL = {
    **{("acknowledged", "zone", kind): "somebody is told once more, or not, of a change of another zone"
       for kind in ("text", "huge", "negative", "other")},
    **{("acknowledged", column, "other"): "the same" for column in ("target", "serial")},
    ("past", "state", "other"): "it is a past, though another address's",
    ("aside", "source", "other"): "a delta that waits is looked at when its source has come",
    ("aside", "delta", "other"): "the same",
    **{("unversioned", "name", kind): "a name is any text" for kind in ("text", "huge", "negative")},
    ("unversioned", "mtime", "other"): "it is a date, though another's",
    ("synced_table", "mtime", "other"): "the same",
    ("user", "mtime", "other"): "the same",
    **{("synced_row", "owner", kind): "a login is any text" for kind in ("text", "huge", "negative", "other")},
    ("invalid", "reason", "text"): "a reason is any text",
    ("invalid", "reason", "huge"): "the same: SQLite makes text of it",
    ("invalid", "reason", "negative"): "the same",
    **{(table, "login", kind): "a login is any text, and its account may be gone"
       for table in ("asked", "brought", "checkin_lock", "publication", "pushing", "user")
       for kind in ("text", "huge", "negative", "other")},
    ("user", "secret", "other"): "it is a secret, though another's",
    **{("user", "zones", kind): "it is the id of a zone, or it is held to none"
       for kind in ("text", "huge", "negative", "other")},
    **{("user", "expires", kind): "it never expires, or when another does" for kind in ("null", "other")},
    **{("checkin_lock", column, "other"): "a lock warns, for a minute" for column in ("rid", "client", "at")},
    **{("private", "rid", kind): "the number of a row is any" for kind in ("huge", "negative", "other")},
    **{("shun", column, "other"): "they are for people" for column in ("time_ms", "comment")},
    **{("shun", "comment", kind): "a comment is any text" for kind in ("text", "huge", "negative")},
    **{("configuration", "key", kind): "a path of an alias, or a report's title, is any text"
       for kind in ("text", "huge", "negative")},
    ("user", "caps", "text"): "they are letters, and those without a meaning are passed over",
    ("user", "caps", "huge"): "the same, of digits",
    ("user", "caps", "other"): "they are rights",
    **{("remote", "cookie", kind): "a remote's cookie is any text"
       for kind in ("text", "huge", "negative", "other")},
    ("pushing", "row", "other"): "somebody is told of something that waits once more, or not",
    **{("pushing", column, kind): "the same: a push is any, and its token any text"
       for column in ("number", "token", "peer", "first", "is_told") for kind in ("text", "huge", "negative", "other")},
    **{("brought", "push", kind): "the same, of whoever has pushed it"
       for kind in ("null", "huge", "negative", "other")},
    **{("asked", column, "other"): "somebody is asked for something once more, or not"
       for column in ("first", "last", "position", "times")},
    **{("aside", column, "other"): "sizes are bounds, and an order is an order" for column in ("number", "made")},
    ("remote", "name", "text"): "a remote has any name",
    ("remote", "url", "other"): "it is a URL, though another's",
    ("remote_epoch", "number", "huge"): "numbers of moves are the remote's, which tells all if it has no such move",
    ("remote_epoch", "number", "other"): "the same",
    ("remote_epoch", "position", "huge"): "positions are the remote's, which tells all controls again by its number",
    ("remote_epoch", "position", "other"): "the same",
    ("remote_epoch", "checkin", "other"): "the remote tells all where this is not that move's",
    ("remote_epoch", "used", "other"): "which epoch is asked for first does not matter",
    ("publication", "time_ms", "other"): "clocks may go back",
    ("remote_epoch", "epoch", "other"): "it is an epoch, though of another remote",
    **{("remote_epoch", "epoch", kind): "it is an epoch, as a server may name its" for kind in ("text", "huge")},
}  # fmt: skip


def _tables() -> list[str]:
    with closing(sqlite3.connect(":memory:")) as db:
        newest_schema(db)
        query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY 1"
        return [name for (name,) in db.execute(query)]


TABLES = _tables()


class Base(NamedTuple):
    """A sound repository, and the tables in it that are damaged in copies."""

    path: Path
    tables: list[str]


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> list[Base]:
    directory = tmp_path_factory.mktemp("scan")
    one, other = scan.primary(directory), scan.clone(tmp_path_factory.mktemp("second"))
    tables = sorted({column.table for column in scan.columns(one)})
    copy = directory / "warm.xferzone"
    shutil.copy(one, copy)
    for verb in ("check", *VERBS):
        scan.run(copy, verb)  # so that the children find every module imported
    return [Base(one, tables), Base(other, ["remote", "remote_epoch", "unsent"])]


@pytest.fixture
def copied(bases: list[Base], tmp_path: Path) -> Path:
    path = tmp_path / "z.xferzone"
    shutil.copy(bases[0].path, path)
    return path


def walked(path: Path, verbs: Sequence[str], named: str = "") -> list[str]:
    """What is wrong with what the verbs say: a line each. `check` ends with 1, and says `named`."""
    said = scan.said(path, ["check", *verbs])
    wrong = [f"{verb} hangs" for verb in ("check", *verbs) if verb not in said]
    wrong += [
        f"{verb}: {each.text}" for verb, each in said.items() if each.code is None or "Traceback" in each.text
    ]
    if not wrong and (said["check"].code != 1 or named not in said["check"].text):
        wrong.append(f"check ends with {said['check'].code}: {said['check'].text}")
    if not wrong and "rebuild" in verbs and said["rebuild"].code == 0:
        after = scan.said(path, ["check"])["check"]
        wrong += [f"rebuild mends it, it says, and then check says {after.text}"] if after.code else []
    return wrong


def test_a_sound_repository_has_no_fault_and_every_verb_works_on_it(
    bases: list[Base], tmp_path: Path
) -> None:
    for number, base in enumerate(bases):
        path = tmp_path / f"{number}.xferzone"
        shutil.copy(base.path, path)
        said = scan.said(path, ["check", *VERBS])
        assert {verb: each for verb, each in said.items() if each.code} == {}
        assert list(said) == ["check", *VERBS]


@pytest.mark.parametrize("table", TABLES)
def test_no_damage_of_any_column_is_overlooked_hangs_or_ends_in_a_traceback(
    bases: list[Base], tmp_path: Path, table: str
) -> None:
    base = next(base for base in bases if table in base.tables)
    verbs, done, wrong = cycle(VERBS[TABLES.index(table) % len(VERBS) :] + VERBS), 0, []
    columns = [column for column in scan.columns(base.path) if column.table == table]
    path = tmp_path / "z.xferzone"
    for column, kind in product(columns, scan.KINDS):
        for left in tmp_path.iterdir():
            left.unlink()
        shutil.copy(base.path, path)
        if scan.damage(path, column, kind):
            found = walked(path, list(islice(verbs, EACH)))
            if (*column, kind) in LAWFUL:
                found = [each for each in found if "hang" in each or "Traceback" in each]
            wrong += [f"{column.name} {kind}: {each}" for each in found]
            done += 1
    assert wrong == []
    assert done >= 2 * len(columns)  # SQLite refuses some


ODD = [
    ("UPDATE parent SET parent = (SELECT max(child) FROM parent) WHERE child = (SELECT min(child) FROM parent)",
     "parents of check-in"),
    ("UPDATE parent SET parent = (SELECT checkin FROM ref WHERE branch = 'example.com/main') "
     "WHERE child = (SELECT min(child) FROM parent)", "parents of check-in"),
    ("UPDATE parent SET parent = child WHERE child = (SELECT checkin FROM ref WHERE branch = 'example.com/main')",
     "parents of check-in"),
    ("INSERT OR IGNORE INTO parent SELECT parent, 1, child FROM parent WHERE position = 0", "parents of check-in"),
    ("UPDATE parent SET parent = child", "parents of check-in"),
    ("UPDATE checkin SET date_ms = 9223372036854775807", "zones of check-in"),
    ("UPDATE publication SET time_ms = -9223372036854775808", "column time_ms cannot be"),
    ("UPDATE ref SET branch = 'Example.COM./main' WHERE branch = 'example.com/main'", "is not a zone's branch"),
    ("UPDATE alembic_version SET version_num = 'abc'", "the schema number 'abc'"),
    ("UPDATE alembic_version SET version_num = '-1'", "the schema number '-1'"),
    ("UPDATE alembic_version SET version_num = '0000'", "the schema number '0000'"),
    ("UPDATE alembic_version SET version_num = x'00ff'", "the schema number"),
    ("UPDATE alembic_version SET version_num = '9999'", "written by a newer xferzone"),
    ("DELETE FROM alembic_version", "its schema has no revision"),
    ("UPDATE setting SET value = x'00' WHERE name = 'role'", "a row that cannot be read (AssertionError) ended one"),
    ("CREATE TRIGGER nasty AFTER INSERT ON blob BEGIN DELETE FROM user; END", "trigger nasty on blob does not belong"),
    ("CREATE VIEW mine AS SELECT * FROM user", "view mine on mine does not belong there"),
    ("CREATE TABLE mine (x)", "table mine on mine does not belong there"),
    ("CREATE INDEX mine ON blob (size)", "index mine on blob does not belong there"),
    ("DROP INDEX aside_source; CREATE INDEX aside_source ON aside (rid)", "index aside_source is not as this release"),
    ("ALTER TABLE user ADD COLUMN more TEXT", "table user is not as this release makes it"),
]  # fmt: skip


def altered(path: Path, statements: str) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.executescript(statements)


@pytest.mark.parametrize(("statements", "named"), ODD, ids=lambda value: value[:50])
def test_no_odd_row_or_schema_is_overlooked_hangs_or_ends_in_a_traceback(
    copied: Path, statements: str, named: str
) -> None:
    altered(copied, statements)
    assert walked(copied, VERBS, named) == []


@pytest.mark.parametrize("table", ["tag", "checkin", "blob", "ref", "setting", "publication"])
def test_a_view_in_the_place_of_a_table_is_named_and_a_derived_one_is_mended(
    copied: Path, table: str
) -> None:
    altered(
        copied, "ALTER TABLE X RENAME TO hidden; CREATE VIEW X AS SELECT * FROM hidden".replace("X", table)
    )
    assert walked(copied, VERBS[:-2], f"a view is in the place of table {table}") == []
    altered(copied, "DROP TABLE IF EXISTS hidden")
    done = scan.said(copied, ["rebuild", "check"])
    assert done["rebuild"].code == done["check"].code == (0 if table in schema.DERIVED else 1)
