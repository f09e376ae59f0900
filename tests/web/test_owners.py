"""The pages for people about accounts of their own: an invitation makes one account once, a password is changed."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import falcon
import falcon.testing
import pytest

from tests.live import Person, run
from tests.sync.recorded import signed
from tests.web.conftest import PROJECT
from xferzone.cards import Error, parse_cards
from xferzone.cards.body import COMPRESSED, decode_body, encode_body
from xferzone.config import Http
from xferzone.env import SYSTEM, Env
from xferzone.exchange import Terms
from xferzone.repository import tables as changes
from xferzone.repository.accounts import MAX_PASSWORD
from xferzone.store import Store, accounts, tables
from xferzone.store.accounts import User, invited_by
from xferzone.sync.server.guessing import OF_LOGIN
from xferzone.tables.definition import made
from xferzone.web.app import create_app
from xferzone.web.forwarded import Forwarded
from xferzone.web.owners import FORM, MAX_FORM

TOKEN = "a" * 32
NOW_MS = 1_700_000_000_000
NEW = {"n1": "new pässwörd", "n2": "new pässwörd"}
INVITE = {"t": TOKEN, "u": "bob", **NEW}
CHANGE = {"u": "ann", "p": "pw-ann", **NEW}


@dataclass(frozen=True, slots=True)
class Site:
    """A repository with one invitation, and the accounts ann (who may change her password) and rose (who may not)."""

    store: Store
    client: falcon.testing.TestClient

    def post(self, page: str, fields: Mapping[str, str], **request: str) -> tuple[int, str]:
        """The status and the words of the reply to a form."""
        reply = self.client.simulate_post(page, body=urlencode(fields), content_type=FORM, **request)
        assert reply.headers["cache-control"] == "no-store"
        return reply.status_code, reply.text

    def lets_in(self, login: str, password: str) -> bool:
        """Whether a pull with that login is answered."""
        body = signed(login, password, f"pull x {PROJECT}\n".encode(), PROJECT)
        reply = self.client.simulate_post("/", body=encode_body(COMPRESSED, body), content_type=COMPRESSED)
        cards = list(parse_cards(decode_body(COMPRESSED, reply.content, limit=10**6)))
        return not any(isinstance(each, Error) for each in cards)

    def user(self, login: str) -> User | None:
        with self.store.reader() as reader:
            return accounts.user(reader, login)

    def put(self, user: User) -> None:
        with self.store.writer() as writer:
            accounts.put_stored(writer, user)


@pytest.fixture
def site(store: Store) -> Site:
    with store.writer() as writer:
        accounts.put_user(writer, "ann", "pw-ann", "gop")
        accounts.put_user(writer, "rose", "pw-rose", "go")
        accounts.put_stored(writer, User(invited_by(TOKEN), "", "giop", ("example.com",), NOW_MS + 1))
    app = create_app(store, Terms(env=Env(clock_ms=lambda: NOW_MS)))
    return Site(store, falcon.testing.TestClient(app))


def test_an_invitation_makes_one_account_with_its_rights(site: Site) -> None:
    assert site.post("/invite", INVITE) == (200, "the account bob was made\n")
    bob = site.user("bob")
    assert bob is not None
    assert (bob.caps, bob.zones, bob.expires_ms) == ("giop", ("example.com",), None)
    assert site.lets_in("bob", NEW["n1"])
    status, said = site.post("/invite", {**INVITE, "u": "carl"})
    assert (status, "no such invitation" in said, site.user("carl")) == (403, True, None)


def test_the_token_is_kept_nowhere(site: Site) -> None:
    for path in site.store.path.parent.glob(f"{site.store.path.name}*"):
        assert TOKEN.encode() not in path.read_bytes()


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"t": "b" * 32}, 403, "no such invitation"),
        ({"t": invited_by(TOKEN)}, 403, "no such invitation"),
        ({"u": "ann"}, 409, "the login ann is somebody's already"),
        ({"u": "nobody"}, 400, "'nobody' cannot be an account's name"),
        ({"u": "invite:x"}, 400, "cannot be an account's name"),
        ({"u": "two words"}, 400, "cannot be an account's name"),
        ({"u": ""}, 400, "fields are missing or empty: u"),
        ({"n2": "other"}, 400, "the two copies of the new password differ"),
        ({"n1": "a\nb", "n2": "a\nb"}, 400, "a password has 1 to"),
        ({"n1": "x" * (MAX_PASSWORD + 1), "n2": "x" * (MAX_PASSWORD + 1)}, 400, "a password has 1 to"),
    ],
    ids=lambda each: str(each)[:24] if isinstance(each, dict) else "",
)
def test_what_makes_no_account_leaves_the_invitation(
    site: Site, fields: dict[str, str], status: int, said: str
) -> None:
    got, told = site.post("/invite", INVITE | fields)
    assert (got, said in told) == (status, True), told
    assert site.post("/invite", INVITE)[0] == 200


def test_the_login_of_an_account_that_was_removed_stays_taken(site: Site) -> None:
    """By owner-write, rows of synced tables are whose the login is."""
    bob = User("bob", "0" * 40, "go")
    site.put(bob)
    with site.store.writer() as writer:
        accounts.remove_user(writer, bob)
    status, said = site.post("/invite", INVITE)
    assert (status, "the login bob was somebody's before" in said) == (409, True), said
    site.put(bob)  # by the administrator, who may
    with site.store.writer() as writer:
        assert not accounts.was_removed(writer, "bob")
        accounts.remove_user(writer, bob)
        assert accounts.removed(writer) == ["bob"]
    assert site.post("/invite", {**INVITE, "u": "carl"})[0] == 200


def test_rows_of_synced_tables_pass_to_nobody_who_is_invited(site: Site) -> None:
    """The operator's own, or those of a server that this one was cloned from, whose accounts did not come."""
    owned = made("owned", (("k", "text"),), ("k",), "owner-write")
    with site.store.writer() as writer:
        tables.define(writer, owned, 1)
        changes.put(writer, "owned", {"k": "x"}, "bob", NOW_MS)
    status, said = site.post("/invite", INVITE)
    assert (status, "rows of synced tables are bob's already" in said) == (409, True), said
    assert site.post("/invite", {**INVITE, "u": "carl"})[0] == 200


