"""A mirror whose first pull has not ended: every verb says what is the matter, and no server answers from it."""

import json
from pathlib import Path

import falcon.testing
import pytest

from tests.cli.conftest import Run
from tests.nameserver.made import question
from xferzone.dnsd.following import open_zones
from xferzone.exchange.said import EMPTY
from xferzone.nameserver.respond import respond
from xferzone.repository.make import make_mirror
from xferzone.store import Store
from xferzone.store.remotes import ORIGIN, Remote, put_remote
from xferzone.web.app import create_app

URL = "https://mirror@dns.example.net/"
WHY = (
    f"this mirror is empty: its first pull from {URL} has not ended. `xferzone pull` shows what is in the way, "
    "`xferzone status` how far it is"
)


@pytest.fixture
def mirror(xz: Run, tmp_path: Path) -> Path:
    """The repository that `xz` uses: an empty mirror."""
    path = tmp_path / "zones.xferzone"
    make_mirror(path)
    with Store.open(path) as store, store.writer() as writer:
        put_remote(writer, Remote(ORIGIN, URL))
    return path


@pytest.mark.parametrize(
    "words",
    [
        "log", "log example.com", "reflog example.com", "diff example.com", "blame example.com", "show example.com",
        "zone list", "zone export example.com", "zone add example.com",
        "set www.example.com A 192.0.2.1", "delete www.example.com", "edit example.com", "tag example.com t",
        "reset example.com main~1", "branch example.com", "user add ann", "user list", "promote", "rebuild",
    ],
)  # fmt: skip
def test_a_verb_that_needs_zones_says_that_there_are_none_yet_and_why(
    xz: Run, mirror: Path, words: str
) -> None:
    ran = xz(*words.split())
    assert (ran.code, ran.out) == (5, "")
    assert ran.err == f"xferzone: {WHY}\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("status", f"project: not known yet\nrole: mirror\nnot ready: {WHY}\nremote: origin {URL}\n"),
        ("check", "0 artifacts read, 0 faults\n"),
        ("stats", "artifacts: 0\n"),
        ("remote", f"origin {URL}\n"),
        ("remote add other https://other.example.net/", "other https://other.example.net/\n"),
    ],
)
def test_a_verb_about_the_file_itself_does_what_it_is_for(
    xz: Run, mirror: Path, words: str, told: str
) -> None:
    ran = xz(*words.split())
    assert (ran.code, ran.err) == (0, "")
    assert told in ran.out


def test_its_backup_is_an_empty_mirror_as_well(xz: Run, mirror: Path, tmp_path: Path) -> None:
    assert xz("backup", "copy.xferzone").code == 0
    assert "not ready: " in xz("-R", "copy.xferzone", "status").out


def test_status_in_json_has_the_reason(xz: Run, mirror: Path) -> None:
    found = json.loads(xz("status", "--format", "json").out)
    assert (found["project"], found["role"], found["not_ready"]) == ("", "mirror", WHY)


def test_dns_refuses_with_the_extended_error_not_ready(mirror: Path) -> None:
    zones = open_zones(mirror)
    answer = respond(question("www.example.com.", "A"), zones, tcp=False)
    zones.close()
    assert answer is not None
    assert answer[3] & 15 == 5
    assert b"\0\x0e" + zones.awaited.encode() in answer


def test_readyz_says_why_it_is_not_ready(mirror: Path) -> None:
    found = falcon.testing.TestClient(create_app(mirror)).simulate_get("/readyz")
    assert found.status_code == 503
    assert found.json["checks"]["mirror"] == WHY


def test_a_client_of_ours_or_of_stock_hears_that_it_is_to_come_later(mirror: Path) -> None:
    client = falcon.testing.TestClient(create_app(mirror))
    for body in (b"clone 3 1\n", b"pull a b\n", b"login ann b c\npull a b\n"):
        reply = client.simulate_post(
            "/", body=body, headers={"content-type": "application/x-fossil-uncompressed"}
        )
        said = EMPTY.replace(" ", "\\s")
        assert (
            reply.content
            == f"error {said}:\\stry\\sagain\\sin\\sa\\swhile,\\sor\\sask\\sits\\sprimary\n".encode()
        )
