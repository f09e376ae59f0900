"""A repository that is served by NATS, too: a real nats-server, our servers, and what clients get through it."""

import json
import os
import random
import re
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import natses
from tests.certificates import authority
from tests.etcds import TLS
from tests.interop import agreement
from tests.interop.history import built
from tests.interop.site import Site, make_project
from tests.live import PATIENCE_S, XFERZONE, Person, background, serving, stock_server, within
from tests.natses import Running
from xferzone import exchange
from xferzone.errors import PeerError
from xferzone.exchange import Options
from xferzone.store import Store
from xferzone.transport.http import HTTP
from xferzone.transport.nats import NATS, Login

pytestmark = pytest.mark.interop

SUBJECT = "xferzone.zones.a"
SMALL = 32_768  # bytes of max_payload, so that a history takes many messages
ZONE = "@ 3600 SOA ns1 h 1 7200 3600 1209600 3600\n@ 3600 NS ns1\nns1 3600 A 192.0.2.1\n"
LOGIN = "bob:three%20words%20here"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return make_project(tmp_path_factory.mktemp("project"))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    with natses.running(tmp_path / "nats") as running:
        yield running


@pytest.fixture
def bob(tmp_path: Path) -> Person:
    return Person(tmp_path / "bob", "bob")


def copied(project: Site, directory: Path) -> Path:
    copy = directory / "served.xferzone"
    with Store.open(project.repository) as store:
        store.back_up(copy)
    return copy


def random_zone(records: int, seed: int = 0) -> str:
    """A zone that does not pack well: each record has 40 letters that chance made."""
    chance = random.Random(seed)
    texts = ("".join(chance.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=40)) for _ in range(records))
    return ZONE + "".join(f"t{number} 3600 TXT {text}\n" for number, text in enumerate(texts))


def test_a_clone_of_a_real_history_is_the_same_as_by_http(tmp_path: Path, bob: Person) -> None:
    stock = built(Person(tmp_path / "ops", "ops"), tmp_path / "made")
    bob.fossil("user", "capabilities", "nobody", "gjorz", "-R", stock)
    served = tmp_path / "served.xferzone"
    with stock_server(bob, stock) as url:
        bob.xferzone("clone", url, served)
    bob.xferzone("-R", served, "user", "caps", "nobody", "--read")
    by_http, by_nats = tmp_path / "http.xferzone", tmp_path / "nats.xferzone"
    with (
        natses.running(tmp_path / "nats", max_payload=SMALL) as server,
        serving(served, "serve", "--nats", server.url(SUBJECT)) as ours,
        HTTP(ours.url(), with_login=False) as http,
        NATS(server.url(SUBJECT)) as nats,
    ):
        exchange.clone(by_http, http)
        done = exchange.clone(by_nats, nats)
    assert not done.errors
    assert done.traffic.rounds > 10
    agreement.assert_same_artifacts([by_http, by_nats])
    assert agreement.refs(by_http) == agreement.refs(by_nats)


def test_clone_commit_and_push_by_the_command_line(
    tmp_path: Path, project: Site, server: Running, bob: Person
) -> None:
    served, mine = copied(project, tmp_path), bob.home / "mine.xferzone"
    url = server.url(SUBJECT, LOGIN)
    with serving(served, "serve", "--nats", server.url(SUBJECT)):
        bob.xferzone("clone", "--save-password", url, mine)
        bob.xferzone("-R", mine, "set", "www.example.com", "A", "192.0.2.99")
        told = json.loads(bob.xferzone("-R", mine, "--format", "json", "sync").out)
        assert told["remote"] == server.url(SUBJECT)
        wrong = bob.xferzone("clone", server.url(SUBJECT, "bob:guess"), bob.home / "no.xferzone", code=None)
        assert "login failed" in wrong.err
    assert bob.xferzone("-R", served, "show", "www.example.com").out.split()[-1] == "192.0.2.99"
    assert "three words" not in bob.xferzone("-R", mine, "remote").out


def test_an_artifact_that_fits_no_message_is_named_with_the_bound(
    tmp_path: Path, project: Site, bob: Person
) -> None:
    served, mine = copied(project, tmp_path), bob.home / "mine.xferzone"
    with (
        natses.running(tmp_path / "nats", max_payload=SMALL) as server,
        serving(served, "serve", "--nats", server.url(SUBJECT)) as ours,
    ):
        bob.xferzone("clone", "--save-password", server.url(SUBJECT, LOGIN), mine)
        named = re.compile(rf"artifact [0-9a-f]{{64}}, in a message of \d+ bytes.* max_payload of {SMALL} ")
        bob.xferzone("-R", mine, "zone", "add", "large.example", "--from", "-", stdin=random_zone(2_000))
        assert named.search(bob.xferzone("-R", mine, "sync", code=None).err)
        # By HTTP it goes, and then it is the reply that it does not fit in.
        bob.xferzone("-R", mine, "sync", ours.url("bob", "three%20words%20here"))
        again = bob.xferzone("clone", server.url(SUBJECT, LOGIN), bob.home / "again.xferzone", code=None)
        assert named.search(again.err)


