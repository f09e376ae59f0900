"""The cases of the Ferret data set, each with what it is held to (tests/data/ferret/README.md, docs/dns-answers.md).

The group of a case follows from what the four servers said, and for those where they differ from its number; each
group has a rule that our answer must obey in all its cases, and the table in the docs says how many they are.
"""

import json
import lzma
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import dns.rdata
import dns.rdatatype
import pytest

from tests.live import PROJECT
from tests.nameserver.made import Said, question, said, view_of, zones_of
from xferzone.nameserver.respond import respond

CASES = Path(__file__).parents[1] / "data" / "ferret" / "ferret-even.jsonl.xz"
SERVERS = ("bind", "nsd", "knot", "powerdns")

#: Cases where rcode, AA, answer or a negative authority section differ, by what makes them differ.
DIFFER = {
    "CNAME asked for at a wildcard CNAME that covers its target": (132, 870),
    "another type there": (320,),
    "below a DNAME to its own owner": (250, 548, 622, 672, 1200, 1304, 1346),
    "below a DNAME that leads below itself": (
        *(182, 186, 198, 242, 506, 526, 564, 620, 1302),
        *(1312, 2472, 2478, 2670, 4176, 4184, 4788, 6568),
    ),
}
_GROUP_OF = {f"valid/{number}": group for group, numbers in DIFFER.items() for number in numbers}


@dataclass(frozen=True)
class Case:
    id: str
    zone: str
    qname: str
    qtype: str
    answers: dict[str, Said]  # by server

    @cached_property
    def ours(self) -> Said:
        apex = self.zone.split(None, 1)[0]
        zones = zones_of(view_of(self.zone, apex))
        return said(respond(question(self.qname, self.qtype), zones, tcp=False))

    @property
    def agreed(self) -> bool:
        return len({answer.settled for answer in self.answers.values()}) == 1

    @property
    def group(self) -> str:
        """Which row of the table in the docs it counts in."""
        if not self.agreed:
            return _GROUP_OF[self.id]
        bind, nsd, knot, powerdns = (self.answers[server] for server in SERVERS)
        if bind.settled[3] != bind.authority:  # NS records that nobody is held to
            return "a positive answer of some servers has the zone's NS records beside it"
        if bind != nsd and nsd == knot == powerdns:
            return "a referral to hosts in the zone"
        assert bind == nsd == knot == powerdns
        return "all four agree in all sections"


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


def _as_all(case: Case) -> bool:
    return all(case.ours == answer for answer in case.answers.values())


def _as_nsd_knot_and_powerdns(case: Case) -> bool:
    return case.ours == case.answers["nsd"] and case.ours.additional > case.answers["bind"].additional


def _without_ns(case: Case) -> bool:
    as_all = all(case.ours.settled == answer.settled for answer in case.answers.values())
    return as_all and case.ours.authority == frozenset() == case.ours.additional


def _as_the_other_three(case: Case) -> bool:
    settled = {case.answers[server].settled for server in ("bind", "nsd", "knot")}
    return settled == {case.ours.settled} and case.answers["powerdns"].rcode == "SERVFAIL"


def _one_substitution(case: Case) -> bool:
    """The DNAME of the zone and the first CNAME made of it, with which NSD ends, and Knot and BIND begin."""
    (dname,) = [line.split() for line in case.zone.splitlines() if line.split()[3:4] == ["DNAME"]]
    owner, ttl, target = dname[0], dname[1], dname[4]
    made = case.qname.removesuffix(owner) + target
    answer = {
        f"{owner} {ttl} in dname {target}".lower(),
        f"{case.qname} {ttl} in cname {made}".lower(),
    }
    ours = case.ours
    began = all(answer <= case.answers[server].answer for server in ("bind", "nsd", "knot"))
    return began and ours == Said("NOERROR", True, frozenset(answer), frozenset(), frozenset())


RULES: Mapping[str, Callable[[Case], bool]] = {
    "all four agree in all sections": _as_all,
    "a referral to hosts in the zone": _as_nsd_knot_and_powerdns,
    "a positive answer of some servers has the zone's NS records beside it": _without_ns,
    "CNAME asked for at a wildcard CNAME that covers its target": _as_the_other_three,
    "another type there": _as_the_other_three,
    "below a DNAME to its own owner": _as_the_other_three,
    "below a DNAME that leads below itself": _one_substitution,
}


def in_the_docs() -> dict[str, int]:
    """How many cases the table in the docs has of each group."""
    text = (PROJECT / "docs" / "dns-answers.md").read_text()
    rows = re.findall(r"^\| ([^|]+) \| ([0-9,]+) \|", text, re.MULTILINE)
    return {group: int(number.replace(",", "")) for group, number in rows if group in RULES}


@pytest.fixture(scope="module")
def everything() -> list[Case]:
    return list(cases())


def test_every_case_is_answered_as_was_decided_for_its_group(everything: list[Case]) -> None:
    wrong = [(case.id, case.group, case.ours) for case in everything if not RULES[case.group](case)]
    assert wrong == []


def test_the_docs_have_all_cases_by_group(everything: list[Case]) -> None:
    assert Counter(case.group for case in everything) == in_the_docs()
    assert len(everything) == 6337


def test_where_the_four_servers_agree_we_agree(everything: list[Case]) -> None:
    agreed = [case for case in everything if case.agreed]
    wrong = [case.id for case in agreed if case.ours.settled != case.answers["nsd"].settled]
    assert wrong == []
    assert len(agreed) == 6310
