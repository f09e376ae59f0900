"""Who may do what, and what an odd request gets: the same requests to stock's server and to ours, live, compared.

Compared is what a client takes: every error and message, and where there is no error all cards as a multiset. What
lies behind an error no client reads, so that ours may say more of it. Left out of replies: versions, comments,
server codes, accounts; a position counts only as whether it is the end.

    stock runs as `fossil server`, ours under gunicorn; both hold one project, one artifact and the same users.
"""

import hashlib
import itertools
import re
import sqlite3
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.live import Person, serving, stock_server
from tests.sync.recorded import said, signed
from xferzone.artifacts import parse
from xferzone.cards import (
    Card,
    CFile,
    Clone,
    Config,
    Cookie,
    Error,
    File,
    Gimme,
    IGot,
    Login,
    Message,
    Pragma,
    Pull,
    Push,
    ReqConfig,
    UVFile,
    UVGimme,
    encode_cards,
    parse_cards,
)
from xferzone.cards.body import DEBUG, pack
from xferzone.cards.session import nonce, signature
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.store import Store, accounts

pytestmark = pytest.mark.interop

PASSWORD = "pw"
USERS = {
    "none": "",
    "cloner": "g",
    "reader1": "o",
    "writer1": "i",
    "usual": "gio",
    "admin": "a",
    "owner": "s",
    "secret": "xio",
    "loose": "yo",
    "asreader": "u",
    "asdeveloper": "v",
    "useless": "hzk",
    "reader": "o",
    "developer": "i",
}
ADMINS = ("admin", "owner")
#: Rows of stock's tables, of every area.
CONFIGURED = """
    REPLACE INTO config (name, value, mtime) VALUES
        ('project-name', 'a project', 8), ('project-description', 'it''s\ntwo lines', 8), ('css', 'body', 8),
        ('logo-image', x'89504e470aff', 8), ('ticket-common', 'set x 1', 8), ('walias:/b', '/wiki?name=b', 8),
        ('walias:/a', '/wiki?name=a', 8), ('interwiki:w', '{"base":"https://w.example/"}', 8),
        ('timeline-utc', 1, 8), ('xfer-push-script', 'set x 1', 8), ('user-color-map', 'a red', 8),
        ('ssl-ca-location', 'x', 8), ('max-upload', '9', 8), ('last-sync-url', 'https://x:y@z.example/', 8),
        ('th1-uri-regexp', 'a', 8);
    REPLACE INTO reportfmt (owner, title, mtime, cols, sqlcode) VALUES ('ann', 'Late', 8, 'x', 'SELECT ''x''');
    REPLACE INTO concealed VALUES ('0123456789012345678901234567890123456789', 8, 'a@b.example');
    REPLACE INTO shun (uuid, mtime) VALUES (lower(hex(zeroblob(32))), 8);
"""
AREAS = [
    "/all",
    "/a",
    "/al",
    "/p",
    "/project",
    "/s",
    "/skin",
    "/css",
    "/shun",
    "/ticket",
    "/x",
    "/alias",
    "/e",
]
AREAS += ["/interwiki", "/subscriber", "/user-", "/nosuch", "/", "project"]
SENDERS = ["", *USERS, "nobody", "anonymous", "missing"]
#: What nobody and anonymous may, in each of the worlds that are compared.
WORLDS = {"closed": ("", ""), "open": ("gjorz", "hz"), "half": ("g", "o")}

VERSION = Pragma("client-version", ("22100", "20230226", "192424"))
X = artifact_id(b"nobody has this")


