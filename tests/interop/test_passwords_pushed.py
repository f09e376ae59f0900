"""Saved passwords and version control: not beside a check-out's files, and not without a word in a push."""

import json
import re
from pathlib import Path

import pytest

from tests.live import Person, serving

pytestmark = pytest.mark.interop


def made(person: Person, repository: Path) -> str:
    """A repository with the zone example.com; the password of ops."""
    text = "$TTL 60\n@ IN SOA ns1 h 1 7200 3600 1209600 3600\n@ IN NS ns1\nns1 IN A 192.0.2.1\n"
    (person.home / "e.zone").write_text(text)
    password = re.search("password: (.*)", person.xferzone("-R", repository, "init").out)
    assert password is not None
    person.xferzone("-R", repository, "zone", "add", "example.com", "--from", "e.zone")
    return password[1]


def test_a_pushed_file_of_passwords_is_told_to_its_sender_and_in_the_log(tmp_path: Path) -> None:
    person, repository = Person(tmp_path / "ops"), tmp_path / "z.xferzone"
    password = made(person, repository)
    with serving(repository, "serve") as server:
        person.clone(server.url("ops", password), tmp_path / "z.fossil")
        work = person.open(tmp_path / "z.fossil", tmp_path / "work", "example.com/main")
        (work / "laptop.xferzone.passwords").write_text(json.dumps({"https://ops@h/": "secret"}))
        person.fossil("add", "laptop.xferzone.passwords", at=work)
        told = person.fossil("commit", "-m", "oops", "--no-warnings", at=work)
        assert "laptop.xferzone.passwords keeps passwords" in told.out + told.err
        assert "Change these passwords" in told.out + told.err
        log = server.log.read_text()
        assert "WARNING user ops has pushed 'laptop.xferzone.passwords'" in log
        assert "secret" not in log
        (work / "other.txt").write_text("nothing of interest\n")
        person.fossil("rm", "--hard", "laptop.xferzone.passwords", at=work)
        person.fossil("add", "other.txt", at=work)
        told = person.fossil("commit", "-m", "gone", "--no-warnings", at=work)
        assert "keeps passwords" not in told.out + told.err


@pytest.mark.parametrize("marker", [".fslckout", ".git", ".hg", ".svn"])
def test_a_password_is_not_kept_inside_a_check_out(tmp_path: Path, marker: str) -> None:
    person, repository = Person(tmp_path / "ops"), tmp_path / "z.xferzone"
    password = made(person, repository)
    below = tmp_path / "work" / "deep"
    below.mkdir(parents=True)
    (tmp_path / "work" / marker).write_text("")
    (tmp_path / "link.xferzone").symlink_to(below / "there.xferzone")
    with serving(repository, "serve") as server:
        url = server.url("ops", password)
        for name in ("below", "link"):
            file = below / "below.xferzone" if name == "below" else tmp_path / "link.xferzone"
            done = person.xferzone("clone", "--save-password", url, file, code=7)
            assert f"would lie in the check-out {tmp_path / 'work'}" in done.err
            assert "--password-file" in done.err
            assert not file.exists()
        person.xferzone("clone", url, below / "here.xferzone")
        for verb in ("sync", "pull", "push"):
            person.xferzone("-R", below / "here.xferzone", verb, "--save-password", url, code=7)
    assert not list(tmp_path.rglob("*.passwords"))
