"""The path as people walk it: stock fossil clones, edits and commits, and dig sees it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import PROJECT, XFERZONE, Person, Server, run, serving, within
from tests.publish.project import Project, zone_text

pytestmark = pytest.mark.interop

ZONE = """\
$TTL 3600
; who answers for us
@       SOA  ns1.example.net. hostmaster.example.net. ( 7 7200 3600 1209600 300 )
        NS   ns1.example.net.
        NS   ns2.example.net.
www     300  A 192.0.2.1   ; the old web server
mail    A    192.0.2.25
@       MX   10 mail
"""
BRANCH = "example.com/main"


class Story:
    """A repository with example.com, served; people with check-outs of it."""

    def __init__(self, directory: Path, server: Server, password: str, repository: Path) -> None:
        self.directory, self.server, self.password, self.repository = directory, server, password, repository

    def person(self, name: str, clock: str = "") -> tuple[Person, Path]:
        """Somebody and a check-out of example.com/main."""
        person = Person(self.directory / name, "ops", clock)
        person.clone(self.server.url("ops", self.password), person.home / "z.fossil")
        return person, person.open(person.home / "z.fossil", person.home / "work", BRANCH)

    def xferzone(self, *words: str, code: int = 0) -> str:
        return Person(self.directory / "admin").xferzone("-R", self.repository, *words, code=code).out

    def serial(self) -> int:
        return int(self.server.dig("example.com", "SOA")[0].split()[2])


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    admin = Person(tmp_path / "admin")
    repository = tmp_path / "zones.xferzone"
    (tmp_path / "example.com.zone").write_text(ZONE)
    made = admin.xferzone("-R", repository, "init").out
    assert made.splitlines()[0] == "admin: ops"
    password = made.splitlines()[1].removeprefix("password: ")
    # Two minutes ago: a person whose clock is slow could not commit on something newer than his clock.
    file = tmp_path / "example.com.zone"
    add = [*XFERZONE, "-R", str(repository), "zone", "add", "example.com", "--from", str(file)]
    run("faketime", "-f", "-120s", *add, env=admin.env, at=PROJECT)
    with serving(repository) as server:
        yield Story(tmp_path, server, password, repository)


def edited(work: Path, old: str, new: str) -> None:
    file = work / "example.com.zone"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


@pytest.mark.parametrize("clock", ["", "+30s", "-30s"])
def test_an_edit_and_a_commit_are_seen_by_dig_within_a_second(story: Story, clock: str) -> None:
    ann, work = story.person("ann", clock)
    assert story.server.dig("www.example.com") == ["192.0.2.1"]
    before = story.serial()
    edited(work, "www 300 A 192.0.2.1", "; moved in spring\nwww 300 A 192.0.2.81")
    said = ann.fossil("commit", "-m", "www moves", at=work)
    assert within(1, lambda: story.server.dig("www.example.com") == ["192.0.2.81"]), said.out + said.err
    assert story.serial() == before + 1

    assert "www moves" in ann.fossil("timeline", "-n", "5", at=work).out
    assert "192.0.2.81" in ann.fossil("annotate", "example.com.zone", at=work).out
    assert "+www 300 A 192.0.2.81" in ann.fossil("diff", "--from", "previous", "--to", "current", at=work).out

    story.xferzone("set", "ftp.example.com", "A", "192.0.2.21")
    assert within(1, lambda: story.server.dig("ftp.example.com") == ["192.0.2.21"])
    ann.fossil("update", at=work)
    text = (work / "example.com.zone").read_text()
    assert "ftp 3600 A 192.0.2.21\n" in text
    assert "; moved in spring\n" in text
    assert "; the old web server\n" in text
    assert story.serial() == before + 2
    assert ann.fossil("test-integrity", "-R", ann.home / "z.fossil").code == 0


def test_an_invalid_zone_is_kept_told_and_mended(story: Story) -> None:
    ann, work = story.person("ann")
    edited(work, "www 300 A 192.0.2.1", "www 300 CNAME mail\nwww 300 A 192.0.2.9")
    said = ann.fossil("commit", "-m", "oops", at=work)
    told = said.out + said.err
    assert "Server says:" in told
    assert "CNAME" in told
    assert "line" in told
    assert story.server.dig("www.example.com") == ["192.0.2.1"]
    assert "invalid" in story.xferzone("log", "example.com")
    assert "CNAME" in story.xferzone("status")
    edited(work, "www 300 CNAME mail\n", "")
    said = ann.fossil("commit", "-m", "mended", at=work)
    assert "Server says:" not in said.out + said.err
    assert within(1, lambda: story.server.dig("www.example.com") == ["192.0.2.9"])


def _two_commit_offline(story: Story) -> tuple[tuple[Person, Path], tuple[Person, Path]]:
    """Ann and Bob, who each changed another record without syncing; Ann has synced since."""
    (ann, ann_work), (bob, bob_work) = story.person("ann"), story.person("bob")
    for person, work in ((ann, ann_work), (bob, bob_work)):
        person.fossil("settings", "autosync", "off", at=work)
    edited(ann_work, "www 300 A 192.0.2.1", "www 300 A 192.0.2.81")
    edited(bob_work, "mail 3600 A 192.0.2.25", "mail 3600 A 192.0.2.225")
    ann.fossil("commit", "-m", "www moves", at=ann_work)
    bob.fossil("commit", "-m", "mail moves", at=bob_work)
    ann.fossil("sync", at=ann_work)
    return (ann, ann_work), (bob, bob_work)


def _both_answer(story: Story, bob: Person, work: Path, before: int) -> None:
    assert within(1, lambda: story.server.dig("mail.example.com") == ["192.0.2.225"])
    assert story.server.dig("www.example.com") == ["192.0.2.81"]
    assert story.serial() > before
    bob.fossil("sync", at=work)
    leaves = bob.fossil("leaves", "-m", at=work).out
    assert BRANCH not in leaves.replace(f"{BRANCH}-fork", ""), leaves
    log = story.xferzone("log", "example.com")
    assert "www moves" in log
    assert "mail moves" in log
    assert "merges" in log
    with_main = bob.fossil("update", BRANCH, at=work)
    assert with_main.code == 0
    text = (work / "example.com.zone").read_text()
    assert "192.0.2.81" in text
    assert "192.0.2.225" in text


def test_a_merge_without_arguments_publishes_both_changes(story: Story) -> None:
    _, (bob, work) = _two_commit_offline(story)
    before = story.serial()
    bob.fossil("pull", at=work)
    bob.fossil("merge", at=work)
    bob.fossil("commit", "-m", "merge", at=work)
    bob.fossil("sync", at=work)
    _both_answer(story, bob, work, before)


def test_a_merge_without_arguments_after_a_sync_publishes_both_changes(story: Story) -> None:
    _, (bob, work) = _two_commit_offline(story)
    before = story.serial()
    told = bob.fossil("sync", at=work)
    assert f"fossil update {BRANCH}" in told.out + told.err
    merged = bob.fossil("merge", at=work, code=None)
    if merged.code or "192.0.2.81" not in (work / "example.com.zone").read_text():
        bob.fossil("merge", BRANCH, at=work)
    bob.fossil("commit", "-m", "merge", at=work)
    bob.fossil("sync", at=work)
    _both_answer(story, bob, work, before)


@pytest.mark.parametrize("where", ["on main", "on the fork"])
def test_a_merge_with_the_fork_branch_publishes_both_changes(story: Story, where: str) -> None:
    _, (bob, work) = _two_commit_offline(story)
    before = story.serial()
    told = bob.fossil("sync", at=work)
    fork = next(word for word in (told.out + told.err).split() if f"{BRANCH}-fork-" in word).rstrip(".;")
    if where == "on main":
        bob.fossil("update", BRANCH, at=work)
        bob.fossil("merge", fork, at=work)
    else:
        bob.fossil("merge", BRANCH, at=work)
    bob.fossil("commit", "-m", "merge", at=work)
    bob.fossil("sync", at=work)
    _both_answer(story, bob, work, before)


def test_the_time_of_others_does_not_matter_to_a_clone(story: Story) -> None:
    ann, _ = story.person("ann", "-3600s")
    assert "skew" not in ann.fossil("sync", "-R", ann.home / "z.fossil").err


def test_what_is_pending_is_published_when_the_servers_start(tmp_path: Path) -> None:
    project = Project(tmp_path)
    first = project.manifest(zone_text("www 300 A 192.0.2.1"), date_ms=1_700_000_000_000)
    with project.writing() as (writer, _):
        writer.put(first)
    assert not project.has_ref()
    project.store.close()
    with serving(project.path, "dns") as server:
        assert server.dig("www.example.com") == ["192.0.2.1"]
