"""What only the agent answers: signed questions and transfers; and beside them all others that come over TCP.

    message ─> its signature (signing.py) ─> AXFR, IXFR of a zone here: may it? (access.py) ─> transfer.py
                                             all else: the service
            <─ each message of the answer signed <─

IXFR over UDP, where it is allowed, is answered with the served SOA alone: if that is newer, its sender comes by TCP.
AXFR over UDP is not defined: NOTIMP, signed or not.

A retired agent has terms that no longer hold. So it begins no transfer and answers nothing that is signed: who asks
again, over a new connection, reaches the agent that has today's.

Source: RFC 1995 2 (UDP), RFC 5936 4.2, RFC 8945 5.3.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from xferzone.dnsd import access
from xferzone.dnsd.exchanges import Exchange, Exchanges
from xferzone.dnsd.following import LiveZones
from xferzone.dnsd.service import Service
from xferzone.dnsd.signing import Asked, asked, signed
from xferzone.dnsd.transfer import NotAnyMore, Transfers
from xferzone.nameserver import tsig
from xferzone.nameserver import wire as dns
from xferzone.nameserver.respond import failure
from xferzone.nameserver.wire import Answer
from xferzone.zonefile.rdtypes import IXFR

#: Sends one message to whoever asked.
Send = Callable[[bytes], Awaitable[None]]


class Client(NamedTuple):
    """Who asks: an address of 4 or 16 octets, empty if it is gone; and how."""

    address: bytes
    protocol: str  # tcp, udp


class Requests:
    """Answers of one process. `exchanges`: those over TCP and UDP, which count and log."""

    def __init__(
        self, zones: LiveZones, service: Service[Client], exchanges: Mapping[str, Exchanges]
    ) -> None:
        self._zones = zones
        self._service = service
        self._exchanges = exchanges
        self._refusals = access.Refusals()
        self.transfers = Transfers(zones, self._refusals)
        self._is_retired = False

    def retire(self) -> None:
        """Another agent answers from now on; this one finishes what it has begun."""
        self._is_retired = self.transfers.is_retired = True

    async def answer(self, wire: bytes, client: bytes, send: Send) -> bool:
        """Answer a message that came over TCP; whether more may follow it.

        Raises:
            OSError, TimeoutError: by `send`.
        """
        with self._exchanges["tcp"].begun(wire, client) as exchange:
            return await self._answer(wire, client, exchange, send)

    # many: a message, whose it is, and two who are told of its answer
    async def _answer(self, wire: bytes, client: bytes, exchange: Exchange, send: Send) -> bool:
        self._service.refresh()
        question = asked(wire, self._zones.terms.keys)
        exchange.key = question.key
        is_gone = False

        async def send_one(message: bytes) -> None:
            nonlocal is_gone
            message = signed(message, question)
            exchange.answered(message)
            is_gone = True
            await send(message)
            is_gone = False

        if self._is_retired and (question.is_signed or self.transfers.concerns(question.query)):
            return False
        try:
            if self._is_let_in(question, client):
                await self.transfers.answer(question, client, send_one)
                return True
            answer = self._other(question, Client(client, "tcp"))
        except NotAnyMore:
            return False
        except Exception as exc:
            if is_gone:
                raise
            if exchange.first is not None:
                self._service.complain("a transfer has ended early", exc)
                return False
            self._service.complain("a question was answered SERVFAIL", exc)
            answer = failure(question.message, exc)
        if answer is None:
            exchange.answered(None)
            return False
        await send_one(answer)
        return True

    def datagram(self, wire: bytes, client: bytes) -> bytes | None:
        """The answer to a message that came over UDP; None: it gets none."""
        with self._exchanges["udp"].begun(wire, client) as exchange:
            try:
                answer = self._datagram(wire, client, exchange)
            except Exception as exc:  # noqa: BLE001 - one message must not end the service for all
                self._service.complain("a question was answered SERVFAIL", exc)
                answer = failure(wire, exc)
            exchange.answered(answer)
            return answer

    def _datagram(self, wire: bytes, client: bytes, exchange: Exchange) -> bytes | None:
        self._service.refresh()
        question = asked(wire, self._zones.terms.keys)
        exchange.key = question.key
        query = question.query
        if query is None:
            return None
        limit = dns.size_offered(query)
        if query.rdtype == IXFR and self._is_let_in(question, client):
            view = self._zones.find(query.name, query.rdtype)
            if view is not None:
                made = Answer()
                made.answer.append((query.name, view.soa))
                return signed(dns.render(query, made, limit), question, limit)
        answer = self._other(question, Client(client, "udp"))
        return None if answer is None else signed(answer, question, limit)

    def _other(self, question: Asked, client: Client) -> bytes | None:
        """The answer, to be signed, to what is not a transfer, or not one that is allowed."""
        if question.refused is None:
            return self._service.respond(question.message, client)
        found, answer = question.refused
        assert question.query is not None
        rule = tsig.NAMES[found.error]
        zone = access.shown_name(question.query.name)
        self._refusals.tell("signature", client.address, found.key, zone, rule)
        return answer

    def _is_let_in(self, question: Asked, client: bytes) -> bool:
        return self.transfers.concerns(question.query) and self.transfers.may(question, client)
