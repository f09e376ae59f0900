"""Who may read, and what proves it: the server's answers to signed, badly signed and unsigned requests."""

import base64
import shutil
import subprocess
from dataclasses import replace
from email.utils import parsedate_to_datetime

import pytest

from tests.replicate.conftest import may
from tests.replicate.peer import HOST, Answer, ask
from xferzone.cards.session import shared_secret
from xferzone.env import Env
from xferzone.replicate.server import Terms
from xferzone.replicate.signing import EMPTY, Signed, Token, authorization, body_hash
from xferzone.store import Store, accounts
from xferzone.sync.server.guessing import OF_LOGIN, Brake

NOW = 1_800_000_000  # seconds since 1970
TERMS = Terms(HOST, env=Env(clock_ms=lambda: NOW * 1000))
WALK = b'{"roots": []}'


@pytest.fixture
def closed(zones: Store) -> Store:
    """Ann may read, bob may not, nobody else either."""
    may(zones, "nobody", "")
    may(zones, "ann", "o", "secret of ann")
    may(zones, "bob", "", "secret of bob")
    return zones


def code(store: Store) -> str:
    with store.reader() as reader:
        return reader.project_code


def signed(store: Store, target: str, method: str = "GET", body: bytes = b"") -> Signed:
    return Signed(code(store), HOST, method, target, body_hash(body))


def header(store: Store, one: Signed, login: str = "ann", expires: int = NOW + 60) -> str:
    secret = shared_secret(code(store), login, f"secret of {login}")
    return authorization(one, login, secret, expires)


def get(store: Store, target: str, token: str, terms: Terms = TERMS) -> Answer:
    return ask(store, "GET", target, b"", terms, authorization=token)


def test_a_signed_request_is_answered(closed: Store) -> None:
    assert get(closed, "/v0/refs", header(closed, signed(closed, "/v0/refs"))).status == 200


def test_head_is_signed_as_get(closed: Store) -> None:
    with closed.reader() as reader:
        (name, *_) = reader.artifacts()
    target = f"/v0/objects/{name}"
    for method in ("GET", "HEAD"):
        token = header(closed, signed(closed, target, method))
        for sent in ("GET", "HEAD"):
            assert ask(closed, sent, target, b"", TERMS, authorization=token).status == 200


def test_the_body_is_signed_by_its_hash(closed: Store) -> None:
    token = header(closed, signed(closed, "/v0/objects/walk", "POST", WALK))
    stated = body_hash(WALK)
    fields = {"authorization": token, "content_type": "application/json", "x_content_sha256": stated}
    assert ask(closed, "POST", "/v0/objects/walk", WALK, TERMS, **fields).status == 200
    assert ask(closed, "POST", "/v0/objects/walk", WALK + b" ", TERMS, **fields).status == 401


@pytest.mark.parametrize(
    "change",
    [
        {"project_code": "0" * 40},
        {"host": "other.example.net"},
        {"method": "POST"},
        {"target": "/v0/objects/walk"},
        {"target": "/v0/refs?since="},
        {"body_hash": body_hash(b"x")},
    ],
    ids=str,
)
def test_each_field_is_signed(change: dict[str, str], closed: Store) -> None:
    other = replace(signed(closed, "/v0/refs"), **change)
    answer = get(closed, "/v0/refs", header(closed, other))
    assert answer.status == 401
    assert answer.error == "the signature does not hold"


@pytest.mark.parametrize(("expires", "status"), [(-1, 401), (0, 200), (300, 200), (301, 401)])
def test_a_signature_holds_for_five_minutes(expires: int, status: int, closed: Store) -> None:
    token = header(closed, signed(closed, "/v0/refs"), expires=NOW + expires)
    assert get(closed, "/v0/refs", token).status == status


@pytest.mark.parametrize("login", ["carl", "nobody", "anonymous", "reader", "\udcff"])
def test_who_cannot_log_in_is_refused_as_with_a_wrong_password(login: str, closed: Store) -> None:
    answer = get(closed, "/v0/refs", header(closed, signed(closed, "/v0/refs"), login))
    assert (answer.status, answer.error) == (401, "the signature does not hold")


def test_an_account_without_a_password_cannot_sign(closed: Store) -> None:
    with closed.writer() as writer:
        accounts.put_user(writer, "dora", None, "o")
    one = signed(closed, "/v0/refs")
    token = authorization(one, "dora", "0" * 40, NOW + 60)
    assert get(closed, "/v0/refs", token).status == 401
    assert get(closed, "/v0/refs", authorization(one, "dora", "", NOW + 60)).status == 401


def test_who_may_not_read_is_told_so(closed: Store) -> None:
    answer = get(closed, "/v0/refs", header(closed, signed(closed, "/v0/refs"), "bob"))
    assert (answer.status, answer.error) == (403, "the account bob may not read here")


def test_without_a_signature_nobody_s_rights_count(closed: Store) -> None:
    assert ask(closed, "GET", "/v0/refs", b"", TERMS).status == 401
    may(closed, "nobody", "o")
    assert ask(closed, "GET", "/v0/refs", b"", TERMS).status == 200
    # A wrong one is not passed over.
    assert get(closed, "/v0/refs", header(closed, signed(closed, "/v0/x"))).status == 401


def test_a_401_tells_the_project_and_the_time(closed: Store) -> None:
    answer = ask(closed, "GET", "/v0/refs", b"", TERMS)
    assert answer.headers["www-authenticate"] == f"XFERZONE-HMAC project={code(closed)}"
    assert parsedate_to_datetime(answer.headers["date"]).timestamp() == NOW


