"""Rate limiting of a process that answers datagrams; who is limited says nameserver/rate.py.

    networks of a batch ──> none asks too much: answers go out as they are
                            else each answer, unless a valid cookie came with the question:
                                sent, or nothing, or without records and
                                    with a cookie, BADCOOKIE, if the client can use one
                                    with TC, to be asked again by TCP, if not

Source: BIND 9 Administrator Reference Manual, "rate-limit"; BIND's answer to clients with cookies is the same.
"""

from xferzone.dnsd.datagrams import Datagrams, Respond
from xferzone.dnsd.tally import Tally
from xferzone.dnsd.terms import Rate
from xferzone.nameserver import wire as dns
from xferzone.nameserver.cache import Responder
from xferzone.nameserver.offers import NOTHING, Offers
from xferzone.nameserver.rate import Limiter, Verdict, kind
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
        self._networks: list[bytes] = []  # of the batch that is answered
        self.tick = self._limiter.tick  # to be called every second

    def exceeds(self, batch: Datagrams) -> bool:
        """Whether answers to this batch are to go through `limited`."""
        self._networks = batch.networks()
        return self._limiter.exceeds(self._networks)

    def limited(self, respond: Respond) -> Respond:
        """`respond`, within the limits."""
        responder, offers, concerns = self._responder, self._offers, self._limiter.concerns

        def answered(message: bytes, slot: int) -> bytes | None:
            responder.is_own, offers.is_proven = True, False
            answer = respond(message, slot)
            network = self._networks[slot]
            if answer is None or offers.is_proven or not concerns(network, responder.client_of(slot)):
                return answer
            of_kind = kind(message, answer, self._zones, is_own=responder.is_own)
            verdict = self._limiter.verdict(network, of_kind)
            if verdict is Verdict.SEND:
                return answer
            if verdict is Verdict.DROP:
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
