"""Repository files of stock's: what we write, stock works with; what stock has written, we take, and it again."""

import contextlib
import json
import re
import sqlite3
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from html import unescape
from pathlib import Path

import pytest

from tests.interop import agreement, history
from tests.live import PATIENCE_S, Person, background, free_port, serving, within
from xferzone.hashing import artifact_id

pytestmark = pytest.mark.interop

_LINK = re.compile(r"""<(?:a|frame|img|script|link)\b[^>]*?\b(?:href|src)=['"]([^'"#]+)""", re.IGNORECASE)
_KINDS = 300  # of pages: what stock has is some 120


@pytest.fixture(scope="module")
def ops(tmp_path_factory: pytest.TempPathFactory) -> Person:
    return Person(tmp_path_factory.mktemp("ops"))


@pytest.fixture(scope="module")
def foreign(ops: Person) -> Path:
    """What stock's users made, with an artifact that is private, one that is shunned, and a phantom."""
    file = history.built(ops, ops.home / "foreign")
    work = file.parent / "work"
    ops.fossil("update", "trunk", at=work)
    (work / "secret").write_text("kept back\n" * 50)
    ops.fossil("add", "secret", at=work)
    ops.fossil("commit", "--no-warnings", "-m", "private", "--private", at=work)
    ops.fossil("user", "new", "ann", "Ann", "annssecret", "-R", file)
    ops.fossil("user", "capabilities", "ann", "gio", "-R", file)
    with closing(sqlite3.connect(file)) as db, db:
        (text,) = db.execute(
            "SELECT uuid FROM blob JOIN event ON rid = objid WHERE type = 'f' ORDER BY mtime DESC"
        ).fetchone()
        db.execute("INSERT INTO shun VALUES (?, 0, '')", (text,))
        db.execute("INSERT INTO blob (rcvid, size, uuid) VALUES (0, -1, ?)", ("5" * 64,))
    return file


@pytest.fixture(scope="module")
def imported(ops: Person, foreign: Path) -> Path:
    made = ops.home / "imported.xferzone"
    ops.xferzone("-R", made, "import-fossil", "--accounts", foreign)
    return made


@pytest.fixture(scope="module")
def exported(ops: Person, imported: Path) -> Path:
    """What was imported, exported; and stock has derived the rest."""
    made = ops.home / "exported.fossil"
    ops.xferzone("-R", imported, "export-fossil", made)
    said = ops.fossil("timeline", "-R", made, code=1)
    assert 'run "fossil rebuild"' in said.out + said.err  # stock says itself what is needed
    ops.fossil("rebuild", made)
    return made


def public(file: Path) -> set[str]:
    """What of a repository of stock's others may have."""
    query = (
        "SELECT uuid FROM blob WHERE size >= 0 AND rid NOT IN private AND uuid NOT IN (SELECT uuid FROM shun)"
    )
    return {str(uuid) for (uuid,) in agreement.rows(file, query)}


def test_an_import_has_what_is_public(ops: Person, foreign: Path, imported: Path) -> None:
    assert len(agreement.rows(foreign, "SELECT rid FROM private")) >= 2
    with closing(sqlite3.connect(imported)) as db:
        held = {name for (name,) in db.execute("SELECT lower(hex(hash)) FROM blob WHERE content IS NOT NULL")}
    assert held == public(foreign)
    ops.xferzone("-R", imported, "check")
    (code,) = agreement.rows(foreign, "SELECT value FROM config WHERE name = 'project-code'")
    assert agreement.rows(imported, "SELECT value FROM setting WHERE name = 'project-code'") == [code]


def test_an_import_takes_what_is_private_if_it_is_asked_for(ops: Person, foreign: Path) -> None:
    made = ops.home / "private.xferzone"
    ops.xferzone("-R", made, "import-fossil", "--private", foreign)
    with closing(sqlite3.connect(made)) as db:
        held = {name for (name,) in db.execute("SELECT lower(hex(hash)) FROM private")}
    query = "SELECT uuid FROM private JOIN blob USING (rid) WHERE uuid NOT IN (SELECT uuid FROM shun)"
    assert held == {str(uuid) for (uuid,) in agreement.rows(foreign, query)}
    ops.xferzone("-R", made, "check")