@dataclass(frozen=True)
class World:
    """The two servers, and the project that both hold."""

    stock: str
    ours: str
    project: str
    held: dict[ArtifactId, bytes]
    clients: Iterator[int] = field(default_factory=itertools.count)

    @property
    def one(self) -> ArtifactId:
        return next(iter(self.held))

    def ask(self, url: str, body: bytes) -> list[Card]:
        # From a client of its own: who guesses passwords is slowed here, and not by stock.
        number = next(self.clients)
        headers = {"Content-Type": DEBUG, "X-Forwarded-For": f"10.0.{number // 256}.{number % 256}"}
        request = urllib.request.Request(url, data=body, headers=headers)
        with urllib.request.urlopen(request, timeout=20) as reply:
            return list(parse_cards(reply.read()))

    def sent_by(self, login: str, cards: list[bytes | Card]) -> bytes:
        rest = b"".join(card if isinstance(card, bytes) else card.encode() for card in [VERSION, *cards])
        return signed(login, PASSWORD, rest, self.project) if login else rest

    def operations(self, mark: str) -> dict[str, list[bytes | Card]]:
        """What is tried, by name; `mark` makes what is pushed new."""
        pull, push = Pull("x", self.project), Push("x", self.project)
        new = f"new {mark}\n".encode()
        file = File(artifact_id(new), new)
        return {
            "nothing": [],
            "pull": [pull],
            "pull all": [pull, Pragma("send-catalog")],
            "gimme": [pull, Gimme(self.one)],
            "gimme without pull": [Gimme(self.one)],
            "gimme what is not there": [pull, Gimme(X)],
            "push": [push],
            "push announcement": [push, IGot(self.one)],
            "push file": [push, file],
            # Without the line feed that stock's own clients never send here, and its server takes for a card.
            "push cfile": [push, CFile(file.artifact, len(new), pack(new)).encode().removesuffix(b"\n")],
            "file without push": [file],
            "announcement without push": [IGot(X)],
            "pull, push": [pull, push, IGot(self.one)],
            "push, pull": [push, pull, IGot(self.one)],
            "pull, file": [pull, file],
            "clone": [Clone(3, 1)],
            "clone 2": [Clone(2, 1)],
            "clone 1": [Clone(1, 1)],
            "old clone": [Clone()],
            "old clone, gimme": [Clone(), Gimme(self.one)],
            "clone beyond the end": [Clone(3, 10**6)],
            "other project": [Pull("x", "a" * 40)],
            "other project, push": [Push("x", "a" * 40), file],
            **{f"configuration {area}": [ReqConfig(area)] for area in AREAS},
            "configuration pushed": [Config("/config", b"1 'project-name' value 'x'")],
            "configuration pushed, then asked for": [
                Config("/config", b"3 'walias:/%s' value 'x'" % mark.encode()),
                Config("/nosuch", b"3 'a' value 'x'"),
                Config("/config", b"3 'main-branch' value 'x'"),
                ReqConfig("/alias"),
            ],
            "cookie": [Cookie("crumb"), pull],
            "unversioned": [Pragma("uv-hash", (hashlib.sha1().hexdigest(),))],
            "unversioned, other": [Pragma("uv-hash", ("0" * 40,))],
            "unversioned twice": [Pragma("uv-hash", ("0" * 40,))] * 2,
            "unversioned file": [UVFile(f"{mark}.txt", 5, file.artifact, len(new), payload=new)],
            "unversioned file deleted": [UVFile(f"{mark}.txt", 6, None, 0, 1)],
            "unversioned file again": [UVFile(f"{mark}.txt", 4, file.artifact, len(new), payload=new)],
            "unversioned file asked for": [UVGimme(f"{mark}.txt")],
            "unversioned, once more": [pull, Pragma("uv-hash", ("0" * 40,))],
            "unlock": [Pragma("ci-unlock", ("b" * 40,))],
            "unknown pragma": [Pragma("xyzzy", ("1", "2")), pull],
            "unknown card": [pull, b"xyzzy a b\n"],
            "odd gimme": [pull, b"gimme %s more\n" % X.encode()],
            "odd pull": [b"pull x zz\n"],
            "odd login": [b"login x\n", pull],
            "cards of servers": [b"clone_seqno 4\n", b"message x\n"],
        }


@pytest.fixture(scope="module", params=WORLDS)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    place = tmp_path_factory.mktemp(f"world-{request.param}")
    person = Person(place / "home", "adm")
    theirs, own = place / "stock.fossil", place / "own.xferzone"
    person.fossil("new", "--date-override", "2026-01-01", theirs)
    person.fossil("uv", "ls", "-R", theirs)  # which makes its table; else it answers with an error
    nobody, anonymous = WORLDS[request.param]
    everybody = USERS | {"nobody": nobody, "anonymous": anonymous}
    for login in USERS.keys() - {"reader", "developer"}:
        person.fossil("user", "new", login, "", PASSWORD, "-R", theirs)
    with sqlite3.connect(theirs) as db:
        for login, caps in everybody.items():
            db.execute("UPDATE user SET cap = ? WHERE login = ?", (caps, login))
        (project,) = db.execute("SELECT value FROM config WHERE name = 'project-code'").fetchone()
        (root,) = db.execute("SELECT uuid FROM blob").fetchone()
        db.executescript(CONFIGURED)
    content = person.fossil("artifact", root, "-R", theirs).out.encode()
    with Store.create(own, project) as store, store.writer() as writer:
        for login, caps in everybody.items():
            accounts.put_user(writer, login, PASSWORD if login not in ("nobody", "anonymous") else None, caps)
        for user in accounts.users(writer):
            accounts.put_stored(writer, user, 1)  # older than theirs
        held = {writer.put(content, ArtifactId(root)): content}
    assert parse(content) is not None
    with stock_server(person, theirs) as stock, serving(own, "serve") as server:
        # Everything that is compared came in by stock's own cards.
        person.fossil("config", "push", "all", server.url("owner", PASSWORD), "-R", theirs)
        yield World(stock, server.url(), project, held)


