r"""Rdata between text and wire form, for every type.

    LAYOUTS      type -> its fields      read and checked by them; written, if rdtypes.PRESENTED has the type
    any other    \# length hex           read, kept and written as octets

Nothing here comes from a library whose releases differ in what they take and make of it: every replica must find the
same records in the same text. Tests compare with dnspython and BIND.
The wire form that leaves this module is canonical: no compression, names in lower case where rdtypes.LOWERED asks.

Source: the RFC of each type; RFC 3597 5 for \#.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from xferzone.zonefile import rdtypes, scanner
from xferzone.zonefile.rdata import counted, fields, rare
from xferzone.zonefile.rdata.fields import Field, Form, NameCodec, Words
from xferzone.zonefile.rdata.names import NameReader
from xferzone.zonefile.rdata.svcb import Params
from xferzone.zonefile.rdata.values import shown
from xferzone.zonefile.scanner import Token

_GENERIC = Token(rb"\#")
MAX_RDATA = 0xFFFF  # octets; RDLENGTH has 16 bits

_U8, _U16, _U32 = fields.Number(1), fields.Number(2), fields.Number(4)
_SECONDS, _MOMENT, _TYPE, _ALGORITHM = (
    fields.Interval(4),
    fields.Moment(4),
    fields.TypeField(2),
    fields.Mnemonic(1, fields.ALGORITHMS),
)
_NAME, _MAILBOX, _STRING, _STRINGS = fields.Name(), fields.Mailbox(), counted.String(), counted.Strings()
_HEX, _BASE64, _TYPES, _PARAMS = counted.Hex(), counted.Base64(), counted.Types(), Params()
_NODE = fields.Groups(8, 2, b":")

_SIGNATURE = (_TYPE, _ALGORITHM, _U8, _U32, _MOMENT, _MOMENT, _U16, _NAME, _BASE64)
_KEY = (_U16, _U8, _ALGORITHM, _BASE64)
_DS = (
    _U16,
    _ALGORITHM,
    _U8,
    counted.Digest({1: 20, 2: 32, 3: 32, 4: 48}),
)  # SHA-1, SHA-256, GOST, SHA-384
_CERTIFICATE = (_U8, _U8, _U8, _HEX)
_BINDING = (_U16, _NAME, _PARAMS)

#: Type -> its fields, in order.
LAYOUTS: Mapping[int, tuple[Field, ...]] = MappingProxyType(
    dict.fromkeys(
        [rdtypes.NS, rdtypes.MD, rdtypes.MF, rdtypes.CNAME, rdtypes.MB, rdtypes.MG, rdtypes.MR], (_NAME,)
    )
    | dict.fromkeys([rdtypes.PTR, rdtypes.DNAME, rdtypes.NSAP_PTR], (_NAME,))
    | dict.fromkeys([rdtypes.MX, rdtypes.AFSDB, rdtypes.RT, rdtypes.KX, rdtypes.LP], (_U16, _NAME))
    | dict.fromkeys([rdtypes.MINFO, rdtypes.TALINK], (_NAME, _NAME))
    | dict.fromkeys(
        [rdtypes.TXT, rdtypes.SPF, rdtypes.NINFO, rdtypes.AVC, rdtypes.RESINFO, rdtypes.WALLET], (_STRINGS,)
    )
    | dict.fromkeys([rdtypes.RRSIG, rdtypes.SIG], _SIGNATURE)
    | dict.fromkeys([rdtypes.DNSKEY, rdtypes.CDNSKEY, rdtypes.KEY, rdtypes.RKEY], _KEY)
    | dict.fromkeys([rdtypes.EID, rdtypes.NIMLOC], (_HEX,))
    | dict.fromkeys([rdtypes.DS, rdtypes.DLV], _DS)
    | dict.fromkeys([rdtypes.TLSA, rdtypes.SMIMEA], _CERTIFICATE)
    | dict.fromkeys([rdtypes.SVCB, rdtypes.HTTPS], _BINDING)
    | dict.fromkeys([rdtypes.DHCID, rdtypes.OPENPGPKEY, rdtypes.HHIT, rdtypes.BRID], (_BASE64,))
    | {
        rdtypes.A: (fields.Address4(4),),
        rdtypes.AAAA: (fields.Address6(16),),
        rdtypes.SOA: (_NAME, _MAILBOX, _U32, _SECONDS, _SECONDS, _SECONDS, _SECONDS),
        rdtypes.HINFO: (_STRING, _STRING),
        rdtypes.X25: (_STRING,),
        rdtypes.ISDN: (counted.Strings(2),),
        rdtypes.GPOS: (_STRING, _STRING, _STRING),
        rdtypes.PX: (_U16, _NAME, _NAME),
        rdtypes.RP: (_MAILBOX, _NAME),
        rdtypes.SRV: (_U16, _U16, _U16, _NAME),
        rdtypes.NAPTR: (_U16, _U16, _STRING, _STRING, _STRING, _NAME),
        rdtypes.CAA: (_U8, counted.Tag(), counted.Text()),
        rdtypes.URI: (_U16, _U16, counted.SomeText()),
        rdtypes.SSHFP: (_U8, _U8, _HEX),
        rdtypes.CERT: (fields.Mnemonic(2, fields.CERTIFICATES), _U16, _ALGORITHM, _BASE64),
        rdtypes.NSEC: (_NAME, _TYPES),
        rdtypes.NSEC3: (_U8, _U8, _U16, counted.Salt(), counted.Hash(), _TYPES),
        rdtypes.NSEC3PARAM: (_U8, _U8, _U16, counted.Salt()),
        rdtypes.CSYNC: (_U32, _U16, _TYPES),
        rdtypes.CDS: (_U16, _ALGORITHM, _U8, _HEX),  # its digest may be one that no DS has, RFC 8078 4
        rdtypes.ZONEMD: (_U32, _U8, _U8, _HEX),
        rdtypes.DSYNC: (_TYPE, fields.Mnemonic(1, fields.SCHEMES), _U16, _NAME),
        rdtypes.NID: (_U16, _NODE),
        rdtypes.L32: (_U16, fields.Address4(4)),
        rdtypes.L64: (_U16, _NODE),
        rdtypes.EUI48: (fields.Groups(6, 1, b"-"),),
        rdtypes.EUI64: (fields.Groups(8, 1, b"-"),),
        rdtypes.NXT: (_NAME, rare.OldTypes()),
        rdtypes.LOC: (rare.Location(16),),
        rdtypes.APL: (rare.Prefixes(),),
        rdtypes.NSAP: (rare.Nsap(1),),
        rdtypes.HIP: (rare.HostIdentity(), rare.Names()),
        rdtypes.IPSECKEY: (_U8, rare.Gateway(), rare.MaybeBase64()),
        rdtypes.AMTRELAY: (_U8, rare.Relay()),
        rdtypes.WKS: (fields.Address4(4), fields.Mnemonic(1, fields.PROTOCOLS), rare.Services()),
        rdtypes.A6: (rare.A6Suffix(), rare.LastName()),
    }
)


def parsed(rdtype: int, tokens: Sequence[Token], name: NameCodec) -> bytes:
    r"""The canonical wire form of rdata in presentation form or as `\# length hex`.

    Raises:
        ValueError: it is none of this type; the message says why.
    """
    _check_apart(rdtype, tokens)
    words = Words(tokens, name)
    if tokens and tokens[0] == _GENERIC:
        wire = _generic(words)
    elif rdtype in LAYOUTS:
        wire = b"".join([field.parse(words) for field in LAYOUTS[rdtype]])
        words.end()
    else:
        raise ValueError(r"write it as \# length hex")
    return canonical(rdtype, wire)


def canonical(rdtype: int, wire: bytes) -> bytes:
    """Uncompressed rdata with its names in lower case where the type asks for it.

    Raises:
        ValueError: it is not rdata of this type; the message says why.
    """
    if len(wire) > MAX_RDATA:
        raise ValueError(f"{len(wire)} octets, {MAX_RDATA} are allowed")
    if rdtype not in LAYOUTS:
        return wire
    parts = []
    at = 0
    for field in LAYOUTS[rdtype]:
        end = field.end(wire, at)
        if end > len(wire):
            raise ValueError("it is too short")
        is_lowered = rdtype in rdtypes.LOWERED and isinstance(field, fields.Name)
        parts.append(wire[at:end].lower() if is_lowered else wire[at:end])
        at = end
    if at < len(wire):
        raise ValueError("it is too long")
    return b"".join(parts)


def presented(rdtype: int, wire: bytes, form: Form) -> bytes | None:
    r"""The canonical text of canonical rdata; None: it is written as `TYPEn \# length hex`."""
    return _text(rdtype, wire, form) if rdtype in rdtypes.PRESENTED else None


def for_people(rdtype: int, wire: bytes, name: NameCodec) -> bytes | None:
    r"""Canonical rdata as people are shown it: in presentation form if the type has any here, which reads back to the
    same octets. None: only `\# length hex` says it. Unlike canonical text it may change with a release."""
    text = _text(rdtype, wire, Form(name, is_frozen=False)) if rdtype in LAYOUTS else None
    return text if text and (rdtype in rdtypes.PRESENTED or _reads_back(rdtype, text, wire)) else None


def _text(rdtype: int, wire: bytes, form: Form) -> bytes | None:
    parts = []
    at = 0
    for field in LAYOUTS[rdtype]:
        end = field.end(wire, at)
        try:
            parts.append(field.present(wire[at:end], form))
        except ValueError:
            return None
        at = end
    return b" ".join(filter(None, parts))


def _reads_back(rdtype: int, text: bytes, wire: bytes) -> bool:
    """Whether text whose names are absolute gives these octets."""
    try:
        return parsed(rdtype, scanner.entry(text, 0, 1).tokens, NameReader(())) == wire
    except ValueError:
        return False


def generic_text(wire: bytes) -> bytes:
    r"""`\# length hex`, as RFC 3597 5 writes any rdata."""
    return rb"\# %d %b" % (len(wire), wire.hex().encode("ascii")) if wire else rb"\# 0"


def _check_apart(rdtype: int, tokens: Sequence[Token]) -> None:
    """Raise ValueError where a quoted string touches what is before it; SvcParams have a meaning for that, and in
    character-strings without number two of BIND, Knot and NSD take it for the begin of the next."""
    may_touch = rdtype in (rdtypes.SVCB, rdtypes.HTTPS) or LAYOUTS.get(rdtype) == (_STRINGS,)
    for token in tokens[:1] if may_touch else tokens:
        if token.glued:
            raise ValueError(f"a blank is missing before {shown(token.raw)}")


def _generic(words: Words) -> bytes:
    words.word()
    length = int.from_bytes(fields.Number(2).parse(words), "big")
    digits = b"".join(words.words())
    wire = counted.hex_octets(digits) if digits else b""
    if len(wire) != length:
        raise ValueError(f"it has {len(wire)} octets, not {length} as it says")
    return wire