@pytest.mark.parametrize("login", ["Ann", "ANN", "\uff41nn"], ids=["A", "ANN", "wide"])
def test_a_login_that_looks_like_anothers_is_not_free(site: Site, login: str) -> None:
    status, said = site.post("/invite", INVITE | {"u": login})
    assert (status, "differs from 'ann'" in said) == (409, True), said
    assert site.user(login) is None


def test_an_invitation_that_has_expired_makes_none(site: Site) -> None:
    site.put(User(invited_by(TOKEN), "", "s", (), NOW_MS))
    assert site.post("/invite", INVITE)[0] == 403
    assert site.user("bob") is None


def test_nobody_logs_in_as_an_invitation(site: Site) -> None:
    for password in ("", TOKEN, "0" * 40):
        assert not site.lets_in(invited_by(TOKEN), password)
        assert site.post("/login", {**CHANGE, "u": invited_by(TOKEN), "p": password or "x"})[0] == 403


def test_an_owner_changes_a_password_and_the_old_one_ends(site: Site) -> None:
    assert site.lets_in("ann", "pw-ann")
    assert site.post("/dns/login", CHANGE) == (200, "the password of ann was changed\n")
    assert (site.lets_in("ann", "pw-ann"), site.lets_in("ann", NEW["n1"])) == (False, True)
    assert site.post("/login", CHANGE)[0] == 403


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"p": "wrong"}, 403, "the login or the password is wrong"),
        ({"u": "nosuch"}, 403, "the login or the password is wrong"),
        ({"u": "nobody", "p": "x"}, 403, "the login or the password is wrong"),
        ({"u": "a\udcffb".encode("utf-8", "surrogateescape").decode("latin-1")}, 403, "is wrong"),
        ({"u": "rose", "p": "pw-rose"}, 403, "rose has not the right p"),
        ({"p": ""}, 400, "fields are missing or empty: p"),
        ({"n2": "other"}, 400, "the two copies of the new password differ"),
    ],
    ids=lambda each: str(each)[:24] if isinstance(each, dict) else "",
)
def test_a_password_that_is_not_changed_stays(
    site: Site, fields: dict[str, str], status: int, said: str
) -> None:
    got, told = site.post("/login", CHANGE | fields)
    assert (got, said in told) == (status, True), told
    assert site.lets_in("ann", "pw-ann")
    assert site.lets_in("rose", "pw-rose")


