"""What the configuration means for DNS: which terms hold for which zone, and what is refused."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from xferzone.config import Address, Config, Network
from xferzone.dnsd.configured import terms
from xferzone.dnsd.terms import Allowed, Canary, Key, Rate, Target, Terms, ZoneTerms
from xferzone.errors import UsageError
from xferzone.loading import Sources, load

SHA256 = b"\x0bhmac-sha256\0"
ENVIRON = {"ONE": "b25l", "COOKIES": "00" * 16 + "\n" + "f0" * 16 + "\n"}
KEY = '[keys.One]\nsecret = {env = "ONE"}\n'
ONE = Key(b"\x03one\0", SHA256, b"one")


def made(text: str, place: Path = Path(), environ: Mapping[str, str] = ENVIRON) -> tuple[Terms, list[str]]:
    return terms(load(Config, Sources(place / "x.toml", text, {}, {})), environ)


def faults(text: str, place: Path = Path()) -> list[str]:
    with pytest.raises(UsageError) as caught:
        made(text, place)
    return str(caught.value).split("\n")


def zones(*names: str) -> str:
    """A table for each name, whose branch is the name."""
    return "".join(f'[[zone]]\nname = "{name}"\nbranch = "{name}"\n' for name in names)


def test_without_settings_all_zones_have_the_plain_terms() -> None:
    found, doubts = made("")
    assert (found, doubts) == (Terms(), [])
    assert found.of("example.com") == ZoneTerms()


@pytest.mark.parametrize(
    ("names", "zone", "branch"),
    [
        (("a.example", "*"), "a.example", "a.example"),
        (("a.example", "*"), "b.a.example", "*"),
        (("*.example", "a.example"), "a.example", "*.example"),
        (("*.example",), "example", "main"),
        (("*.example",), "b.a.example", "*.example"),
        (("*.a.example", "*.example"), "b.a.example", "*.a.example"),
        (("*.example", "*.a.example"), "b.a.example", "*.example"),
        (("A.Example.",), "a.example", "a.example"),
        (("*.con.example",), "a.con.example", "*.con.example"),  # the zone con.example is %63on.example
        (("con.example",), "%63on.example", "con.example"),
        (("*",), "%root", "*"),
        ((".",), "%root", "."),
        (("*.example",), "notexample", "main"),
    ],
)
def test_of_all_patterns_that_match_a_zone_the_first_counts(
    names: tuple[str, ...], zone: str, branch: str
) -> None:
    assert made(zones(*names))[0].of(zone).branch.lower().rstrip(".") == branch.rstrip(".")


def test_several_names_share_a_table() -> None:
    found, _ = made('[[zone]]\nname = ["a.example", "*.a.example"]\nat = "2026-01-01"\n')
    assert [found.of(zone).at for zone in ("a.example", "x.a.example", "b.example")] == ["2026-01-01"] * 2 + [
        None
    ]


def test_a_pattern_that_comes_too_late_is_told() -> None:
    _, doubts = made(zones("a.example", "*.example", "x.a.example", "*.x.example", "example", "*", "b.test"))
    assert doubts == [
        "x.toml:8: [[zone]] name: x.a.example is never used: *.example at x.toml:5 comes first",
        "x.toml:11: [[zone]] name: *.x.example is never used: *.example at x.toml:5 comes first",
        "x.toml:20: [[zone]] name: b.test is never used: * at x.toml:17 comes first",
    ]


def test_terms_of_a_zone_take_looks_by_labels_and_not_by_rules() -> None:
    class Counting(dict[str, int]):
        looks = 0

        def __contains__(self, key: object) -> bool:
            Counting.looks += 1
            return super().__contains__(key)

        def get(self, *asked: Any) -> Any:
            Counting.looks += 1
            return super().get(*asked)

    found = Terms(zones=tuple((f"z{number}.example", ZoneTerms(str(number))) for number in range(10_000)))
    object.__setattr__(found, "_first", Counting({each: at for at, (each, _) in enumerate(found.zones)}))
    assert found.of("z9999.example").branch == "9999"
    assert Counting.looks == 3


def test_who_may_transfer_is_a_network_or_a_key_or_both() -> None:
    found, _ = made(
        KEY + '[[acl]]\nname = "near"\nnetworks = ["192.0.2.0/24"]\nkeys = ["one."]\n'
        '[[zone]]\nname = "*"\ntransfer = ["198.51.100.0/24",\n"key:ONE", "acl:near"]\n'
    )
    one = frozenset((ONE.name,))
    assert found.of("a").transfer == (
        Allowed((Network("198.51.100.0/24"),), frozenset(), "198.51.100.0/24 (x.toml:9)"),
        Allowed((), one, "key:ONE (x.toml:10)"),
        Allowed((Network("192.0.2.0/24"),), one, "acl:near (x.toml:10)"),
    )
    assert found.keys == {ONE.name: ONE}


def test_whom_to_tell_and_a_canary() -> None:
    found, _ = made(
        KEY + '[[zone]]\nname = "*"\nnotify = "ns"\n'
        'also_notify = ["192.0.2.1", "[2001:db8::1]:54", {address = "2001:db8::2", key = "one"}]\n'
        'canary = {branch = "next", percent = 12.34, salt = "s", ecs_from = ["192.0.2.0/24"]}\n'
    )
    of = found.of("a")
    assert (of.tells_ns, of.canary) == (True, Canary("next", 1234, b"s", (Network("192.0.2.0/24"),)))
    assert of.also_tells == (
        Target(Address("192.0.2.1", 53)),
        Target(Address("2001:db8::1", 54)),
        Target(Address("2001:db8::2", 53), ONE),
    )


def test_keys_are_read_in_binds_form(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(
        '// by tsig-keygen\nkey "transfer.Example" {\n\talgorithm hmac-sha512; # long\n\tsecret "b25l";\n};\n'
        'options { directory "/tmp"; };\n/* key old { }; */ key hmac { algorithm HMAC-MD5; secret b25l; };\n'
    )
    found, _ = made('[keys]\nfiles = ["keys"]\n', tmp_path)
    assert list(found.keys.values()) == [
        Key(b"\x08transfer\x07example\0", b"\x0bhmac-sha512\0", b"one"),
        Key(b"\x04hmac\0", b"\x08hmac-md5\x07sig-alg\x03reg\x03int\0", b"one"),
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("key a { secret b25l; };", "line 1: key a has no algorithm"),
        ("\nkey a { algorithm hmac-sha256; secret x; secret y; };", "line 2: key a has 2 secret"),
        ("key a { algorithm hmac-sha256; secret b25l; }", "line 1: the file ends within a statement"),
        (
            "key a { algorithm sha256; secret b25l; };",
            "key a: algorithm 'sha256' is not one of hmac-md5, hmac-sha1",
        ),
        ("key a { algorithm hmac-sha256; secret hush!; };", "the secret of key a is not base64"),
        ('key a { algorithm hmac-sha256; secret ""; };', "the secret of key a is empty"),
        ("key one { algorithm hmac-sha256; secret b25l; };", "key one is there twice"),
    ],
)
def test_a_bad_key_in_a_file_is_told_and_never_shown(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "keys").write_text(text)
    (fault,) = faults(f'{KEY}[keys]\nfiles = ["keys"]\n', tmp_path)
    assert fault.startswith(f"{tmp_path}/x.toml:4: [keys] files[0]: ")
    assert told in fault
    assert "hush" not in fault


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[[zone]]\nname = "*"\ntransfer = ["key:two"]\n', "3: [[zone]] transfer[0]: no key two: write [keys.two], "),
        ('[[zone]]\nname = "*"\ntransfer = ["acl:two"]\n', "3: [[zone]] transfer[0]: no [[acl]] has the name two"),
        ('[[zone]]\nname = "*"\nalso_notify = [\n{address="::1", key="a.b"}]\n',
         '4: [[zone]] also_notify[0]: no key a.b: write [keys."a.b"]'),
        ('[[acl]]\nname = "a"\n', "1: [[acl]]: a has neither networks nor keys: everybody would match"),
        ('[[acl]]\nname="a"\nnetworks=["::1"]\n[[acl]]\nname="a"\nnetworks=["::1"]\n',
         "5: [[acl]] name: a is there twice"),
        ('[[zone]]\nname = ["a",\n"b..c"]\n', "3: [[zone]] name[1]: 'b..c' is not a name: "),
        ('[keys.one]\nsecret = {env = "NONE"}\n', "2: [keys.one] secret: the environment variable NONE is not set"),
        ('[keys.one]\nsecret = {env = "ONE"}\nalgorithm = "sha256"\n[[zone]]\nname = "*"\ntransfer = ["key:one"]\n',
         "3: [keys.one] algorithm: key one: algorithm 'sha256' is not one of hmac-md5, "),
        ('[dns]\ncookies = {env = "ONE"}\n', '2: [dns] cookies: {env = "ONE"} does not hold one or two secrets of 32 '),
    ],
)  # fmt: skip
def test_what_names_nothing_is_told_with_its_line(text: str, told: str) -> None:
    (fault,) = faults(text)
    assert fault.startswith(f"x.toml:{told}")


def test_answers_are_bounded_where_an_address_is_not_loopback() -> None:
    assert made("")[0].options.rate is None
    assert made('[dns]\nlisten = ["127.0.0.1:53", "0.0.0.0:53"]\n')[0].options.rate == Rate()
    assert made("[dns.rate]\nenabled = true\nslip = 3\nexempt = []\n")[0].options.rate == Rate(200, 3, ())
    assert made('[dns]\nlisten = ["0.0.0.0:53"]\n[dns.rate]\nenabled = false\n')[0].options.rate is None


def test_what_answers_say_of_the_server() -> None:
    text = '[dns]\nnsid = "ns1"\nversion = "x"\nidentity = "y"\nlog_each = 100\ncookies = {env = "COOKIES"}\n'
    options = made(text)[0].options
    assert (options.nsid, options.version, options.identity, options.log_each) == (b"ns1", "x", "y", 100)
    assert options.cookies == (b"\0" * 16, b"\xf0" * 16)
