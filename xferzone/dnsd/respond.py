"""A message in, a message out: the slow path, right for every datagram that can come.

    shorter than a header, or QR set          nothing
    opcode  NOTIFY, UPDATE                    REFUSED, until such rights can be given
            any other but QUERY               NOTIMP
    cannot be read, or not just one question  FORMERR
    EDNS version above 0                      BADVERS
    class not IN                              REFUSED
    AXFR, IXFR                                REFUSED
    no served zone contains the name          REFUSED
    else                                      what the deepest such zone says; for DS at its apex the next above

Source: RFC 1035 4.1.1, RFC 6891 6.1.3 (BADVERS), RFC 4035 3.1.4.1 (DS); docs/dns-answers.md for the choices.
"""

from typing import Final, NamedTuple

from xferzone.dnsd import wire as dns
from xferzone.dnsd.answer import answer
from xferzone.dnsd.view import View
from xferzone.dnsd.wire import Query
from xferzone.dnsd.zones import Zones

_IN: Final = 1
_DS: Final = 43
_TRANSFERS: Final = (251, 252)  # IXFR, AXFR
_QUERY: Final = 0
_REFUSED_OPCODES: Final = (4, 5)  # NOTIFY, UPDATE


class Response(NamedTuple):
    """A message, and how long it holds.

    Fields:
        view: it holds while this is live; None: for this once.
        own: the name asked for is one that the zone itself has.
    """

    message: bytes
    view: View | None = None
    own: bool = False


def respond(wire: bytes, zones: Zones, *, tcp: bool) -> bytes | None:
    """The answer to one message, whatever it holds; None: there is none."""
    query = dns.parse(wire)
    return None if query is None else response(query, zones, tcp=tcp).message


def failure(wire: bytes) -> bytes | None:
    """SERVFAIL to a message that could not be answered; None: it deserves no answer."""
    query = dns.parse(wire)
    return None if query is None else dns.error(query, dns.SERVFAIL)


def response(query: Query, zones: Zones, *, tcp: bool) -> Response:
    """The answer to a parsed message.

    Raises:
        XferzoneError: a part of the zone cannot be read.
    """
    fault = _fault(query)
    if fault != dns.NOERROR:
        return Response(dns.error(query, fault))
    view = zones.find(query.name, query.rdtype)
    if view is None:
        return Response(dns.error(query, dns.REFUSED))
    made = answer(query.name, query.rdtype, view)
    message = dns.render(query, made, dns.LARGEST_SIZE if tcp else dns.size_limit(query))
    # DS at an apex is answered by that zone itself for want of one above; one may come.
    holds = query.rdtype != _DS or query.name != view.origin
    return Response(message, view if holds else None, made.own)


def _fault(query: Query) -> int:
    if query.opcode != _QUERY and query.opcode not in _REFUSED_OPCODES:
        return dns.NOTIMP
    if query.fault != dns.NOERROR:
        return query.fault
    if query.opcode != _QUERY or query.rdclass != _IN or query.rdtype in _TRANSFERS:
        return dns.REFUSED
    return dns.NOERROR
