"""A zone file as BIND, Knot, NSD and PowerDNS of this machine read it: each server's octets of each record.

    BIND         named-compilezone, whose raw form has the octets
    Knot         knotd    \\
    NSD          nsd       > serve the zone to a transfer, which is taken apart here: dig refuses odd rdata
    PowerDNS     pdns_server with the bind backend

A server that refuses one line sends nothing, so a zone that comes at all was read as a whole. unread() has what a
server cannot say back of text that it reads, and rdata that it refuses or changes in every form.
"""

import contextlib
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from tests.data.records.capture import records_of
from tests.live import PATIENCE_S, background, free_port, within
from xferzone.zonefile import rdtypes

#: Owner in lower case, TTL, type and rdata.
Read = tuple[tuple[bytes, ...], int, int, bytes]

#: PowerDNS makes these itself, from keys, and leaves out those of the file.
_DNSSEC: Final = frozenset(
    (
        rdtypes.RRSIG,
        rdtypes.DNSKEY,
        rdtypes.CDS,
        rdtypes.CDNSKEY,
        rdtypes.NSEC,
        rdtypes.NSEC3,
        rdtypes.NSEC3PARAM,
    )
)
#: Types that canonical text has as TYPEn \# alone, and of which PowerDNS 4.7 reads no such line.
_ONLY_TEXT: Final = frozenset(
    (rdtypes.MB, rdtypes.MG, rdtypes.MR, rdtypes.MINFO, rdtypes.RKEY, rdtypes.APL, rdtypes.DLV)
)
_VALUELESS_KEY = re.compile(rb" key[0-9]+( |$)")

#: Types whose rdata may be compressed (RFC 3597 4): octets before their names, names.
_COMPRESSED: Final = {
    **dict.fromkeys((rdtypes.NS, rdtypes.CNAME, rdtypes.PTR, rdtypes.MB, rdtypes.MG, rdtypes.MR), (0, 1)),
    **dict.fromkeys((rdtypes.MD, rdtypes.MF, rdtypes.DNAME), (0, 1)),
    **dict.fromkeys((rdtypes.SOA, rdtypes.MINFO, rdtypes.RP), (0, 2)),
    **dict.fromkeys((rdtypes.MX, rdtypes.AFSDB, rdtypes.RT), (2, 1)),
    rdtypes.SRV: (6, 1),
}
_LAX: Final = [
    word for option in ("-i", "-k", "-m", "-n", "-M", "-S", "-r", "-T", "-W") for word in (option, "ignore")
]
_LAX[1] = "none"
#: What logs say of a zone that does not load.
_NO: Final = ("failed to parse zone file", "read with ", "error reading zone", "Unable to parse")


def unread(name: str, rdtype: int, rdata: bytes, line: bytes) -> bool:
    """Whether the server cannot say the rdata back that is written as `line`."""
    if name == "bind":
        return rdtype in (rdtypes.MD, rdtypes.MF)  # obsolete: it refuses a zone that has one
    if name in ("knot", "nsd") and rdtype == rdtypes.NSEC3:
        # Base32hex of whole octets but not of whole groups: Knot refuses it, NSD reads other octets.
        return rdata[5 + rdata[4]] % 5 > 0
    if name == "nsd":  # 4.6; RFC 8659 4.1 allows it, and 4.12 takes it
        return rdtype == rdtypes.CAA and rdata[2 : 2 + rdata[1]] != rdata[2 : 2 + rdata[1]].lower()
    if name != "powerdns":
        return False
    is_generic = rb" \# " in line
    return (
        rdtype in _DNSSEC
        or (is_generic and (rdtype in _ONLY_TEXT or rdtype in rdtypes.PRESENTED))
        or (rdtype == rdtypes.IPSECKEY and rdata[1] == 0)
        or (rdtype == rdtypes.LOC and 0x99 in rdata[1:4])  # 9e9 centimetres become 4e8
        or (rdtype in (rdtypes.SVCB, rdtypes.HTTPS) and _VALUELESS_KEY.search(line) is not None)
        or (rdtype in (rdtypes.SVCB, rdtypes.HTTPS) and rdata[:2] == b"\0\0" and b"=" in line)
    )


