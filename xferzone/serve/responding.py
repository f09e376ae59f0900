"""The process that answers sync requests by NATS, beside those of HTTP: run by `up` and `serve`, restarted by them.

    SUBJECT, in the queue group QUEUE     ─> a thread ─> exchange.answer ─> the reply (transport/nats.py)
    the repository has changed            ─> PREFIX.news, empty, at most one each LOOK_S
    the NATS server is away               says so once, tries again each AGAIN_S
    TERM, INT or WINCH (another one takes its place)     takes no more, answers what it has begun, ends

A subject is one repository's, so a queue group is, too: a client that begins a session with one file goes on with it,
whichever of several processes answers. Requests have the bounds of HTTP (web/limits.py); as many more bytes are held as
MAX_HELD says. No message is larger than the server's max_payload: replies are made within it, and what does not fit is
an error of the reply.
"""

import asyncio
import logging
import signal
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from io import SEEK_END
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final

from nats.aio.client import Client
from nats.aio.msg import Msg

from xferzone import ready
from xferzone.cards.body import expand_body, is_xfer
from xferzone.counters import Counters
from xferzone.errors import Busy, PeerError, XferzoneError
from xferzone.exchange import Budget, Reply, Room, Terms, answer
from xferzone.exchange.answer import MAX_BODY, most_octets, refusal
from xferzone.exchange.entrance import MAX_STRANGER, MAX_STRANGER_WIRE
from xferzone.exchange.group.opened import Opened
from xferzone.exchange.publishing import Later
from xferzone.observer import Several
from xferzone.observer.counting import Counting
from xferzone.observer.log import Log
from xferzone.refs.served import Served, Version
from xferzone.sync.oversize import too_large
from xferzone.transport import Body
from xferzone.transport.base import OURS, room
from xferzone.transport.nats import (
    BEAT_S,
    CONNECT_S,
    FAILURES,
    WORKING,
    Login,
    body_of,
    connected,
    headers_of,
    why,
)
from xferzone.transport.url import parse_subject
from xferzone.web.limits import Places
from xferzone.web.repository import Repository

QUEUE: Final = "xferzone"
THREADS: Final = 16  # requests answered at once; web/limits.py gives as many places as that allows
MAX_WAITING: Final = 48  # requests that may wait for a thread besides; the next ones hear "busy"
MAX_HELD: Final = 128 * 1024 * 1024  # bytes of requests in memory, on which the next ones hear "busy"
AGAIN_S: Final = 2.0  # seconds until a server that is away is tried again
LOOK_S: Final = 0.1  # seconds between two looks at whether the repository has changed
END_S: Final = 4.0  # seconds that requests may take at the end; the supervisor kills after 5
_BY: Final = "nats"  # what the log has as the address of a sender, which NATS does not tell

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """Where requests are taken: a nats URL, and the account at its server; None: none."""

    url: str
    login: Login | None


def respond(repository: Path, asked: Asked, counters: Counters) -> None:
    """Answer until a signal says stop."""
    with ExitStack() as opened:
        groups = opened.enter_context(closing(Opened()))
        later = opened.enter_context(closing(Later(repository, groups=groups)))
        log, shared = Log(logging.getLogger("xferzone.web.xfer")), Repository(repository)
        terms = Terms(
            room=Room.beside(repository),
            later=later,
            groups=groups,
            remote=_BY,
            observer=Several(log, Counting(counters, shared.looked)),
        )
        asyncio.run(_Responder(repository, asked, _Answering(shared, terms, counters)).run())


