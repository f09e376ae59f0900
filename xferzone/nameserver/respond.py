"""A message in, a message out: the slow path, right for every datagram that can come.

    shorter than a header, or QR set          nothing
    EDNS version above 0                      BADVERS
    opcode not QUERY, NOTIFY, UPDATE          NOTIMP, without a question
    a malformed cookie                        FORMERR
    no question, but a cookie                 NOERROR, or BADCOOKIE if ours is not valid; with a cookie
    cannot be read, or not just one question  FORMERR
    signed by TSIG                            NOTAUTH; who knows keys verifies it before
    UPDATE whose zone section is not an SOA   FORMERR
    class CHAOS, of QUERY                     what offers.py says of the server
    class not IN, of QUERY, and the rest      REFUSED
    AXFR by UDP                               NOTIMP
    AXFR, IXFR, NOTIFY, UPDATE                REFUSED; who may transfer is answered elsewhere
        if no such zone is served             NOTAUTH
    a mirror that is empty yet                REFUSED, extended error 14 with a text
    no served zone contains the name          REFUSED, extended error 20
    a believed resolver names no good subnet  FORMERR
    else                                      what the deepest such zone says; for DS at its apex the next above
    the zone is not compiled yet              SERVFAIL, extended error 14
    an answer cannot be made                  SERVFAIL, extended error 0 with a text

NSID and cookies go with every answer but FORMERR and BADVERS (offers.py).

Source: RFC 1035 4.1.1, RFC 6891 6.1.3 (BADVERS), RFC 7873 5.2 and 5.4 (cookies), RFC 8945 5.2.1 (TSIG), RFC 2136 3.1
(UPDATE), RFC 5936 2.2.1 and 4.2 (AXFR), RFC 4035 3.1.4.1 (DS), RFC 8914 4 (extended errors); docs/dns-answers.md has
the choices.
"""

from typing import Final, NamedTuple

from xferzone.errors import NotReady
from xferzone.nameserver import wire as dns
from xferzone.nameserver.answer import answer
from xferzone.nameserver.edns import extended_error
from xferzone.nameserver.offers import CHAOS, NOTHING, SILENT, Offers, Told
from xferzone.nameserver.view import View
from xferzone.nameserver.wire import Answer, Query
from xferzone.nameserver.zones import Zones
from xferzone.zonefile.rdtypes import AXFR, DS, IXFR, SOA

NOBODY: Final = (
    b""  # in place of a client's address where none matters: of a zone's branches it gets the main one
)
_IN: Final = 1
_TC: Final = dns.TC >> 8  # in the third byte of a message
_TRANSFERS: Final = (IXFR, AXFR)
_QUERY: Final = 0
_UPDATE: Final = 5
_OPCODES: Final = (_QUERY, 4, _UPDATE)  # 4: NOTIFY
_OTHER: Final = extended_error(0, "the zone cannot be read")
_NOT_READY: Final = 14
_NOT_COMPILED: Final = extended_error(_NOT_READY, "the zone is not compiled yet")
_NOT_AUTHORITATIVE: Final = extended_error(20, "no zone here contains the name")


class Response(NamedTuple):
    """A message, and how long it holds.

    Fields:
        view: it holds while this is live; None: for this once.
        own: the zone itself has the name asked for.
        plain: it without options, as an answer to the same question without any; empty: it was not made.
        is_canary: where the view has a route, whether it is the canary's.
    """

    message: bytes
    view: View | None = None
    own: bool = False
    plain: bytes = b""
    is_canary: bool = False


# many: a client and how it asks, beside the message, where to look, and what to say of the server
def respond(
    wire: bytes, zones: Zones, client: bytes = NOBODY, *, tcp: bool, offers: Offers = SILENT
) -> bytes | None:
    """The answer to one message, whatever it holds, from the client of that address; None: no answer."""
    query = dns.parse(wire)
    return None if query is None else response(query, zones, client, tcp=tcp, offers=offers).message


