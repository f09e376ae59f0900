"""The default TTL of a zone: where it comes from, that commits keep it, and what records get that have no TTL."""

from pathlib import Path

import pytest

from tests.publish.project import MAIN_BRANCH, ZONE, Project
from xferzone.edit.appending import Author, Commit
from xferzone.edit.commit import Edit
from xferzone.errors import ZoneInvalid
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.history import content
from xferzone.history.blame import blame
from xferzone.history.diff import difference
from xferzone.publish import served
from xferzone.refs import LocalRefs
from xferzone.zone import changes, checks, cut
from xferzone.zonefile import names, text, whole
from xferzone.zonefile.whole import DefaultTTL

ORIGIN = names.zone_name(ZONE)
SOA = "SOA ns1.example.net. h.example.net. 1 7200 3600 1209600 900"
NS = "NS ns1.example.net."
FIRST = "example.com.zone"
NEXT = "example.com.zone.d/a.zone"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def canonical(given: str) -> list[str]:
    read = text.read_zone(given.encode(), ORIGIN)
    return text.write(read.records, ORIGIN, read.default).decode().splitlines()


def pushed(project: Project, given: str | dict[str, str], *parents: ArtifactId) -> ArtifactId:
    files = {FIRST: given} if isinstance(given, str) else given
    project.now += 1_000
    contents = {name: each.encode() for name, each in files.items()}
    made = project.manifest(None, *parents, files=contents, date_ms=project.now)
    project.push(made)
    assert project.served()[0] == artifact_id(made)
    return artifact_id(made)


def imported(project: Project, given: str) -> tuple[Commit, list[str]]:
    read, warnings = checks.check(ZONE, given.encode(), "")
    with project.writing() as (writer, refs):
        return Edit(writer, refs, MAIN_BRANCH, Author("ann", project.now)).replace(read, "import"), warnings


def changed(project: Project, *words: str) -> Commit:
    with project.writing() as (writer, refs):
        edit = Edit(writer, refs, MAIN_BRANCH, Author("ann", project.now))
        return edit.change([changes.parse_change(words[0], words[1:])], " ".join(words))


def files(project: Project, checkin: ArtifactId | None = None) -> dict[str, str]:
    """The zone's files at a check-in; else at what is served."""
    with project.store.reader() as reader:
        held = reader.files(checkin or project.served()[0])
        return {name: reader.content(file).decode() for name, file in held.items()}


def lines(project: Project) -> list[str]:
    return files(project)[FIRST].splitlines()


def answered(project: Project) -> dict[str, set[int]]:
    """The TTLs that DNS answers with, by owner."""
    with project.store.reader() as reader:
        ref = LocalRefs(reader).get(MAIN_BRANCH)
        assert ref is not None
        read = served.read_all(reader, ZONE, reader.files(ref.checkin))
    owners: dict[str, set[int]] = {}
    for record in read.records:
        owners.setdefault(record.owner.decode(), set()).add(record.ttl)
    return owners


APEX = [f"@ 300 {SOA}", f"@ 300 {NS}"]

# number of the row in the definition, zone text, the beginning of its canonical text
TEXTS = [
    (
        1,
        f"$TTL 1h\n@ {SOA}\n@ {NS}\n$TTL 50\nns1 A 192.0.2.1\n",
        ["$TTL 3600", f"@ 3600 {SOA}", f"@ 3600 {NS}", "ns1 50 A 192.0.2.1"],
    ),
    (2, f"@ 300 {SOA}\n@ {NS}\n$TTL 70\nc A 192.0.2.1\n", ["$TTL 70", *APEX, "c 70 A 192.0.2.1"]),
    (3, f"@ 300 {SOA}\n@ 300 {NS}\n", ["$TTL 300", *APEX]),
    (
        4,
        f"$TTL 86400 ; 1 day\n@ {SOA.replace(' 1 ', ' ( 1 ; serial' + chr(10), 1)} ) ; minimum\n@ 300 {NS}\n",
        ["$TTL 86400 ; 1 day", f"@ 86400 {SOA} ; serial ; minimum"],
    ),
    (5, f"; head\n$TTL 60\n@ {SOA}\n@ {NS}\n", ["$TTL 60", "; head", f"@ 60 {SOA}"]),
    (
        17,
        f"$TTL 5\n@ {SOA}\n\\036ttl A 192.0.2.1\n\\064 A 192.0.2.2\n",
        ["$TTL 5", f"@ 5 {SOA}", "\\036ttl 5 A 192.0.2.1", "\\064 5 A 192.0.2.2"],
    ),
    # the comment of a $TTL that another one replaces stands above the record that follows it, as others do
    (0, f"$TTL 1 ; a\n; b\n$TTL 2 ; c\n; d\n@ {SOA}\n", ["$TTL 2 ; c", "; a", "; b", "; d", f"@ 2 {SOA}"]),
    (
        0,
        f"; z\n$TTL 1 ; a\n; b\nx A 192.0.2.1\n$TTL 2\n@ {SOA}\n",
        ["$TTL 2", f"@ 2 {SOA}", "; z", "; a", "; b", "x 1 A 192.0.2.1"],
    ),
    (
        0,
        f"@ 9 {SOA}\n$TTL 1 ; a\nx A 192.0.2.1\n$TTL 2 ; b\ny A 192.0.2.1\n",
        ["$TTL 1 ; a", f"@ 9 {SOA}", "x 1 A 192.0.2.1", "; b", "y 2 A 192.0.2.1"],
    ),
    (0, f"@ 9 {SOA}\n$TTL 1 ; a\n", ["$TTL 1 ; a", f"@ 9 {SOA}"]),
    (0, f"$TTL ( 60 ; a\n ; b\n)\n@ {SOA}\n", ["$TTL 60 ; a ; b", f"@ 60 {SOA}"]),
    (0, f"$TTL 60 ;\n@ {SOA}\n", ["$TTL 60 ;", f"@ 60 {SOA}"]),
    (0, f"$TTL 60 ; a\n$ORIGIN example.com. ; b\n@ {SOA} ; c\n", ["$TTL 60 ; a", "; b", f"@ 60 {SOA} ; c"]),
    (
        0,
        f"@ 7 {SOA}\n$GENERATE 1-2 h$ A 192.0.2.$\n$TTL 8\n",
        ["$TTL 8", f"@ 7 {SOA}", "h1 7 A 192.0.2.1", "h2 7 A 192.0.2.2"],
    ),
]


