"""The configuration: what is read, from where, and how each fault is told."""

from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path

import pytest
from msgspec import Struct

from xferzone.config import (
    Address,
    Config,
    Dns,
    Duration,
    Grant,
    Http,
    Network,
    Zone,
    parse_address,
)
from xferzone.errors import UsageError
from xferzone.loading import Loaded, Sources, load
from xferzone.secret import Secret

PATH = Path("zones.xferzone.toml")


def read(text: str = "", environ: Mapping[str, str] | None = None) -> Loaded[Config]:
    return load(Config, Sources(PATH, text, environ or {}, {}))


def faults(text: str, environ: Mapping[str, str] | None = None) -> list[str]:
    with pytest.raises(UsageError) as caught:
        read(text, environ)
    return str(caught.value).split("\n")


def origins(loaded: Loaded[Config]) -> dict[str, str]:
    return {f"{each.section}.{each.key}": each.origin for each in loaded.settings}


def test_an_empty_file_gives_the_defaults() -> None:
    loaded = read()
    assert loaded.config == Config()
    assert loaded.config.http == Http((Address("127.0.0.1", 8080),), 1, 64)
    assert loaded.config.dns == Dns()
    assert set(origins(loaded).values()) == {"default"}


def test_every_setting_is_read_with_the_line_where_it_stands() -> None:
    loaded = read(
        """\
# the servers of this machine
http = {workers = 2, threads = 8}

[dns]
listen = [
    "0.0.0.0:53",   # all of IPv4
    "[::]:53",
]
workers = 3
"zones" = ["example.com"]
[log]
level = 'debug'
format = "json"
"""
    )
    assert loaded.config.dns == Dns((Address("0.0.0.0", 53), Address("::", 53)), 3, ("example.com",))
    assert (loaded.config.http.workers, loaded.config.http.threads) == (2, 8)
    assert (loaded.config.log.level, loaded.config.log.format) == ("debug", "json")
    assert origins(loaded) == {
        "http.listen": "default",
        "http.workers": f"{PATH}:2",
        "http.threads": f"{PATH}:2",
        "http.trusted": "default",
        "http.cache_mib": "default",
        "hosting.repository_root": "default",
        "hosting.listen": "default",
        "hosting.open": "default",
        "dns.listen": f"{PATH}:5",
        "dns.workers": f"{PATH}:9",
        "dns.zones": f"{PATH}:10",
        "dns.nsid": "default",
        "dns.version": "default",
        "dns.identity": "default",
        "dns.cookies": "default",
        "dns.log_each": "default",
        "dns.rate.enabled": "default",
        "dns.rate.per_second": "default",
        "dns.rate.slip": "default",
        "dns.rate.exempt": "default",
        "replicate.listen": "default",
        "replicate.primaries": "default",
        "replicate.interval": "default",
        "replicate.via": "default",
        "replicate.through_cache": "default",
        "replicate.login": "default",
        "replicate.password": "default",
        "group.etcd": "default",
        "group.prefix": "default",
        "group.name": "default",
        "group.url": "default",
        "group.copies": "default",
        "group.user": "default",
        "group.password": "default",
        "group.ca": "default",
        "group.certificate": "default",
        "group.key": "default",
        "nats.url": "default",
        "nats.user": "default",
        "nats.password": "default",
        "nats.token": "default",
        "nats.ca": "default",
        "nats.certificate": "default",
        "nats.key": "default",
        "log.level": f"{PATH}:12",
        "log.format": f"{PATH}:13",
        "keys.files": "default",
    }


def test_a_variable_wins_over_the_file_and_an_option_over_both() -> None:
    text, environ = (
        "[http]\nworkers = 2\nthreads = 8\nlisten = ['127.0.0.1:1']\n",
        {
            "XFERZONE_HTTP__WORKERS": "3",
            "XFERZONE_HTTP__LISTEN": "127.0.0.1:2",
        },
    )
    option = (Address("127.0.0.1", 3),)
    loaded = load(Config, Sources(PATH, text, environ, {("http", "listen"): (option, "--http")}))
    assert loaded.config.http == Http(option, 3, 8)
    assert [each.origin for each in loaded.settings[:3]] == ["--http", "XFERZONE_HTTP__WORKERS", f"{PATH}:3"]


