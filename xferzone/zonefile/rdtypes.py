r"""Type numbers and their mnemonics, frozen: zone text must not change its meaning with a library's release.

    MNEMONICS    read: every name in IANA's registry of DNS resource record types (2025-11)
    PRESENTED    written: the types that canonical text has in presentation form; else TYPEn \# len hex
    RELATIVE     those of them in whose rdata names are relative to the zone; in all others they are absolute
    TYPEnnn      read for any number (RFC 3597 5), written for the types that are not PRESENTED
    refused      0, 41 (OPT), 128 to 255 (questions and meta types, RFC 6895 3.1), 65535

No release moves a type into PRESENTED or RELATIVE: that would change the bytes of files that exist. They are the
types whose text BIND, Knot, NSD and PowerDNS read to the same octets; PowerDNS reads a relative name as absolute in
any type that is not RELATIVE.
"""

import re
from types import MappingProxyType

from xferzone.zonefile import foreign

A, NS, MD, MF, CNAME, SOA, MB, MG, MR = range(1, 10)
WKS, PTR, HINFO, MINFO, MX, TXT, RP, AFSDB, X25, ISDN, RT = range(11, 22)
NSAP, NSAP_PTR, SIG, KEY, PX, GPOS, AAAA, LOC, NXT = range(22, 31)
EID, NIMLOC, SRV = 31, 32, 33
NAPTR, KX, CERT, A6, DNAME = range(35, 40)
APL, DS, SSHFP, IPSECKEY, RRSIG, NSEC, DNSKEY, DHCID, NSEC3, NSEC3PARAM, TLSA, SMIMEA = range(42, 54)
HIP, NINFO, RKEY, TALINK, CDS, CDNSKEY, OPENPGPKEY, CSYNC, ZONEMD, SVCB, HTTPS, DSYNC, HHIT, BRID = range(
    55, 69
)
SPF, NID, L32, L64, LP, EUI48, EUI64 = 99, 104, 105, 106, 107, 108, 109
OPT = 41
TSIG, IXFR, AXFR, ANY = 250, 251, 252, 255  # in messages only
URI, CAA, AVC, AMTRELAY, RESINFO, WALLET, DLV = 256, 257, 258, 260, 261, 262, 32769

_FIRST_QUESTION, _LAST_QUESTION = 128, 255
_REFUSED = frozenset((0, OPT, 65535))

_REGISTRY = b"""
    A 1 NS 2 MD 3 MF 4 CNAME 5 SOA 6 MB 7 MG 8 MR 9 NULL 10 WKS 11 PTR 12 HINFO 13 MINFO 14 MX 15 TXT 16 RP 17
    AFSDB 18 X25 19 ISDN 20 RT 21 NSAP 22 NSAP-PTR 23 SIG 24 KEY 25 PX 26 GPOS 27 AAAA 28 LOC 29 NXT 30 EID 31
    NIMLOC 32 SRV 33 ATMA 34 NAPTR 35 KX 36 CERT 37 A6 38 DNAME 39 SINK 40 OPT 41 APL 42 DS 43 SSHFP 44
    IPSECKEY 45 RRSIG 46 NSEC 47 DNSKEY 48 DHCID 49 NSEC3 50 NSEC3PARAM 51 TLSA 52 SMIMEA 53 HIP 55 NINFO 56
    RKEY 57 TALINK 58 CDS 59 CDNSKEY 60 OPENPGPKEY 61 CSYNC 62 ZONEMD 63 SVCB 64 HTTPS 65 DSYNC 66 HHIT 67
    BRID 68 SPF 99 UINFO 100 UID 101 GID 102 UNSPEC 103 NID 104 L32 105 L64 106 LP 107 EUI48 108 EUI64 109
    NXNAME 128 TKEY 249 TSIG 250 IXFR 251 AXFR 252 MAILB 253 MAILA 254 ANY 255 URI 256 CAA 257 AVC 258 DOA 259
    AMTRELAY 260 RESINFO 261 WALLET 262 CLA 263 IPN 264 TA 32768 DLV 32769
""".split()

#: Mnemonic in upper case -> number.
MNEMONICS = MappingProxyType(dict(zip(_REGISTRY[::2], map(int, _REGISTRY[1::2]), strict=True)))

_IN_PRESENTATION_FORM = b"""
    A AAAA NS CNAME DNAME PTR SOA MX AFSDB SRV RP KX LP NAPTR TXT SPF HINFO CAA URI LOC CERT KEY DNSKEY CDNSKEY DS CDS
    TLSA SMIMEA SSHFP ZONEMD OPENPGPKEY DHCID IPSECKEY EUI48 EUI64 NID L64 L32 CSYNC NSEC NSEC3 NSEC3PARAM RRSIG
    SVCB HTTPS
"""
#: Number -> mnemonic of the 45 types that canonical text has in presentation form.
PRESENTED = MappingProxyType({MNEMONICS[name]: name for name in _IN_PRESENTATION_FORM.split()})

RELATIVE = frozenset((NS, CNAME, DNAME, PTR, SOA, MX, AFSDB, SRV, RP))

#: Types whose names in rdata are lower case in canonical form: RFC 4034 6.2 as RFC 6840 5.1 amends it
#: (NSEC is out, RRSIG stays in; HINFO has no names).
LOWERED = frozenset(
    (
        NS,
        MD,
        MF,
        CNAME,
        SOA,
        MB,
        MG,
        MR,
        PTR,
        MINFO,
        MX,
        RP,
        AFSDB,
        RT,
        SIG,
        PX,
        NXT,
        SRV,
        NAPTR,
        KX,
        A6,
        DNAME,
        RRSIG,
    )
)

_NAMES = {number: name.decode("ascii") for name, number in MNEMONICS.items()}
_NUMBERED = re.compile(rb"TYPE([0-9]{1,5})")


def parse_type(text: bytes) -> int:
    """The number that a mnemonic or TYPEnnn means, in any case; also of types that no record may have.

    Raises:
        ValueError: it means none.
    """
    upper = text.upper()
    if (number := MNEMONICS.get(upper)) is not None:
        return number
    match = _NUMBERED.fullmatch(upper)
    if not match or int(match[1]) > 0xFFFF:
        named = foreign.record(text)
        hint = f": {named}" if named else ""
        raise ValueError(f"{text[:40].decode('ascii', 'replace')} is not a record type{hint}")
    return int(match[1])


def type_text(rdtype: int) -> bytes:
    """How canonical text writes a type, in a record's type field and inside rdata."""
    return PRESENTED.get(rdtype) or b"TYPE%d" % rdtype


def type_name(rdtype: int) -> str:
    """How messages for people name a type: by its mnemonic, if it has any."""
    return _NAMES.get(rdtype) or f"TYPE{rdtype}"


def rrset_of(rdtype: int, rdata: bytes) -> int:
    """What records of one owner share with the others of their RRset, in the order of types: the type, and of
    signatures the type covered, since each RRset has signatures of its own (RFC 4034 3)."""
    return rdtype << 16 | (int.from_bytes(rdata[:2], "big") if rdtype in (RRSIG, SIG) else 0)


def is_stored(rdtype: int) -> bool:
    """Whether a record in a zone may have this type: not a question, a meta type or a reserved end."""
    return rdtype not in _REFUSED and not _FIRST_QUESTION <= rdtype <= _LAST_QUESTION