@pytest.mark.parametrize(("row", "given", "wanted"), TEXTS)
def test_what_a_text_says_of_the_default_ttl(row: int, given: str, wanted: list[str]) -> None:
    assert canonical(given)[: len(wanted)] == wanted, row
    assert canonical("\n".join(canonical(given))) == canonical(given)


def test_default_of_is_what_reading_finds() -> None:
    for _, given, _ in TEXTS:
        first = "\n".join(canonical(given)).encode()
        assert text.default_of(first) == text.read_zone(first, ORIGIN).default
        assert text.parse_head(first, ORIGIN).default == text.default_of(first)
    assert text.default_of(b"@ 5 NS a\n") is None
    assert text.default_of(b"$TTL 60 ;x") == DefaultTTL(60, b";x")


def test_a_record_that_takes_a_ttl_from_above_is_warned_of() -> None:
    (warning,) = checks.check(ZONE, TEXTS[1][1].encode(), "f")[1]
    assert (
        warning
        == "f line 2: it has no TTL and no $TTL above it, so it takes the TTL given last, 300: write $TTL"
    )
    given = f"@ {SOA}\n@ {NS}\nx 5 A 192.0.2.1\ny A 192.0.2.1\n"
    first, second = checks.check(ZONE, given.encode(), "f")[1]
    assert first.startswith("f line 1: it has no TTL")
    assert "the SOA's minimum, 900 (and 1 more)" in first
    assert second.startswith("f line 4: it has no TTL")
    assert canonical(given) == [
        "$TTL 900",
        f"@ 900 {SOA}",
        f"@ 900 {NS}",
        "x 5 A 192.0.2.1",
        "y 5 A 192.0.2.1",
    ]
    assert checks.check(ZONE, f"$TTL 5\n{given}".encode(), "f")[1] == []


def test_an_import_keeps_the_default_ttl_unless_it_has_its_own(project: Project) -> None:
    pushed(project, f"$TTL 3600 ; an hour\n@ 3600 {SOA}\n@ 3600 {NS}\n")
    imported(project, TEXTS[2][1])  # row 6
    assert lines(project) == ["$TTL 3600 ; an hour", *APEX]
    before = project.served()
    done, _ = imported(project, f"$TTL 300\n{TEXTS[2][1]}")  # row 7
    assert lines(project) == ["$TTL 300", *APEX]
    assert done.serial == (before[1] or 0) + 1
    assert done.changes is not None
    assert (done.changes.gone, done.changes.come) == ((), ())
    told = "default TTL 3600 -> 300; no record changes, all of them state theirs"
    assert done.changes.default_told() == told
    with project.store.reader() as reader:
        assert difference(reader, ZONE, before[0], project.served()[0]) == done.changes
    # row 8: a transfer says nothing of it
    imported(project, f"@ 900 {SOA}\n@ 300 {NS}\n@ 900 {SOA}\n")
    assert lines(project) == ["$TTL 300", f"@ 900 {SOA}", f"@ 300 {NS}"]
    done, _ = imported(project, f"$TTL 3600\n@ 60 {SOA}\n@ 60 {NS}\n")
    assert done.changes is not None
    assert done.changes.default_told() == "default TTL 300 -> 3600"


