"""Refusals in other servers' words, and the login that a server wants before it names its project."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.conftest import Ran, Run, xz
from tests.live import Person
from tests.sync.client.attacker import Attack, Attacker, changed
from tests.web.conftest import PROJECT, Served, project
from xferzone.cards import Error, IGot, Login, Message, Pull, Push, parse_cards
from xferzone.cards.body import COMPRESSED, pack
from xferzone.cards.session import nonce, signature
from xferzone.hashing import artifact_id
from xferzone.store import Store, accounts
from xferzone.sync.client.refusals import ends_push, is_of_login, is_of_push, is_of_right

__all__ = ["project", "xz"]

#: As stock, go-libfossil and others say that they take no push.
OF_PUSH = [
    "not authorized to write",
    "push denied: insufficient capabilities",
    "push+denied:+insufficient+capabilities",
    "push not permitted",
    "pushing is not allowed for user bob",
    "you do not have permission to write here",
    "insufficient permissions to push",
    "write access denied",
    "commits are disabled on this mirror",
    "no write permission",
    "push access required",
    "this repository is read-only",
    "push script failed: no pushes on Fridays",
    "file 01ba4719c80b6fe911b091a7c05124b64eeece964e09c058ef8f9805daca546b rejected: no push card",
]
OF_LOGIN = ["login failed", "authentication failed", "invalid password", "bad credentials"]
OF_RIGHT = [
    "not authorized to read",
    "not authorized to clone",
    "clone denied: insufficient capabilities",
    "pull denied: insufficient capabilities",
    "login required",
    "this server requires authentication",
]
OTHER = [
    "wrong project",
    "bad command: x",
    "the repository is busy: try again",
    "this server cannot write to its repository: tell its administrator",
    "the repository was replaced while it was written: what was sent is not there; try again",
    "the disk of this server is full: nothing was stored; try again when its administrator has made room",
    "wrong hash on received artifact ab",
    "artifact ab is not taken, it would do harm to other clients: it names artifacts in upper case",
    "only an administrator may set the tag closed on the published check-in ab",
]
#: What our server tells people, who may have pushed well.
NOTICES = [
    "example.com/main: check-in ab is kept but not served: no SOA; the last good version is still served: commit a "
    "correction on top of it",
    "example.com/main: check-in ab was moved to branch c, which is not served: it carries the tag closed, so its "
    "branch was closed before it was sent, and fossil would refuse all commits after it.",
    "x.zone is on branch trunk, where no zone is served: commit x.zone on branch x/main, as `fossil commit --branch "
    "x/main` does",
    "private artifacts are not kept here, yours were left out",
]
NEW = b"new there\n"
HEX = "ab" * 20  # a password that is a shared secret


@pytest.mark.parametrize("text", OF_PUSH)
def test_a_refused_push_is_recognised(text: str) -> None:
    assert is_of_push(text)
    assert not is_of_login(text)


@pytest.mark.parametrize("text", [*OF_LOGIN, *OF_RIGHT, *OTHER])
def test_other_errors_are_no_refused_push(text: str) -> None:
    assert not is_of_push(text)
    assert (is_of_login(text), is_of_right(text)) == (text in OF_LOGIN, text in OF_RIGHT)


@pytest.mark.parametrize("text", NOTICES)
def test_what_our_server_tells_ends_no_push(text: str) -> None:
    assert not ends_push(text)


@dataclass(frozen=True)
class Foreign:
    """A server whose words a test chooses, and a clone of it."""

    attacker: Attacker
    served: Served
    store: Path
    xz: Run

    def run(self, attack: Attack | None, *words: str) -> Ran:
        self.attacker.begin(attack)
        return self.xz(*words)

    def logins(self) -> list[Login | None]:
        """The login card of each request."""
        cards = [next(iter(parse_cards(request))) for request in self.attacker.requests]
        return [card if isinstance(card, Login) else None for card in cards]


@pytest.fixture
def foreign(project: Path, xz: Run) -> Iterator[Foreign]:
    with Store.open(project) as store, store.writer() as writer:
        accounts.put_user(writer, "hex", HEX, "gio")
    attacker = Attacker(project)
    with Served(attacker).running() as server:
        yield Foreign(attacker, server, project, xz)


def _in_other_words(*said: bytes) -> Attack:
    """What our server says to a push of somebody who may only read, said otherwise."""
    ours = Message("pull only - not authorized to push").encode()

    def change(reply: bytes) -> bytes:
        if reply == Error("not authorized to write").encode():
            return b"".join(said)
        assert ours in reply or b"push" not in reply
        return reply.replace(ours, b"".join(said))

    return changed(change)


DENIALS: dict[str, Sequence[bytes]] = {
    **{text: [Error(text).encode()] for text in OF_PUSH},
    "two errors": [Error("push denied: no").encode(), Error("file ab rejected: no push card").encode()],
    "a message": [Message("push not permitted").encode(), IGot(artifact_id(NEW)).encode()],
}


@pytest.mark.parametrize("case", DENIALS)
def test_a_sync_pulls_where_it_may_not_push_and_says_why(foreign: Foreign, case: str) -> None:
    url = foreign.served.url("rose")
    assert foreign.run(None, "clone", url, "c.xferzone").code == 0
    assert foreign.run(None, "-R", "c.xferzone", "zone", "add", "example.com").code == 0
    with Store.open(foreign.store) as store, store.writer() as writer:
        new = writer.put(NEW)
    done = foreign.run(_in_other_words(*DENIALS[case]), "-R", "c.xferzone", "sync", url)
    assert done.code == 77, done.err
    assert "takes no pushes from this account" in done.err
    assert "stay here unsent" in done.err
    words = case.replace("+", " ")
    assert case not in OF_PUSH[1:] or f"says: {words}" in done.err
    assert done.out.startswith("pulled from ")
    with Store.open(Path("c.xferzone")) as here, here.reader() as reader:
        assert reader.has(new)
    again = foreign.run(_in_other_words(*DENIALS[case]), "-R", "c.xferzone", "push", url)
    assert again.code == 77
    assert "takes no pushes from this account" in again.err


@pytest.mark.parametrize("text", OF_LOGIN)
def test_a_login_that_fails_in_other_words_ends_with_77(foreign: Foreign, text: str) -> None:
    url = foreign.served.url("rose")
    assert foreign.run(None, "clone", url, "c.xferzone").code == 0
    done = foreign.run(lambda *_: _said(Error(text).encode()), "-R", "c.xferzone", "pull", url)
    assert done.code == 77
    assert f"{text}: is it the password" in done.err


def _said(text: bytes) -> tuple[str, bytes]:
    return COMPRESSED, pack(text, level=1)


def _first(*replies: bytes) -> Attack:
    """These card texts, then the truth."""

    def attack(round_: int, honest: Callable[[], bytes]) -> tuple[str, bytes]:
        return _said(replies[round_ - 1] if round_ <= len(replies) else honest())

    return attack


DENIED = Error("clone denied: insufficient capabilities").encode()
NAMED = Push("x", PROJECT).encode()
FAILED = Error("login failed").encode()

#: What the server says first, the login that clones, and by what each request is signed.
WANTS: dict[str, tuple[Sequence[bytes], str, str, Sequence[str | None]]] = {
    "no project": ([DENIED], "hex", HEX, [None, HEX, HEX]),
    "the project behind the error": ([DENIED + NAMED], "ann", "pw-ann", [None, "project", "project"]),
    "the project with the second error": (
        [DENIED, NAMED + FAILED],
        "ann",
        "pw-ann",
        [None, "pw-ann", "project", "project"],
    ),
}


@pytest.mark.parametrize("case", WANTS)
def test_a_clone_logs_in_where_the_first_reply_wants_it(foreign: Foreign, case: str) -> None:
    replies, login, password, secrets = WANTS[case]
    url = foreign.served.url().replace("://", f"://{login}:{password}@")
    done = foreign.run(_first(*replies), "clone", url, "c.xferzone")
    assert done.code == 0, done.err
    with Store.open(foreign.store) as store, store.reader() as reader:
        user = accounts.user(reader, login)
    assert user is not None
    logins = foreign.logins()
    assert [login is not None for login in logins] == [secret is not None for secret in secrets]
    for card, secret in zip(logins, secrets, strict=True):
        if card is not None and secret is not None:
            by = user.secret if secret == "project" else secret
            assert (card.user, card.signature) == (login, signature(card.nonce, by))


@pytest.mark.parametrize("replies", [[DENIED], [DENIED + NAMED], [NAMED + DENIED], [FAILED]])
def test_a_clone_that_may_not_ends_with_77_after_few_requests(
    foreign: Foreign, replies: Sequence[bytes]
) -> None:
    url = foreign.served.url("ann")
    done = foreign.run(_first(*[*replies] * 9), "clone", url, "c.xferzone")
    assert done.code == 77, done.err
    assert len(foreign.attacker.requests) <= 3
    assert not Path("c.xferzone").exists()


@pytest.mark.parametrize("text", OF_RIGHT)
def test_a_clone_without_a_login_says_where_one_goes(foreign: Foreign, text: str) -> None:
    url = foreign.served.url()
    done = foreign.run(_first(Error(text).encode()), "clone", url, "c.xferzone")
    assert done.code == 77
    assert text in done.err
    assert f"no login was sent: give one in the URL, {url.replace('://', '://LOGIN@')}" in done.err
    assert len(foreign.attacker.requests) == 1


@pytest.mark.interop
def test_stock_signs_by_the_password_too_where_it_does_not_know_the_project(
    foreign: Foreign, tmp_path: Path
) -> None:
    """The same server, the same bytes to sign: stock's login card and ours are made alike."""
    url = foreign.served.url("ann")
    foreign.attacker.begin(_first(DENIED, *[DENIED] * 9))
    ann = Person(tmp_path / "home", "ann")
    ann.fossil("clone", url, ann.home / "s.fossil", code=None)
    stock = foreign.attacker.requests[:]
    assert foreign.run(_first(*[DENIED] * 9), "clone", url, "c.xferzone").code == 77
    for requests in (stock, foreign.attacker.requests):
        first, second = requests[:2]
        assert not isinstance(next(iter(parse_cards(first))), Login)
        card, *rest = parse_cards(second)
        assert isinstance(card, Login)
        assert not any(isinstance(each, Pull) for each in rest)
        body = second.partition(b"\n")[2]
        assert (card.nonce, card.signature) == (nonce(body), signature(nonce(body), "pw-ann"))
