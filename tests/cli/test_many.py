"""Many zones in one process: `zone add --from-dir` and `--from-named-conf`, `apply` without a zone."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run
from xferzone.store import Store, pool
from xferzone.zone import checks

TEXT = """\
$TTL 3600
@ SOA ns1.example.net. hostmaster.example.net. 1 7200 3600 1209600 300
@ NS ns1.example.net.
www A 192.0.2.1
"""


def zones(run: Run) -> list[str]:
    return [line.split()[0] for line in run("zone", "list").out.splitlines()]


@pytest.fixture
def directory(zone: Run, tmp_path: Path) -> Path:
    """A directory of zone files under names of all kinds."""
    made = tmp_path / "zones"
    made.mkdir()
    for name in ("a.example", "b.example.zone", "db.c.example", "d.example.db", "E.Example.hosts"):
        (made / name).write_text(TEXT)
    (made / "anything").write_text("$ORIGIN f.example.\n" + TEXT)
    (made / "db.192.0.2").write_text(
        TEXT.replace("@ SOA", "2.0.192.in-addr.arpa. SOA").replace("www A", "1 A")
    )
    for left in (".hidden", "a.example~", "a.example.jnl", "b.example.zone.bak"):
        (made / left).write_text("not a zone")
    (made / "below").mkdir()
    return made


def test_a_directory_of_zone_files_is_added_whole(zone: Run, directory: Path) -> None:
    (directory / "README").write_text("what these are\n")
    done = zone("zone", "add", "--from-dir", "zones", "-m", "moved here")
    assert done.code == 0, done.err
    wanted = ["2.0.192.in-addr.arpa.", *(f"{letter}.example." for letter in "abcdef")]
    assert zones(zone) == sorted([*wanted, "example.com."])
    assert "warning: zones/README has no SOA record and was passed over" in done.err
    names = [line.split()[0] for line in done.out.splitlines() if line[0] not in "+-."]
    assert names == [f"{name[:-1]}/main" for name in wanted]
    assert sum(line[0] == "+" for line in done.out.splitlines()) == 20
    assert "... and 1 more added: --format json has all" in done.out
    assert "moved here" in zone("log", "e.example").out
    assert zone("check").code == 0


def test_all_or_none_and_every_fault_is_told(zone: Run, directory: Path) -> None:
    (directory / "x.example").write_text(TEXT + "www CNAME a\n")
    (directory / "y.example").write_text(TEXT + "www 300 A 192.0.2.256\n")
    done = zone("zone", "add", "--from-dir", "zones")
    assert done.code == 6
    assert "zones/x.example line " in done.err
    assert "zones/y.example line 5: " in done.err
    assert zones(zone) == ["example.com."]
    told = json.loads(zone("--format", "json", "zone", "add", "--from-dir", "zones").out)["error"]["faults"]
    assert {fault["file"] for fault in told} == {"zones/x.example", "zones/y.example"}


def test_a_zone_that_is_there_stops_it_unless_only_missing_ones_are_wanted(
    zone: Run, directory: Path
) -> None:
    (directory / "example.com").write_text(TEXT)
    done = zone("zone", "add", "--from-dir", "zones")
    assert done.code == 3
    assert "example.com/main is there already" in done.err
    assert zones(zone) == ["example.com."]
    again = zone("zone", "add", "--from-dir", "zones", "--if-missing")
    assert (again.code, len(zones(zone))) == (0, 8)
    assert "example.com/main: nothing changed" in again.err
    assert zone("show", "www.example.com").out == "www.example.com. 300 A 192.0.2.1\n"
    same = zone("zone", "add", "--from-dir", "zones", "--if-missing")
    assert (same.code, same.out) == (0, "")


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("db.10", TEXT, "zones/db.10: zones/db.10 does not say which zone it is"),
        ("other", "$ORIGIN a.example.\n" + TEXT, "a.example. is in zones/a.example, too"),
        ("bad name", TEXT, "bad name"),
    ],
)
def test_files_that_leave_the_zone_open(zone: Run, directory: Path, file: str, text: str, told: str) -> None:
    (directory / file).write_text(text)
    done = zone("zone", "add", "--from-dir", "zones")
    assert done.code == 6
    assert told in done.err
    assert zones(zone) == ["example.com."]


def test_a_dry_run_and_json_of_many(zone: Run, directory: Path) -> None:
    (directory / "README").write_text("what these are\n")
    tried = json.loads(zone("zone", "add", "--from-dir", "zones", "--dry-run", "--format", "json").out)
    assert [(one["zone"], one["checkin"], len(one["changes"])) for one in tried["commits"][:2]] == [
        ("2.0.192.in-addr.arpa.", None, 3),
        ("a.example.", None, 3),
    ]
    assert tried["warnings"] == ["zones/README has no SOA record and was passed over"]
    assert zones(zone) == ["example.com."]
    strict = zone("zone", "add", "--from-dir", "zones", "--strict")
    assert (strict.code, zones(zone)) == (6, ["example.com."])


NAMED_CONF = """\
options { directory "/nowhere"; };      // moved from another machine
include "conf.d/*.conf";
zone "." { type hint; file "root.hints"; };
zone "theirs.example" { type secondary; primaries { 192.0.2.1; }; file "theirs"; };
ZONE "version.bind" CH { type master; file "ch"; };
view "inside" { zone "both.example" in { Type Primary; FILE "zones/both"; }; };
view "outside" { include "views.conf"; };
"""


@pytest.fixture
def conf(zone: Run, tmp_path: Path) -> Path:
    made = tmp_path / "bind"
    (made / "conf.d").mkdir(parents=True)
    (made / "zones").mkdir()
    for name in ("both", "one", "two"):
        (made / "zones" / name).write_text(TEXT)
    (made / "named.conf").write_text(NAMED_CONF)
    (made / "views.conf").write_text('zone "both.example" { type master; file "zones/both"; };\n')
    (made / "conf.d" / "one.conf").write_text('zone "one.example." { type master; file "zones/one"; };\n')
    (made / "conf.d" / "two.conf").write_text('zone "TWO.example" {\n type master;\n file "zones/two"; };\n')
    return made


def test_the_primary_zones_of_a_named_conf_are_added(zone: Run, conf: Path) -> None:
    # An include is relative to the file that has it, which is in conf.d here.
    for each in (conf / "conf.d").iterdir():
        each.write_text(each.read_text().replace('"zones/', f'"{conf}/zones/'))
    done = zone("zone", "add", "--from-named-conf", "bind/named.conf")
    assert done.code == 0, done.err
    assert zones(zone) == ["both.example.", "example.com.", "one.example.", "two.example."]
    assert "passed over, since this server is not their primary: theirs.example" in done.err
    assert "hint" not in done.err


def test_files_are_looked_for_in_the_directory_of_the_options_first(zone: Run, conf: Path) -> None:
    other = conf.parent / "other" / "zones"
    other.mkdir(parents=True)
    (other / "one").write_text(TEXT + "there A 192.0.2.2\n")
    (conf / "named.conf").write_text(NAMED_CONF.replace("/nowhere", "../other"))
    assert zone("zone", "add", "--from-named-conf", "bind/named.conf").code == 0
    assert zone("show", "there.one.example").code == 0
    assert zone("show", "there.two.example").code == 5


@pytest.mark.parametrize(
    ("text", "code", "told"),
    [
        ('zone "x.example" { type master; file "none"; };', 1, "bind/none cannot be read"),
        ("zone x {", 1, "bind/bad.conf line 1: the file ends within a statement"),
        ('include "none.conf";', 1, "bind/none.conf cannot be read"),
        ('include "bad.conf";', 1, "does one include itself?"),
        ('zone "a..b" { type master; file "zones/one"; };', 6, "bad.conf line 1: 'a..b' is not a name"),
        ('zone "x.example" { type slave; };', 5, "bind/bad.conf has no zones to add"),
        (
            'zone "x.example" { type master; file "zones/one"; }; zone "X.example" { type master; file "zones/two"; };',
            6,
            "bind/zones/two: x.example. is in bind/zones/one, too",
        ),
    ],
)
def test_a_named_conf_that_cannot_be_followed(zone: Run, conf: Path, text: str, code: int, told: str) -> None:
    (conf / "bad.conf").write_text(text)
    done = zone("zone", "add", "--from-named-conf", "bind/bad.conf")
    assert (done.code, zones(zone)) == (code, ["example.com."])
    assert told in done.err


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("a.example", "--from-dir", "zones"),
        ("--from", "example.com.zone"),
        ("--from-dir", "zones", "--from-named-conf", "x"),
    ],
)
def test_which_zones_is_asked(zone: Run, words: tuple[str, ...]) -> None:
    done = zone("zone", "add", *words)
    assert done.code == 2
    assert "--from-dir DIR" in done.err


@pytest.fixture
def three(zone: Run) -> Run:
    """Beside example.com are sub.example.com and two.example."""
    for name in ("sub.example.com", "two.example"):
        assert zone("zone", "add", name, "--from", "-", stdin=TEXT).code == 0
    return zone


BATCH = f"""\
set www.two.example A 192.0.2.7
add www.sub.example.com A 192.0.2.8
set www.example.com A 192.0.2.9
set sub.example.com DS 1 13 2 {"ab" * 32}
delete www.two.example
"""


def versions(run: Run) -> dict[str, str]:
    return {line.split()[0]: line.split()[2] for line in run("zone", "list").out.splitlines()}


def test_a_batch_goes_to_the_zones_of_its_names_with_one_check_in_each(three: Run) -> None:
    before = versions(three)
    done = three("apply", "-", stdin=BATCH)
    assert done.code == 0, done.err
    after = versions(three)
    assert [zone for zone in after if after[zone] != before[zone]] == list(before)
    assert three("show", "www.example.com").out.split()[-1] == "192.0.2.9"
    assert three("show", "www.sub.example.com").out.count("\n") == 2
    assert three("show", "www.two.example").code == 5
    assert three("show", "sub.example.com", "DS", "-z", "example.com").code == 0
    for zone, count in (("example.com", 2), ("sub.example.com", 1), ("two.example", 2)):
        changes = "change" if count == 1 else "changes"
        assert f"apply {count} {changes} to {zone}" in three("log", zone, "-n", "1").out
    assert [line.split()[0] for line in done.out.splitlines() if "/main " in line] == [
        "two.example/main",
        "sub.example.com/main",
        "example.com/main",
    ]


@pytest.mark.parametrize(
    ("line", "code", "told"),
    [
        ("set www.elsewhere.org A 192.0.2.1", 5, "line 6: no zone here contains www.elsewhere.org."),
        ("set www.example.com A 192.0.2", 6, "line 6: "),
        ("set www.example.com", 2, "line 6: "),
        ("delete no.example.com", 5, "line 6: no.example.com. has no such record"),
        ("set www.two.example CNAME a.\nadd www.two.example A 192.0.2.1", 6, "CNAME"),
    ],
)
def test_nothing_of_a_batch_is_stored_if_a_line_is_wrong(three: Run, line: str, code: int, told: str) -> None:
    before = versions(three)
    done = three("apply", "-", stdin=f"{BATCH}{line}\n")
    assert (done.code, versions(three)) == (code, before)
    assert told in done.err


def test_every_wrong_line_of_a_batch_is_told(three: Run) -> None:
    done = three(
        "apply", "-", stdin="set a.two.example A 1\nset b.two.example A 192.0.2.1\nset c.two.example MX x\n"
    )
    assert done.code == 6
    assert "line 1: " in done.err
    assert "line 3: " in done.err


@pytest.mark.parametrize("words", [("apply", "example.com", "-"), ("apply", "-z", "example.com", "-")])
def test_a_zone_that_is_named_takes_all_of_a_batch(three: Run, words: tuple[str, ...]) -> None:
    done = three(*words, stdin="set x.sub.example.com A 192.0.2.1\n")
    assert done.code == 0
    assert done.out.splitlines()[0] == "+x.sub 3600 A 192.0.2.1"
    outside = three(*words, stdin="set x.two.example A 192.0.2.1\n")
    assert outside.code == 2
    assert "line 1: x.two.example. is not in the zone example.com." in outside.err
    assert "names that zone" in outside.err


def test_which_zone_a_batch_is_for(three: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    line = "set x.example.com A 192.0.2.1\n"
    assert three("apply", "-z", "two.example", "example.com", "-", stdin=line).code == 2
    assert three("apply", "-z", "example.com", "example.com", "-", stdin=line).code == 0
    assert three("apply", "-z", "nosuch.org", "-", stdin="set x.nosuch.org A 192.0.2.1\n").code == 5
    assert three("apply").code == 2
    assert three("apply", "a", "b", "c").code == 2
    monkeypatch.setenv("XFERZONE_ZONE", "two.example")
    assert three("apply", "-", stdin=line).code == 2
    assert three("apply", "example.com", "-", stdin=line).code == 0


def test_a_loss_in_one_zone_of_a_batch_stores_none(three: Run) -> None:
    hosts = "".join(f"set h{number}.two.example A 192.0.2.1\n" for number in range(20))
    assert three("apply", "-", stdin=hosts).code == 0
    before = versions(three)
    batch = "set www.example.com A 192.0.2.9\n" + "".join(
        f"delete h{number}.two.example\n" for number in range(20)
    )
    lost = three("apply", "-", stdin=batch)
    assert (lost.code, versions(three)) == (7, before)
    assert "xferzone apply - --allow-loss" in lost.err
    assert three("apply", "-", "--allow-loss", stdin=batch).code == 0


def test_a_batch_on_a_branch_a_dry_run_and_nothing_to_do(three: Run) -> None:
    for zone in ("example.com", "two.example"):
        assert three("branch", zone, "test").code == 0
    before = versions(three)
    batch = "set x.example.com A 192.0.2.1\nset x.two.example A 192.0.2.1\n"
    tried = json.loads(three("--format", "json", "apply", "-", "--dry-run", "-b", "test", stdin=batch).out)
    assert [(one["branch"], one["checkin"]) for one in tried["commits"]] == [
        ("example.com/test", None),
        ("two.example/test", None),
    ]
    assert three("apply", "-", "-b", "test", stdin=batch).code == 0
    assert versions(three) == before
    again = three("apply", "-", "-b", "test", stdin=batch)
    assert (again.code, again.out) == (0, "")
    assert again.err.count("nothing changed") == 2
    assert three("apply", "-", stdin="# nothing\n").code == 0


@pytest.mark.scale
def test_the_work_for_1000_zones_does_not_grow_with_the_square(zone: Run, tmp_path: Path) -> None:
    (tmp_path / "many").mkdir()
    for number in range(1000):
        hosts = "".join(f"host{host} A 192.0.2.{host}\n" for host in range(48))
        (tmp_path / "many" / f"zone{number}.example").write_text(TEXT.replace("www A 192.0.2.1\n", hosts))
    begun = time.process_time()  # other tests take the processor meanwhile
    done = zone("zone", "add", "--from-dir", "many")
    assert time.process_time() - begun < 60  # 4 s where it was written; bench/run.py measures it
    assert done.out.splitlines()[-1].endswith(" serial 1 (-0 +50)")
    assert len(zones(zone)) == 1001


@pytest.mark.parametrize("words", [("-z", "other.example", "-"), ("other.example", "-")])
def test_a_batch_for_a_zone_that_is_not_here_says_so_and_not_that_its_names_are_outside(
    zone: Run, words: tuple[str, ...]
) -> None:
    done = zone("apply", *words, stdin="set www.example.com A 192.0.2.9\n")

    assert done.code == 5
    assert "no zone other.example in this repository" in done.err


@pytest.mark.parametrize(
    "words",
    [
        ("zone", "add", "--from-dir", "zones"),
        ("zone", "add", "a.example", "--from", "zones/a.example"),
        ("zone", "import", "example.com", "zones/a.example"),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_others_write_while_files_are_read_and_checked(
    zone: Run, directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    check = checks.check
    written: list[str] = []

    def and_write(zone_id: str, *given: Any, **named: Any) -> Any:
        with Store.open(next(tmp_path.glob("*.xferzone"))) as other, other.writer() as writer:
            writer.set_setting("meanwhile", zone_id)
        written.append(zone_id)
        return check(zone_id, *given, **named)

    monkeypatch.setattr(checks, "check", and_write)
    monkeypatch.setattr(pool, "BUSY_TIMEOUT", 1)
    done = zone(*words)
    assert done.code == 0, done.err
    assert len(written) == (7 if "--from-dir" in words else 1)