def test_set_add_and_delete_never_change_it_and_take_it(project: Project) -> None:
    pushed(project, f"$TTL 300\n@ 3600 {SOA}\n@ 3600 {NS}\n")
    changed(project, "set", "a.example.com", "A", "192.0.2.1")
    changed(project, "add", "b.example.com", "60", "A", "192.0.2.1")
    changed(project, "add", "b.example.com", "A", "192.0.2.2")
    changed(
        project,
        "set",
        "example.com",
        "60",
        "SOA",
        "ns1.example.net.",
        "h.example.net.",
        "9",
        "1",
        "1",
        "1",
        "1",
    )
    changed(project, "add", "example.com", "MX", "5", "a.example.com.")
    assert lines(project) == [
        "$TTL 300",
        "@ 60 SOA ns1.example.net. h.example.net. 9 1 1 1 1",
        f"@ 3600 {NS}",
        "@ 300 MX 5 a",
        "a 300 A 192.0.2.1",
        "b 60 A 192.0.2.1",
        "b 60 A 192.0.2.2",
    ]
    changed(project, "delete", "example.com", "MX")
    assert lines(project)[0] == "$TTL 300"


def test_a_removed_line_gives_the_ttl_of_the_soa(project: Project) -> None:
    first = pushed(project, f"$TTL 300\n@ 900 {SOA}\n@ 900 {NS}\n")
    second = pushed(project, f"@ 900 {SOA}\n@ 900 {NS}\n", first)  # row 9
    done = changed(project, "set", "n.example.com", "A", "192.0.2.1")
    assert done.checkin is not None
    with project.store.reader() as reader:
        form, *_ = reader.checkin(done.checkin).parents
        assert reader.checkin(form).parents == (second,)
        assert difference(reader, ZONE, second, form) == difference(reader, ZONE, form, form)
    assert files(project, form)[FIRST].splitlines()[0] == "$TTL 900"
    assert lines(project)[-1] == "n 900 A 192.0.2.1"


def test_records_that_stock_appends_take_the_default_ttl(project: Project) -> None:
    apex = f"$TTL 300\n@ 3600 {SOA}\n@ 3600 {NS}\na 60 A 192.0.2.1\n"
    first = pushed(project, f"{apex}zz A 192.0.2.9\n")  # row 10
    assert answered(project)["zz"] == {300}
    # row 11, and blame, diff, log and show agree with what is answered
    second = pushed(project, {FIRST: apex, NEXT: "b 60 A 192.0.2.2\nzz A 192.0.2.9\n"}, first)
    assert answered(project)["zz"] == {300}
    third = pushed(project, {FIRST: apex, NEXT: "zz A 192.0.2.9\nb 60 A 192.0.2.2\n"}, second)
    assert answered(project)["zz"] == {300}
    with project.store.reader() as reader:
        assert [record.ttl for record in content.records_of(reader, ZONE, third, b"zz")] == [300]
        assert difference(reader, ZONE, second, third) == difference(reader, ZONE, third, third)
        assert [blamed.record.ttl for blamed in blame(reader, ZONE, third, b"zz")] == [300]
        assert blame(reader, ZONE, third, b"zz")[0].id == first
    changed(project, "set", "c.example.com", "A", "192.0.2.3")
    assert lines(project)[0] == "$TTL 300"
    assert lines(project)[-2:] == ["c 300 A 192.0.2.3", "zz 300 A 192.0.2.9"]


def test_a_further_file_has_its_own_ttl_directives_and_moves_nothing(project: Project) -> None:
    apex = f"$TTL 300\n@ 3600 {SOA}\n@ 3600 {NS}\n"
    first = pushed(project, {FIRST: apex, NEXT: "y A 192.0.2.1\n$TTL 5 ; five\nz A 192.0.2.1\n"})  # row 12
    assert answered(project) == {"@": {3600}, "y": {300}, "z": {5}}
    changed(project, "set", "c.example.com", "A", "192.0.2.3")
    assert lines(project)[0] == "$TTL 300"
    assert lines(project)[-2:] == ["; five", "z 5 A 192.0.2.1"]
    # without any $TTL, what was given last in the file counts, then the SOA's minimum
    bare = apex.removeprefix("$TTL 300\n")
    pushed(
        project, {FIRST: bare, NEXT: "x A 192.0.2.1\ny 7 A 192.0.2.1\nz A 192.0.2.1\n"}, project.served()[0]
    )
    assert answered(project) == {"@": {3600}, "x": {900}, "y": {7}, "z": {7}}
    # with one somewhere, the default TTL, here the SOA's
    given = {FIRST: bare, NEXT: "x A 192.0.2.1\n$TTL 5\ny A 192.0.2.1\n"}
    pushed(project, given, project.served()[0])
    assert answered(project) == {"@": {3600}, "x": {3600}, "y": {5}}
    # the SOA may stand in a file of any name; of several the first by name counts
    pushed(project, {FIRST: "x A 192.0.2.1\n", NEXT: f"$TTL 8\n{bare}"}, project.served()[0])
    assert answered(project)["x"] == {8}
    two = {FIRST: f"{bare}x A 192.0.2.1\n", NEXT: f"$TTL 8 ; eight\n{bare}"}
    pushed(project, two, project.served()[0])
    assert answered(project)["x"] == {3600}
    changed(project, "set", "c.example.com", "A", "192.0.2.3")
    assert lines(project)[:3] == ["$TTL 3600", "; eight", f"@ 3600 {SOA}"]
    assert first