@pytest.mark.parametrize(
    "text", ["127.0.0.1:1,[::1]:2", " 127.0.0.1:1 , [::1]:2 ", "['127.0.0.1:1', '[::1]:2']"]
)
def test_a_list_in_a_variable_is_separated_by_commas_or_is_a_toml_array(text: str) -> None:
    # What begins with a bracket is TOML; write an address of IPv6 that comes first as TOML, too.
    listen = read("", {"XFERZONE_DNS__LISTEN": text}).config.dns.listen
    assert listen == (Address("127.0.0.1", 1), Address("::1", 2))


def test_an_empty_variable_is_an_empty_list() -> None:
    assert read("", {"XFERZONE_DNS__ZONES": ""}).config.dns.zones == ()


FAULTS = [
    ("[http]\nworker = 2\n", "2: unknown setting worker in [http]: did you mean workers?"),
    (
        "[http]\nxyz = 2\n",
        "2: unknown setting xyz in [http]: known are listen, workers, threads, trusted, cache_mib",
    ),
    ("\n[htp]\nworkers = 2\n", "2: unknown section htp: did you mean http?"),
    (
        "\nworkers = 2\n",
        "2: unknown setting outside a section: workers: known are http, hosting, dns, replicate, group, nats, log, ",
    ),
    ("[[http]]\nworkers = 2\n", "1: http is a section: write [http] and its settings below"),
    ("[http]\nworkers = '2'\n", "2: [http] workers: expected int, got str"),
    ("[http]\nworkers = 0\n", "2: [http] workers: expected int >= 1, got 0"),
    ("[dns]\nworkers = 257\n", "2: [dns] workers: expected int <= 256, got 257"),
    (f"[http]\nthreads = {'9' * 50}\n", f"2: [http] threads: expected int <= 900, got {'9' * 30}"),
    (
        "[dns]\nlisten = ['[::ffff:192.0.2.1]:53']\n",
        "2: [dns] listen[0]: '[::ffff:192.0.2.1]:53' is an IPv4 ",
    ),
    ("[dns]\n\nworkers = true\n", "3: [dns] workers: expected int, got bool"),
    ("[http]\nlisten = '127.0.0.1:1'\n", "2: [http] listen: expected array, got str"),
    ("[http]\nlisten = []\n", "2: [http] listen: expected array of length >= 1"),
    ("[http]\nlisten = [\n'127.0.0.1:1',\n8080]\n", "4: [http] listen[1]: expected a string, got 8080"),
    ("[http]\ntrusted = ['10.0.0.1/8']\n", "2: [http] trusted[0]: '10.0.0.1/8' is not a network: write "),
    ("[http]\nlisten = ['[::1]:1', '[0::1]:1']\n", "2: [http] listen: [::1]:1 is given twice"),
    ("[log]\nlevel = 'loud'\n", "2: [log] level: 'loud' is not one of debug, info, warning, error"),
    ("[log]\nlevel = 3\n", "2: [log] level: 3 is not one of debug, info, warning, error"),
    ("[http]\ntrusted = [\n'10.0.0.0/8',\n'x']\n", "4: [http] trusted[1]: 'x' is not a network: write "),
    ("[dns]\nrate = {slip = 1, slop = 2}\n", "2: unknown setting slop in [dns.rate]: did you mean slip?"),
    ("[dns.rate]\nslip = 11\n", "2: [dns.rate] slip: expected int <= 10, got 11"),
    ("[dns]\nrate = 3\n", "2: dns.rate is a section: write [dns.rate] and its settings below"),
    ("[zone]\nname = 'a'\n", "1: zone is a list of tables: write [[zone]] and its settings below"),
    ("\n[[zone]]\nbranch = 'x'\n", "2: [[zone]] name: it is missing"),
    (
        "[[zone]]\nname = 'a'\n[[zone]]\nname = 'b'\nbranhc = 1\n",
        "5: unknown setting branhc in [[zone]]: did you",
    ),
    ("[[zone]]\nname = 3\n", "2: [[zone]] name: expected str | array, got int"),
    ("[[zone]]\nname = 'a'\nnotify = 'on'\n", "3: [[zone]] notify: 'on' is not one of off, ns"),
    (
        "[[zone]]\nname = 'a'\ntransfer = ['::/0',\n'key:']\n",
        "4: [[zone]] transfer[1]: 'key:' is not a ",
    ),
    (
        "[[zone]]\nname = 'a'\nalso_notify = [{address = '::1'},\n3]\n",
        "4: [[zone]] also_notify[1]: expected a table",
    ),
    (
        "[[zone]]\nname = 'a'\nalso_notify = [\n{adress = 'x'}]\n",
        "4: unknown setting adress in [[zone]] also_notify[0]: ",
    ),
    (
        "[[zone]]\nname = 'a'\nalso_notify = ['a']\n",
        "3: [[zone]] also_notify[0].address: 'a' is not the address of a ",
    ),
    ("[[zone]]\nname = 'a'\n[zone.canary]\nbranch = 'b'\n", "3: [[zone]] canary.percent: it is missing"),
    (
        "[[zone]]\nname = 'a'\n[zone.canary]\nbranch = 'b'\npercent = 101\n",
        "5: [[zone]] canary.percent: expected float ",
    ),
    (
        "[[zone]]\nname = 'a'\n[zone.canary]\nbranch = 'b'\npercent = 0.001\n",
        "3: [[zone]] canary: percent: 0.001 has ",
    ),
    ("[keys.a]\nalgorithm = 'x'\n", "1: [keys.a] secret: it is missing"),
    ('[keys."a.b"]\nsecret = "x"\n', '2: [keys."a.b"] secret: a secret is written as {file'),
    ("[keys]\nfile = ['x']\n", "2: [keys] file: expected a table, got ['x']"),
    ("[http]\nworkers = \n", "2: Invalid value"),
    ("[http]\nworkers = 1\nworkers = 2\n", "3: Cannot overwrite a value"),
    ("[http]\nlisten = ['127.0.0.1:1'\n", "3: Unclosed array"),
    ("[http]\nxyz = '''\n[dns]\n'''\n[log]\nabc = 1", "6: unknown setting abc in [log]"),
]


