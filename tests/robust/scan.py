"""Damage to any column of any table, and what verbs say of it, in a child process that is given little time.

    a column     NULL    text    a huge number    a negative one    three bytes    the value of another row

NULL is written where the schema forbids it, too, as a damaged page may hold it. The child runs `main` for each verb, so
that a traceback is seen, and a hang ends with the processor time that the child may use.
"""

import io
import json
import os
import resource
import signal
import sqlite3
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import closing, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.publish.project import APEX, Project, zone_text
from tests.publish.test_follow import Copy
from xferzone import delta
from xferzone.artifacts import CheckIn, Cluster, Control, FileCard, Tag
from xferzone.cards.rows import Row
from xferzone.cli.main import main
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.refs import past
from xferzone.refs.past import Past
from xferzone.store import (
    accounts,
    acknowledged,
    brought,
    configuration,
    locks,
    private,
    pushes,
    remotes,
    shunned,
    tables,
    unversioned,
)
from xferzone.store.accounts import User
from xferzone.store.brought import Bringer
from xferzone.store.incoming import Received
from xferzone.store.remotes import Mark, Remote
from xferzone.store.unversioned import Unversioned
from xferzone.tables.definition import made

CPU_S: Final = 30  # seconds of processor time for the verbs of one child; they take half a second
KINDS: Final = ("null", "text", "huge", "negative", "odd", "other")
_VALUES: Final = {"null": None, "text": "damage", "huge": 2**62, "negative": -5, "odd": b"\x01\x02\x03"}


class Column(NamedTuple):
    """A column of a table."""

    table: str
    name: str


class Said(NamedTuple):
    """What a verb did: its exit code, None if it ended in a traceback, and all that it printed."""

    code: int | None
    text: str


class _Past(Project):
    """A project whose check-ins were made in the last hours of this machine's clock, since verbs go by that."""

    def manifest(self, *said: Any, **more: Any) -> bytes:
        self.now += 1_000
        return super().manifest(*said, date_ms=self.now, **more)


def _project(directory: Path) -> _Past:
    project = _Past(directory)
    project.now = time.time_ns() // 1_000_000 - 7_200_000
    return project


def primary(directory: Path) -> Path:
    """A primary in which every table has rows that a primary can have, and example.com some history."""
    project = _project(directory)
    hosts = [f"host{number} 300 A 192.0.2.{number}" for number in range(12)]
    line: list[ArtifactId] = []
    for serial in range(1, 5):
        text = zone_text(*hosts[serial:], "www 300 A 192.0.2.100", serial=serial)
        manifest = project.manifest(text, *line[-1:])
        assert project.push(manifest) == []
        line.append(artifact_id(manifest))
    other = {"other.example.zone": APEX.format(serial=1).encode()}
    assert project.push(project.manifest(None, branch="other.example/main", files=other)) == []
    project.push(project.manifest(zone_text("lost 1 A 192.0.2.1", serial=13), line[-2]))
    project.push(project.manifest(b"no zone", line[-1]))
    project.push(project.manifest(zone_text(*hosts, serial=9), line[1], branch="example.com/test"))
    tag = Tag("+", "sym-example.com/rel", line[-1], "x")
    awaited = (FileCard("example.com.zone", artifact_id(b"on its way")),)
    with project.writing() as (writer, _):
        writer.put(Control(date_ms=project.now, tags=(tag,), user="ann").encode())
        writer.put(CheckIn("waits", project.now, "ann", awaited, (line[-1],)).encode())
        writer.put(os.urandom(3_000))
        writer.put(Cluster(tuple(sorted(line))).encode())
        for name in (b"one\n", b"two\n"):
            writer.put_all(
                [Received(artifact_id(name), artifact_id(name * 2), delta.create(b"", name) or b"")]
            )
        brought.note(writer, line[2:], Bringer("bob", "push"), 1)
        brought.note(writer, line[:2], Bringer("ann", "push"))
        writer.db.execute("INSERT OR IGNORE INTO unchained SELECT checkin FROM ref")
        writer.db.execute("INSERT INTO asked VALUES ('ann', 3, 9, 5, 1), ('bob', 2, 6, 2, 0)")
        pushes.begin(writer, "ann", "ab" * 20, "0123456789abcdef")
        acknowledged.put(writer, {("example.com", "192.0.2.1:53"): 3, ("other.example", "192.0.2.2:53"): 1})
        for number, content in enumerate((b"a note\n", b"a longer note\n")):
            state = Unversioned(f"note{number}", 1_790_000_000 + number, artifact_id(content), len(content))
            unversioned.put(writer, state, content)
        for number, type_ in enumerate(("text", "blob")):
            table = made(f"hosts{number}", (("host", "text"), (type_, type_)), ("host",), "mtime-wins")
            tables.define(writer, table, 1_790_000_000_000 + number)
            for each, value in enumerate(("AAE=", "AAI=")):
                given = {"host": f"ns{each}", type_: value}
                content, owner = table.content(given), f"ann{each}"
                row = tables.Row(table.key_hash(given), 1_790_000_000_000 + each, owner, content)
                tables.put(writer, table.name, row)
        for number, name in enumerate((b"secret\n", b"another secret\n")):
            private.put(writer, artifact_id(name), name)
            shunned.add(writer, [artifact_id(name * 2)], project.now + number, f"reason {number}")
            assert (
                locks.lock(writer, line[-1 - number], f"{number}" * 40, f"c{number}", project.now + number)
                is None
            )
            configuration.put(writer, Row("config", f"walias:/{number}", 8, {"value": b"'/wiki'"}))
            zones, expires = (f"zone{number}.example",), project.now + number
            accounts.put_stored(writer, User(f"held{number}", "f" * 40, "gio", zones, expires))
        past.put(writer, {f"127.0.0.{number}:5300": Past((("*", "main", False),), {}) for number in (1, 2)})
    project.store.close()
    return project.path