def test_without_any_soa_a_bare_record_is_a_fault() -> None:
    parsed = {NEXT: text.parse(b"x A 192.0.2.1\n", ORIGIN)}
    assert parsed[NEXT].needs_others
    with pytest.raises(Exception, match="line 1: it has no TTL: give it one, or write"):
        text.read(b"x A 192.0.2.1\n", ORIGIN)


@pytest.mark.parametrize(
    "broken",
    [
        "@ SOA ns1 hostmaster 1 2 3 4",
        "@ SOA ns1 hostmaster 1 2 3 4 5 6",
        "@ SO ns1 hostmaster 1 2 3 4 5",
        '@" SOA ns1 hostmaster 1 2 3 4 5',
        "$TTL x",
    ],
)
def test_a_line_that_could_have_given_a_ttl_is_blamed_alone(broken: str) -> None:
    with pytest.raises(ZoneInvalid) as caught:
        text.read(f"{broken}\n@ NS ns1\nns1 A 192.0.2.1\n".encode(), ORIGIN)
    (fault,) = caught.value.faults
    assert fault.line == 1
    files = {FIRST: text.parse(f"{broken}\n".encode(), ORIGIN), NEXT: text.parse(b"x A 192.0.2.1\n", ORIGIN)}
    with pytest.raises(ZoneInvalid) as caught:
        whole.joined(files)
    assert [fault.file for fault in caught.value.faults] == [FIRST]


def test_another_default_ttl_makes_one_new_file(project: Project) -> None:
    records = "".join(f"h{number:05} 60 A 192.0.2.1\n" for number in range(16_000))
    pushed(project, f"$TTL 3600\n@ 60 {SOA}\n@ 60 {NS}\n{records}")
    changed(project, "set", "h00001.example.com", "A", "192.0.2.2")
    before = files(project)
    assert len(before) >= 3
    assert [content.startswith("$TTL") for content in before.values()].count(True) == 1
    read = text.read_zone("".join(before.values()).encode(), ORIGIN)
    with project.writing() as (writer, refs):
        edit = Edit(writer, refs, MAIN_BRANCH, Author("ann", project.now))
        edit.replace(read._replace(default=DefaultTTL(300)), "row 13")
    after = files(project)
    assert [name for name in after if after[name] != before.get(name)] == [FIRST]
    assert before.keys() == after.keys()
    assert after[FIRST].removeprefix("$TTL 300") == before[FIRST].removeprefix("$TTL 3600")
    # a first file that begins with $TTL is read like the others: one record of it makes one new file
    changed(project, "set", "h00002.example.com", "A", "192.0.2.2")
    last = files(project)
    assert [name for name in last if last[name] != after.get(name)] == [FIRST]
    whole = text.read_zone("".join(last.values()).encode(), ORIGIN)
    assert {name: each.decode() for name, each in cut.cut(ZONE, whole.records, whole.default)} == last


def test_a_push_of_another_default_ttl_is_told_that_no_record_changes(project: Project) -> None:
    def told(given: str) -> list[str]:
        project.now += 1_000
        return project.push(project.manifest(given.encode(), project.served()[0], date_ms=project.now))

    records = f"@ 900 {SOA}\n@ 900 {NS}\n"
    pushed(project, f"$TTL 3600\n{records}")
    same = "no record changes, all of them state theirs"
    assert told(f"$TTL 300\n{records}") == [f"example.com/main: default TTL 3600 -> 300; {same}"]  # row 15
    assert answered(project) == {"@": {900}}
    raised = f"$TTL 60\n{records}".replace("net. 1 ", "net. 2 ")
    assert told(raised) == [f"example.com/main: default TTL 300 -> 60; {same}"]
    bare = f"$TTL 30\n{records}x A 192.0.2.1\n"
    assert told(bare) == ["example.com/main: default TTL 60 -> 30"]
    assert told(bare.replace("x A", "y A")) == []