@pytest.mark.parametrize(
    "text", ["x", "XFERZONE-HMAC", "XFERZONE-HMAC key=ann", "Bearer x", "Basic", "Basic !", "x" * 5_000]
)
def test_what_is_no_token_is_401(text: str, closed: Store) -> None:
    assert get(closed, "/v0/refs", text).status == 401
    assert get(closed, "/v0/refs", text, replace(TERMS, is_secure=True)).status == 401


def basic(login: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{login}:{password}".encode()).decode()


def test_a_password_is_taken_over_tls_alone(closed: Store) -> None:
    tls = replace(TERMS, is_secure=True)
    assert get(closed, "/v0/refs", basic("ann", "secret of ann"), tls).status == 200
    assert get(closed, "/v0/refs", basic("ann", "secret of bob"), tls).status == 401
    assert get(closed, "/v0/refs", basic("carl", "secret of ann"), tls).status == 401
    assert get(closed, "/v0/refs", basic("bob", "secret of bob"), tls).status == 403
    assert get(closed, "/v0/refs", basic("ann", "secret of ann")).status == 401
    assert "Basic" in ask(closed, "GET", "/v0/refs", b"", tls).headers["www-authenticate"]


# -- what a proxy asks


def asked_by_proxy(store: Store, uri: str, method: str, token: str = "") -> int:
    fields = {"x_original_uri": uri, "x_original_method": method}
    if token:
        fields["authorization"] = token
    return ask(store, "GET", "/v0/auth", b"", TERMS, **fields).status


def test_a_proxy_learns_whether_the_original_request_is_signed(closed: Store) -> None:
    target = f"/v0/objects/{'0' * 64}"
    token = header(closed, signed(closed, target))
    assert asked_by_proxy(closed, target, "GET", token) == 204
    assert asked_by_proxy(closed, target, "HEAD", token) == 204
    assert asked_by_proxy(closed, f"/zones{target}", "GET", token) == 204
    assert asked_by_proxy(closed, target, "GET") == 401
    assert asked_by_proxy(closed, target, "POST", token) == 401
    assert asked_by_proxy(closed, f"/v0/objects/{'1' * 64}", "GET", token) == 401
    assert asked_by_proxy(closed, target, "GET", header(closed, signed(closed, "/v0/auth"))) == 401
    assert asked_by_proxy(closed, target, "GET", header(closed, signed(closed, target), "bob")) == 403


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "/",
        "/v0//objects/0",
        "/v0/objects%2F0",
        "/v0/refs/../objects/0",
        "/v0/",
        "/v0/refs\n",
        "/v0/refs#x",
    ],
)
def test_a_path_that_a_proxy_would_rewrite_is_not_admitted(uri: str, closed: Store) -> None:
    assert asked_by_proxy(closed, uri, "GET", header(closed, signed(closed, uri.replace("\n", "")))) == 401
    may(closed, "nobody", "o")
    assert asked_by_proxy(closed, uri, "GET") == 401


def test_the_answer_to_a_proxy_is_not_kept(zones: Store) -> None:
    answer = ask(zones, "GET", "/v0/auth", x_original_uri="/v0/refs", x_original_method="GET")
    assert (answer.status, answer.body, answer.headers["cache-control"]) == (204, b"", "no-store")


def test_the_original_request_counts_in_no_other_place(closed: Store) -> None:
    token = header(closed, signed(closed, "/v0/objects/0"))
    answer = ask(
        closed, "GET", "/v0/refs", b"", TERMS,
        authorization=token, x_original_uri="/v0/objects/0", x_original_method="GET",
    )  # fmt: skip
    assert answer.status == 401


# -- the token


def test_a_token_reads_back() -> None:
    one = Signed("0" * 40, HOST, "GET", "/v0/refs")
    token = Token.parse(authorization(one, "ann, of \u00e9 \udcff", "f" * 40, NOW))
    assert token is not None
    assert (token.login, token.expires) == ("ann, of \u00e9 \udcff", NOW)
    assert token.is_of(one, "f" * 40)


def test_a_line_break_is_not_signed() -> None:
    with pytest.raises(ValueError, match="line break"):
        Signed("0" * 40, f"{HOST}\nGET", "GET", "/v0/refs").signature("f" * 40, NOW)


@pytest.mark.interop
def test_openssl_makes_the_same_signature() -> None:
    openssl = shutil.which("openssl")
    assert openssl is not None
    secret = shared_secret("0" * 40, "ann", "secret of ann")
    text = "\n".join(("0" * 40, HOST, "GET", "/v0/refs", "since=a.1.2", EMPTY, str(NOW)))
    made = subprocess.run(
        [openssl, "dgst", "-sha256", "-hmac", secret, "-r"],
        input=text.encode(),
        capture_output=True,
        check=True,
    )
    one = Signed("0" * 40, HOST, "GET", "/v0/refs?since=a.1.2")
    assert made.stdout.split()[0].decode() == one.signature(secret, NOW)


def test_a_proxy_hears_401_where_others_hear_that_too_many_logins_have_failed(closed: Store) -> None:
    terms = replace(TERMS, guesser=Brake().guesser("192.0.2.1"))
    target = "/v0/refs"
    wrong = header(closed, signed(closed, "/v0/objects/walk"))
    answers = [get(closed, target, wrong, terms) for _ in range(OF_LOGIN + 1)]
    assert [each.status for each in answers] == [401] * OF_LOGIN + [429]
    at_proxy = {"x-original-uri": target, "x-original-method": "GET", "authorization": wrong}
    told = ask(closed, "GET", "/v0/auth", b"", terms, **at_proxy)
    assert (told.status, told.headers["www-authenticate"]) == (401, f"XFERZONE-HMAC project={code(closed)}")
