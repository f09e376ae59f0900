"""Bad input to the server: the right answer, no traceback in the log, and the repository as it was.

`serving` looks for tracebacks. What each pitfall of stock means for a server, and the test that shows it, is in
docs/stock-pitfalls.md; here is what is broken on its way, or not meant well.
"""

import contextlib
import random
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.live import PATIENCE_S, Server, serving
from tests.robust.mutations import OF_OCTETS
from tests.robust.site import (
    LOGIN,
    PASSWORD,
    PROJECT,
    PULL,
    PUSH,
    ask,
    by_ops,
    checked,
    dump,
    healthy,
    made,
    post,
)
from tests.sync.recorded import signed
from xferzone import delta
from xferzone.cards import Card, CFile, Clone, Config, Error, File, Gimme, IGot, Login, Message, Push
from xferzone.cards.body import COMPRESSED, DEBUG, UNCOMPRESSED, decode_body, pack
from xferzone.errors import PeerError
from xferzone.hashing import artifact_id
from xferzone.store import Store, accounts

HERE, NEW = b"here\n" * 50, b"new\n" * 50
HERE_ID, NEW_ID = artifact_id(HERE), artifact_id(NEW)
MUTATIONS = 300
SEED = 20261121
_FEW = 20_000  # bytes of a test's body


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = made(tmp_path_factory.mktemp("bad") / "z.xferzone")
    with Store.open(path) as store, store.writer() as writer:
        accounts.put_user(writer, "rose", "pw-rose", "go")
        accounts.put_user(writer, "mute", None, "s")
        writer.put(HERE)
    return path


@pytest.fixture(scope="module")
def server(repository: Path) -> Iterator[Server]:
    with serving(repository, "serve") as server:
        yield server


def as_(login: str, password: str, *parts: bytes | Card, project: str = PROJECT) -> bytes:
    return signed(
        login, password, b"".join(p if isinstance(p, bytes) else p.encode() for p in parts), project
    )


def altered(body: bytes, old: bytes, new: bytes) -> bytes:
    """A signed body, changed on its way."""
    assert old in body
    return body.replace(old, new, 1)


PUSHED = by_ops(PUSH, File(NEW_ID, NEW))
LINE = PUSHED.partition(b"\n")[0] + b"\n"  # the login of that
DELTA = delta.create(HERE, HERE + b"more\n") or b""
MORE_ID = artifact_id(HERE + b"more\n")

