"""What a stock check-out is told to type when its commit was not published: as it stands, it publishes the commit."""

import re
from pathlib import Path

import pytest

from tests.interop.site import Site, directly, make_project
from tests.live import Done, Person
from xferzone.refs import BranchName, LocalRefs
from xferzone.store import Store

pytestmark = pytest.mark.interop

RECORD = "new 300 A 192.0.2.77\n"
ZONE = f"""\
$TTL 3600
@ 3600 SOA ns1.example.info. hostmaster.example.info. 1 7200 3600 1209600 300
@ 3600 NS ns1.example.info.
{RECORD}"""

#: Where the check-out stands, how it commits, what is published in the end.
COMMITS = {
    "a new branch that is closed": (
        "example.com/main",
        ["--branch", "example.com/x", "--close"],
        "example.com/x",
    ),
    "the branch itself, closed": ("example.com/main", ["--close"], "example.com/main"),
    "a branch that is there, closed": (
        "example.com/main",
        ["--branch", "example.com/there", "--close", "--force"],
        "example.com/there",
    ),
    "a new zone that is closed": ("trunk", ["--branch", "new.example/main", "--close"], "new.example/main"),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Site:
    made = make_project(tmp_path_factory.mktemp("project"), ("example.com",))
    operator = Person(tmp_path_factory.mktemp("operator"))
    operator.xferzone("-R", made.repository, "branch", "example.com", "there")
    return made


@pytest.mark.parametrize(
    ("case", "autosync"), [*((case, "on") for case in COMMITS), (next(iter(COMMITS)), "off")]
)
def test_what_is_told_is_typed_and_publishes(project: Site, tmp_path: Path, case: str, autosync: str) -> None:
    start, options, branch = COMMITS[case]
    with directly(project, tmp_path / "site") as site:
        bob = Person(tmp_path / "home", "bob")
        bob.clone(site.url("bob"), bob.home / "z.fossil")
        work = bob.open(bob.home / "z.fossil", tmp_path / "work", start)
        bob.fossil("settings", "autosync", autosync, at=work)
        if start == "trunk":
            (work / "new.example.zone").write_text(ZONE)
            bob.fossil("add", "new.example.zone", at=work)
        else:
            with (work / "example.com.zone").open("a") as zone:
                zone.write(RECORD)
        said = _typed(bob, work, "commit", *options)
        if autosync == "off":
            said = _typed(bob, work, "push")
        told = re.search(r"To publish it: (fossil .*)", said.out + said.err)
        assert told is not None, said.out + said.err
        for command in told[1].split("; "):
            _typed(bob, work, *command.split()[1:])
        if autosync == "off":
            _typed(bob, work, "push")
        with Store.open(site.repository) as store, store.reader() as reader:
            ref = LocalRefs(reader).get(BranchName.parse(branch))
            assert ref is not None
            files = reader.files(ref.checkin)
            assert any(RECORD.encode() in reader.content(content) for content in files.values())
        _typed(bob, work, "update")
        assert bob.fossil("branch", "current", at=work).out.strip() == branch


def _typed(bob: Person, work: Path, verb: str, *words: str) -> Done:
    """A command of the message, as a script types it: nothing is asked."""
    quiet = ["--no-warnings", "--no-prompt", "-m", "as told"] if verb == "commit" else []
    return bob.fossil(verb, *words, *quiet, at=work)