def clone(directory: Path) -> Path:
    """A clone of a project, with a commit of its own and two remotes."""
    project = _project(directory)
    assert project.push(project.manifest(zone_text("www 300 A 192.0.2.1"))) == []
    copy = Copy(directory / "clone", project)
    copy.now = project.now
    copy.pull()
    copy.set_www("192.0.2.2")
    copy.set_www("192.0.2.3")
    with copy.writing() as (writer, _):
        for name in ("origin", "other"):
            epochs = {"0123456789abcdef": 3, "fedcba9876543210": 4}
            marks = {epoch: Mark(7, epoch[::-1]) for epoch in epochs}
            remotes.put_remote(writer, Remote(name, f"http://{name}.example/zones", epochs, "cookie", marks))
    for each in (project, copy):
        each.store.close()
    return copy.path


def columns(path: Path) -> list[Column]:
    """Every column of every table that has rows, SQLite's own tables aside."""
    query = """SELECT sqlite_master.name, info.name FROM sqlite_master
               JOIN pragma_table_info(sqlite_master.name) AS info
               WHERE sqlite_master.type = 'table' AND sqlite_master.name NOT LIKE 'sqlite_%' ORDER BY 1, info.cid"""
    with closing(sqlite3.connect(path)) as db:
        found = [Column(*row) for row in db.execute(query)]
        empty = {each.table for each in found if db.execute(f"SELECT 1 FROM {each.table}").fetchone() is None}  # noqa: S608 the schema's names
    return [each for each in found if each.table not in empty]


def damage(path: Path, column: Column, kind: str) -> bool:
    """Write such a value into a row of the table, the last that can hold it. False: SQLite takes it in none."""
    with closing(sqlite3.connect(path)) as db:
        (sql,) = db.execute("SELECT sql FROM sqlite_master WHERE name = ?", (column.table,)).fetchone()
    _declare(path, column.table, sql.replace(" NOT NULL", ""))
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        done = _is_written(db, column, kind, "WITHOUT ROWID" in sql)
    _declare(path, column.table, sql)
    return done


def _declare(path: Path, table: str, sql: str) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("PRAGMA writable_schema=ON")
        db.execute("UPDATE sqlite_master SET sql = ? WHERE name = ?", (sql, table))


def _is_written(db: sqlite3.Connection, column: Column, kind: str, without_rowid: bool) -> bool:
    table, name = column
    keys = (
        [row[1] for row in db.execute(f"PRAGMA table_info({table})") if row[5]]
        if without_rowid
        else ["rowid"]
    )
    rows = db.execute(f"SELECT {', '.join(keys)}, {name} FROM {table}").fetchall()[::-1]  # noqa: S608 the schema's names
    where = " AND ".join(f"{key} IS ?" for key in keys)
    for row in rows:
        for value in [other[-1] for other in rows] if kind == "other" else [_VALUES[kind]]:
            if value != row[-1]:
                try:
                    db.execute(f"UPDATE {table} SET {name} = ? WHERE {where}", (value, *row[:-1]))  # noqa: S608 as above
                except (sqlite3.IntegrityError, sqlite3.OperationalError):
                    continue  # SQLite refuses it: a key twice, or of another type
                return True
    return False


def said(path: Path, verbs: Sequence[str]) -> dict[str, Said]:
    """What each verb says of the repository at `path`, until one hangs: those after it are missing."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(reading)
            resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
            signal.alarm(60 * CPU_S)
            with os.fdopen(writing, "w") as out:
                for verb in verbs:
                    out.write(json.dumps([verb, run(path, verb)]) + "\n")
                    out.flush()
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as came:
        told = [json.loads(line) for line in came]
    os.waitpid(child, 0)
    return {verb: Said(*rest) for verb, rest in told}


def run(path: Path, verb: str) -> Said:
    """What one verb says, in this process."""
    before = sys.argv, sys.stdin
    sys.argv, sys.stdin = ["xferzone", "-R", str(path), *verb.split()], io.TextIOWrapper(io.BytesIO())
    octets = io.BytesIO()
    text = io.TextIOWrapper(octets, write_through=True)
    code: int | None = None
    with redirect_stdout(text), redirect_stderr(text):
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        except BaseException:  # noqa: BLE001 it is what is looked for
            text.write(traceback.format_exc())
        finally:
            sys.argv, sys.stdin = before
    return Said(code, octets.getvalue().decode("utf-8", "replace"))
