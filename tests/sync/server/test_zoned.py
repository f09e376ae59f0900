"""What an account that is held to zones may push, and that what it may not leaves nothing."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.sync.rounds import PROJECT, PUSH, ask, by, cards
from xferzone import delta
from xferzone.artifacts import CheckIn, Control, FileCard, Tag
from xferzone.artifacts.grammar import sealed
from xferzone.cards import Card, Config, Error, File, Pragma, UVFile
from xferzone.errors import PeerError
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.store import Store, accounts, configuration, unversioned
from xferzone.store.accounts import User

NOW = 1_700_000_000_000  # milliseconds since 1970
TEXT = b"@ 3600 SOA ns1 hostmaster 1 7200 3600 1209600 300\n"


def checkin(
    branch: str | None,
    *parents: bytes,
    comment: str = "c",
    tags: tuple[Tag, ...] = (),
    zone: str = "a.example",
) -> bytes:
    own = () if branch is None else (Tag("*", "branch", None, branch), Tag("*", f"sym-{branch}", None, None))
    files = (FileCard(f"{zone}.zone", artifact_id(TEXT)),)
    ids = tuple(map(artifact_id, parents))
    date = NOW + 1000 * (len(parents) > 0)
    return CheckIn(comment, date, "ann", files, ids, tags=tuple(sorted((*own, *tags), key=str))).encode()


def control(name: str, *targets: bytes | ArtifactId, prefix: str = "+", value: str | None = None) -> bytes:
    ids = [each if isinstance(each, str) else artifact_id(each) for each in targets]
    tags = tuple(Tag(prefix, name, ArtifactId(each), value) for each in sorted(ids))
    return Control(date_ms=NOW, tags=tags, user="ann").encode()


OWN, OTHERS = checkin("a.example/main"), checkin("b.example/main", zone="b.example")
CHILD = checkin(None, OWN, comment="child")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A repository with a version of each of two zones, where ann is held to one of them."""
    with Store.create(tmp_path / "z.xferzone", PROJECT) as store:
        with store.writer() as writer:
            for login, caps in (("nobody", ""), ("ann", "gio"), ("boss", "gs")):
                accounts.put_user(writer, login, "pw", caps)
                if (user := accounts.user(writer, login)) and login != "nobody":
                    accounts.put_stored(writer, User(login, user.secret, caps, ("a.example", "c.example")))
            for content in (TEXT, OWN, OTHERS):
                writer.put(content)
        yield store


def pushed(store: Store, login: str, *contents: bytes | Card) -> None:
    cards = [File(artifact_id(each), each) if isinstance(each, bytes) else each for each in contents]
    reply = ask(store, by(login, PUSH, *cards))
    assert reply.outcome == "ok", reply.text


def here(store: Store) -> set[ArtifactId]:
    with store.reader() as reader:
        return set(reader.artifacts())


@pytest.mark.parametrize(
    "contents",
    [
        (CHILD,),
        (b"a file\n", checkin("a.example/test", OWN)),
        (checkin("c.example/main", zone="c.example"),),
        (CHILD, control("bisected", CHILD)),
        (control("closed", OWN),),
        (control("sym-release", OWN),),
        (checkin("a.example/main", OWN, OTHERS),),
        (CHILD, checkin(None, CHILD, comment="grandchild")),
    ],
    ids=["child", "branch", "new-zone", "tag-of-it", "tag", "name", "merge", "line"],
)
def test_what_is_in_its_zones_is_taken(store: Store, contents: tuple[bytes, ...]) -> None:
    pushed(store, "ann", *contents)
    assert {artifact_id(each) for each in contents} <= here(store)


WIKI = sealed([b"D 2026-01-01T00:00:00.000", b"L Page", b"U ann", b"W 3", b"hi\n"])


def _of_nothing() -> Card:
    base = b"a base that is not here, long enough to be worth a delta\n" * 20
    made = delta.create(base, CHILD)
    assert made is not None
    return File(artifact_id(CHILD), made, artifact_id(base))


