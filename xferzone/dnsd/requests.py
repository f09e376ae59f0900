"""What only the agent answers: signed questions and transfers; and beside them all others that come over TCP.

    message ─> its signature (signing.py) ─> AXFR, IXFR of a zone here: may it? (access.py) ─> transfer.py
                                             all else: the service
            <─ each message of the answer signed <─

IXFR over UDP, where it is allowed, is answered with the served SOA alone: if that is newer, its sender comes by TCP.

Source: RFC 1995 2 (UDP), RFC 8945 5.3.
"""

from collections.abc import Awaitable, Callable

from xferzone.dnsd import access
from xferzone.dnsd.following import ServedZones
from xferzone.dnsd.service import Service
from xferzone.dnsd.signing import Asked, asked, signed
from xferzone.dnsd.tally import Tally
from xferzone.dnsd.transfer import Transfers
from xferzone.nameserver import tsig
from xferzone.nameserver import wire as dns
from xferzone.nameserver.respond import failure
from xferzone.nameserver.wire import Answer

#: Sends one message to whoever asked.
Send = Callable[[bytes], Awaitable[None]]


class Requests:
    """Answers of one process. `tally`: counts questions and their first messages."""

    def __init__(self, zones: ServedZones, service: Service[bytes], tally: Tally) -> None:
        self._zones = zones
        self._service = service
        self._tally = tally
        self._refusals = access.Refusals()
        self._transfers = Transfers(zones, self._refusals)

    async def answer(self, wire: bytes, client: bytes, send: Send) -> bool:
        """Answer a message that came over TCP; whether more may follow it.

        Raises:
            OSError, TimeoutError: by `send`.
        """
        self._service.refresh()
        question = asked(wire, self._zones.terms.keys)
        if question.query is None or not self._is_let_in(question, client):
            answer = self._other(question, client)
            self._tally.count(wire, answer, 1)
            if answer is not None:
                await send(answer)
            return answer is not None
        is_counted = False

        async def send_one(message: bytes) -> None:
            nonlocal is_counted
            if not is_counted:
                self._tally.count(wire, message, 1)
                is_counted = True
            await send(signed(message, question.signer))

        try:
            await self._transfers.answer(question, client, send_one)
        except OSError:
            raise
        except Exception as exc:  # noqa: BLE001 - as below
            self._service.complain("a transfer has ended early", exc)
            return False
        return True

    def datagram(self, wire: bytes, client: bytes) -> bytes | None:
        """The answer to a message that came over UDP; None: it gets none."""
        try:
            return self._datagram(wire, client)
        except Exception as exc:  # noqa: BLE001 - one message must not end the service for all
            self._service.complain("a question was answered SERVFAIL", exc)
            return failure(wire, exc)

    def _datagram(self, wire: bytes, client: bytes) -> bytes | None:
        self._service.refresh()
        question = asked(wire, self._zones.terms.keys)
        query = question.query
        if query is not None and self._is_let_in(question, client):
            view = self._zones.find(query.name, query.rdtype)
            if view is not None:
                made = Answer()
                made.answer.append((query.name, view.soa))
                limit = dns.size_offered(query)
                return signed(dns.render(query, made, limit), question.signer, limit)
        return self._other(question, client, dns.SMALLEST_SIZE if query is None else dns.size_offered(query))

    def _other(self, question: Asked, client: bytes, limit: int = dns.LARGEST_SIZE) -> bytes | None:
        """The answer to what is not a transfer, or not one that is allowed."""
        if question.refused is not None:
            found, answer = question.refused
            assert question.query is not None
            rule = tsig.NAMES[found.error]
            zone = access.shown_name(question.query.name)
            self._refusals.tell("signature", client, found.key, zone, rule)
            return answer
        made = self._service.respond(question.message, client)
        return None if made is None else signed(made, question.signer, limit)

    def _is_let_in(self, question: Asked, client: bytes) -> bool:
        return self._transfers.concerns(question.query) and self._transfers.may(question, client)