def failure(wire: bytes, reason: Exception) -> bytes | None:
    """SERVFAIL to a message that could not be answered for that reason; None: it deserves no answer."""
    query = dns.parse(wire)
    extended = _NOT_COMPILED if isinstance(reason, NotReady) else _OTHER
    return None if query is None else dns.error(query, dns.SERVFAIL, extended)


# many: a client and how it asks, beside the question, where to look, and what to say of the server
def response(
    query: Query, zones: Zones, client: bytes = NOBODY, *, tcp: bool, offers: Offers = SILENT
) -> Response:
    """The answer to a parsed message from the client of that address (4 or 16 octets).

    Raises:
        XferzoneError: a part of the zone cannot be read.
    """
    told = NOTHING
    if query.edns is not None and query.edns.options and query.fault != dns.BADVERS:
        told = offers.told(query.edns.options, client)
    fault = _fault(query, zones, told, tcp)
    text = offers.text(query.name, query.rdtype) if query.rdclass == CHAOS and fault == dns.REFUSED else None
    if text is not None:
        made = Answer()
        made.answer.append((query.name, text))
        return Response(dns.render(query, made, _offered(query, tcp), told.options))
    if fault != dns.NOERROR or query.asks_nothing:
        # What follows the header need not be a question if the opcode is unknown to us.
        asked = query._replace(question=b"") if fault == dns.NOTIMP and query.opcode != _QUERY else query
        return Response(dns.error(asked, fault, told.options))
    view = None if zones.awaited else zones.find(query.name, query.rdtype)
    if view is None:
        why = extended_error(_NOT_READY, zones.awaited) if zones.awaited else _NOT_AUTHORITATIVE
        return Response(dns.error(query, dns.REFUSED, why + told.options))
    try:
        is_canary, subnet = zones.place(view, client, query.edns)
    except ValueError:
        return Response(dns.error(query, dns.FORMERR))
    if view.route is not None:
        zones.routed[is_canary] += 1
    return _of_view(query, view, told.options + subnet, tcp, is_canary=is_canary)


# many: what is asked of which view, and what its answer is to have and to hold
def _of_view(query: Query, view: View, options: bytes, tcp: bool, *, is_canary: bool) -> Response:
    made = answer(query.name, query.rdtype, (view.canary if is_canary else None) or view)
    offered = _offered(query, tcp)
    limit = offered if tcp else dns.size_limit(query)
    message = plain = dns.render(query, made, limit)
    # Without a zone above it a zone answers DS of its own apex; a zone above may be added at any time.
    holds = query.rdtype != DS or query.name != view.origin
    if message[2] & _TC and limit < offered:
        message = dns.render(query, made, offered)
        holds = False  # only for clients that offer this size
    if options:
        if len(message) + len(options) <= offered:
            message = dns.with_options(message, options)
        else:
            message = dns.render(query, made, offered, options)
    return Response(message, view if holds else None, made.own, plain, is_canary)


def _offered(query: Query, tcp: bool) -> int:
    """Bytes that an answer may have."""
    return dns.LARGEST_SIZE if tcp else dns.size_offered(query)


def _fault(query: Query, zones: Zones, told: Told, tcp: bool) -> int:
    opcode = query.opcode
    asking = opcode == _QUERY
    fault = dns.FORMERR if told.fault == dns.FORMERR else query.fault
    if asking and fault == dns.NOERROR and query.rdclass == _IN and query.rdtype not in _TRANSFERS:
        return dns.NOERROR
    if fault == dns.BADVERS:
        return fault
    if opcode not in _OPCODES:
        return dns.NOTIMP
    if query.asks_nothing and asking and told.has_cookie:
        return told.fault
    if fault != dns.NOERROR:
        return fault
    if asking and query.rdclass != _IN:
        return dns.REFUSED
    if asking and query.rdtype == AXFR and not tcp:
        return dns.NOTIMP
    if opcode == _UPDATE and query.rdtype != SOA:
        return dns.FORMERR
    return dns.REFUSED if query.rdclass == _IN and zones.has(query.name) else dns.NOTAUTH