def test_what_stock_has_shunned_of_a_zone_s_version_is_told_and_the_zone_begins_anew(ops: Person) -> None:
    file, made = ops.home / "leaked.fossil", ops.home / "leaked.xferzone"
    ops.fossil("new", file)
    work = ops.open(file, ops.home / "leaked")
    text = "$TTL 1h\n@ SOA ns host 1 7200 3600 1209600 300\n@ NS ns\nns A 192.0.2.1\n"
    (work / "example.com.zone").write_text(text)
    (work / "notes.txt").write_text("a password\n")
    ops.fossil("add", "example.com.zone", "notes.txt", at=work)
    ops.fossil("commit", "--no-warnings", "-m", "one", "--branch", "example.com/main", at=work)
    leak = artifact_id(b"a password\n")
    with closing(sqlite3.connect(file)) as db, db:
        db.execute("INSERT INTO shun (uuid, mtime) VALUES (?, 0)", (leak,))
    ops.fossil("rebuild", file)
    # Stock has the version without the file, and so have its clones.
    ops.fossil("clone", file, ops.home / "leaked-clone.fossil")
    there = ops.open(ops.home / "leaked-clone.fossil", ops.home / "leaked-there", "example.com/main")
    assert ((there / "example.com.zone").exists(), (there / "notes.txt").exists()) == (True, False)
    said = ops.xferzone("-R", made, "import-fossil", file)
    assert f"names {leak[:16]}, which is shunned here and never comes" in said.out + said.err
    ops.xferzone("-R", made, "zone", "add", "example.com", "--from", work / "example.com.zone")
    assert ops.xferzone("-R", made, "zone", "list").out.split()[:2] == ["example.com.", "1"]
    ops.xferzone("-R", made, "check")


def test_an_import_serves_the_zone_and_goes_on(ops: Person, foreign: Path, imported: Path) -> None:
    with sqlite3.connect(foreign) as db:
        (tip,) = db.execute(
            """SELECT uuid FROM leaf JOIN blob USING (rid) JOIN tagxref USING (rid) JOIN tag USING (tagid)
               WHERE tagname = 'sym-example.com/main' AND tagtype > 0"""
        ).fetchone()
    assert agreement.refs(imported)["example.com/main"][0] == tip
    copy = ops.home / "goes-on.xferzone"
    ops.xferzone("-R", imported, "backup", copy)
    with serving(copy) as server:
        # A clone of stock's of the same project goes on with it, and so does an account that came along.
        clone = ops.home / "before.fossil"
        ops.fossil("clone", foreign, clone)
        ops.fossil("settings", "autosync", "off", "-R", clone)
        work = ops.open(clone, ops.home / "before", "example.com/main")
        with (work / "example.com.zone").open("a") as zone:
            zone.write("goes-on 300 A 192.0.2.44\n")
        ops.fossil("commit", "--no-warnings", "-m", "goes on", at=work)
        ops.fossil("push", server.url("ann", "annssecret"), "--once", at=work)
        assert within(PATIENCE_S, lambda: server.dig("goes-on.example.com") == ["192.0.2.44"])


def test_stock_finds_an_export_sound(ops: Person, foreign: Path, imported: Path, exported: Path) -> None:
    assert public(exported) == public(foreign)
    leaves = agreement.leaves(exported)
    assert " 0 errors" in ops.fossil("test-integrity", exported).out
    ops.fossil("rebuild", exported)
    assert (public(exported), agreement.leaves(exported)) == (public(foreign), leaves)
    assert "project-code" in ops.fossil("info", "-R", exported).out
    everything = "-n", "0", "-t", "ci"
    said = ops.fossil("timeline", *everything, "-R", exported).out
    other = ops.home / "public.fossil"
    ops.fossil("clone", foreign, other)  # without what is private
    assert said == ops.fossil("timeline", *everything, "-R", other).out
    agreement.assert_log_as_stock(ops, imported, exported)


def test_what_was_exported_comes_back(ops: Person, imported: Path, exported: Path) -> None:
    back = ops.home / "back.xferzone"
    ops.xferzone("-R", back, "import-fossil", exported)
    held = "SELECT lower(hex(hash)) FROM blob WHERE content IS NOT NULL ORDER BY 1"
    assert agreement.rows(back, held) == agreement.rows(imported, held)
    assert agreement.refs(back) == agreement.refs(imported)


def test_accounts_stay_here_unless_asked_for(ops: Person, imported: Path, exported: Path) -> None:
    told = "SELECT login, pw, cap FROM user ORDER BY login"
    assert agreement.rows(exported, told) == [("anonymous", "", ""), ("nobody", "", ""), ("ops", "", "s")]
    with_them = ops.home / "accounts.fossil"
    ops.xferzone("-R", imported, "export-fossil", "--accounts", with_them)
    assert ("ann", "gio") in agreement.rows(with_them, "SELECT login, cap FROM user WHERE length(pw) = 40")


