"""`invite`, `clone --invite-file`, `passwd`: what they keep, show and refuse, against a server of ours and of stock."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.conftest import Ran, Run
from tests.live import Person, Server, serving, stock_server
from xferzone.store import Store, accounts
from xferzone.store.accounts import User, invited_by


def token(ran: Ran) -> str:
    found = re.match("token: ([a-z2-9]{32})\n", ran.out)
    assert ran.code == 0
    assert found, ran.out
    return found[1]


def test_an_invitation_is_made_listed_and_taken_back(zone: Run) -> None:
    made = zone("invite", "add", "--read", "--zone", "example.com", "--expires", "2037-01-31")
    secret = token(made)
    assert made.out == f"token: {secret}\ncaps: gop\nexpires: 2037-01-31 00:00:00 UTC\n"
    assert "xferzone clone --invite-file FILE https://LOGIN@HOST/" in made.err
    assert secret not in made.err
    name = invited_by(secret).removeprefix("invite:")
    assert zone("invite").out == f"{name[:16]} gop example.com until 2037-01-31 00:00:00 UTC\n"
    (listed,) = json.loads(zone("--format", "json", "invite", "list").out)["invites"]
    assert listed == {
        "id": name,
        "caps": "gop",
        "zones": ["example.com"],
        "expires": "2037-01-31T00:00:00.000Z",
    }
    assert "invite" not in zone("user", "list").out
    assert zone("invite", "remove", name[:16]).code == 0
    assert (zone("invite").out, zone("invite", "remove", name).code) == ("", 5)


def test_each_invitation_is_another_one_and_expired_ones_go_when_one_is_made(
    zone: Run, tmp_path: Path
) -> None:
    assert token(zone("invite", "add")) != token(zone("invite", "add"))
    with Store.open(next(tmp_path.rglob("*.xferzone"))) as store, store.writer() as writer:
        accounts.put_stored(writer, User(invited_by("old"), "", "go", (), 1))
    assert len(zone("invite").out.splitlines()) == 3
    token(zone("invite", "add"))
    assert len(zone("invite").out.splitlines()) == 3
    assert zone("invite", "remove", "").code == 5


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("add", "--admin", "--zone", "example.com"), 2, "an administrator is not held to zones"),
        (("add", "--expires", "2000-01-01"), 2, "2000-01-01 has passed"),
        (("add", "--expires", "soon"), 2, "'soon' is not a date"),
        (("add", "q"), 2, "the letters 'q' mean nothing here"),
        (("remove", "ffff"), 5, "there is no invitation ffff"),
    ],
    ids=lambda each: "-".join(each) if isinstance(each, tuple) else "",
)
def test_what_cannot_be_meant_is_said(zone: Run, words: tuple[str, ...], code: int, said: str) -> None:
    done = zone("invite", *words)
    assert (done.code, said in done.err) == (code, True), done.err


def test_nobody_never_gets_the_right_to_change_passwords_by_a_level(zone: Run) -> None:
    assert zone("user", "caps", "nobody", "--read").out == "login: nobody\ncaps: go\n"
    assert zone("user", "add", "bob", "--read").out.splitlines()[1] == "caps: gop"


@dataclass(frozen=True, slots=True)
class Site:
    """A server, and the repository that it serves."""

    server: Server
    there: str

    def at(self, login: str) -> str:
        return self.server.url().replace("://", f"://{login}@")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("there")
    there = directory / "there.xferzone"
    Person(directory / "home").xferzone("-R", there, "init")
    with serving(there, "serve") as server:
        yield Site(server, str(there))


@pytest.mark.interop
def test_somebody_who_is_invited_clones_and_changes_the_password(site: Site, xz: Run, tmp_path: Path) -> None:
    secret = token(xz("-R", site.there, "invite", "add"))
    (tmp_path / "one").write_text("first password\n")
    (tmp_path / "two").write_text("second password\n")
    done = xz(
        "clone", "--invite", secret, "--password-file", "one", "--save-password", site.at("eve"), "e.xferzone"
    )
    assert done.code == 0, done.err
    assert "the account eve was made; from now on it needs no invitation" in done.err
    assert secret not in site.server.log.read_text()
    again = xz("clone", "--invite", secret, "--password-file", "one", site.at("eva"), "f.xferzone")
    assert (again.code, "no such invitation" in again.err, Path("f.xferzone").exists()) == (77, True, False)
    changed = xz("-R", "e.xferzone", "passwd", "--new-password-file", "two")
    assert (changed.code, changed.err) == (0, "the password of eve was changed\n")
    assert json.loads(Path("e.xferzone.passwords").read_text()) == {site.at("eve"): "second password"}
    assert xz("-R", "e.xferzone", "sync").code == 0
    assert xz("-R", "e.xferzone", "pull", "--password-file", "one").code == 77
    wrong = xz("passwd", site.at("eve"), "--password-file", "one", "--new-password-file", "two")
    assert (wrong.code, "the login or the password is wrong" in wrong.err) == (77, True)


@pytest.mark.interop
def test_a_login_that_is_taken_leaves_the_invitation(site: Site, xz: Run, tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("pw\n")
    secret = token(xz("-R", site.there, "invite", "add", "--read"))
    words = ("clone", "--invite", secret, "--password-file", "pw")
    assert xz(*words, site.at("ops"), "a.xferzone").code == 3
    assert xz(*words, site.at("fay"), "a.xferzone").code == 0


@pytest.mark.interop
def test_a_token_comes_from_a_file_or_stdin_where_no_list_of_processes_shows_it(
    site: Site, xz: Run, tmp_path: Path
) -> None:
    tokens = [token(xz("-R", site.there, "invite", "add", "--read")) for _ in range(3)]
    (tmp_path / "pw").write_text("pw\n")
    (tmp_path / "token").write_text(f"{tokens[0]}\n")
    from_file = xz("clone", "--invite-file", "token", "--password-file", "pw", site.at("gil"), "g.xferzone")
    assert from_file.code == 0, from_file.err
    words = ("clone", "--invite-file", "-", "--password-file")
    from_stdin = xz(*words, "pw", site.at("hal"), "h.xferzone", stdin=f"{tokens[1]}\n")
    assert from_stdin.code == 0, from_stdin.err
    both = xz(*words, "-", site.at("ida"), "i.xferzone", stdin=f"{tokens[2]}\nher own words\n")
    assert both.code == 0, both.err
    (tmp_path / "hers").write_text("her own words\n")
    assert xz("-R", "i.xferzone", "pull", "--password-file", "hers").code == 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--invite-file", "token", "--invite", "x"), 2, "given twice: leave out --invite"),
        (
            ("--invite-file", "nosuch"),
            1,
            "nosuch cannot be read: No such file or directory: give a "
            "file whose first line is the token, or - to read it from standard input",
        ),
        (("--invite-file", "empty"), 1, "the first line of the invitation file empty is empty"),
    ],
    ids=lambda each: each[1] + str(len(each)) if isinstance(each, tuple) else "",
)
def test_a_token_that_cannot_be_read_is_named(
    xz: Run, tmp_path: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    (tmp_path / "token").write_text("x\n")
    (tmp_path / "empty").write_text("\n")
    done = xz("clone", *words, "https://ann:pw@127.0.0.1:1/", "x.xferzone")
    assert (done.code, said in done.err) == (code, True), done.err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("passwd", "http://ann:pw@192.0.2.1/"), 2, "a password in clear goes over TLS alone"),
        (("passwd", "nats://ann:pw@127.0.0.1/x.y"), 2, "this goes over HTTP alone"),
        (("passwd", "https://127.0.0.1/"), 2, "put the login into the URL"),
        (("passwd", "https://ann:pw@127.0.0.1:1/"), 69, "cannot be reached"),
        (("clone", "--invite", "x", "https://127.0.0.1/", "x.xferzone"), 2, "which login?"),
        (("clone", "--invite", "x", "http://ann:pw@192.0.2.1/", "x.xferzone"), 2, "goes over TLS alone"),
    ],
    ids=lambda each: each[0] + each[-1][:5] if isinstance(each, tuple) else "",
)
def test_a_password_goes_nowhere_else(
    xz: Run, tmp_path: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    (tmp_path / "new").write_text("new\n")
    files = ("--new-password-file", "new") if words[0] == "passwd" else ()
    done = xz(*words, *files)
    assert (done.code, said in done.err) == (code, True), done.err


def test_the_owner_of_a_primary_learns_which_verb_changes_a_password_in_it(zone: Run) -> None:
    done = zone("passwd")
    assert (done.code, "`xferzone user passwd LOGIN` for an account of this" in done.err) == (5, True), (
        done.err
    )


@pytest.mark.interop
def test_of_stocks_server_it_says_how_its_people_do_it(xz: Run, tmp_path: Path) -> None:
    person, stock = Person(tmp_path / "home"), tmp_path / "stock.fossil"
    person.fossil("new", stock)
    (tmp_path / "new").write_text("new\n")
    with stock_server(person, stock) as url:
        done = xz("passwd", url.replace("://", "://ops:pw@"), "--new-password-file", "new")
    assert (done.code, "is not a server of xferzone" in done.err) == (69, True), done.err
