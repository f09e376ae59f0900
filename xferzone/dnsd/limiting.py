"""Rate limiting of a process that answers datagrams; who is limited says nameserver/rate.py.

    networks of a batch ──> none asks too much: answers go out as they are
                            else, unless a valid cookie came with the question,
                                messages for the agent (handover.py): handed over or dropped; cut short, an answer
                                would have to be signed all the same
                                each answer:
                                    sent, or nothing, or without records and
                                        with a cookie, BADCOOKIE, if the client can use one
                                        with TC, to be asked again by TCP, if not

Source: BIND 9 Administrator Reference Manual, "rate-limit"; BIND's answer to clients with cookies is the same.
"""

from collections.abc import Container, Sequence

from xferzone.dnsd.datagrams import Datagrams, Respond
from xferzone.dnsd.tally import Tally
from xferzone.dnsd.terms import Rate
from xferzone.nameserver import wire as dns
from xferzone.nameserver.cache import Responder
from xferzone.nameserver.offers import NOTHING, Offers
from xferzone.nameserver.rate import DROP, HANDED_OVER, SEND, Limiter, kind
from xferzone.nameserver.wire import Query
from xferzone.nameserver.zones import Zones


class Limiting:
    """The limits of one process."""

    # many: whom it limits, what it asks about an answer, and who counts
    def __init__(self, rate: Rate, responder: Responder, offers: Offers, zones: Zones, tally: Tally) -> None:
        self._limiter = Limiter(rate.per_second, rate.slip, map(str, rate.exempt))
        self._responder = responder
        self._offers = offers
        self._zones = zones
        self._tally = tally
        self._networks: Sequence[bytes] = ()  # of the batch that is being answered
        self._exceeding: Container[bytes] = ()  # those of them that ask too much
        self.tick = self._limiter.tick  # to be called every second

    def limited(self, batch: Datagrams, *ways: Respond) -> Sequence[Respond]:
        """Each of `ways` to answer the messages of this batch, within the limits."""
        self._networks = networks = batch.networks()
        self._exceeding = exceeding = self._limiter.exceeding(networks)
        return [self._limited(way) for way in ways] if exceeding else ways

    def is_too_much(self, query: Query, slot: int) -> bool:
        """Whether the message in that slot of the batch, which the agent is to answer, is one too many."""
        network = self._networks[slot]
        if network not in self._exceeding:
            return False
        client = self._responder.client_of(slot)
        if network in self._limiter.partly and self._limiter.spares(client):
            return False
        self._offers.is_proven = False
        if query.edns is not None:
            self._offers.told(query.edns.options, client)
        if self._offers.is_proven or self._limiter.verdict(network, HANDED_OVER) is SEND:
            return False
        self._tally.limited("dropped")
        return True

    def _limited(self, respond: Respond) -> Respond:
        responder, offers, zones = self._responder, self._offers, self._zones
        networks, exceeding = self._networks, self._exceeding
        verdict, partly = self._limiter.verdict, self._limiter.partly

        def answered(message: bytes, slot: int) -> bytes | None:
            responder.is_own, offers.is_proven = True, False
            answer = respond(message, slot)
            network = networks[slot]
            if answer is None or network not in exceeding or offers.is_proven:
                return answer
            if network in partly and self._limiter.spares(responder.client_of(slot)):
                return answer
            found = verdict(network, kind(message, answer, zones, is_own=responder.is_own))
            if found is SEND:
                return answer
            if found is DROP:
                self._tally.limited("dropped")
                return None
            return self._without_records(message, answer, responder.client_of(slot))

        return answered

    def _without_records(self, message: bytes, answer: bytes, client: bytes) -> bytes | None:
        query = dns.parse(message)
        if query is None:
            return None
        told = NOTHING if query.edns is None else self._offers.told(query.edns.options, client)
        if told.has_cookie:
            self._tally.limited("badcookie")
            return dns.error(query, dns.BADCOOKIE, told.options)
        self._tally.limited("truncated")
        return dns.truncated(query, answer[3] & 15, int.from_bytes(answer[2:4]) & dns.AA, told.options)
