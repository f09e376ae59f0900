"""The real nats-server for tests: on free ports of loopback, ended with the test.

with running(tmp_path, max_payload=65_536) as server:
    server.url("xferzone.zones.a")
"""

import asyncio
import contextlib
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import nats
import nats.errors
from nats.aio.msg import Msg

from tests.etcds import TLS
from tests.live import PATIENCE_S, background, free_port, within

MAX_PAYLOAD = 1024 * 1024  # bytes; the server's own default


@dataclass(frozen=True, slots=True)
class Running:
    """A nats-server that takes connections."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def url(self, subject: str, login: str = "") -> str:
        return f"nats://{f'{login}@' if login else ''}127.0.0.1:{self.port}/{subject}"


@contextlib.contextmanager
def running(
    place: Path,
    *,
    port: int = 0,
    max_payload: int = MAX_PAYLOAD,
    account: tuple[str, str] | None = None,
    token: str = "",
    tls: TLS | None = None,
    verifies: bool = False,
) -> Iterator[Running]:
    """A nats-server; `account` or `token`: who may connect; `verifies`: its clients need a certificate."""
    place.mkdir(exist_ok=True)
    port = port or free_port()
    lines = [f"listen: 127.0.0.1:{port}", f"max_payload: {max_payload}"]
    if account is not None:
        lines.append(f'authorization {{ user: "{account[0]}", password: "{account[1]}" }}')
    if token:
        lines.append(f'authorization {{ token: "{token}" }}')
    if tls is not None:
        files = f'cert_file: "{tls.certificate}", key_file: "{tls.key}", ca_file: "{tls.authority}"'
        lines.append(f"tls {{ {files}, verify: {str(verifies).lower()} }}")
    file, log = place / "nats.conf", place / "nats.log"
    file.write_text("\n".join(lines) + "\n")
    path = f"{os.environ['PATH']}:/usr/sbin"  # where servers are
    with background(["env", f"PATH={path}", "nats-server", "-c", str(file)], {"PATH": path}, log) as process:
        assert within(PATIENCE_S, lambda: process.poll() is not None or _answers(port)), log.read_text()
        assert process.poll() is None, log.read_text()
        yield Running(port, process, log)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
            return connection.recv(4) == b"INFO"
    except OSError:
        return False


#: What an answering program makes of a message: the answers, each headers and octets.
Answer = Callable[[Msg], Sequence[tuple[dict[str, str], bytes]]]


@contextlib.contextmanager
def answering(server: Running, subject: str, answer: Answer) -> Iterator[None]:
    """A program of somebody's that answers on a subject in its own way."""
    is_up, loop = threading.Event(), asyncio.new_event_loop()
    over = asyncio.Event()

    async def quiet(_error: Exception) -> None:
        """The server was killed."""

    async def serve() -> None:
        client = await nats.connect(server.url("").rstrip("/"), allow_reconnect=False, error_cb=quiet)

        async def take(message: Msg) -> None:
            for headers, octets in answer(message):
                await client.publish(message.reply, octets, headers=headers)

        await client.subscribe(subject, cb=take)
        await client.flush()
        is_up.set()
        await over.wait()
        with contextlib.suppress(nats.errors.Error, OSError):
            await client.close()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    try:
        assert is_up.wait(PATIENCE_S)
        yield
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(PATIENCE_S)
        loop.close()
