"""The cases of the Ferret data set: where four servers agree, we agree (data/ferret/README.md)."""

import json
import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dns.rdata
import dns.rdatatype

from tests.dnsd.made import Said, question, said, view_of, zones_of
from xferzone.dnsd.respond import respond

CASES = Path(__file__).parents[1] / "data" / "ferret" / "ferret-even.jsonl.xz"


@dataclass(frozen=True)
class Case:
    id: str
    zone: str
    qname: str
    qtype: str
    answers: dict[str, Said]  # by server

    @property
    def ours(self) -> Said:
        apex = self.zone.split(None, 1)[0]
        zones = zones_of(view_of(self.zone, apex))
        return said(respond(question(self.qname, self.qtype), zones, tcp=False))


def cases() -> Iterator[Case]:
    with lzma.open(CASES, "rt") as file:
        for line in file:
            case = json.loads(line)
            answers = {server: _said(group) for group in case["expected"] for server in group["servers"]}
            yield Case(case["id"], case["zone"], case["qname"], case["qtype"], answers)


def _said(group: dict[str, str | list[str]]) -> Said:
    sections = [
        frozenset(map(_canonical, group[section])) for section in ("answer", "authority", "additional")
    ]
    flags = group["flags"]
    assert isinstance(flags, str)
    return Said(str(group["rcode"]), "AA" in flags.split(), *sections)


def _canonical(record: str) -> str:
    owner, ttl, rdclass, rdtype, rdata = record.split(None, 4)
    read = dns.rdata.from_text("IN", dns.rdatatype.from_text(rdtype), rdata)
    return f"{owner} {ttl} {rdclass} {rdtype} {read}".lower()


def test_where_the_four_servers_agree_we_agree() -> None:
    agreed = [case for case in cases() if len({answer.settled for answer in case.answers.values()}) == 1]
    wrong = [case.id for case in agreed if case.ours.settled != case.answers["nsd"].settled]
    assert wrong == []
    assert len(agreed) == 6310


def test_where_they_differ_we_say_what_nsd_says() -> None:
    differ = [case for case in cases() if len({answer.settled for answer in case.answers.values()}) > 1]
    assert [case.id for case in differ if case.ours.settled != case.answers["nsd"].settled] == []
    assert len(differ) == 27  # CNAME and DNAME that go in circles, and DNAME that leads below itself