class _Answering:
    """Makes replies; threads share it."""

    def __init__(self, repository: Repository, terms: Terms, counters: Counters) -> None:
        self._repository = repository
        self._terms = terms
        self._places = Places(counters, THREADS)

    def reply(self, headers: Mapping[str, str], octets: bytes, max_payload: int) -> Reply:
        """The reply to a message, small enough for another one."""
        content_type = headers.get("Content-Type", "")
        # A clone's in zstd may have twice as many bytes (sync/server/round.py), and what announces is not counted.
        budget = Budget(bytes=max(1, room(max_payload) // 2), overshoots=False)
        terms = replace(self._terms, budget=budget)
        try:
            if not is_xfer(content_type):
                raise PeerError("a message that is not a sync request")
            with self._places.place(_BY) as visitor, body_of(headers, octets) as body:
                self._bound(body)
                visitor.received()
                made = answer(self._repository.store(), body, replace(terms, guest=visitor))
        except (XferzoneError, OSError) as exc:
            return refusal(exc, content_type, len(octets), terms)
        if made.size <= room(max_payload):
            return made
        with made.body, TemporaryFile() as text:
            is_plain = expand_body(made.body, text, limit=MAX_BODY)
            why_ = too_large(made.body.octets if is_plain else text, made.size, max_payload)
        return refusal(PeerError(why_), content_type, len(octets), terms)

    def busy(self, headers: Mapping[str, str], size: int) -> Reply:
        """The reply to a message of that size for which there is no place."""
        return refusal(Busy("too many requests at once"), headers.get("Content-Type", ""), size, self._terms)

    def _bound(self, body: Body) -> None:
        """Leave what the sender may send. Raises PeerError: it is more."""
        size = body.octets.seek(0, SEEK_END)
        if size >= MAX_STRANGER and size > (most := most_octets(self._repository.store(), body)):
            if most != MAX_STRANGER_WIRE:
                raise PeerError(f"a request of over {most} bytes: send less at a time")
            body.octets.truncate(most)  # a stranger is answered from what there is
        body.octets.seek(0)


class _Responder:
    """The connection, and what came by it."""

    def __init__(self, repository: Path, asked: Asked, answering: _Answering) -> None:
        self._path = repository
        self._asked = asked
        self._to = parse_subject(asked.url)
        self._answering = answering
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="nats")
        self._active: set[asyncio.Task[None]] = set()
        self._held = 0  # bytes of requests
        self._stopped = asyncio.Event()
        self._told = ""  # why the server is away, in the log

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGWINCH):
            loop.add_signal_handler(number, self._stopped.set)
        while not self._stopped.is_set():
            try:
                await self._connect()
            except FAILURES as exc:
                if self._told != (told := why(exc)):
                    _log.warning("nats outcome=away server=%s why=%r", self._to.server, told)
                    self._told = told
            ready.report()  # a server that is away keeps the others from nothing
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), AGAIN_S)
        self._pool.shutdown(wait=False)

    async def _connect(self) -> None:
        """Answer until the connection is lost, which is told, or it is time to stop. Raises one of FAILURES."""
        gone = asyncio.Event()
        client = await connected(self._to.server, self._asked.login, gone)
        news = asyncio.ensure_future(self._tell_news(client))
        ends = [asyncio.ensure_future(each.wait()) for each in (gone, self._stopped)]
        try:
            taken = await client.subscribe(
                self._to.requests,
                queue=QUEUE,
                cb=partial(self._take, client),
                pending_msgs_limit=MAX_WAITING,
                pending_bytes_limit=MAX_HELD,
            )
            await client.flush(CONNECT_S)
            _log.info(
                "nats outcome=listening server=%s subject=%s max_payload=%d",
                self._to.server,
                self._to.requests,
                client.max_payload,
            )
            self._told = ""
            ready.report()
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if gone.is_set():
                raise ConnectionError("the connection was lost")
            await taken.unsubscribe()
            if self._active:
                await asyncio.wait(self._active, timeout=END_S)
            await client.flush(1)
        finally:
            for task in (news, *ends):
                task.cancel()
            with suppress(*FAILURES):
                await client.close()

    # -- requests

    async def _take(self, client: Client, message: Msg) -> None:
        if not message.reply:
            return  # nobody would hear the answer
        size = len(message.data)
        if len(self._active) >= THREADS + MAX_WAITING or self._held + size > MAX_HELD:
            await self._send(client, message, self._answering.busy(message.headers or {}, size))
            return
        self._held += size
        task = asyncio.ensure_future(self._answer(client, message))
        self._active.add(task)
        task.add_done_callback(self._active.discard)

    async def _answer(self, client: Client, message: Msg) -> None:
        loop = asyncio.get_running_loop()
        try:
            work = loop.run_in_executor(
                self._pool, self._answering.reply, message.headers or {}, message.data, client.max_payload
            )
            while not (await asyncio.wait({work}, timeout=BEAT_S))[0]:
                with suppress(*FAILURES):
                    await client.publish(message.reply, b"", headers={WORKING: "1"})
            await self._send(client, message, work.result())
        except FAILURES as exc:
            # What was committed stays, and the client, which hears nothing, asks again.
            _log.warning("nats outcome=unsent why=%r", why(exc))
        except Exception:  # noqa: BLE001 - a bug, which is told; the client hears nothing, and others are answered
            _log.exception("nats outcome=failed")
        finally:
            self._held -= len(message.data)

    async def _send(self, client: Client, message: Msg, reply: Reply) -> None:
        with reply.body:
            headers = {**headers_of(reply.body), OURS: "1"}
            await client.publish(message.reply, reply.octets(), headers=headers)

    # -- news

    async def _tell_news(self, client: Client) -> None:
        """Announce each change of the repository, whichever process made it."""
        served: Served | None = None
        known: Version | None = None
        try:
            while True:
                # Of one that cannot be read, those who answer requests say why.
                with suppress(Exception):
                    served = served or Served(self._path)
                    if (version := served.version()) != known:
                        known = version
                        await client.publish(self._to.news, b"")
                await asyncio.sleep(LOOK_S)
        finally:
            if served is not None:
                served.close()
