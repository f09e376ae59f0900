"""Several RDATA in one set, and the batch that replaces an address by a CNAME without a gap."""

import shlex
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.live import XFERZONE

NAME = "x.example.com"


A, B = "a.example.net.", "b.example.net."


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("A 192.0.2.1 192.0.2.2", ["3600 A 192.0.2.1", "3600 A 192.0.2.2"]),
        ("60 A 192.0.2.1 192.0.2.2 192.0.2.1", ["60 A 192.0.2.1", "60 A 192.0.2.2"]),
        ("A 60 192.0.2.1 192.0.2.2", ["60 A 192.0.2.1", "60 A 192.0.2.2"]),
        ("AAAA 2001:db8::1 2001:db8::2", ["3600 AAAA 2001:db8::1", "3600 AAAA 2001:db8::2"]),
        (f"NS 300 {A}", [f"300 NS {A}"]),
        (f"NS {A} {B}", [f"3600 NS {A}", f"3600 NS {B}"]),
        (f"MX '10 {A}' '20 {B}'", [f"3600 MX 10 {A}", f"3600 MX 20 {B}"]),
        (f"MX 10 {A} 20 {B}", [f"3600 MX 10 {A}", f"3600 MX 20 {B}"]),
        (f"MX 60 10 {A} 20 {B}", [f"60 MX 10 {A}", f"60 MX 20 {B}"]),
        (f"SRV 0 5 5060 {A} 0 6 5060 {B}", [f"3600 SRV 0 5 5060 {A}", f"3600 SRV 0 6 5060 {B}"]),
        ("""CAA '0 issue "a.b"' '0 iodef "c"'""", ['3600 CAA 0 iodef "c"', '3600 CAA 0 issue "a.b"']),
        ("CAA 0 issue a.b 0 issue c.d", ['3600 CAA 0 issue "a.b"', '3600 CAA 0 issue "c.d"']),
        (f"HTTPS '1 . alpn=h2' '2 {B}'", ["3600 HTTPS 1 . alpn=h2", f"3600 HTTPS 2 {B}"]),
        ("TXT v=spf1 mx -all", ['3600 TXT "v=spf1 mx -all"']),
        ("""TXT '"a"' '"b"'""", ['3600 TXT "a" "b"']),
        ("TXT v=spf1 -all --and token=1", ['3600 TXT "token=1"', '3600 TXT "v=spf1 -all"']),
        ("TXT a --and 'b c' --and d", ['3600 TXT "a"', '3600 TXT "b c"', '3600 TXT "d"']),
        (
            f"SSHFP 1 1 {'aa' * 20} --and 4 1 {'bb' * 20}",
            [f"3600 SSHFP 1 1 {'aa' * 20}", f"3600 SSHFP 4 1 {'bb' * 20}"],
        ),
    ],
)
def test_set_takes_several_rdata(zone: Run, command: str, shown: list[str]) -> None:
    words = shlex.split(command)
    done = zone("set", NAME, *words)
    assert done.code == 0, done.err
    assert done.out.split()[-1] == "6"
    assert sorted(zone("show", NAME).out.splitlines()) == [f"{NAME}. {line}" for line in shown]
    assert "nothing changed" in zone("set", NAME, *words).err


def test_a_line_of_a_batch_takes_several_too(zone: Run) -> None:
    batch = f'set {NAME} A 192.0.2.1 192.0.2.2\nset {NAME} TXT "a b" --and c\n'
    assert zone("apply", "example.com", "-", stdin=batch).code == 0
    assert [line.split(" ", 3)[3] for line in zone("show", NAME).out.splitlines()] == [
        "192.0.2.1", "192.0.2.2", '"c"', '"a b"',
    ]  # fmt: skip


def test_several_are_added_and_deleted_too(zone: Run) -> None:
    assert zone("add", "www.example.com", "A", "192.0.2.1", "192.0.2.2", "192.0.2.3").code == 0
    assert zone("show", "www.example.com").out.count("\n") == 3
    failed = zone("delete", "www.example.com", "A", "192.0.2.1", "192.0.2.9")
    assert failed.code == 5
    assert zone("delete", "www.example.com", "A", "192.0.2.1", "192.0.2.3").code == 0
    assert zone("show", "www.example.com").out == "www.example.com. 300 A 192.0.2.2\n"
    assert zone("delete", "www.example.com", "A", "192.0.2.9", "192.0.2.2", "--if-exists").code == 0


def test_comments_stay_with_the_records_that_stay(zone: Run) -> None:
    assert zone("set", "www.example.com", "A", "192.0.2.2", "192.0.2.1").code == 0
    text = zone("zone", "export", "example.com").out
    assert "www 300 A 192.0.2.1 ; the web server\nwww 300 A 192.0.2.2\n" in text
    assert zone("set", "www.example.com", "A", "192.0.2.3", "192.0.2.2").code == 0
    assert "www 300 A 192.0.2.3 ; the web server\n" in zone("zone", "export", "example.com").out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("A", "192.0.2.1", "192.0.2.999"), 6, "A 192.0.2.999: "),
        (("MX", "10", "a.example.net.", "20"), 6, "MX 10 a.example.net. 20: "),
        (("MX", "10", "a.example.net.", "x", "b.example.net."), 6, "MX x b.example.net.: "),
        (("CNAME", "a.example.net.", "b.example.net."), 6, "has 2 CNAME records, one is allowed"),
        (("TXT", "a", "--and"), 6, "--and stands between two RDATA"),
        (("TXT", "--and", "a"), 6, "--and stands between two RDATA"),
    ],
)
def test_a_wrong_one_among_several_is_named(zone: Run, words: tuple[str, ...], code: int, said: str) -> None:
    failed = zone("set", NAME, *words)
    assert failed.code == code
    assert said in failed.err


@pytest.mark.parametrize(
    ("before", "words"),
    [
        ([("A", "192.0.2.1")], ("set", "300", "CNAME", "example.net.")),
        ([("A", "192.0.2.1"), ("TXT", "it's")], ("set", "CNAME", "example.net")),
        ([("A", "192.0.2.1")], ("add", "CNAME", "example.net.")),
        ([("CNAME", "example.net.")], ("set", "A", "192.0.2.1", "192.0.2.2")),
        ([("CNAME", "example.net.")], ("add", "60", "TXT", 'don\'t  "panic"')),
    ],
)
@pytest.mark.parametrize("branch", ["main", "test"])
def test_the_refusal_of_a_cname_beside_others_names_the_batch_that_does_it(
    zone: Run, tmp_path: Path, before: list[tuple[str, ...]], words: tuple[str, ...], branch: str
) -> None:
    zone("branch", "example.com", "test")
    for rdata in before:
        assert zone("set", NAME, *rdata, "-b", branch).code == 0
    verb, *rest = words
    refused = zone(verb, NAME, *rest, "-b", branch)
    assert refused.code == 6
    command = refused.err.rstrip("\n").partition("; without a gap: ")[2]
    assert command.endswith("xferzone apply example.com -" + (" -b test" if branch == "test" else ""))
    ours = command.replace("| xferzone", f"| {shlex.join(XFERZONE)}")
    subprocess.run(["bash", "-c", ours], cwd=tmp_path, check=True)
    shown = zone("show", NAME, "--at", branch).out
    assert all(rdata[0] not in shown.split() for rdata in before)
    assert rest[-2] in shown.split() or "CNAME example.net." in shown or "192.0.2.2" in shown
    assert "nothing changed" in zone(verb, NAME, *rest, "-b", branch).err
    assert len(zone("log", f"example.com/{branch}").out.splitlines()) == len(before) + 1 + 1