def refused_by_bind(zone: str, file: Path) -> set[int]:
    """The lines, from 1, in which it finds no rdata of their type."""
    done = subprocess.run(
        [_program("named-compilezone"), *_LAX, "-o", os.devnull, zone, str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.findall(rf"{re.escape(str(file))}:([0-9]+): near ", done.stdout + done.stderr)
    return {int(number) for number in found}


def by_bind(zone: str, file: Path, scratch: Path) -> set[Read]:
    """Raises AssertionError: it does not load."""
    raw = scratch / "raw"
    command = [_program("named-compilezone"), *_LAX, "-F", "raw", "-o", str(raw), zone, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {_of_wire(wire) for wire in records_of(raw.read_bytes())}


def by_transfer(name: str, zone: str, file: Path, scratch: Path) -> set[Read]:
    """What the server `name` sends of the zone. Raises AssertionError: it does not load."""
    port = free_port()
    log = scratch / "log"
    with background(_SERVERS[name](zone, file, scratch, port), dict(os.environ), log) as process:
        read: set[Read] = set()

        def comes() -> bool:
            with contextlib.suppress(OSError):
                read.update(_transferred(zone, port))
            return bool(read) or process.poll() is not None or any(no in log.read_text() for no in _NO)

        assert within(PATIENCE_S, comes), log.read_text()
        assert read, log.read_text()
    return read


def _transferred(zone: str, port: int) -> set[Read]:
    """The records of a transfer; none if there is no transfer."""
    question = b"".join(bytes((len(label),)) + label for label in zone.encode().split(b".")) + b"\0\0\xfc\0\1"
    message = b"\x12\x34\0\0\0\1" + bytes(6) + question
    read: list[Read] = []
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as way, way.makefile("rb") as answers:
        way.sendall(len(message).to_bytes(2) + message)
        while sum(record[2] == rdtypes.SOA for record in read) < 2:
            answer = answers.read(int.from_bytes(answers.read(2)))
            if len(answer) < 12 or answer[3] & 0x0F or not answer[7] | answer[6]:
                return set()
            read += _records(answer)
    return set(read)


def _records(message: bytes) -> list[Read]:
    """The records of a message's answer."""
    at = 12
    for _ in range(int.from_bytes(message[4:6])):
        at = _name(message, at)[1] + 4
    made = []
    for _ in range(int.from_bytes(message[6:8])):
        labels, at = _name(message, at)
        rdtype, ttl = int.from_bytes(message[at : at + 2]), int.from_bytes(message[at + 4 : at + 8])
        end = at + 10 + int.from_bytes(message[at + 8 : at + 10])
        made.append((tuple(map(bytes.lower, labels)), ttl, rdtype, _rdata(message, at + 10, end, rdtype)))
        at = end
    return made


def _rdata(message: bytes, at: int, end: int, rdtype: int) -> bytes:
    """Rdata, uncompressed."""
    before, number = _COMPRESSED.get(rdtype, (0, 0))
    made = message[at : at + before]
    at += before
    for _ in range(number):
        labels, at = _name(message, at)
        made += b"".join(bytes((len(label),)) + label for label in labels) + b"\0"
    return made + message[at:end]


def _name(message: bytes, at: int) -> tuple[list[bytes], int]:
    """The labels of a name, and where it ends."""
    labels: list[bytes] = []
    end = 0
    while length := message[at]:
        if length >= 0xC0:
            end = end or at + 2
            at = int.from_bytes(message[at : at + 2]) & 0x3FFF
        else:
            labels.append(message[at + 1 : at + 1 + length])
            at += 1 + length
    return labels, end or at + 1


def _nsd(zone: str, file: Path, scratch: Path, port: int) -> list[str]:
    config = scratch / "nsd.conf"
    config.write_text(
        f'server:\n  ip-address: 127.0.0.1@{port}\n  username: ""\n  zonesdir: "{scratch}"\n  database: ""\n'
        f'  pidfile: ""\n  xfrdfile: ""\n  xfrdir: "{scratch}"\n  zonelistfile: "{scratch}/list"\n'
        f'remote-control:\n  control-enable: no\nzone:\n  name: "{zone}"\n  zonefile: "{file}"\n'
        "  provide-xfr: 127.0.0.1 NOKEY\n"
    )
    return [_program("nsd"), "-d", "-c", str(config)]


def _knot(zone: str, file: Path, scratch: Path, port: int) -> list[str]:
    config = scratch / "knot.conf"
    config.write_text(
        f'server:\n  listen: 127.0.0.1@{port}\n  rundir: "{scratch}"\ndatabase:\n  storage: "{scratch}"\n'
        "acl:\n  - id: all\n    address: 127.0.0.1\n    action: transfer\n"
        "template:\n  - id: default\n    zonefile-load: whole\n    semantic-checks: false\n    acl: all\n"
        f'zone:\n  - domain: "{zone}"\n    file: "{file}"\n'
    )
    return [_program("knotd"), "-c", str(config)]


def _powerdns(zone: str, file: Path, scratch: Path, port: int) -> list[str]:
    (scratch / "named.conf").write_text(f'zone "{zone}" {{ type master; file "{file}"; }};\n')
    (scratch / "pdns.conf").write_text(
        f"launch=bind\nbind-config={scratch}/named.conf\nlocal-address=127.0.0.1\nlocal-port={port}\n"
        f"socket-dir={scratch}\nconsistent-backends=no\nsecurity-poll-suffix=\n"
    )
    return [_program("pdns_server"), f"--config-dir={scratch}", "--daemon=no", "--guardian=no"]


_SERVERS: Mapping[str, Callable[[str, Path, Path, int], list[str]]] = {
    "knot": _knot,
    "nsd": _nsd,
    "powerdns": _powerdns,
}


def _program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/bin")
    assert found is not None, f"{name} is not here: run tests/peers.sh"
    return found


def _of_wire(wire: bytes) -> Read:
    labels, at = _name(wire, 0)
    ttl, rdtype = int.from_bytes(wire[at + 4 : at + 8]), int.from_bytes(wire[at : at + 2])
    return tuple(map(bytes.lower, labels)), ttl, rdtype, wire[at + 10 :]