def test_every_page_of_an_export_is_there(ops: Person, foreign: Path, exported: Path) -> None:
    """One of each kind that any page links to. Stock's own file lacks some of its pages: those need not be there."""
    with _pages(ops, exported) as base, _pages(ops, foreign) as as_stock:
        left = [urllib.parse.urljoin(base, page) for page in ("sitemap", "timeline", "dir", "setup")]
        seen: set[tuple[str, ...]] = set()
        there = 0
        while left and len(seen) < _KINDS:
            url = left.pop(0)
            parts = urllib.parse.urlsplit(url)
            kind = parts.path.split("/")[1], *sorted(urllib.parse.parse_qs(parts.query))
            if kind in seen or kind[0] in ("logout", "login", "register"):
                continue
            seen.add(kind)
            status, text = _fetched(url)
            there += status == 200
            assert status == 200 or _fetched(url.replace(base, as_stock))[0] == status, url
            links = (urllib.parse.urljoin(url, unescape(link)) for link in _LINK.findall(text))
            left += [link for link in links if link.startswith(base)]
        assert there > 60


@contextlib.contextmanager
def _pages(ops: Person, repository: Path) -> Iterator[str]:
    """`fossil ui` without a browser; the address of its pages."""
    port = free_port()
    argv = ["fossil", "ui", "--nobrowser", "--port", str(port), str(repository)]
    base = f"http://127.0.0.1:{port}/"
    with background(argv, ops.env, ops.home / f"ui-{port}.log"):
        assert within(PATIENCE_S, lambda: _is_up(base))
        yield base


def _is_up(base: str) -> bool:
    try:
        return _fetched(f"{base}timeline")[0] == 200
    except urllib.error.URLError:
        return False


def _fetched(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
            return answer.status, answer.read().decode("utf-8", "replace")
    except urllib.error.HTTPError as exc:
        return exc.code, ""


def test_unversioned_files_go_both_ways(ops: Person, tmp_path: Path) -> None:
    theirs, made, again = tmp_path / "theirs.fossil", tmp_path / "made.xferzone", tmp_path / "again.fossil"
    ops.fossil("new", theirs)
    for name, text in (
        ("a.txt", "packed " * 100),
        ("b/c", "as it is"),
        ("empty", ""),
        ("gone", "x"),
        ("lies", "y"),
    ):
        (ops.home / "file").write_text(text)
        ops.fossil("uv", "add", "file", "--as", name, "-R", theirs)
    ops.fossil("uv", "rm", "gone", "-R", theirs)
    with closing(sqlite3.connect(theirs)) as db, db:
        # As stock keeps a file of which only a new time came.
        db.execute("UPDATE unversioned SET content = NULL, sz = 0, encoding = 0 WHERE name = 'lies'")
    done = json.loads(ops.xferzone("-R", made, "import-fossil", theirs, "--format", "json").out)
    assert done["unversioned"] == 3
    assert [notice for notice in done["notices"] if "lies" in notice and "left out" in notice]
    assert ops.xferzone("-R", made, "uv", "cat", "a.txt").out == "packed " * 100
    done = json.loads(ops.xferzone("-R", made, "export-fossil", again, "--format", "json").out)
    assert done["unversioned"] == 3
    ops.fossil("rebuild", again)
    ops.fossil("uv", "rm", "lies", "-R", theirs)
    for words in (("uv", "hash"), ("uv", "ls", "-a"), ("uv", "cat", "a.txt", "b/c")):
        found, expected = (ops.fossil(*words, "-R", file).out for file in (again, theirs))
        if words == ("uv", "ls", "-a"):
            expected = expected.replace("lies\n", "")
        assert found == expected
    assert "0 errors" in ops.fossil("test-integrity", "-R", again).out


def test_a_damaged_unversioned_file_is_named_and_nothing_is_made(ops: Person, tmp_path: Path) -> None:
    theirs, made = tmp_path / "theirs.fossil", tmp_path / "made.xferzone"
    ops.fossil("new", theirs)
    (ops.home / "file").write_text("packed " * 100)
    ops.fossil("uv", "add", "file", "--as", "a.txt", "-R", theirs)
    with closing(sqlite3.connect(theirs)) as db, db:
        db.execute("UPDATE unversioned SET content = substr(content, 1, 10)")
    done = ops.xferzone("-R", made, "import-fossil", theirs, code=1)
    assert "a.txt" in done.err
    assert not made.exists()
