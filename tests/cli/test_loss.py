"""No verb takes much of a zone away unless it is told to (law 9), and a stock push that does is answered."""

import json
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.publish.project import Project, zone_text

HEAD = "@ 3600 SOA ns1.example.net. hostmaster.example.net. 5 7200 3600 1209600 300\n@ 3600 NS ns1.example.net.\n"
RRSIG = "RRSIG A 13 3 300 20300101000000 20200101000000 1 example.com. AAAA"


def hosts(*numbers: int, rdata: str = "A 192.0.2.1", owner: str = "h") -> str:
    return "".join(f"{owner}{number} 300 {rdata}\n" for number in numbers)


def pool(count: int) -> str:
    return "".join(f"pool 300 A 10.0.{n // 256}.{n % 256}\n" for n in range(count))


@pytest.fixture
def holding(xz: Run) -> Callable[[str], Run]:
    """A repository whose zone example.com has these records beside SOA and one NS."""

    def hold(records: str) -> Run:
        assert xz("init").code == 0
        assert xz("zone", "add", "example.com", "--from", "-", stdin=HEAD + records).code == 0
        return xz

    return hold


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        (hosts(*range(9)), hosts(*range(6)), 0),  # with the NS 10, of which 3 go
        (hosts(*range(9)), hosts(*range(5)), 7),
        (hosts(*range(8)), "", 0),  # 9, of which 8 go
        (hosts(*range(100)), hosts(*range(100), rdata="A 198.51.100.1"), 0),
        (hosts(*range(100)), hosts(*range(100), rdata="CNAME elsewhere.example.net."), 0),
        (hosts(*range(100)), hosts(*range(100), owner="x"), 7),
        (hosts(*range(99)) + pool(500), hosts(*range(99)) + pool(1), 7),
        (pool(500), pool(1) + hosts(*range(499)), 7),
        (hosts(*range(20)) + hosts(*range(20), rdata=RRSIG), hosts(*range(20)), 0),
        (hosts(*range(20)), hosts(*range(12)) + hosts(*range(12), rdata=RRSIG), 7),
        (hosts(*range(20)), hosts(*range(14)), 0),
    ],
)
def test_an_import_that_loses_much_is_refused(
    holding: Callable[[str], Run], before: str, after: str, code: int
) -> None:
    xz = holding(before)
    logged = xz("log").out
    done = xz("zone", "import", "example.com", "-", stdin=HEAD + after)
    assert done.code == code
    assert (xz("log").out == logged) == (code != 0)


def test_the_message_has_count_owners_and_the_whole_command(
    holding: Callable[[str], Run], tmp_path: Path
) -> None:
    xz = holding(hosts(*range(50)) + pool(549))
    (tmp_path / "new one").write_text(HEAD + pool(1))
    refused = xz("-R", "zones.xferzone", "zone", "import", "example.com", "new one", "-m", "it's smaller")
    assert (refused.code, refused.out) == (7, "")
    assert "would lose 598 of 600 records (99 %)" in refused.err
    assert "most of them at pool.example.com. (548), h0.example.com. (1), " in refused.err
    assert refused.err.count("(1)") == 4
    command = refused.err.splitlines()[-1].partition("to store it all the same: xferzone ")[2]
    assert command.endswith(" --allow-loss")
    assert xz(*shlex.split(command)).code == 0
    assert xz("zone", "export", "example.com").out.count(" A ") == 1


def _lines(names: Sequence[str]) -> str:
    return "".join(f"delete {name}.example.com\n" for name in names)


def test_set_and_delete_may_lose_nine_records_and_not_ten(holding: Callable[[str], Run]) -> None:
    xz = holding(pool(10) + "two 300 A 192.0.2.1\ntwo 300 AAAA 2001:db8::1\n")
    assert xz("set", "pool.example.com", "A", "192.0.2.1").code == 0
    assert xz("reset", "example.com", "main~1").code == 0
    refused = xz("delete", "pool.example.com")
    assert refused.code == 7
    assert "10 of 13 records" in refused.err
    assert refused.err.endswith("xferzone delete pool.example.com --allow-loss\n")
    assert xz("delete", "pool.example.com", "A", "10.0.0.1").code == 0
    assert xz("delete", "--allow-loss", "pool.example.com").code == 0


