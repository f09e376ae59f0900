"""What commits of our own are warned of, and messages that stay short and say the place."""

from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.publish.project import MAIN_BRANCH, Project, zone_text
from xferzone.artifacts import CheckIn, FileCard
from xferzone.edit.appending import Author
from xferzone.edit.commit import Edit
from xferzone.zone import changes


@pytest.mark.parametrize(
    ("words", "warning"),
    [
        (("set", "sub.example.com", "NS", "ns.sub.example.com"), "needs an address here, as glue"),
        (("add", "example.com", "MX", "10 nowhere.example.com"), "which has no address in the zone"),
        (("delete", "mail.example.com", "A"), "what was deleted is deleted too: ; mail goes here"),
        (("delete", "www.example.com", "A"), ""),
        (("set", "www.example.com", "A", "192.0.2.7"), ""),
    ],
)
def test_a_change_is_warned_of_what_it_makes_wrong_and_of_nothing_else(
    zone: Run, words: tuple[str, ...], warning: str
) -> None:
    words = tuple(word for each in words for word in each.split(" "))
    zone("set", "old.example.com", "MX", "10", "gone.example.com")
    tried = zone(*words, "--dry-run")
    done = zone(*words)
    assert done.code == 0
    if warning:
        assert done.err.startswith("warning: ")
        assert warning in done.err
    assert done.err.count("\n") == bool(warning)
    assert done.err in tried.err


def test_a_comment_above_what_is_deleted_goes_to_the_owner_s_next_record(zone: Run) -> None:
    farm = "; the web farm\nfarm 300 A 192.0.2.2\nfarm 300 A 192.0.2.3\nfarm 300 AAAA 2001:db8::1\n"
    old = zone("zone", "export", "example.com").out
    assert zone("zone", "import", "example.com", "-", stdin=old + farm).code == 0
    for words, heads in (
        (("A", "192.0.2.2"), "farm 300 A 192.0.2.3\n"),
        (("A",), "farm 300 AAAA 2001:db8::1\n"),
    ):
        assert zone("delete", "farm.example.com", *words).err == ""
        assert f"; the web farm\n{heads}" in zone("zone", "export", "example.com").out
    assert "deleted too: ; the web farm\n" in zone("delete", "farm.example.com").err
    assert "farm" not in zone("zone", "export", "example.com").out


