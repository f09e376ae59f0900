"""What must be true when everybody has synced until nothing moved: one set of artifacts, one leaf a branch, one answer.

Everything is asked of the others: stock's own tables and checks, and DNS questions by dnspython.
"""

import json
import sqlite3
import struct
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.zone

from tests.live import Person

_STOCK = "SELECT lower(uuid) FROM blob WHERE size >= 0 AND uuid NOT IN (SELECT uuid FROM shun)"
_STOCK_PHANTOMS = "SELECT uuid FROM blob WHERE size < 0"
_OURS = "SELECT lower(hex(hash)) FROM blob WHERE content IS NOT NULL"
_OUR_PHANTOMS = "SELECT lower(hex(hash)) FROM blob WHERE content IS NULL"
_REFS = "SELECT branch, lower(hex(hash)), serial FROM ref JOIN blob ON rid = checkin"
_LEAVES = """
    SELECT value, uuid FROM leaf JOIN tagxref USING (rid) JOIN tag USING (tagid) JOIN blob USING (rid)
    WHERE tagname = 'branch' AND tagtype > 0
"""
_CHECKINS = """
    SELECT uuid, coalesce(ecomment, comment), coalesce(euser, user), datetime(mtime),
           (SELECT value FROM tagxref JOIN tag USING (tagid)
            WHERE rid = objid AND tagname = 'branch' AND tagtype > 0),
           (SELECT count(*) FROM leaf WHERE rid = objid),
           (SELECT count(*) FROM tagxref JOIN tag USING (tagid)
            WHERE rid = objid AND tagname = 'closed' AND tagtype > 0),
           (SELECT count(*) FROM tagxref JOIN tag USING (tagid)
            WHERE rid = objid AND tagname = 'hidden' AND tagtype > 0)
    FROM event JOIN blob ON rid = objid WHERE type = 'ci'
"""
_PARENTS = """
    SELECT child.uuid, parent.uuid FROM plink JOIN blob AS child ON child.rid = cid
    JOIN blob AS parent ON parent.rid = pid JOIN event ON objid = cid WHERE type = 'ci'
    ORDER BY child.uuid, isprim DESC, parent.uuid
"""
_TAGS = """
    SELECT uuid, substr(tagname, 5) FROM tagxref JOIN tag USING (tagid) JOIN blob USING (rid)
    JOIN event ON objid = rid WHERE type = 'ci' AND tagtype > 0 AND tagname GLOB 'sym-*'
"""


def artifacts(repository: Path) -> set[str]:
    """Names of all that is present, and nothing is awaited, in a repository of stock's or ours."""
    ours = _is_ours(repository)
    phantoms = {name for (name,) in rows(repository, _OUR_PHANTOMS if ours else _STOCK_PHANTOMS)}
    assert not phantoms, f"{repository}: awaited {phantoms}"
    return {str(name) for (name,) in rows(repository, _OURS if ours else _STOCK)}


def assert_same_artifacts(repositories: Iterable[Path]) -> set[str]:
    """All hold the same; that set."""
    first, *others = repositories
    expected = artifacts(first)
    for other in others:
        found = artifacts(other)
        assert found == expected, (
            f"{first} and {other}: {len(expected)} and {len(found)} artifacts; only the first has "
            f"{sorted(expected - found)[:5]}, only the other {sorted(found - expected)[:5]}"
        )
    return expected


def refs(repository: Path) -> dict[str, tuple[str, int | None]]:
    """Check-in and serial of each branch that a repository of ours serves."""
    return {
        str(branch): (str(checkin), serial if isinstance(serial, int) else None)
        for branch, checkin, serial in rows(repository, _REFS)
    }


def leaves(repository: Path) -> dict[str, set[str]]:
    """The leaves of each branch as a stock repository has them."""
    found: dict[str, set[str]] = {}
    for branch, checkin in rows(repository, _LEAVES):
        found.setdefault(str(branch), set()).add(str(checkin))
    return found


def assert_sound(person: Person, repository: Path) -> None:
    """Stock finds nothing wrong, and rebuilding changes neither artifacts nor leaves."""
    before = artifacts(repository), leaves(repository)
    assert "0 error" in (said := person.fossil("test-integrity", "-R", repository).out) or not said, said
    person.fossil("rebuild", repository)
    assert (artifacts(repository), leaves(repository)) == before