def taken(cards: list[Card], held: dict[ArtifactId, bytes]) -> Counter[tuple[object, ...]]:
    """What a client takes from a reply."""
    told = [card for card in cards if isinstance(card, Error | Message)]
    if any(isinstance(card, Error) for card in told):
        return Counter((type(card).__name__, card.text) for card in told if isinstance(card, Error))
    return said(encode_cards(cards), held)


@pytest.mark.parametrize("sender", SENDERS)
def test_what_a_user_may_do_and_is_told(world: World, sender: str) -> None:
    for name, cards in world.operations(sender).items():
        body = world.sent_by(sender, cards)
        theirs, ours = (taken(world.ask(url, body), world.held) for url in (world.stock, world.ours))
        assert ours == theirs, name


def test_logins_that_do_not_hold(world: World) -> None:
    rest = encode_cards([VERSION, Pull("x", world.project)])
    once = nonce(rest)
    bodies = {
        "wrong password": signed("usual", "wrong", rest, world.project),
        "empty password": signed("usual", "", rest, world.project),
        "other project": signed("usual", PASSWORD, rest, "a" * 40),
        "wrong nonce": Login("usual", "0" * 40, signature("0" * 40, "x")).encode() + rest,
        "altered": signed("usual", PASSWORD, rest, world.project) + b"# more\n",
        "no signature": Login("usual", once, "x").encode() + rest,
        "nobody, wrong nonce": Login("nobody", "0" * 40, "x").encode() + rest,
        "nobody, right nonce": Login("nobody", once, "x").encode() + rest,
        "anonymous, right nonce": Login("anonymous", once, "x").encode() + rest,
        "another's signature": signed("usual", PASSWORD, rest, world.project).replace(
            b"login usual", b"login admin"
        ),
        "comment before": b"# hi\n" + signed("usual", PASSWORD, rest, world.project),
    }
    for name, body in bodies.items():
        theirs, ours = (taken(world.ask(url, body), world.held) for url in (world.stock, world.ours))
        assert ours == theirs, name


def test_where_we_say_more_than_stock(world: World) -> None:
    """Known differences: the reasons stand in sync/server/round.py."""
    pull, push = Pull("x", world.project), Push("x", world.project)
    hidden = b"hidden\n"
    private: list[bytes | Card] = [push, b"private\n", File(artifact_id(hidden), hidden), IGot(X, True)]
    body = world.sent_by("writer1", private)
    for url in (world.stock, world.ours):
        assert Error("not authorized to sync private content") in world.ask(url, body)
    listed = world.sent_by("reader1", [pull])
    assert IGot(artifact_id(hidden)) in world.ask(world.stock, listed)  # stock makes it public
    assert IGot(artifact_id(hidden)) not in world.ask(world.ours, listed)
    lock = world.sent_by("writer1", [pull, Pragma("ci-lock", (X, "b" * 40))])
    assert Pragma("avoid-delta-manifests") in world.ask(world.ours, lock)
    asked = world.sent_by("owner", [ReqConfig("/user")])
    theirs, ours = (
        {card.payload for card in world.ask(url, asked) if isinstance(card, Config)}
        for url in (world.stock, world.ours)
    )
    without = {re.sub(rb" pw '[^']*'", b"", row) for row in theirs}
    assert without < ours, "no password leaves"
    # Stock does not know since when these have their rights, and leaves them out.
    of_all = ("'anonymous' cap", "'nobody' cap", "'developer' cap", "'reader' cap")
    assert all(any(each in row.decode() for each in of_all) for row in ours - without)
    by_admin = world.sent_by("admin", [ReqConfig("/user")])
    told = [card.payload for card in world.ask(world.ours, by_admin) if isinstance(card, Config)]
    assert told == [b"8 'user-color-map' value 'a red'"], "accounts are told to setup alone"
    for table, row in (("/user", b"99 'bob' cap 's'"), ("/shun", b"99 '%s' scom 'x'" % (b"8" * 64))):
        brought = world.sent_by("admin", [Config(table, row), ReqConfig("/shun")])
        assert any(isinstance(card, Message) for card in world.ask(world.ours, brought))
        assert b"8" * 64 not in encode_cards(world.ask(world.ours, brought))
    malformed = world.sent_by("writer1", [push, b"file zz 3\nabc"])
    assert Error("malformed+file+line") in world.ask(world.stock, malformed)
    (error,) = (card for card in world.ask(world.ours, malformed) if isinstance(card, Error))
    assert error.text.startswith("malformed file line: ")