def test_a_commit_says_what_it_moves_aside(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.push(project.manifest(zone_text()))
    project.push(project.manifest(zone_text("www 60 A bad"), project.served()[0], user="alice"))
    with project.writing() as (writer, refs):
        edit = Edit(writer, refs, MAIN_BRANCH, Author("ann", project.now))
        done = edit.change([changes.parse_change("set", ["www.example.com", "A", "192.0.2.1"])], "set")
    (told,) = done.warnings
    assert "(alice) was not published; it is on branch example.com/main-fork-" in told


def test_a_branch_that_dns_serves_stays_open_and_a_closed_one_opens_again(zone: Run) -> None:
    refused = zone("branch", "example.com", "main", "--close")
    assert refused.code == 7
    assert "is what DNS serves" in refused.err
    zone("branch", "example.com", "test")
    zone("branch", "example.com", "test", "--close")
    assert (
        "was closed: this check-in opens it"
        in zone("set", "w.example.com", "A", "192.0.2.7", "-b", "test").err
    )
    assert zone("set", "w.example.com", "A", "192.0.2.8", "-b", "test").err == ""


@pytest.mark.parametrize(
    ("serial", "warning"),
    [
        (9, ""),
        (5, "the serial 5 is not after 5, which was served: 6 is served now"),
        (3, "the serial 3 is not"),
    ],
)
def test_a_serial_that_is_not_served_is_told(zone: Run, serial: int, warning: str) -> None:
    soa = f"ns1.example.net. hostmaster.example.net. {serial} 7200 3600 1209600 301"
    done = zone("set", "example.com", "SOA", *soa.split())
    assert warning in done.err
    assert ("warning" in done.err) == bool(warning)
    # A serial that stands in the text from before is no news.
    assert zone("set", "www.example.com", "A", "192.0.2.9").err == ""


def test_an_import_is_told_of_its_serial(zone: Run, tmp_path: Path) -> None:
    text = (tmp_path / "example.com.zone").read_text()
    (tmp_path / "older.zone").write_text(
        text.replace(" 5 7200", " 4 7200").replace("192.0.2.25", "192.0.2.26")
    )
    assert "the serial 4 is not after 5" in zone("zone", "import", "example.com", "older.zone").err
    (tmp_path / "newer.zone").write_text(text.replace(" 5 7200", " 20 7200"))
    assert "serial" not in zone("zone", "import", "example.com", "newer.zone").err


def test_a_batch_names_the_line_that_deletes_what_is_not_there(zone: Run) -> None:
    done = zone(
        "apply", "example.com", "-", stdin="# two\nset www.example.com A 192.0.2.7\ndelete no.example.com\n"
    )
    assert done.code == 5
    assert done.err.startswith("xferzone: standard input line 3: no.example.com. has no such record")


@pytest.mark.parametrize(
    "words",
    [
        ("set", "www.example.com", "TXT", "a" * 70_000),
        ("set", "www.example.com", "A", "a" * 70_000),
        ("log", "a" * 70_000),
        ("diff", "example.com", "b" * 70_000),
        ("branch", "example.com", "x" * 70_000),
        ("tag", "example.com", "x" * 70_000),
    ],
    ids=lambda words: words[0],
)
def test_what_is_far_too_long_is_not_repeated_in_full(zone: Run, words: tuple[str, ...]) -> None:
    done = zone(*words)
    assert done.code in (2, 5, 6)
    assert len(done.err) < 400


def test_a_zone_file_that_is_a_symbolic_link_is_called_so(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.push(project.manifest(zone_text()))
    with project.writing() as (writer, _):
        card = FileCard("example.com.zone", writer.put(b"../elsewhere/example.com.zone"), "l")
    (told,) = project.push(
        CheckIn("link", project.now, "ann", (card,), parents=(project.served()[0],)).encode()
    )
    assert "example.com.zone: it is a symbolic link" in told


def test_a_cname_at_the_apex_is_told_what_to_use(zone: Run) -> None:
    failed = zone("set", "example.com", "CNAME", "app.example.net.")
    assert failed.code == 6
    assert "use A/AAAA or HTTPS 0 app.example.net." in failed.err
    assert zone("set", "example.com", "HTTPS", "0", "app.example.net.").code == 0


def test_what_was_mistyped_is_told_at_once(zone: Run) -> None:
    done = zone("set", "a.example.com", "TXT", "\u201chello\u201d")
    assert "warning: a.example.com. TXT holds a curly quote (U+201C)" in done.err
    done = zone("set", "b.example.com", "MX", "10", "192.0.2.1")
    assert "give a host the record A 192.0.2.1" in done.err
    assert "write xn--bcher-kva.example.com" in zone("set", "b\u00fccher.example.com", "A", "192.0.2.1").err


READING = [
    ("apply",),
    ("zone", "check"),
    ("zone", "import", "example.com"),
    ("zone", "add", "--from-named-conf"),
]


@pytest.mark.parametrize("verb", READING)
@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("utf-16", "it is UTF-16, as Notepad and PowerShell save it"),
        ("utf-32", "it is UTF-32: save it as UTF-8"),
        ("utf-8-sig", "it begins with a byte order mark"),
    ],
)
def test_a_file_in_another_encoding_is_named_by_every_verb(
    zone: Run, tmp_path: Path, verb: tuple[str, ...], encoding: str, name: str
) -> None:
    (tmp_path / "saved.txt").write_bytes("set www.example.com A 192.0.2.7\r\n".encode(encoding))
    failed = zone(*verb, "saved.txt")
    assert failed.code == 6
    assert f"saved.txt line 1: {name}" in failed.err