@pytest.mark.parametrize(("text", "told"), FAULTS)
def test_a_fault_is_told_with_path_and_line(text: str, told: str) -> None:
    assert any(fault.startswith(f"{PATH}:{told}") for fault in faults(text)), faults(text)


def test_of_a_table_every_fault_is_told_where_it_is() -> None:
    told = faults("[[zone]]\nname = 'a'\nat = 3\ncanary = 1\n[[zone]]\nname = 'b'\nnotify = 'x'\n")
    assert [fault.split(" ")[0] for fault in sorted(told)] == [f"{PATH}:3:", f"{PATH}:4:", f"{PATH}:7:"]


def test_lists_of_tables_have_no_variables() -> None:
    assert (
        read("", {"XFERZONE_ZONE": "example.com"}).config == Config()
    )  # that of option -z, which servers ignore
    (told,) = faults("", {"XFERZONE_ZONE__BRANCH": "x"})
    assert told.startswith("XFERZONE_ZONE__BRANCH: no such setting")
    assert read("", {"XFERZONE_DNS__RATE__ENABLED": "true"}).config.dns.rate.enabled is True


def test_an_option_sets_its_setting_in_each_zone_and_in_the_rest() -> None:
    options = {("zone", "branch"): ("stable", "--branch")}
    loaded = load(Config, Sources(PATH, "[[zone]]\nname = 'a'\nbranch = 'b'\nat = 'c'\n", {}, options))
    assert loaded.config.zone == (Zone("a", "stable", at="c"), Zone("*", "stable"))
    assert [loaded.origin("zone", number, "branch") for number in (0, 1)] == ["--branch", "--branch"]


def test_an_element_of_what_an_option_or_a_variable_replaced_came_from_there() -> None:
    text = "[dns]\nlisten = ['127.0.0.1:1']\nzones = ['a']\n[[zone]]\nname = 'a'\ntransfer = ['::1']\n"
    options = {("zone", "transfer"): ((Grant("::2"),), "--allow-transfer")}
    loaded = load(Config, Sources(PATH, text, {"XFERZONE_DNS__LISTEN": "127.0.0.1:2"}, options))
    assert loaded.origin("dns", "listen", 0) == "XFERZONE_DNS__LISTEN"
    assert loaded.origin("dns", "zones", 0) == f"{PATH}:3"
    assert [loaded.origin("zone", number, "transfer", 0) for number in (0, 1)] == ["--allow-transfer"] * 2
    assert loaded.origin("zone", 0, "name") == f"{PATH}:5"


