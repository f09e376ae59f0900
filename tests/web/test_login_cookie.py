"""The login card in a cookie, as stock from 2.27 on and libfossil send it: its nonce covers the whole body."""

from urllib.parse import quote, quote_plus

import falcon.testing
import pytest

from tests.sync.recorded import signed
from tests.web.conftest import PROJECT
from xferzone.cards import Error, File, parse_cards
from xferzone.cards.body import COMPRESSED, UNCOMPRESSED, decode_body, encode_body
from xferzone.cards.session import login_card
from xferzone.hashing import artifact_id
from xferzone.store import Store, accounts

PULL = b"pull x %s\n# %040X\n" % (PROJECT.encode(), 7)
FAILED = [Error("login failed")]


def card(body: bytes, login: str = "ops", password: str = "secret") -> str:
    """The line of the card that signs a body."""
    return login_card(body, PROJECT, login, password).encode().decode().rstrip("\n")


def said(
    client: falcon.testing.TestClient, body: bytes, cookie: str, content_type: str = COMPRESSED
) -> list[Error]:
    """The errors in the reply to a body with that cookie header."""
    reply = client.simulate_post(
        "/", body=encode_body(content_type, body), content_type=content_type, headers={"Cookie": cookie}
    )
    assert reply.status_code == 200
    cards = parse_cards(decode_body(reply.headers["content-type"], reply.content, limit=10**7))
    return [each for each in cards if isinstance(each, Error)]


@pytest.mark.parametrize("escape", [quote, quote_plus], ids=["%20", "+"])
@pytest.mark.parametrize("content_type", [COMPRESSED, UNCOMPRESSED], ids=["framed", "plain"])
def test_a_login_in_a_cookie_counts(
    client: falcon.testing.TestClient, store: Store, escape: object, content_type: str
) -> None:
    assert callable(escape)
    with store.writer() as writer:
        accounts.put_user(writer, "zoë +%", "two words", "go")
    for login, password in (("ops", "secret"), ("zoë +%", "two words")):
        cookie = f"a=b; x-f-l-c={escape(card(PULL, login, password))}; c=d"
        assert said(client, PULL, cookie, content_type) == []


@pytest.mark.parametrize("size", [1_000, 3_000_000], ids=["small", "large"])
def test_a_push_is_signed_by_a_cookie(client: falcon.testing.TestClient, store: Store, size: int) -> None:
    content = bytes(number * 7_919 % 251 for number in range(size))
    body = b"push x %s\n" % PROJECT.encode() + File(artifact_id(content), content).encode()
    assert said(client, body, f"x-f-l-c={quote(card(body + b'x'))}") == FAILED
    assert said(client, body, f"x-f-l-c={quote(card(body))}") == []
    with store.reader() as reader:
        assert reader.has(artifact_id(content))


@pytest.mark.parametrize(
    ("cookie", "errors"),
    [
        (quote(card(PULL, password="wrong")), FAILED),
        (quote(card(PULL, login="nosuch")), FAILED),
        (quote(card(PULL + b"more")), FAILED),
        (quote("login ops"), [Error("not authorized to read")]),
        (quote("pull x y"), [Error("not authorized to read")]),
        ("%ff%fe%00", [Error("not authorized to read")]),
        ("", [Error("not authorized to read")]),
        (quote("login " + 5_000 * "x" + " 1 2"), [Error("not authorized to read")]),
    ],
    ids=["password", "nobody", "nonce", "short", "pull", "octets", "empty", "long"],
)
def test_a_cookie_that_proves_nothing_lets_nobody_in(
    client: falcon.testing.TestClient, cookie: str, errors: list[Error]
) -> None:
    assert said(client, PULL, f"x-f-l-c={cookie}") == errors


def test_the_card_in_the_body_counts_before_the_cookie(client: falcon.testing.TestClient) -> None:
    body = signed("ops", "secret", PULL, PROJECT)
    assert said(client, body, f"x-f-l-c={quote(card(body, password='wrong'))}") == []
    wrong = signed("ops", "wrong", PULL, PROJECT)
    assert said(client, wrong, f"x-f-l-c={quote(card(wrong))}") == FAILED
