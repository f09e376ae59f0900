"""A repository served by one worker, and a client that says whatever a test wants it to say."""

import os
import re
import socket
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from tests.live import PROJECT as PROJECT_DIRECTORY
from tests.live import XFERZONE, Done, Server, run
from tests.sync.recorded import signed
from xferzone.cards import Card, parse_cards
from xferzone.cards.body import COMPRESSED, UNCOMPRESSED, decode_body, pack
from xferzone.refs import LocalRefs
from xferzone.repository import check as zone_inspect
from xferzone.store import Store, accounts
from xferzone.store.check import faults as inspect

PROJECT = "0123456789abcdef0123456789abcdef01234567"
PUSH = f"push x {PROJECT}\n".encode()
PULL = f"pull x {PROJECT}\n".encode()
LOGIN, PASSWORD = "ops", "secret"
_LIMIT = 256 * 1024 * 1024  # bytes of a reply


def made(path: Path) -> Path:
    """An empty repository in which nobody may do anything, and ops everything."""
    with Store.create(path, PROJECT) as store, store.writer() as writer:
        for login in ("nobody", "anonymous"):
            accounts.put_user(writer, login, None, "")
        accounts.put_user(writer, LOGIN, PASSWORD, "s")
    return path


def by_ops(*parts: bytes | Card) -> bytes:
    """Card text, signed."""
    rest = b"".join(part if isinstance(part, bytes) else part.encode() for part in parts)
    return signed(LOGIN, PASSWORD, rest, PROJECT)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; `cards` of a status other than 200: none."""

    status: int
    cards: Sequence[Card]


def post(server: Server, body: bytes, content_type: str = COMPRESSED, seconds: float = 120) -> Answer:
    """Send octets as they are, and read the answer."""
    connection = HTTPConnection("127.0.0.1", server.http, timeout=seconds)
    try:
        connection.request("POST", "/", body, {"Content-Type": content_type})
        reply = connection.getresponse()
        raw, came = reply.read(), reply.headers["Content-Type"]
    finally:
        connection.close()
    if reply.status != 200:
        return Answer(reply.status, ())
    assert reply.headers["Content-Length"] == str(len(raw))
    return Answer(200, list(parse_cards(decode_body(came, raw, limit=_LIMIT))))


def ask(server: Server, text: bytes, *, level: int = 6) -> Sequence[Card]:
    """The cards that answer card text."""
    answer = post(server, pack(text, level=level))
    assert answer.status == 200
    return answer.cards


def healthy(server: Server, seconds: float) -> bool:
    """Whether /healthz is answered in time."""
    connection = HTTPConnection("127.0.0.1", server.http, timeout=seconds)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def begun(server: Server, text: bytes, cut: int) -> socket.socket:
    """A connection on which a request was begun: all of `text` but the last `cut` bytes, then silence."""
    connection = socket.create_connection(("127.0.0.1", server.http), timeout=60)
    head = f"POST / HTTP/1.0\r\nContent-Type: {UNCOMPRESSED}\r\nContent-Length: {len(text)}\r\n\r\n".encode()
    connection.sendall(head + text[: len(text) - cut])
    return connection


def workers(server: Server) -> list[int]:
    """The pids of gunicorn's workers."""
    (arbiter,) = server.children()
    listed = Path(f"/proc/{arbiter}/task/{arbiter}/children").read_text()
    return [int(word) for word in listed.split()]


def high_water(pid: int) -> float:
    """The most memory that the process ever had, in megabytes."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024 / 1e6


def cpu_s(pid: int) -> float:
    """Seconds of processor time that the process has used."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def dump(repository: Path) -> list[str]:
    """Everything that the repository's tables hold."""
    with sqlite3.connect(f"file:{repository}?mode=ro", uri=True) as db:
        return list(db.iterdump())


def faults(path: Path) -> list[str]:
    """What `xferzone check` prints of faults."""
    with Store.open(path) as store, store.reader() as reader:
        return [*inspect.faults(reader), *zone_inspect.faults(reader, LocalRefs(reader))]


def checked(repository: Path, code: int | None = 0) -> Done:
    """`xferzone check`, which must end with `code`."""
    env = {"PATH": os.environ["PATH"], "HOME": str(repository.parent), "PYTHONPATH": str(PROJECT_DIRECTORY)}
    return run(*XFERZONE, "-R", repository, "check", env=env, at=repository.parent, code=code)