def test_many_artifacts_go_in_as_many_messages_as_they_need(
    tmp_path: Path, project: Site, bob: Person
) -> None:
    served, mine = copied(project, tmp_path), bob.home / "mine.xferzone"
    with (
        natses.running(tmp_path / "nats", max_payload=SMALL) as server,
        serving(served, "serve", "--nats", server.url(SUBJECT)),
    ):
        bob.xferzone("clone", "--save-password", server.url(SUBJECT, LOGIN), mine)
        for number in range(6):
            zone = f"zone{number}.example"
            bob.xferzone("-R", mine, "zone", "add", zone, "--from", "-", stdin=random_zone(250, number))
        told = json.loads(bob.xferzone("-R", mine, "--format", "json", "sync").out)
        assert told["rounds"] > 3
        third = bob.home / "third.xferzone"
        bob.xferzone("clone", server.url(SUBJECT, LOGIN), third)
    agreement.assert_same_artifacts([served, mine, third])


def test_two_servers_of_one_subject_share_its_requests(
    tmp_path: Path, project: Site, server: Running, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XFERZONE_LOG__LEVEL", "debug")  # syncs that bring nothing
    served = copied(project, tmp_path)
    url = server.url(SUBJECT)

    def synced() -> None:
        with Store.open(mine) as store, NATS(url) as way:
            assert not exchange.sync(store, way, options).errors

    options = Options(account=exchange.Account("bob", "three words here"))
    mine = bob.home / "mine.xferzone"
    with serving(served, "serve", "--nats", url) as first, serving(served, "serve", "--nats", url) as second:
        bob.xferzone("clone", server.url(SUBJECT, LOGIN), mine)
        logs = (first.log, second.log)
        for _ in range(40):
            synced()
            if all(log.read_text().count("remote=nats") for log in logs):
                break
        assert all(log.read_text().count("remote=nats") for log in logs)
        for child in second.children():
            if "nats" in Path(f"/proc/{child}/cmdline").read_text():
                os.kill(child, signal.SIGKILL)
        # What was under way there would be an error, after a while: nothing was. It is started anew, and listens.
        assert within(PATIENCE_S, lambda: second.log.read_text().count("nats outcome=listening") == 2)
        for _ in range(10):
            synced()


def test_a_nats_server_that_comes_back_is_used_again(tmp_path: Path, project: Site, bob: Person) -> None:
    served = copied(project, tmp_path)
    with natses.running(tmp_path / "nats") as server:
        port, url = server.port, server.url(SUBJECT)
        with serving(served, "serve", "--nats", url) as ours:
            server.process.kill()
            server.process.wait(PATIENCE_S)
            assert within(PATIENCE_S, lambda: "nats outcome=away" in ours.log.read_text())
            with NATS(url) as way:
                with pytest.raises(PeerError, match="cannot be reached"):
                    exchange.clone(bob.home / "no.xferzone", way)
                with natses.running(tmp_path / "again", port=port):
                    listening = "nats outcome=listening"
                    assert within(PATIENCE_S, lambda: ours.log.read_text().count(listening) == 2)
                    account = Options(account=exchange.Account("bob", "three words here"))
                    assert not exchange.clone(bob.home / "yes.xferzone", way, account).errors


def test_the_account_of_the_configuration(tmp_path: Path, project: Site, bob: Person) -> None:
    served, mine = copied(project, tmp_path), bob.home / "mine.xferzone"
    (tmp_path / "secret").write_text("hush\n")
    with natses.running(tmp_path / "nats", account=("dns", "hush")) as server:
        text = f'[nats]\nurl = "{server.url(SUBJECT)}"\nuser = "dns"\npassword = {{file = "{tmp_path}/secret"}}\n'
        (tmp_path / "served.xferzone.toml").write_text(text)
        mine.with_name("mine.xferzone.toml").write_text(text)
        with serving(served, "serve"):
            bob.xferzone("clone", server.url(SUBJECT, LOGIN), mine)
            other = bob.xferzone("clone", server.url(SUBJECT, LOGIN), bob.home / "no.xferzone", code=None)
            assert re.search("(?i)authorization", other.err)
            with NATS(server.url(SUBJECT), Login("dns", "hush")) as way:
                assert way.max_payload == natses.MAX_PAYLOAD


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> TLS:
    """An authority of our own, and its certificate for 127.0.0.1."""
    return authority(tmp_path_factory.mktemp("tls"), "nats")


def cloned(bob: Person, server: Running, settings: str, code: int = 0) -> str:
    """What a clone whose file has these lines in [nats] says."""
    file = bob.home / "mine.xferzone"
    file.unlink(missing_ok=True)
    file.with_name("mine.xferzone.toml").write_text(f"[nats]\n{settings}\n")
    return bob.xferzone("clone", server.url(SUBJECT, LOGIN), file, code=code).err


def test_tls_with_an_account_and_an_own_authority(
    tmp_path: Path, project: Site, bob: Person, files: TLS
) -> None:
    served = copied(project, tmp_path)
    (bob.home / "secret").write_text("hush\n")
    (tmp_path / "secret").write_text("hush\n")
    account = 'user = "dns"\npassword = {file = "secret"}'
    trusting = f'{account}\nca = "{files.authority}"'
    with natses.running(tmp_path / "nats", account=("dns", "hush"), tls=files) as server:
        url = f'url = "{server.url(SUBJECT)}"'
        (tmp_path / "served.xferzone.toml").write_text(f"[nats]\n{url}\n{trusting}\n")
        with serving(served, "serve"):
            assert "eof_received" not in cloned(bob, server, trusting)
            bob.xferzone("-R", bob.home / "mine.xferzone", "check")
            refused = cloned(bob, server, account, 69)
            assert "its certificate is not trusted" in refused
            assert "`[nats] ca`" in refused
            (bob.home / "secret").write_text("guess\n")
            assert "`[nats] user` and `password`, or `token`" in cloned(bob, server, trusting, 69)


def test_a_token_and_certificates_both_ways(tmp_path: Path, project: Site, bob: Person, files: TLS) -> None:
    served = copied(project, tmp_path)
    for place in (tmp_path, bob.home):
        (place / "token").write_text("a-token\n")
    token, ca = 'token = {file = "token"}', f'ca = "{files.authority}"'
    own = f'certificate = "{files.certificate}"\nkey = "{files.key}"'
    with natses.running(tmp_path / "nats", token="a-token", tls=files, verifies=True) as server:
        lines = ["[nats]", f'url = "{server.url(SUBJECT)}"', token, ca, own]
        (tmp_path / "served.xferzone.toml").write_text("\n".join(lines))
        with serving(served, "serve"):
            cloned(bob, server, f"{token}\n{ca}\n{own}")
            assert "`[nats] certificate` and `key`" in cloned(bob, server, f"{token}\n{ca}", 69)
            assert "or `token`" in cloned(bob, server, f"{ca}\n{own}", 69)


def test_a_server_without_tls_is_told_nothing_once_files_ask_for_it(
    tmp_path: Path, bob: Person, files: TLS
) -> None:
    said = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def listen() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(PATIENCE_S)
                connection.sendall(b'INFO {"auth_required":true,"max_payload":1048576,"headers":true}\r\n')
                if connection.recv(1):
                    said.set()

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        (bob.home / "secret").write_text("hush\n")
        server = Running(listener.getsockname()[1], None, tmp_path)  # type: ignore[arg-type] # no process
        lines = f'user = "dns"\npassword = {{file = "secret"}}\nca = "{files.authority}"'
        assert "does not use TLS, and [nats] ca or certificate asks for it" in cloned(bob, server, lines, 69)
        thread.join(PATIENCE_S)
    assert not said.is_set()


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('user = "dns"', "give both, or neither"),
        (
            'user = "dns"\npassword = {env = "HOME"}\ntoken = {env = "HOME"}',
            "[nats] user and token: give one of them",
        ),
        ('key = "k.pem"', "there is no certificate that it belongs to"),
        ('ca = "nowhere.pem"', "cannot read the authorities for NATS in"),
        ('ca = {env = "P"}', "is not a file"),
        ('certificate = "nowhere.pem"', "cannot use the certificate for NATS in"),
    ],
    ids=["no password", "account and token", "a key alone", "no authorities", "no file", "no certificate"],
)
def test_settings_that_cannot_be_meant_are_named(bob: Person, lines: str, said: str) -> None:
    bob.home.joinpath("mine.xferzone.toml").write_text(f"[nats]\n{lines}\n")
    words = ("clone", "nats://127.0.0.1:1/xferzone.a", bob.home / "mine.xferzone")
    assert said in bob.xferzone(*words, code=2).err


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nats://127.0.0.1:4222/", "is not a nats URL with a subject"),
        ("nats://127.0.0.1:4222/xferzone.zones.news", "is not a nats URL with a subject"),
        ("nats://ann@127.0.0.1:4222/xferzone.zones.a", "give user and password in [nats]"),
    ],
    ids=["no subject", "the subject of news", "a login"],
)
def test_what_is_no_url_of_a_subject(project: Site, bob: Person, url: str, said: str) -> None:
    refused = bob.xferzone("-R", project.repository, "serve", "--nats", url, code=2)
    assert said in refused.err


def test_a_mirror_is_woken_by_news(tmp_path: Path, project: Site, server: Running, bob: Person) -> None:
    served, mirror = copied(project, tmp_path), bob.home / "mirror.xferzone"
    log = bob.home / "watch.log"
    words = ("pull", "--watch", "--interval", "1h", server.url(SUBJECT, LOGIN))
    with (
        serving(served, "serve", "--nats", server.url(SUBJECT)),
        background([*XFERZONE, "-R", str(mirror), *words], bob.env, log) as process,
    ):
        assert within(PATIENCE_S, lambda: "pulled from" in log.read_text()), log.read_text()
        for number in range(1, 30):  # the first may come before anybody listens
            bob.xferzone("-R", served, "set", "www.example.com", "A", f"192.0.2.{number}")
            if within(1, lambda: log.read_text().count("pulled from") > 1):
                break
        assert log.read_text().count("pulled from") > 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0, log.read_text()