REFUSED: dict[str, tuple[Callable[[], tuple[bytes | Card, ...]], str]] = {
    "another's branch": (
        lambda: (checkin("b.example/main", OTHERS, zone="b.example"),),
        "names the branch b.example/main",
    ),
    "a new one of another": (lambda: (checkin("b.example/x", OWN),), "b.example/x"),
    "no zone's": (lambda: (checkin("trunk"),), "is on trunk"),
    "no branch yet": (lambda: (checkin(None, b"not here"),), "its parent is not here: push that first"),
    "inherited": (lambda: (checkin(None, OTHERS),), "is on b.example/main"),
    "own tag of another's branch": (
        lambda: (checkin("a.example/main", OWN, tags=(Tag("+", "sym-b.example/x", None, None),)),),
        "names the branch b.example/x",
    ),
    "tag of another's": (lambda: (control("bisected", OTHERS),), "is on b.example/main"),
    "tag of both": (lambda: (control("bisected", OWN, OTHERS),), "is on b.example/main"),
    "tag of what is not here": (lambda: (control("x", ArtifactId("e" * 64)),), "no check-in that is here"),
    "tag of a file": (lambda: (control("x", TEXT),), "no check-in that is here"),
    "move there": (
        lambda: (CHILD, control("branch", CHILD, prefix="*", value="b.example/main")),
        "the tag branch",
    ),
    "move here": (lambda: (control("branch", OTHERS, prefix="*", value="a.example/main"),), "the tag branch"),
    "name there": (lambda: (CHILD, control("sym-b.example/x", CHILD)), "names the branch b.example/x"),
    "a wiki page": (lambda: (WIKI,), "is neither a check-in nor a tag"),
    "of nothing": (lambda: (_of_nothing(),), "a delta of what is not here: push that first"),
    "last of many": (lambda: (CHILD, b"file\n", checkin("b.example/x", OWN)), "b.example/x"),
}


@pytest.mark.parametrize("which", REFUSED)
def test_what_is_not_refuses_the_request_whole_and_names_it(store: Store, which: str) -> None:
    contents, told = REFUSED[which]
    before = here(store)
    with pytest.raises(PeerError) as raised:
        pushed(store, "ann", *contents())
    assert told in str(raised.value)
    assert "ann may write to a.example, c.example alone: nothing was kept" in str(raised.value)
    bad = contents()[-1]
    assert (artifact_id(bad) if isinstance(bad, bytes) else artifact_id(CHILD)) in str(raised.value)
    assert here(store) == before


def test_what_is_of_no_zone_is_not_its_to_bring_whatever_its_letters(store: Store) -> None:
    """Letters come from people who know nothing of zones, too: `fossil config push user`."""
    for login, is_taken in (("ann", False), ("boss", True)):
        with store.writer() as writer:
            user = accounts.user(writer, login)
            assert user is not None
            accounts.put_stored(writer, replace(user, caps="gioay" if login == "ann" else "gsy"))
        told = cards(ask(store, by(login, PUSH, Config("/config", b"5 'project-name' value 'x'"))))
        assert (Error("not authorized to push configuration") in told) != is_taken
        told = cards(
            ask(
                store,
                by(login, Pragma("uv-hash", ("0" * 40,)), UVFile("f", 5, artifact_id(b"hi"), 2, 0, b"hi")),
            )
        )
        assert (Pragma("uv-push-ok") in told, Pragma("uv-pull-only") in told) == (is_taken, not is_taken)
        with store.reader() as reader:
            assert bool(configuration.everything(reader)) == is_taken
            assert bool(list(unversioned.files(reader))) == is_taken


def test_an_administrator_is_held_to_nothing(store: Store) -> None:
    pushed(store, "boss", checkin("b.example/x", OTHERS, zone="b.example"))


def test_who_has_expired_cannot_log_in() -> None:
    user = User("ann", "f" * 40, "gi", expires_ms=NOW)
    assert user.may_log_in(lambda: NOW - 1)
    assert not user.may_log_in(lambda: NOW)
    assert not User("ann", "", "gi").may_log_in(lambda: NOW)
