"""Private artifacts, as a server takes, asks for, announces and sends them; and that nobody else comes upon one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sync.rounds import PROJECT, PULL, PUSH, ask, body, by, cards
from xferzone import delta
from xferzone.cards import (
    Card,
    CFile,
    Clone,
    CloneSeqno,
    Error,
    File,
    Gimme,
    IGot,
    Pragma,
    Private,
    Push,
)
from xferzone.cards.body import unpack
from xferzone.errors import PeerError
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.store import Store, accounts, private
from xferzone.sync.server import private as module
from xferzone.sync.server.budget import Budget

USERS = {"nobody": "", "reader1": "go", "writer1": "gi", "admin": "s", "secret": "gix", "hears": "gox"}
WANTED = Pragma("send-private")
DENIED = Error("not authorized to sync private content")
PUBLIC = b"here for all\n"
HELD = IGot(artifact_id(PUBLIC))
HIDDEN = b"".join(b"hidden line %d\n" % number for number in range(40))
LATER = HIDDEN.replace(b"line 20\n", b"line TWENTY\n")
X = artifact_id(b"nowhere")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A repository with some users, a public artifact and a private one."""
    with Store.create(tmp_path / "z.xferzone", PROJECT) as store:
        with store.writer() as writer:
            for login, caps in USERS.items():
                accounts.put_user(writer, login, "pw", caps)
            writer.put(PUBLIC)
            private.put(writer, artifact_id(HIDDEN), HIDDEN)
        yield store


def file(content: bytes) -> File:
    return File(artifact_id(content), content)


def change(before: bytes, after: bytes) -> File:
    made = delta.create(before, after)
    assert made is not None
    return File(artifact_id(after), made, artifact_id(before))


def kept(store: Store) -> set[bytes]:
    with store.reader() as reader:
        return {private.content(reader, each) for each in private.ids(reader)}


def public(store: Store) -> set[bytes]:
    with store.reader() as reader:
        return {reader.content(each) for each in reader.artifacts()}


H = artifact_id(HIDDEN)

# Sender, request, reply: one fact a row.
FACTS: list[tuple[str, list[bytes | Card], list[Card]]] = [
    ("secret", [PULL], [HELD]),
    ("secret", [WANTED, PULL], [HELD, IGot(H, private=True)]),
    ("hears", [PULL, WANTED], [HELD, IGot(H, private=True)]),
    ("secret", [WANTED], []),
    ("secret", [WANTED, PULL, Gimme(H)], [Private(), file(HIDDEN), HELD, IGot(H, private=True)]),
    ("secret", [PULL, Gimme(H)], [HELD]),
    ("secret", [WANTED, PULL, Pragma("send-catalog")], [HELD, IGot(H, private=True)]),
    ("reader1", [WANTED, PULL, Gimme(H)], [HELD, DENIED]),
    ("admin", [WANTED, PULL, Gimme(H)], [HELD, DENIED]),
    ("reader1", [PULL, Gimme(H)], [HELD]),
    ("nobody", [WANTED], [DENIED]),
    ("secret", [PUSH, IGot(H, private=True)], []),
    ("secret", [PUSH, IGot(artifact_id(PUBLIC), private=True)], []),
    ("secret", [PUSH, IGot(X, private=True)], [Gimme(X)]),
    ("secret", [PUSH, IGot(X, private=True), Private(), file(LATER)], [Gimme(X)]),
    ("secret", [PUSH, WANTED, PULL, IGot(X, private=True)], [Gimme(X), HELD, IGot(H, private=True)]),
    ("writer1", [PUSH, IGot(X, private=True)], [DENIED]),
    ("secret", [IGot(X, private=True)], []),
    ("secret", [PUSH, IGot(artifact_id(LATER), private=True), Private(), file(LATER)], []),
    # What is private is not here for whoever announces it publicly.
    ("writer1", [PUSH, IGot(H)], [Gimme(H)]),
    ("hears", [PUSH, Private(), file(LATER)], [Error("not authorized to write")]),
]


@pytest.mark.parametrize(("login", "asked", "said"), FACTS)
def test_what_a_card_does(store: Store, login: str, asked: list[bytes | Card], said: list[Card]) -> None:
    assert cards(ask(store, by(login, *asked) if login != "nobody" else body(*asked))) == said


def test_what_comes_as_private_is_kept_so_whole_or_as_a_delta_in_any_order(store: Store) -> None:
    newest = LATER.replace(b"line 30\n", b"line THIRTY\n")
    reply = ask(
        store,
        by(
            "secret",
            PUSH,
            Private(),
            change(LATER, newest),
            Private(),
            change(HIDDEN, LATER),
            Private(),
            file(PUBLIC),
        ),
    )
    assert (reply.received, kept(store)) == (2, {HIDDEN, LATER, newest})
    assert public(store) == {PUBLIC}


def test_a_private_delta_of_what_comes_publicly_with_it_is_kept(store: Store) -> None:
    ask(store, by("secret", PUSH, Private(), change(LATER, LATER + b"more\n"), file(LATER)))
    assert kept(store) == {HIDDEN, LATER + b"more\n"}
    assert public(store) == {PUBLIC, LATER}


def test_a_private_delta_without_its_source_is_asked_for_again_but_not_at_once(store: Store) -> None:
    lost = change(LATER, LATER + b"more\n")
    announced = IGot(lost.artifact, private=True)
    assert cards(ask(store, by("secret", PUSH, Private(), lost, announced))) == []
    assert cards(ask(store, by("secret", PUSH, announced))) == [Gimme(lost.artifact)]
    assert kept(store) == {HIDDEN}