#: Requests as card text, and how the answer begins; none may change a byte of the repository.
REFUSED: list[tuple[str, bytes, str]] = [
    ("a wrong password", as_(LOGIN, "wrong", PUSH, File(NEW_ID, NEW)), "login failed"),
    ("the password of another project", as_(LOGIN, PASSWORD, PUSH, project="f" * 40), "login failed"),
    ("somebody unknown", as_("eve", PASSWORD, PUSH, File(NEW_ID, NEW)), "login failed"),
    ("somebody without a password", as_("mute", "", PUSH, File(NEW_ID, NEW)), "login failed"),
    ("a category for a user", as_("developer", "", PUSH, File(NEW_ID, NEW)), "login failed"),
    ("the other's name on the login", altered(as_("rose", "pw-rose", PUSH), b"rose", b"ops"), "login failed"),
    ("an altered file", altered(PUSHED, NEW, NEW[::-1]), "login failed"),
    ("an altered project", altered(PUSHED, PROJECT.encode(), b"f" * 40), "login failed"),
    ("a card put behind", PUSHED + b"igot %s\n" % (b"a" * 64), "login failed"),
    ("a card taken away", altered(PUSHED, PUSH, b""), "login failed"),
    ("another request behind a login that was seen", LINE + PULL, "login failed"),
    ("a login seen before, behind another card", PULL + PUSHED, "not authorized to read"),
    (
        "a login for nobody with a wrong nonce",
        Login("nobody", "0" * 40, "0" * 40).encode() + PUSH,
        "login failed",
    ),
    ("a login in capitals", altered(PUSHED, b"login", b"LOGIN"), "not authorized to write"),
    ("a quote in a name", as_("o'ps;--", "x", PUSH), "login failed"),
    ("octets that are no text in a name", b"login \xff\xfe x y\n" + PUSH, "login failed"),
    ("nobody's push", PUSH + File(NEW_ID, NEW).encode(), "not authorized to write"),
    ("a reader's push", as_("rose", "pw-rose", PUSH, File(NEW_ID, NEW)), "not authorized to write"),
    ("a file without a push", by_ops(File(NEW_ID, NEW)), "not authorized to write"),
    ("a wrong project", by_ops(b"push x %s\n" % (b"f" * 40), File(NEW_ID, NEW)), "wrong project"),
    (
        "a project in capitals",
        by_ops(PUSH.upper().replace(b"PUSH X", b"push x"), File(NEW_ID, NEW)),
        "wrong project",
    ),
    ("a project that is none", by_ops(b"push x y\n", File(NEW_ID, NEW)), "not authorized to write"),
    ("a wrong hash", by_ops(PUSH, File(MORE_ID, NEW)), "wrong hash on received artifact"),
    (
        "a hash in capitals",
        by_ops(PUSH, File(NEW_ID, NEW).encode().replace(NEW_ID.encode(), NEW_ID.upper().encode())),
        "",
    ),
    ("a bad delta", by_ops(PUSH, File(MORE_ID, b"rubbish", HERE_ID)), "bad delta for artifact"),
    ("a delta cut off", by_ops(PUSH, File(MORE_ID, DELTA[:-3], HERE_ID)), "bad delta for artifact"),
    (
        "a delta for something else",
        by_ops(PUSH, File(NEW_ID, DELTA, HERE_ID)),
        "wrong hash on received artifact",
    ),
    (
        "a delta that makes too much",
        by_ops(PUSH, File(NEW_ID, b"zzzzzz\n5@0,0;", HERE_ID)),
        "bad delta for artifact",
    ),
    ("a cfile that is no zlib", by_ops(PUSH, CFile(NEW_ID, 9, b"(\xb5/\xfd rubbish")), "artifact"),
    (
        "a cfile with a length that lies",
        by_ops(PUSH, CFile(NEW_ID, 9, b"\0\0\0\1" + pack(NEW)[4:])),
        "artifact",
    ),
    (
        "a payload that ends early",
        by_ops(PUSH, b"file %s 999\nshort" % NEW_ID.encode()),
        "malformed file line",
    ),
    ("a size that is none", by_ops(PUSH, b"file %s -5\n" % NEW_ID.encode()), "malformed file line"),
    (
        "a size beyond all",
        by_ops(PUSH, b"file %s 99999999999999999999\n" % NEW_ID.encode()),
        "malformed file line",
    ),
    ("good ones before a bad one", by_ops(PUSH, File(NEW_ID, NEW), File(MORE_ID, NEW)), "wrong hash"),
    (
        "configuration",
        as_("rose", "pw-rose", Config("/config", b"x")),
        "not authorized to push configuration",
    ),
    ("a line without end", by_ops(PUSH, b"igot " + b"a" * 70_000), "a line of over 65536 bytes"),
    (
        "too many lines that are not cards",
        by_ops(PUSH, b"what\n" * 1_001),
        "over 1000 lines that are not cards",
    ),
    ("a clone by nobody", Clone(3, 1).encode(), ""),
    ("a gimme by nobody", Gimme(HERE_ID).encode(), ""),
    ("only a server's cards", by_ops(b"clone_seqno 0\nmessage x\nerror y\n"), "bad command"),
    ("nothing", b"", ""),
    ("NULs", bytes(1000), "bad command"),
]


