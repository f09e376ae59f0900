"""Who a request speaks for: logins that hold, logins that do not, and what capability letters add up to."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sync.recorded import signed
from xferzone.cards import Login
from xferzone.cards.session import nonce, signature
from xferzone.store import Store, accounts
from xferzone.sync.server.login import Rights, claimed
from xferzone.sync.server.request import Request

PROJECT = "0123456789abcdef0123456789abcdef01234567"
#: Joined by U+200D, with a soft hyphen, a blank of another kind, a control character: none of them "printable".
ODD = ("\U0001f468\u200d\U0001f33e", "so\u00adft", "no\u00a0break", "a\x01b", "tab\tbed")
REST = b"pull x " + PROJECT.encode() + b"\n# 00\n"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.create(tmp_path / "z.xferzone", PROJECT) as store:
        with store.writer() as writer:
            accounts.put_user(writer, "nobody", None, "g")
            accounts.put_user(writer, "anonymous", None, "h")
            accounts.put_user(writer, "reader", None, "kp")
            accounts.put_user(writer, "developer", None, "ei")
            accounts.put_user(writer, "ann", "secret", "o")
            accounts.put_user(writer, "odd user", "p w", "uv")
            accounts.put_user(writer, "bare", None, "s")
            accounts.put_user(writer, "hex", "0" * 40, "i")
            for odd in ODD:
                accounts.put_user(writer, odd, "secret", "o")
        yield store


def rights(store: Store, body: bytes) -> Rights | None:
    with store.reader() as reader:
        request = Request(body)
        claim = claimed(reader, request.login, lambda: 0)
        return claim.rights if claim.is_true_of(request) else None


def letters(store: Store, body: bytes) -> str | None:
    found = rights(store, body)
    return None if found is None else "".join(sorted(found.letters))


def test_without_a_login_a_request_is_nobodys(store: Store) -> None:
    assert rights(store, REST) == Rights("nobody", frozenset("g"))
    assert rights(store, b"") == Rights("nobody", frozenset("g"))


@pytest.mark.parametrize(
    ("login", "password", "expected"),
    [
        ("ann", "secret", "go"),
        ("odd user", "p w", "egikpuv"),  # u and v: what reader and developer may
        ("hex", "0" * 40, "gi"),
        ("ann", "Secret", None),
        ("ann", "", None),
        ("ann ", "secret", None),
        ("Ann", "secret", None),
        ("missing", "secret", None),
        *((odd, "secret", "go") for odd in ODD),
        ("\udcff", "secret", None),
        ("bare", "", None),
        ("reader", "", None),
        ("developer", "", None),
    ],
)
def test_logins(store: Store, login: str, password: str, expected: str | None) -> None:
    assert letters(store, signed(login, password, REST, PROJECT)) == expected


@pytest.mark.parametrize("login", ["reader", "developer"])
def test_the_stand_ins_cannot_log_in_even_with_a_password(store: Store, login: str) -> None:
    with store.writer() as writer:
        accounts.put_user(writer, login, "secret", "s")
    assert rights(store, signed(login, "secret", REST, PROJECT)) is None


@pytest.mark.parametrize("login", ["nobody", "anonymous"])
def test_nobody_and_anonymous_need_no_signature_and_gain_nothing(store: Store, login: str) -> None:
    assert letters(store, Login(login, nonce(REST), "x").encode() + REST) == "g"
    assert letters(store, Login(login, "0" * 40, "x").encode() + REST) is None


def test_an_empty_secret_is_no_secret(store: Store) -> None:
    once = nonce(REST)
    for secret in ("", "0" * 40):
        assert rights(store, Login("bare", once, signature(once, secret)).encode() + REST) is None


def test_a_nonce_covers_every_byte_behind_the_login_card(store: Store) -> None:
    body = signed("ann", "secret", REST, PROJECT)
    assert rights(store, body + b"#") is None
    assert rights(store, body[:-1]) is None
    assert rights(store, body.replace(b"pull", b"push")) is None
    assert rights(store, b"# a comment\n\n" + body) is not None


def test_a_signature_for_one_user_is_none_for_another(store: Store) -> None:
    assert rights(store, signed("ann", "secret", REST, PROJECT).replace(b"login ann", b"login hex")) is None


@pytest.mark.parametrize(
    "head", [b"login ann\n", b"login\n", b"login ann x y z\n", b"file zz 3\nabc", b"xyzzy\n"]
)
def test_what_is_no_login_card_leaves_the_request_nobodys(store: Store, head: bytes) -> None:
    assert letters(store, head + REST) == "g"


def test_a_login_card_that_is_not_the_first_does_not_count(store: Store) -> None:
    assert letters(store, REST + signed("ann", "secret", REST, PROJECT)) == "g"


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_no_name_and_no_signature_is_more_than_refused(
    tmp_path_factory: pytest.TempPathFactory, user: bytes, sign: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.xferzone"
    with Store(path) if path.exists() else Store.create(path, PROJECT) as store:
        line = b"login %s %s %s\n" % (user, nonce(REST).encode(), sign)
        found = rights(store, line + REST)
        assert found is None or found.letters == frozenset()


def test_rights_are_those_of_fossils_letters() -> None:
    table = {
        "o": {"read"},
        "i": {"read", "write"},
        "g": {"clone"},
        "x": {"private"},
        "a": {"read", "write", "clone", "admin"},
        "s": {"read", "write", "clone", "admin", "setup"},
        "y": set(),
        "": set(),
    }
    names = ("read", "write", "clone", "private", "admin", "setup")
    for given_letters, expected in table.items():
        held = Rights("x", frozenset(given_letters))
        assert {name for name in names if getattr(held, name)} == expected


def test_the_recorded_login_holds_against_the_secret_that_stock_stored(tmp_path: Path) -> None:
    vectors = json.loads((Path(__file__).parents[2] / "vectors" / "login.json").read_bytes())
    with Store.create(tmp_path / "v.xferzone", vectors["project_code"]) as store:
        with store.writer() as writer:
            accounts.put_user(writer, "dev", "devpw", "o")
        with store.reader() as reader:
            user = accounts.user(reader, "dev")
            assert user is not None
            assert user.secret == vectors["stored_pw_column"]["dev"]