def test_who_may_not_brings_nothing_and_makes_nothing_public(store: Store) -> None:
    reply = ask(store, by("writer1", PUSH, Private(), file(LATER), file(b"for all\n")))
    assert cards(reply) == [DENIED]
    assert kept(store) == {HIDDEN}
    assert public(store) == {PUBLIC, b"for all\n"}


def test_what_arrives_publicly_becomes_public_and_never_the_other_way_round(store: Store) -> None:
    assert ask(store, by("writer1", PUSH, file(HIDDEN))).received == 1
    assert (kept(store), public(store)) == (set(), {PUBLIC, HIDDEN})
    ask(store, by("secret", PUSH, Private(), file(HIDDEN), IGot(H, private=True)))
    assert (kept(store), public(store)) == (set(), {PUBLIC, HIDDEN})
    assert IGot(H) in cards(ask(store, by("reader1", PULL)))


def test_what_is_private_is_no_source_for_what_is_public(store: Store) -> None:
    ask(store, by("writer1", PUSH, change(HIDDEN, LATER)))
    assert public(store) == {PUBLIC}
    with store.reader() as reader:
        assert reader.phantoms(10) == [H]  # its source is asked for, as of any other delta
    ask(store, by("writer1", PUSH, file(HIDDEN)))
    assert public(store) == {PUBLIC, HIDDEN, LATER}


@pytest.mark.parametrize(("version", "kind"), [(2, File), (3, CFile)])
def test_a_clone_has_them_last_for_whoever_may(store: Store, version: int, kind: type[File | CFile]) -> None:
    with store.writer() as writer:
        private.put(writer, artifact_id(LATER), LATER)
    position, came, public_too = 1, list[bytes](), list[ArtifactId]()
    while position:
        found = cards(ask(store, by("secret", WANTED, Clone(version, position)), Budget(bytes=1)))
        for before, card in zip([None, *found], found, strict=False):
            if isinstance(card, kind):
                if isinstance(before, Private):
                    came.append(card.payload if kind is File else unpack(card.payload, limit=10_000))
                else:
                    public_too.append(card.artifact)
        assert any(isinstance(card, kind) for card in found)  # stock ends its clone where a round has none
        (position,) = (card.seqno for card in found if isinstance(card, CloneSeqno))
    assert (came, public_too) == ([HIDDEN, LATER], [artifact_id(PUBLIC)])


@pytest.mark.parametrize(
    ("login", "wishes"),
    [("secret", []), ("reader1", [WANTED]), ("reader1", [])],
    ids=["did not ask", "may not", "neither"],
)
def test_a_clone_of_anybody_else_has_none(store: Store, login: str, wishes: list[Card]) -> None:
    for position in (1, private.FIRST, private.FIRST + 1):
        found = cards(ask(store, by(login, *wishes, Clone(3, position))))
        named = [card.artifact for card in found if isinstance(card, CFile)]
        assert named == ([artifact_id(PUBLIC)] if position == 1 else [])
        assert CloneSeqno(0) in found
        assert any(isinstance(card, Push) for card in found)


def test_what_has_no_room_is_announced(store: Store) -> None:
    with store.writer() as writer:
        private.put(writer, artifact_id(LATER), LATER)
    wanted: list[bytes | Card] = [WANTED, PULL, Gimme(H), Gimme(artifact_id(LATER))]
    announced = [HELD, IGot(H, private=True), IGot(artifact_id(LATER), private=True)]
    found = cards(ask(store, by("secret", *wanted), Budget(bytes=1)))
    assert found == [Private(), file(HIDDEN), *announced]
    found = cards(ask(store, by("secret", *wanted), Budget(bytes=len(HIDDEN) + 20, overshoots=False)))
    assert found == [Private(), file(HIDDEN), *announced]


def test_at_most_500_are_asked_for_in_a_reply(store: Store) -> None:
    missing = [IGot(artifact_id(b"%d" % number), private=True) for number in range(600)]
    assert cards(ask(store, by("secret", PUSH, *missing))) == [Gimme(card.artifact) for card in missing[:500]]
    with store.reader() as reader:
        assert reader.phantoms(10) == []  # nobody else is asked for them


def test_a_wrong_name_and_a_bad_delta_are_refused(store: Store) -> None:
    with pytest.raises(PeerError, match="wrong hash on received artifact"):
        ask(store, by("secret", PUSH, Private(), File(X, b"something else\n")))
    with pytest.raises(PeerError, match="bad delta for artifact"):
        ask(store, by("secret", PUSH, Private(), File(X, b"nonsense", H)))
    assert kept(store) == {HIDDEN}


def test_bounds(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_NAMED", 1)
    names = [IGot(artifact_id(b"%d" % number), private=True) for number in range(2)]
    with pytest.raises(PeerError, match="over 1 artifacts announced as private"):
        ask(store, by("secret", PUSH, *names))
    monkeypatch.setattr(private, "MAX_KEPT", 1)
    with pytest.raises(PeerError, match="over 1 private artifacts"):
        ask(store, by("secret", PUSH, Private(), file(LATER)))
    monkeypatch.setattr(module, "MAX_EXPANDED", 10)
    with pytest.raises(PeerError, match="over 10 bytes"):
        ask(store, by("secret", PUSH, Private(), file(LATER)))


def test_what_was_damaged_is_said_and_not_sent(store: Store) -> None:
    with store.writer() as writer:
        writer.db.execute("UPDATE private SET content = x'00'")
    damaged = f"artifact {H} is damaged here and cannot be sent"
    assert Error(damaged) in cards(ask(store, by("secret", WANTED, PULL, Gimme(H))))
    cloned = cards(ask(store, by("secret", WANTED, Clone(3, 1))))
    assert CloneSeqno(0) in cloned
    assert not any(isinstance(card, Private) for card in cloned)