def assert_ours_sound(person: Person, repository: Path) -> None:
    """Every ref can be answered from, `rebuild` changes neither artifacts nor refs, and `check` is content."""
    before = artifacts(repository), refs(repository)
    known = {number for (number,) in rows(repository, "SELECT number FROM zone_index")}
    known.add(-1)  # of a clone from which nothing was served yet; `check` reads the zone
    for branch, packed in rows(repository, "SELECT branch, indexes FROM ref"):
        assert isinstance(packed, bytes)
        numbers = struct.unpack(f">{len(packed) // 8}q", packed)
        assert known.issuperset(numbers), f"{repository}: {branch} stands on indexes that are not there"
    person.xferzone("-R", repository, "rebuild")
    person.xferzone("-R", repository, "check")
    assert (artifacts(repository), refs(repository)) == before


def assert_log_as_stock(person: Person, repository: Path, stock: Path) -> None:
    """`log` of a repository of ours says of each check-in what stock's tables do: edits, parents, tags, leaves."""
    log = json.loads(person.xferzone("-R", repository, "--format", "json", "log", "-n", "100000").out)[
        "checkins"
    ]
    log = [each | {"date": each["date"][:19].replace("T", " ")} for each in log]  # as stock writes it
    said = {each["checkin"]: each for each in log}
    columns = ("checkin", "comment", "author", "date", "branch", "leaf", "closed", "hidden")
    found = {tuple(each[column] for column in columns) for each in log}
    expected = set(rows(stock, _CHECKINS))
    assert found == expected, (sorted(found - expected)[:3], sorted(expected - found)[:3])
    parents: dict[object, list[object]] = {checkin: [] for checkin in said}
    for child, parent in rows(stock, _PARENTS):
        parents[child].append(parent)
    for checkin, each in said.items():
        assert [*each["parents"][:1], *sorted(each["parents"][1:])] == parents[checkin], each
    tags: dict[object, set[object]] = {checkin: set() for checkin in said}
    for checkin, tag in rows(stock, _TAGS):
        tags[checkin].add(tag)
    for checkin, each in said.items():
        assert set(each["tags"]) == tags[checkin] - {each["branch"]}, (each, tags[checkin])


def assert_one_leaf_a_ref(served: Mapping[str, tuple[str, int | None]], repository: Path) -> None:
    """Of every branch that is served, a stock repository has one leaf, the one that is served."""
    found = leaves(repository)
    wrong = {
        branch: (ref[0], found.get(branch)) for branch, ref in served.items() if found.get(branch) != {ref[0]}
    }
    assert not wrong, f"{repository}: served and leaves differ: {wrong}"


def assert_dns(port: int, zone: str, serial: int | None, texts: Iterable[str]) -> None:
    """DNS answers each record of the zone's files, read by dnspython, and this serial; without files it refuses."""
    union = "\n".join(texts)
    if not union:
        assert _ask(port, zone, "SOA").rcode() == dns.rcode.REFUSED, (
            f"{zone} is answered, though it was removed"
        )
        return
    expected = dns.zone.from_text(union, origin=f"{zone}.", relativize=False, check_origin=False)
    for name, rdataset in expected.iterate_rdatasets():
        answer = _ask(port, str(name), dns.rdatatype.to_text(rdataset.rdtype))
        assert answer.rcode() == dns.rcode.NOERROR, f"{name} {rdataset}: {answer}"
        found = next((rrset for rrset in answer.answer if rrset.rdtype == rdataset.rdtype), None)
        assert found is not None, f"{name} {rdataset}: {answer}"
        if rdataset.rdtype == dns.rdatatype.SOA:
            assert found[0].serial == serial, f"{zone}: {found} where the ref has {serial}"
        else:
            assert set(found) == set(rdataset), f"{name}: DNS has {found}, the file {rdataset}"
            assert found.ttl == rdataset.ttl, f"{name}: DNS has {found}, the file {rdataset}"


def _ask(port: int, name: str, rdtype: str) -> dns.message.Message:
    return dns.query.udp(dns.message.make_query(name, rdtype), "127.0.0.1", port=port, timeout=5)


def rows(repository: Path, query: str) -> list[tuple[object, ...]]:
    """Of the repository as it is now."""
    with closing(sqlite3.connect(f"file:{repository}?mode=ro", uri=True)) as db:
        return db.execute(query).fetchall()


def _is_ours(repository: Path) -> bool:
    return bool(rows(repository, "SELECT 1 FROM sqlite_schema WHERE name = 'publication'"))