def test_a_word_behind_two_dashes_stays_data_in_the_command(holding: Callable[[str], Run]) -> None:
    xz = holding(pool(11))
    refused = xz("set", "--", "pool.example.com", "A", "192.0.2.1")
    assert refused.err.endswith("xferzone set --allow-loss -- pool.example.com A 192.0.2.1\n")


@pytest.mark.parametrize(("count", "code"), [(3, 0), (4, 7)])
def test_apply_is_held_to_the_share_alone(holding: Callable[[str], Run], count: int, code: int) -> None:
    xz = holding(hosts(*range(9)))
    batch = _lines([f"h{number}" for number in range(count)])
    assert xz("apply", "example.com", "-", stdin=batch).code == code
    if code:
        assert xz("apply", "example.com", "-", "--allow-loss", stdin=batch).code == 0


def test_apply_over_two_zones_of_which_one_loses_too_much_stores_neither(
    holding: Callable[[str], Run],
) -> None:
    xz = holding(hosts(*range(20)))
    assert xz("zone", "add", "example.org", "--from", "-", stdin=HEAD + hosts(*range(20))).code == 0
    batch = "delete h1.example.org\n" + _lines([f"h{number}" for number in range(10)])
    logged = xz("log").out
    refused = xz("apply", "-", stdin=batch)
    assert refused.code == 7
    assert "example.com/main would lose 10 of 21 records (47 %)" in refused.err
    assert xz("log").out == logged
    assert xz("apply", "-", "--allow-loss", stdin=batch).code == 0
    assert xz("show", "h1.example.org").code == 5


def test_reset_and_edit_are_held_to_it(
    holding: Callable[[str], Run], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    xz = holding("")
    assert xz("zone", "import", "example.com", "-", stdin=HEAD + hosts(*range(50))).code == 0
    logged = xz("log").out
    assert xz("reset", "example.com", "main~1").code == 7
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("EDITOR", "sed -i /^h/d")
    edited = xz("edit", "example.com")
    assert edited.code == 7
    (kept,) = tmp_path.glob("xferzone-*/example.com.zone")
    assert str(kept) in edited.err
    assert "h1 " not in kept.read_text()
    assert xz("log").out == logged
    tried = xz("reset", "example.com", "main~1", "--dry-run")
    assert tried.code == 7
    assert xz("reset", "example.com", "main~1", "--allow-loss").code == 0


def test_a_zone_may_be_removed_and_a_branch_that_is_not_served_is_held_to_it_too(
    holding: Callable[[str], Run],
) -> None:
    xz = holding(hosts(*range(50)))
    assert xz("branch", "example.com", "test").code == 0
    assert xz("zone", "import", "example.com", "-", "-b", "test", stdin=HEAD).code == 7
    assert xz("zone", "remove", "example.com").code == 0
    assert xz("zone", "add", "example.com").code == 0


def test_json_and_a_second_zone_are_as_they_were(holding: Callable[[str], Run]) -> None:
    xz = holding(hosts(*range(50)))
    done = json.loads(
        xz("zone", "import", "example.com", "-", "--allow-loss", "--format", "json", stdin=HEAD).out
    )
    assert len(done["changes"]) == 50


def test_a_large_zone_counts_the_files_that_stay(holding: Callable[[str], Run]) -> None:
    many = hosts(*range(9_000))  # some files
    xz = holding(many)
    assert xz("zone", "import", "example.com", "-", stdin=HEAD + hosts(*range(6_400))).code == 0
    assert xz("zone", "import", "example.com", "-", stdin=HEAD + hosts(*range(4_000))).code == 7


def test_a_push_that_takes_much_away_is_published_and_answered(tmp_path: Path) -> None:
    project = Project(tmp_path)
    lines = [f"h{number} 60 A 192.0.2.{number}" for number in range(20)]
    assert project.push(project.manifest(zone_text(*lines))) == []
    first = project.served()[0]
    (told,) = project.push(project.manifest(zone_text(*lines[:4]), first))
    second = project.served()[0]
    assert second != first
    assert told.startswith(
        f"example.com/main: check-in {second[:16]} is served, and takes away 16 of 21 records (76 %)"
    )
    assert f"`xferzone reset example.com {first[:16]}`" in told
    assert project.push(project.manifest(zone_text(*lines[:3]), second)) == []