def test_an_account_that_has_expired_changes_nothing(site: Site) -> None:
    ann = site.user("ann")
    assert ann is not None
    site.put(User("ann", ann.secret, ann.caps, (), NOW_MS))
    assert site.post("/login", CHANGE)[0] == 403


@pytest.mark.parametrize(
    ("page", "fields"), [("/login", CHANGE), ("/invite", INVITE)], ids=["login", "invite"]
)
def test_a_password_comes_over_tls_or_from_this_machine(
    site: Site, page: str, fields: dict[str, str]
) -> None:
    status, said = site.post(page, fields, remote_addr="192.0.2.1")
    assert (status, "over TLS only" in said) == (403, True)
    assert site.post(page, fields, remote_addr="192.0.2.1", protocol="https")[0] == 200


@pytest.mark.parametrize("page", ["/login", "/invite"])
def test_what_is_not_a_form_is_refused(site: Site, page: str) -> None:
    ask = site.client.simulate_post
    assert ask(page, body=b"{}", content_type="application/json").status_code == 415
    assert ask(page, body=b"u=%ff%fe&x", content_type=FORM).status_code == 400
    assert ask(page, body=b"&".join([b"u=a"] * 100), content_type=FORM).status_code == 400
    assert ask(page, body="u=ä".encode(), content_type=FORM).status_code == 400
    assert ask(page, body=b"u=" + b"a" * MAX_FORM, content_type=FORM).status_code == 413
    assert site.client.simulate_delete(page).status_code == 405
    assert site.client.simulate_get("/loginx").status_code == 404


def test_the_forms_name_what_is_asked_and_nothing_of_the_repository(site: Site) -> None:
    for page, names in {"/login": ["u", "p", "n1", "n2"], "/x/invite": ["t", "u", "n1", "n2"]}.items():
        shown = site.client.simulate_get(page)
        assert "frame-ancestors 'none'" in shown.headers["content-security-policy"]
        assert (shown.status_code, shown.headers["content-type"]) == (200, falcon.MEDIA_HTML)
        assert re.findall(r'<input name="(\w+)"', shown.text) == names
        assert PROJECT not in shown.text


@pytest.mark.interop
def test_stocks_page_has_the_same_names_and_asks_the_same_right(tmp_path: Path) -> None:
    person, stock = Person(tmp_path / "home"), tmp_path / "stock.fossil"
    person.fossil("new", stock)
    for login, caps in {"may": "p", "all": "a", "not": "gio"}.items():
        person.fossil("user", "new", login, "", "pw", "-R", stock)
        person.fossil("user", "capabilities", login, caps, "-R", stock)
    person.fossil("sql", "-R", stock, "REPLACE INTO config VALUES ('http_authentication_ok', '1', 0)")
    for login, names in {"may": {"p", "n1", "n2"}, "all": {"p", "n1", "n2"}, "not": set()}.items():
        shown = _page_of(person, stock, login)
        assert f"logged in as <b>{login}</b>" in shown
        assert {"p", "n1", "n2"} & {*re.findall(r'name="(\w+)"', shown)} == names


def _page_of(person: Person, stock: Path, login: str) -> str:
    """Stock's /login, as the account sees it."""
    basic = base64.b64encode(f"{login}:pw".encode()).decode()
    head = f"GET /login HTTP/1.0\r\nHost: h\r\nAuthorization: Basic {basic}\r\n\r\n"
    words = ("fossil", "http", stock, "--nossl", "--ipaddr", "192.0.2.1")
    return run(*words, env=person.env, at=person.home, stdin=head).out