def test_all_faults_are_told_at_once() -> None:
    told = faults("[http]\nworkers = 0\n[dns]\nzone = 1\n", {"XFERZONE_LOG__LEVEL": "x"})
    assert [fault.split(" ")[0] for fault in told] == [f"{PATH}:2:", f"{PATH}:4:", "XFERZONE_LOG__LEVEL:"]


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        (
            "XFERZONE_HTTP__WORKER",
            "2",
            "XFERZONE_HTTP__WORKER: no such setting: did you mean XFERZONE_HTTP__",
        ),
        ("XFERZONE_HTTP__WORKERS", "two", "XFERZONE_HTTP__WORKERS: [http] workers: expected int, got str"),
        ("XFERZONE_DNS__LISTEN", "[::1]:53", "XFERZONE_DNS__LISTEN: [dns] listen: not a TOML value: "),
        (
            "XFERZONE_DNS__LISTEN",
            "here:53",
            "XFERZONE_DNS__LISTEN: [dns] listen[0]: 'here:53' is not an address",
        ),
    ],
)
def test_a_fault_of_a_variable_is_told_with_its_name(name: str, value: str, told: str) -> None:
    (fault,) = faults("", {name: value})
    assert fault.startswith(told)


def test_variables_without_two_underscores_are_not_settings() -> None:
    environ = {"XFERZONE_REPOSITORY": "x", "XFERZONE_CONFIG": "y", "XFERZONE_READY_FD": "3"}
    assert read("", environ).config == Config()


def test_an_address_is_read_and_shown() -> None:
    for text, shown in [("localhost:1", "127.0.0.1:1"), ("[2001:DB8:0::1]:53", "[2001:db8::1]:53")]:
        assert str(parse_address(text)) == shown


def test_a_network_holds_addresses_of_its_own_family_only() -> None:
    assert ip_address("10.1.2.3") in Network("10.0.0.0/8")
    assert ip_address("11.1.2.3") not in Network("10.0.0.0/8")
    assert ip_address("::1") not in Network("0.0.0.0/0")


class Door(Struct, frozen=True):
    token: Secret | None = None


class WithSecret(Struct, frozen=True):
    """What the first section with a secret will look like; none has one yet."""

    door: Door = Door()


def secret(value: str, at: Path, environ: Mapping[str, str] | None = None) -> Secret:
    sources = Sources(at / "x.toml", f"[door]\ntoken = {value}\n", environ or {}, {})
    found = load(WithSecret, sources).config.door.token
    assert found is not None
    return found


def test_a_secret_is_found_beside_the_file_in_a_variable_or_with_systemd(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("of the file\n")
    assert secret('{file = "token"}', tmp_path).reveal({}) == "of the file"
    assert secret('{file = "/dev/null"}', tmp_path).reveal({}) == ""
    assert secret('{env = "TOKEN"}', tmp_path).reveal({"TOKEN": "of the variable"}) == "of the variable"
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert secret('{credential = "token"}', tmp_path).reveal(environ) == "of the file"


def test_a_secret_is_never_shown(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hush")
    found = secret('{file = "token"}', tmp_path)
    assert str(found) == repr(found) == f'{{file = "{tmp_path / "token"}"}}'


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ('{file = "none"}', "cannot read the secret in "),
        ('{env = "NONE"}', "the environment variable NONE is not set"),
        ('{credential = "token"}', "no credential token: systemd has not set CREDENTIALS_DIRECTORY"),
    ],
)
def test_a_secret_that_is_not_there_is_told(tmp_path: Path, value: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        secret(value, tmp_path).reveal({})


@pytest.mark.parametrize("value", ['"hush"', '{text = "hush"}', '{file = "a", env = "b"}', "{file = 3}", "3"])
def test_what_is_not_a_reference_is_refused_and_not_shown(tmp_path: Path, value: str) -> None:
    with pytest.raises(UsageError, match=r"x\.toml:2: \[door\] token: a secret is written as ") as caught:
        secret(value, tmp_path)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "seconds"), [("500ms", 0.5), ("5s", 5), ("1m", 60), ("1h", 3600), ("100ms", 0.1)]
)
def test_a_time_has_a_unit(text: str, seconds: float) -> None:
    assert Duration(text).seconds == pytest.approx(seconds)
    assert str(Duration(text)) == text


@pytest.mark.parametrize("text", ["5", "5 s", "-5s", "0s", "99ms", "2h", "1.5s", "", "s", "\u0665s"])
def test_what_is_not_a_time_or_out_of_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"write (500ms, 5s or 1m|a time from 100ms to 1h)"):
        Duration(text)


def test_the_primaries_of_a_mirror_are_read() -> None:
    lines = 'primaries = ["https://a.example/", "https://b.example/"]\ninterval = "1m"\npassword = {file = "secret"}\n'
    found = read(f"[replicate]\n{lines}").config.replicate
    assert found.primaries == ("https://a.example/", "https://b.example/")
    assert (found.interval.seconds, found.via, found.login) == (60, "walk", None)
    assert found.password is not None
    assert found.password.at.kind == "file"
