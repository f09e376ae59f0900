"""A push publishes in its own round: refs move, people are told, what may not come does not."""

import time
from collections.abc import Iterator
from pathlib import Path

import falcon.testing
import pytest

from tests.sync.recorded import signed
from tests.web.conftest import PROJECT
from xferzone.artifacts import CheckIn, Control, FileCard, Tag, parse
from xferzone.cards import Card, Cookie, Error, File, Gimme, IGot, Message, encode_cards, parse_cards
from xferzone.cards.body import DEBUG
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.refs import BranchName, Door, LocalRefs
from xferzone.repository import make
from xferzone.store import Store, accounts
from xferzone.web.app import create_app

BRANCH = "example.com/main"
HEAD = b"push x %s\n" % PROJECT.encode()
ZONE = b"$TTL 3600\n@ 3600 SOA ns1 hostmaster 1 7200 3600 1209600 300\n@ 3600 NS ns1\nns1 300 A 192.0.2.1\n"
START = (Tag("*", "branch", None, BRANCH), Tag("*", f"sym-{BRANCH}", None, None))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    path = tmp_path / "z.xferzone"
    make.make(path, admin="ops", project_code=PROJECT, now_ms=_now())
    with Store.open(path) as store:
        with store.writer() as writer:
            accounts.put_user(writer, "ops", "pw", "s")
            accounts.put_user(writer, "ann", "pw", "gio")
        yield store


@pytest.fixture
def client(store: Store) -> falcon.testing.TestClient:
    return falcon.testing.TestClient(create_app(store.path))


def _now() -> int:
    return time.time_ns() // 1_000_000


def push(client: falcon.testing.TestClient, login: str, *contents: bytes, pull: bool = False) -> list[Card]:
    head = HEAD.replace(b"push", b"pull") + HEAD if pull else HEAD
    rest = head + encode_cards(File(artifact_id(content), content) for content in contents)
    body = signed(login, "pw", rest, PROJECT)
    return list(parse_cards(client.simulate_post("/", body=body, content_type=DEBUG).content))


def version(
    text: bytes, *parents: bytes, tags: tuple[Tag, ...] = START, later: int = 0
) -> tuple[bytes, bytes]:
    """A zone file and the check-in that holds it."""
    made = CheckIn(
        comment="c",
        date_ms=_now() - 60_000 + later,
        user="ann",
        files=(FileCard("example.com.zone", artifact_id(text)),),
        parents=tuple(artifact_id(parent) for parent in parents),
        tags=tags,
    )
    return text, made.encode()


def ref(store: Store) -> ArtifactId | None:
    with store.reader() as reader:
        found = LocalRefs(reader).get(BranchName.parse(BRANCH))
        return None if found is None else found.checkin


def test_a_pushed_zone_is_published_in_the_round_that_brings_it(
    client: falcon.testing.TestClient, store: Store
) -> None:
    text, checkin = version(ZONE)
    assert push(client, "ann", text, checkin) == []
    assert ref(store) == artifact_id(checkin)
    with store.reader() as reader:
        (move,) = LocalRefs(reader).publications(BranchName("example.com", "main"))
    assert (move.occasion.login, move.occasion.door) == ("ann", Door.PUSH)
    assert "xferzone_refs_published 1" in client.simulate_get("/metrics").text


def test_a_zone_that_arrives_in_pieces_is_published_with_the_last(
    client: falcon.testing.TestClient, store: Store
) -> None:
    text, checkin = version(ZONE)
    reply = push(client, "ann", checkin)
    assert [card for card in reply if not isinstance(card, Cookie)] == [Gimme(artifact_id(text))]
    assert ref(store) is None
    assert push(client, "ann", text) == []
    assert ref(store) == artifact_id(checkin)


def test_an_invalid_zone_is_kept_told_and_not_published(
    client: falcon.testing.TestClient, store: Store
) -> None:
    text, checkin = version(ZONE)
    push(client, "ann", text, checkin)
    bad, second = version(ZONE + b"www 300 CNAME ns1\nwww 300 A 192.0.2.2\n", checkin, tags=(), later=1_000)
    (told,) = push(client, "ann", bad, second)
    assert isinstance(told, Message)
    assert "example.com.zone line 6" in told.text
    assert ref(store) == artifact_id(checkin)
    with store.reader() as reader:
        assert reader.has(artifact_id(second))


def test_what_would_hide_a_published_branch_needs_the_setup_capability(
    client: falcon.testing.TestClient, store: Store
) -> None:
    text, checkin = version(ZONE)
    push(client, "ann", text, checkin)
    closing = Control(
        date_ms=_now(), tags=(Tag("+", "closed", artifact_id(checkin), None),), user="ann"
    ).encode()
    blob = b"and a file beside it\n"
    (told,) = push(client, "ann", closing, blob)
    assert isinstance(told, Error)
    assert "closed" in told.text
    with store.reader() as reader:
        assert not reader.has(artifact_id(closing))
        assert reader.has(artifact_id(blob))
    assert push(client, "ops", closing) == []
    with store.reader() as reader:
        assert reader.has(artifact_id(closing))
    assert ref(store) == artifact_id(checkin)


def test_the_loser_of_a_race_is_told_its_fork_branch(client: falcon.testing.TestClient, store: Store) -> None:
    text, checkin = version(ZONE)
    push(client, "ann", text, checkin)
    first = version(ZONE + b"a 300 A 192.0.2.3\n", checkin, tags=(), later=1_000)
    second = version(ZONE + b"b 300 A 192.0.2.4\n", checkin, tags=(), later=2_000)
    assert push(client, "ann", *first) == []
    (told,) = push(client, "ann", *second)
    assert isinstance(told, Message)
    assert f"{BRANCH}-fork-{artifact_id(second[1])[:16]}" in told.text
    assert ref(store) == artifact_id(first[1])


def test_what_publishing_makes_is_announced_in_the_same_round(
    client: falcon.testing.TestClient, store: Store
) -> None:
    text, checkin = version(ZONE)
    first = version(ZONE + b"a 300 A 192.0.2.3\n", checkin, tags=(), later=1_000)
    second = version(ZONE + b"b 300 A 192.0.2.4\n", checkin, tags=(), later=2_000)
    push(client, "ann", text, checkin, *first)
    with store.reader() as reader:
        before = set(reader.artifacts())
    said = push(client, "ann", *second, pull=True)
    with store.reader() as reader:
        (made,) = set(reader.artifacts()) - before - {artifact_id(content) for content in second}
        assert isinstance(parse(reader.content(made)), Control)
    assert IGot(made) in said