# -- guesses

STRANGER, OWNER = "203.0.113.9", "198.51.100.7"


def guessed(site: Site, address: str, password: str = "wrong") -> tuple[int, str]:
    """What /login says to a password from that address."""
    fields = {**CHANGE, "p": password}
    return site.post("/login", fields, remote_addr=address, protocol="https")


def test_who_guesses_passwords_is_slowed_and_the_owner_elsewhere_is_not(site: Site) -> None:
    said = [guessed(site, STRANGER) for _ in range(OF_LOGIN + 1)]
    assert [status for status, _ in said] == [403] * OF_LOGIN + [429]
    assert re.fullmatch(
        r"too many logins have failed from your network: try again in [0-9]+ s\n", said[-1][1]
    )
    assert guessed(site, STRANGER, "pw-ann")[0] == 429, "right or wrong"
    reply = site.client.simulate_post(
        "/login", body=urlencode(CHANGE), content_type=FORM, remote_addr=STRANGER, protocol="https"
    )
    assert 0 < int(reply.headers["retry-after"]) <= 30
    assert guessed(site, OWNER, "pw-ann") == (200, "the password of ann was changed\n")


def test_all_doors_count_together(site: Site) -> None:
    """A sync request, a signature of the walk, a password of it, and the page: each is a way to guess."""
    basic = {"Authorization": "Basic " + base64.b64encode(b"ann:wrong").decode()}
    wrong = encode_body(COMPRESSED, signed("ann", "wrong", f"pull x {PROJECT}\n".encode(), PROJECT))
    expires = SYSTEM.clock_ms() // 1000 + 60
    hmac = {"Authorization": f"XFERZONE-HMAC key=ann, expires={expires}, signature={'0' * 64}"}

    def pull() -> str:
        reply = site.client.simulate_post("/", body=wrong, content_type=COMPRESSED, remote_addr=STRANGER)
        return "".join(
            card.text
            for card in parse_cards(decode_body(COMPRESSED, reply.content, limit=10**6))
            if isinstance(card, Error)
        )

    def walk(headers: Mapping[str, str]) -> int:
        return site.client.simulate_get(
            "/v0/refs", headers=headers, remote_addr=STRANGER, protocol="https"
        ).status_code

    for number in range(OF_LOGIN):
        if number % 4 == 0:
            assert pull() == "login failed"
        elif number % 4 == 1:
            assert guessed(site, STRANGER)[0] == 403
        else:
            assert walk(hmac if number % 4 == 2 else basic) == 401
    assert pull().startswith("too many logins have failed from your network: try again in ")
    assert (guessed(site, STRANGER)[0], walk(hmac), walk(basic)) == (429, 429, 429)
    assert site.lets_in("ann", "pw-ann")


def test_behind_a_proxy_the_clients_are_told_apart(site: Site) -> None:
    app = Forwarded(site.client.app, Http().trusted)

    def status(client: str, password: str) -> int:
        headers = {"X-Forwarded-For": client, "X-Forwarded-Proto": "https"}
        fields = urlencode({**CHANGE, "p": password})
        return falcon.testing.simulate_post(
            app, "/login", body=fields, content_type=FORM, headers=headers
        ).status_code

    assert [status(STRANGER, "wrong") for _ in range(OF_LOGIN + 1)] == [403] * OF_LOGIN + [429]
    assert status(OWNER, "pw-ann") == 200


def test_what_changed_on_its_way_is_no_guess(site: Site) -> None:
    """Its password is not looked at: a line that flips bits slows nobody."""
    body = signed("ann", "pw-ann", f"pull x {PROJECT}\n".encode(), PROJECT)
    damaged = encode_body(COMPRESSED, body.replace(b"pull", b"pULL", 1))
    for _ in range(2 * OF_LOGIN):
        reply = site.client.simulate_post("/", body=damaged, content_type=COMPRESSED)
        assert b"login\\sfailed" in decode_body(COMPRESSED, reply.content, limit=10**6)
    assert site.lets_in("ann", "pw-ann")
