"""[group] of the configuration and the options for etcd: what is wrong with them is told where it was said."""

import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.live import BOUND_S, free_port
from xferzone import config
from xferzone.refs import gateway

AT = "zones.xferzone.toml:2: [group]"
NO_URL = "is not the URL of an etcd endpoint: give one, such as http://HOST:2379"
NOT_HTTP = "is not an http or https URL"
NO_NAME = "cannot be a member's name"


def group(tmp_path: Path, *lines: str) -> Path:
    file = tmp_path / "zones.xferzone.toml"
    file.write_text("\n".join(["[group]", *lines, ""]))
    return file


@pytest.mark.parametrize("verb", [("config", "check"), ("group", "join"), ("up",)], ids=" ".join)
@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("etcd = 'http://a:2379'", " etcd: expected array, got str"),
        ("etcd = ['a:2379']", f" etcd[0]: 'a:2379' {NO_URL}"),
        ("etcd = ['http://a:2379', 'ftp://b']", f" etcd[1]: 'ftp://b' {NO_URL}"),
        ("etcd = ['http://:2379']", f" etcd[0]: 'http://:2379' {NO_URL}"),
        ("etcd = ['http://a:99999']", " etcd[0]: 'http://a:99999' is not a URL: its port is not a number"),
        ("etcd = ['http://x:secret@a:2379']", " etcd[0]: http://a:2379 has a login in its URL"),
        (f"etcd = {['http://a:1'] * 17}", " etcd: expected array of length <= 16"),
        ("member = 'a'", ""),
        ("name = 'A b'", f" name: 'A b' {NO_NAME}"),
        ("name = ''", f" name: '' {NO_NAME}"),
        ("prefix = 'a b'", " prefix: 'a b' cannot be what keys begin with"),
        ("url = 'a.example.net'", f" url: 'a.example.net' {NOT_HTTP}"),
        ("url = 'nats://a/b.c'", f" url: 'nats://a/b.c' {NOT_HTTP}"),
        ("url = 'http://0.0.0.0:8080/'", " url: http://0.0.0.0:8080/ has the address of no machine"),
        ("url = 'http://[::]:8080/'", " url: http://[::]:8080/ has the address of no machine"),
        ("copies = 0", " copies: expected int >= 1, got 0"),
        ("copies = 17", " copies: expected int <= 16, got 17"),
        ("copies = '2'", " copies: expected int, got str"),
        ("password = 'secret'", " password: a secret is written as {file = "),
        ("password = {env = 'NOWHERE'}", " password: the environment variable NOWHERE is not set"),
        ("ca = {env = 'HOME'}", ' ca: {env = "HOME"} is not a file'),
        ("ca = 'nowhere.pem'", " ca: cannot read the authorities for etcd in "),
        ("certificate = 'nowhere.pem'", " certificate: cannot use the certificate for etcd in "),
        ("key = 'nowhere.pem'", " key: there is no certificate that it belongs to"),
    ],
)
def test_what_is_wrong_in_the_file_is_told_with_its_line(
    zone: Run, tmp_path: Path, verb: tuple[str, ...], line: str, told: str
) -> None:
    group(tmp_path, line)
    done = zone(*verb)
    expected = f"{AT}{told}" if told else "zones.xferzone.toml:2: unknown setting member in [group]"
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"xferzone: {expected}"), done.err
    assert "secret@" not in done.err


def test_every_fault_of_the_section_is_told_at_once(zone: Run, tmp_path: Path) -> None:
    group(tmp_path, "etcd = ['a']", "name = 'A'", "url = 'b'", "prefix = ' '", "copies = 2")
    told = zone("config", "check").err
    assert [told.count(f"zones.xferzone.toml:{line}: [group]") for line in range(2, 7)] == [1, 1, 1, 1, 0]


def test_files_and_the_place_of_the_password_are_looked_at(zone: Run, tmp_path: Path) -> None:
    words = "req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /O=xferzone -keyout key.pem -out c.pem"
    subprocess.run(
        ["openssl", *words.split()], cwd=tmp_path, capture_output=True, check=True, timeout=BOUND_S
    )
    (tmp_path / "password").write_text("a secret")
    files = ["ca = 'c.pem'", "certificate = 'c.pem'", "key = 'key.pem'", "password = {file = 'password'}"]
    group(tmp_path, "etcd = ['https://a:2379']", "prefix = 'x/y/'", *files)
    assert zone("config", "check").out == "zones.xferzone.toml: ok\n"
    group(tmp_path, "ca = 'key.pem'")
    assert f"{AT} ca: cannot read the authorities" in zone("config", "check").err


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--etcd", "a:2379", NO_URL),
        ("--etcd", "http://a:x", "its port is not a number"),
        ("--etcd", "http://x:secret@a:2379", "has a login in its URL"),
        ("--url", "a:8080", NOT_HTTP),
        ("--url", "http://0.0.0.0:8080/", "has the address of no machine"),
        ("--name", "A b", NO_NAME),
        ("--prefix", "a b", "cannot be what keys begin with"),
        ("--copies", "17", "17 is not in the range"),
        ("--etcd-ca", "nowhere", "cannot read the authorities for etcd in nowhere: No such file"),
        ("--etcd-password-file", "nowhere", "cannot read the secret in nowhere: No such file"),
    ],
)
def test_an_option_that_cannot_be_used_is_named(zone: Run, option: str, value: str, told: str) -> None:
    done = zone("group", "join", option, value)
    assert done.code == 2
    assert f"Invalid value for '{option}': " in done.err
    assert told in done.err
    assert "secret@" not in done.err


def test_where_nothing_answers_it_is_told_who_said_so(
    zone: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"http://127.0.0.1:{free_port()}"

    def joined(*words: str) -> str:
        done = zone("group", "join", "--url", "http://127.0.0.1:1/", *words)
        assert done.code == 75
        assert "no answer from etcd: " in done.err
        return done.err

    refused = f"{url}: Connection refused: start etcd, or correct"
    assert f"{refused} --etcd\n" in joined("--etcd", url)
    group(tmp_path, f"etcd = ['{url}']")
    assert f"{refused} etcd in zones.xferzone.toml:2\n" in joined()
    monkeypatch.setenv("XFERZONE_GROUP__ETCD", url)
    assert f"{refused} XFERZONE_GROUP__ETCD\n" in joined()
    assert "http://127.0.0.1, which names no port, at port 80: " in joined("--etcd", "http://127.0.0.1")


def test_a_host_whose_name_cannot_be_a_member_s_asks_for_another(
    zone: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "-")
    done = zone("group", "join", "--etcd", "http://127.0.0.1:1", "--url", "http://127.0.0.1:1/")
    assert (done.code, "give --name" in done.err) == (2, True)


def test_the_file_may_name_as_many_endpoints_as_are_asked() -> None:
    assert config.MAX_ENDPOINTS == gateway.MAX_ENDPOINTS
