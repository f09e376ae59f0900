"""Behind nginx with the operator's own file, under a path prefix, with several workers."""

import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.interop import agreement
from tests.interop.busy import committing
from tests.interop.driver import played
from tests.interop.nginx import behind_nginx
from tests.interop.site import ZONES, Site, make_project
from tests.live import Person

pytestmark = pytest.mark.interop

CLONES = 10  # of stock, and as many of ours


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return make_project(tmp_path_factory.mktemp("project"))


@pytest.fixture
def site(project: Site, tmp_path: Path) -> Iterator[Site]:
    with behind_nginx(project, tmp_path) as served:
        yield served


@pytest.mark.parametrize("seed", [5])
def test_all_agree_after_fifty_commits_in_any_order(site: Site, tmp_path: Path, seed: int) -> None:
    played(site, tmp_path, seed)


def test_twenty_clones_at_once_while_others_commit_are_equal_in_the_end(site: Site, tmp_path: Path) -> None:
    operator = Person(tmp_path / "operator", "operator")
    people = [Person(tmp_path / f"p{number}", "bob") for number in range(2 * CLONES)]
    stock, ours = people[:CLONES], people[CLONES:]

    def clone(person: Person) -> Path:
        if person in stock:
            person.clone(site.url("bob"), person.home / "z.fossil")
            return person.home / "z.fossil"
        person.xferzone("clone", "--save-password", site.url("bob"), person.home / "z.xferzone")
        return person.home / "z.xferzone"

    def sync(person: Person) -> None:
        if person in stock:
            said = person.fossil("sync", "-R", person.home / "z.fossil")
            assert "rror" not in said.out + said.err, said
        else:
            person.xferzone("-R", person.home / "z.xferzone", "sync")

    with committing(site.repository, operator, ZONES), ThreadPoolExecutor(2 * CLONES) as pool:
        files = list(pool.map(clone, people))
        for number, person in enumerate(ours[:3]):
            zone = f"new{number}.example"
            person.xferzone("-R", person.home / "z.xferzone", "zone", "add", zone)
        list(pool.map(sync, people))
    with ThreadPoolExecutor(2 * CLONES) as pool:
        list(pool.map(sync, people))
    names = agreement.assert_same_artifacts([site.repository, *files])
    assert len(names) > 20
    for person in ours:
        assert agreement.refs(person.home / "z.xferzone") == agreement.refs(site.repository)
        person.xferzone("-R", person.home / "z.xferzone", "check")
    for person in stock[:2]:
        agreement.assert_sound(person, person.home / "z.fossil")
    agreement.assert_ours_sound(operator, site.repository)


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("path", ["/dns", "/dns/", "/dns/some/where"])
def test_every_reply_has_a_length(site: Site, path: str, version: str) -> None:
    head, body = _posted(site, path, b"pragma client-version 22100 20230226 192424\n", version)
    assert head[0].split()[1] == "200"
    assert not [line for line in head if line.lower().startswith("transfer-encoding:")]
    assert f"content-length: {len(body)}" in [line.lower() for line in head]


def test_a_body_over_the_bound_is_answered_in_words(site: Site) -> None:
    head, body = _posted(site, "/dns/", os.urandom(64 * 1024 * 1024 + 1), "1.0")
    assert head[0].split()[1] == "200"
    assert "Content-Type: application/x-fossil-uncompressed" in head
    assert body == b"error a\\srequest\\sof\\sover\\s67108864\\sbytes:\\ssend\\sless\\sat\\sa\\stime\n"


def _posted(site: Site, path: str, body: bytes, version: str) -> tuple[list[str], bytes]:
    """Header lines, and the body, of the reply to a request as fossil makes it."""
    host, _, port = site.place.partition("/")[0].partition(":")
    request = (
        f"POST {path} HTTP/{version}\r\nHost: {host}:{port}\r\nContent-Type: application/x-fossil-uncompressed\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=60) as client:
        client.sendall(request.encode() + body)
        with client.makefile("rb") as stream:
            head, _, answer = stream.read().partition(b"\r\n\r\n")
    return head.decode().split("\r\n"), answer