@pytest.mark.parametrize("content_type", [COMPRESSED, DEBUG, UNCOMPRESSED])
@pytest.mark.parametrize(("text", "said"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_is_refused_changes_nothing(
    server: Server, repository: Path, text: bytes, said: str, content_type: str
) -> None:
    before = dump(repository)
    answer = post(server, pack(text) if content_type == COMPRESSED else text, content_type)
    assert answer.status == 200
    errors = [card.text for card in answer.cards if isinstance(card, Error)]
    assert (
        any(error.startswith(said) for error in errors)
        if said
        else not any("went wrong" in e for e in errors)
    )
    assert not [card for card in answer.cards if isinstance(card, File | CFile)]
    assert dump(repository) == before


def test_a_request_that_is_sent_again_does_nothing_more(server: Server, repository: Path) -> None:
    # Nothing in a login ages: whoever sees a request can send it again, and an artifact is stored once.
    content = b"again\n"
    body = by_ops(PUSH, File(artifact_id(content), content))
    assert ask(server, body) == []
    before = dump(repository)
    assert ask(server, body) == []
    assert dump(repository) == before


def _rubbish(chance: random.Random, octets: bytes) -> bytes:
    return chance.randbytes(len(octets))


_HARMS: tuple[Callable[[random.Random, bytes], bytes], ...] = (*OF_OCTETS, _rubbish)


def test_whatever_breaks_on_its_way_is_answered_and_changes_nothing(server: Server, repository: Path) -> None:
    chance = random.Random(SEED)
    contents = [b"%d\n" % number * 20 for number in range(20)]
    text = by_ops(PULL, PUSH, *(File(artifact_id(each), each) for each in contents), IGot(NEW_ID))
    before = dump(repository)
    for number in range(MUTATIONS):
        content_type = (COMPRESSED, UNCOMPRESSED)[number % 2]
        broken = chance.choice(_HARMS)(chance, pack(text) if content_type == COMPRESSED else text)
        try:
            if decode_body(content_type, broken, limit=_FEW) == text:
                continue  # unharmed: octets behind the end of a stream
        except PeerError:
            pass
        answer = post(server, broken, content_type)
        assert answer.status == 200
        assert not any(isinstance(card, File | CFile | Gimme | IGot | Push) for card in answer.cards), broken
    assert dump(repository) == before
    assert "went wrong" not in server.log.read_text()


#: Heads and bodies of HTTP, and the statuses that may answer them; 0: the connection may just end.
HTTP: list[tuple[str, bytes, tuple[int, ...]]] = [
    ("no HTTP", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n", (400,)),
    ("a card", PULL + b"\r\n", (400,)),
    ("a blank in the path", b"POST /a b HTTP/1.0\r\nContent-Length: 0\r\n\r\n", (400,)),
    ("a length below zero", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", (400,)),
    ("a length that is none", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ten\r\n\r\n", (400,)),
    (
        "two lengths",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        (400,),
    ),
    (
        "a length and chunks",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        (400,),
    ),
    (
        "broken chunks",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-fossil\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        (400,),
    ),
    (
        "no length",
        b"POST / HTTP/1.0\r\nContent-Type: application/x-fossil\r\n\r\n",
        (411,),
    ),
    (
        "a body that ends early",
        b"POST / HTTP/1.0\r\nContent-Type: application/x-fossil\r\nContent-Length: 99\r\n\r\nshort",
        (400,),
    ),
    ("a method of its own", b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n", (400,)),
    ("a head without end", b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * 100_000, (400, 431, 0)),
    ("another version", b"GET / HTTP/9.9\r\n\r\n", (400, 505)),
]


@pytest.mark.parametrize(("octets", "statuses"), [row[1:] for row in HTTP], ids=[row[0] for row in HTTP])
def test_broken_http_is_refused_and_changes_nothing(
    server: Server, repository: Path, octets: bytes, statuses: tuple[int, ...]
) -> None:
    before = dump(repository)
    with socket.create_connection(("127.0.0.1", server.http), timeout=PATIENCE_S) as connection:
        with contextlib.suppress(OSError):  # it need not read to the end before it answers
            connection.sendall(octets)
            connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(1000)
    assert int(answer.split()[1]) in statuses if answer else 0 in statuses
    assert healthy(server, PATIENCE_S)
    assert dump(repository) == before


def test_a_delta_whose_source_never_comes_is_kept_aside_and_sent_to_nobody(tmp_path: Path) -> None:
    repository = made(tmp_path / "z.xferzone")
    nowhere = artifact_id(b"nowhere")
    with serving(repository, "serve") as server:
        asked = ask(server, by_ops(PUSH, File(NEW_ID, DELTA, nowhere)))
        assert Gimme(nowhere) in asked
        cloned = ask(server, by_ops(Clone(3, 1)))
        assert not [card for card in cloned if isinstance(card, File | CFile | Message)]
        assert not [card for card in ask(server, by_ops(PULL)) if isinstance(card, IGot)]
    assert checked(repository).out.endswith(" 0 faults\n")
