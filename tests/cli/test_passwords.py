"""Logins and passwords of every kind, by every way, against ours and stock; and where passwords must not turn up."""

import contextlib
import json
import os
import pty
import re
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.cli.conftest import Run
from tests.live import XFERZONE, Person, serving, stock_server
from xferzone.store import Store, accounts

pytestmark = pytest.mark.interop

#: Logins and passwords.
ACCOUNTS = [
    ("ann", "pw"),
    ("ann", "two words, 100 %"),
    ("ann", "%41%zz+&=;"),
    ("ann", "p@ss/w:rd?x#y"),
    ("ann", "pässwörd ☃ \U0001f511"),
    ("ann", "0123456789abcdef0123456789abcdef01234567"),
    ("ann", "-rf"),
    ("b.o-b_1", "\\s\\n\\"),
    ("zoë", "x"),
]
ANSI = re.compile("\x1b[\\[\\]][0-9;?]*[A-Za-z]")


@dataclass(frozen=True)
class Site:
    """A server, and a person who has got an account there."""

    person: Person
    url: str
    account: Callable[[str, str], None]  # make it

    def at(self, login: str, password: str | None = None) -> str:
        userinfo = quote(login, safe="") + ("" if password is None else f":{quote(password, safe='')}")
        return self.url.replace("://", f"://{userinfo}@")


@pytest.fixture(scope="module", params=["ours", "stock"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("there")
    person = Person(directory / "home", "ops")
    ours = directory / "there.xferzone"
    person.xferzone("-R", ours, "init")

    def account(login: str, password: str) -> None:
        with Store.open(ours) as store, store.writer() as writer:
            accounts.put_user(writer, login, password, "gio")

    def stock_account(login: str, password: str) -> None:
        person.fossil("user", "new", login, "", "x", "-R", stock, code=None)
        person.fossil("user", "password", login, password, "-R", stock)
        if re.fullmatch("[0-9a-f]{40}", password):
            # Stock hashes it here, and its own client sends it as the hash (seen): kept as it is, both can log in.
            with contextlib.closing(sqlite3.connect(stock)) as db, db:
                db.execute("UPDATE user SET pw = ? WHERE login = ?", (password, login))
        person.fossil("user", "capabilities", login, "gio", "-R", stock)

    stock = directory / "there.fossil"
    with contextlib.ExitStack() as servers:
        if request.param == "ours":
            url = servers.enter_context(serving(ours, "serve")).url()
        else:
            person.fossil("new", stock)
            person.fossil("user", "capabilities", "nobody", "", "-R", stock)
            person.fossil("user", "capabilities", "anonymous", "", "-R", stock)
            url = servers.enter_context(stock_server(person, stock))
        yield Site(person, url, account if request.param == "ours" else stock_account)


@pytest.mark.parametrize(("login", "password"), ACCOUNTS)
def test_passwords_of_every_kind_hold_by_every_way(
    site: Site, xz: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, login: str, password: str
) -> None:
    site.account(login, password)
    (tmp_path / "secret").write_text(f"{password}\r\nnot this\n")
    done = xz("clone", site.at(login, password), "here.xferzone")
    assert done.code == 0, done.err
    assert password not in done.out + done.err or len(password) < 3
    monkeypatch.setenv("XFERZONE_REPOSITORY", "here.xferzone")
    assert xz("pull", "--password-file", "secret").code == 0
    assert xz("pull", "--password-file", "-", stdin=f"{password}\n").code == 0
    assert xz("pull").code == 77
    done = xz("pull", site.at(login, f"{password}x"))
    assert done.code == 77
    assert f"{password}x" not in done.out + done.err
    assert xz("sync", "--save-password", site.at(login, password)).code == 0
    assert xz("sync").code == 0
    kept = tmp_path / "here.xferzone.passwords"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert json.loads(kept.read_text()) == {site.at(login): password}
    assert xz("remote").out == f"origin {site.at(login)}\n"
    if len(password) > 2:
        for written in {password, quote(password, safe="")}:
            assert written.encode() not in (tmp_path / "here.xferzone").read_bytes()


def test_no_command_shows_or_keeps_a_password(site: Site, xz: Run, tmp_path: Path) -> None:
    site.account("ann", "s3cret-pw")
    here = str(tmp_path / "here.xferzone")
    good, bad = site.at("ann", "s3cret-pw"), site.at("ann", "s3cret-no")
    said = []
    for words in (
        ("clone", good, here),
        ("clone", bad, "x.xferzone"),
        ("--format", "json", "-R", here, "sync", good),
        ("--format", "json", "-R", here, "sync", bad),
        ("-R", here, "push", good),
        ("-R", here, "remote", "add", "b", good),
        ("-R", here, "--format", "json", "remote", "add", "c", good),
        ("-R", here, "remote", "list"),
        ("-R", here, "remote", "remove", good),
        ("-R", here, "sync", good.replace("://", ":/")),
        ("-R", here, "sync", good.replace("http", "ftp")),
        ("-R", here, "sync", "http://ann:s3cret-pw/x@127.0.0.1/"),
        ("-R", here, "sync", "http://ann:s3cret-pw@127.0.0.1:1/"),
        ("-R", here, "sync", "http://ann:s3cret-pw@127.0.0.1:99999/"),
        ("clone", "ann:s3cret-pw@127.0.0.1", "x.xferzone"),
        ("-R", here, "status"),
        ("-R", here, "stats"),
    ):
        done = xz(*words)
        said.append(done.out + done.err)
    assert not [each for each in said if "s3cret" in each]
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or b"s3cret" not in path.read_bytes(), path


def typed(person: Person, words: list[str], answer: str, **environment: str) -> tuple[int, str]:
    """Exit code and screen of a command line on a terminal, where `answer` is typed when it asks."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(
            sys.executable,
            [*XFERZONE, *words],
            person.env | {"TERM": "xterm", "COLUMNS": "100"} | environment,
        )
    screen, asked, deadline = b"", False, time.monotonic() + 60
    with contextlib.suppress(OSError):  # Linux: the other end of the terminal is closed
        while time.monotonic() < deadline and (octets := os.read(terminal, 65_536)):
            screen += octets
            if b"password for" in screen and not asked:
                asked = True
                os.write(terminal, f"{answer}\n".encode())
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), screen.decode()


def test_a_terminal_is_asked_for_the_password_and_shown_how_it_goes(site: Site, tmp_path: Path) -> None:
    site.account("ann", "typed by hand")
    here = str(tmp_path / "here.xferzone")
    code, screen = typed(site.person, ["clone", site.at("ann"), here], "typed by hand")
    assert code == 0, screen
    assert f"password for ann at {site.url}: " in screen
    assert "typed by hand" not in screen
    assert "\x1b[" in screen  # the line that counts
    assert "cloned" in ANSI.sub("", screen)
    code, screen = typed(site.person, ["-R", here, "pull"], "wrong")
    assert code == 77
    assert "login failed" in screen
    code, screen = typed(site.person, ["-R", here, "pull"], "typed by hand", NO_COLOR="1")
    assert code == 0
    assert not re.search("\x1b\\[[0-9;]*[1-9][0-9;]*m", screen)  # moves the cursor, but has no colours
    code, screen = typed(site.person, ["-R", here, "pull"], "typed by hand", TERM="dumb")
    assert code == 0
    done = site.person.xferzone("-R", here, "pull", site.at("ann", "typed by hand"))
    assert (done.err, "\x1b" in done.out) == ("", False)
