r"""People are shown every type in presentation form that has any here, though the file says \#; edit writes it back."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Ran, Run

ADDRESSES = ("APL", "1:192.0.2.0/24 !2:2001:db8::/32")
GENERIC = r"apl 300 TYPE42 \# 15 00011803c00002000220842001" + "0db8"
#: What hardly anyone uses, in the form that people are shown; NULL and A6 have none here.
SHOWN = [
    "300 ISDN " + '"150862028003217" "004"',
    "300 HIP 2 200100107b1a74df365639cc39f1d578 AwEA rvs.example.com. rvs2.example.net.",
    "300 AMTRELAY 10 1 3 relay.example.com.",
    "300 WKS 192.0.2.1 6 25 80",
    "300 NSAP 0x47000580",
    "300 DSYNC CDS 1 5300 scanner.example.net.",
    "300 SIG DSYNC 13 2 300 20270101000000 20260101000000 1 example.com. wP/u",
    "300 RESINFO " + '"qnamemin" "exterr=15-17"',
    "300 MINFO a.example.com. b.example.net.",
    "300 NSEC b.example.com. A APL DSYNC TYPE65280",
    r"300 NULL \# 2 00ff",
    r"300 TYPE65280 \# 1 ab",
    r"300 URI \# 4 000a0001",
]
OWNER = "rare.example.com."


def out(ran: Ran) -> list[str]:
    assert ran.code == 0, ran.err
    return ran.out.splitlines()


@pytest.fixture
def rare(zone: Run) -> Run:
    """The zone has each of SHOWN at rare.example.com, and an APL."""
    batch = "".join(f"add {OWNER} {line}\n" for line in SHOWN)
    changed = out(zone("apply", "example.com", "-", stdin=batch))
    assert sorted(changed[:-1]) == sorted(f"+rare {line}" for line in SHOWN)
    assert out(zone("add", "apl.example.com", "300", *ADDRESSES))[0] == f"+apl 300 {' '.join(ADDRESSES)}"
    return zone


def test_the_file_has_generic_form_and_people_are_shown_the_presentation(rare: Run) -> None:
    exported = out(rare("zone", "export", "example.com"))
    assert GENERIC in exported
    assert not [line for line in exported if line.split()[2:3] in (["HIP"], ["AMTRELAY"], ["NULL"])]
    assert out(rare("show", "apl.example.com")) == [f"apl.example.com. 300 {' '.join(ADDRESSES)}"]
    assert sorted(out(rare("show", OWNER))) == sorted(f"{OWNER} {line}" for line in SHOWN)
    assert out(rare("diff", "example.com")) == [f"+apl 300 {' '.join(ADDRESSES)}"]
    assert f"+apl 300 {' '.join(ADDRESSES)}" in out(rare("log", "example.com", "-p", "-n", "1"))
    blamed = [line.split(": ", 1)[1] for line in out(rare("blame", "example.com", OWNER))]
    assert sorted(blamed) == sorted(f"rare {line}" for line in SHOWN)
    nothing = rare("show", "apl.example.com", "A")
    assert nothing.err.strip().endswith("apl.example.com. has no such record in example.com: it has APL")
    missing = rare("delete", "apl.example.com", "APL", "1:192.0.2.0/25")
    assert f"it has {ADDRESSES[1]}" in missing.err


def test_json_has_the_octets_beside_the_presentation(rare: Run) -> None:
    apl = {
        "name": "apl.example.com.",
        "ttl": 300,
        "type": "APL",
        "rdata": ADDRESSES[1],
        "rdata_hex": GENERIC.split()[-1],
    }
    assert json.loads(rare("--format", "json", "show", "apl.example.com").out)["records"] == [apl]
    (change,) = json.loads(rare("--format", "json", "diff", "example.com").out)["changes"]
    assert change == {"action": "add"} | apl
    (row,) = json.loads(rare("--format", "json", "blame", "example.com", "apl.example.com").out)["records"]
    assert row.items() >= apl.items()


def test_edit_shows_the_presentation_and_writes_the_generic_form(
    rare: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = out(rare("zone", "export", "example.com"))
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", f"cp --target-directory={tmp_path}")
    assert rare("edit", "example.com").err == "example.com/main: nothing changed\n"
    draft = (tmp_path / "example.com.zone").read_text().splitlines()
    assert {f"rare {line}" for line in SHOWN} < set(draft)
    monkeypatch.setenv("EDITOR", r"sed -i s/!2:2001:db8::/!2:2001:db9::/")
    assert out(rare("edit", "example.com"))[:2] == [
        f"-apl 300 {' '.join(ADDRESSES)}",
        "+apl 300 APL 1:192.0.2.0/24 !2:2001:db9::/32",
    ]
    after = out(rare("zone", "export", "example.com"))
    assert [line for line in after if line not in before and " SOA " not in line] == [
        GENERIC.replace("0db8", "0db9")
    ]


SIGNATURE = ("13", "2", "300", "20270101000000", "20260101000000", "1", "example.com.", "AAAA")


def test_signatures_are_rrsets_by_what_they_cover(zone: Run) -> None:
    for covered, ttl in (("A", "300"), ("AAAA", "60")):
        assert zone("add", "s.example.com", ttl, "RRSIG", covered, *SIGNATURE).code == 0
    tag_2 = (*SIGNATURE[:5], "2", *SIGNATURE[6:])
    assert out(zone("add", "s.example.com", "90", "RRSIG", "A", *tag_2))[:3] == [
        f"-s 300 RRSIG A {' '.join(SIGNATURE)}",
        f"+s 90 RRSIG A {' '.join(SIGNATURE)}",
        f"+s 90 RRSIG A {' '.join(tag_2)}",
    ]
    tag_3 = (*SIGNATURE[:5], "3", *SIGNATURE[6:])
    assert zone("set", "s.example.com", "RRSIG", "A", *tag_3).code == 0
    assert out(zone("show", "s.example.com")) == [
        f"s.example.com. 90 RRSIG A {' '.join(tag_3)}",
        f"s.example.com. 60 RRSIG AAAA {' '.join(SIGNATURE)}",
    ]
    assert zone("delete", "s.example.com", "7", "RRSIG", "A", *tag_3).code == 0
    assert len(out(zone("show", "s.example.com"))) == 1


UNSIGNED = r"""
$ORIGIN example.com.
$TTL 3600
@ SOA ns1 hostmaster 2026112901 7200 3600 1209600 300
@ NS ns1
@ NS ns2.example.net.
@ MX 10 mail
ns1 A 192.0.2.1
www 300 A 192.0.2.3
www 300 A 192.0.2.2
www AAAA 2001:db8::1
www 600 HTTPS 1 Svc.Example.Com. alpn="h2,h3" key667=""
mail A 192.0.2.4
a+b TXT "plus" ; comment
a\.c.x 60 TXT "y"
sub NS ns.sub
ns.sub A 192.0.2.5
Case CNAME WWW.Example.COM.
loc LOC 52 22 23 N 4 53 32 E -2m
*.wild A 192.0.2.9
apl APL 1:192.0.2.0/24
kx KX 1 Kx.Example.Com.
naptr NAPTR 1 2 "u" "E2U+sip" "!^.*$!sip:x@example.com!" Target.Example.Com.
"""


@pytest.mark.interop
@pytest.mark.parametrize("nsec3", [(), ("-n",)], ids=["NSEC", "NSEC3"])
def test_a_signed_zone_with_its_digest_stays_valid(xz: Run, tmp_path: Path, nsec3: tuple[str, ...]) -> None:
    def ldns(program: str, *words: str) -> str:
        found = shutil.which(program)
        assert found is not None, f"{program} is not here: run tests/peers.sh"
        done = subprocess.run([found, *words], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    keys = [ldns("ldns-keygen", "-a", "ECDSAP256SHA256", *words, "example.com") for words in ((), ("-k",))]
    (tmp_path / "unsigned").write_text(UNSIGNED)
    ldns("ldns-signzone", *nsec3, "-z", "1:1", "-f", "signed", "unsigned", *keys)
    assert xz("init").code == 0
    added = xz("zone", "add", "example.com", "--from", "signed")
    assert added.code == 0
    assert added.err.startswith(
        "warning: signed: the zone is signed: its DNSSEC records are kept but not answered yet, and a DS in the zone "
        "above makes it bogus for validating resolvers\n"
    )
    (tmp_path / "exported").write_text(xz("zone", "export", "example.com").out)
    assert ldns("ldns-verify-zone", "-Z", "exported") == "Zone is verified and complete"
