"""A home of its own for fossil, and a wire between two repositories that notes what crosses it.

    stock client --HTTP--> Wire (notes both bodies) --standard input--> fossil http SERVER

Cards are told apart here by a few lines of their own: nothing of xferzone is imported, so that the vectors stay an
independent witness.
"""

import base64
import json
import os
import socketserver
import subprocess
import threading
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

PASSWORDS = {"dev": "devpw", "odd user": "p w", "ro": "ropw"}

Json = dict[str, object]


class Exchange(NamedTuple):
    """One round as it crossed the wire."""

    request_head: bytes
    request: bytes
    reply_head: bytes
    reply: bytes


class Wire(socketserver.ThreadingTCPServer):
    """An HTTP server that hands every request to `fossil http` and notes both sides."""

    daemon_threads = True

    def __init__(self, bench: "Bench", repository: Path) -> None:
        super().__init__(("127.0.0.1", 0), WireHandler)
        self.bench = bench
        self.repository = repository
        self.exchanges: list[Exchange] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self, login: str, password: str | None = None) -> str:
        password = PASSWORDS[login] if password is None else password
        return f"http://{login}:{password}@127.0.0.1:{self.server_address[1]}/"

    def noted(self) -> list[Exchange]:
        """The exchanges since the last call."""
        noted, self.exchanges = self.exchanges, []
        return noted


class WireHandler(socketserver.StreamRequestHandler):
    server: Wire

    def handle(self) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self.rfile.readline()
            if not line:
                return
            head += line
        request = self.rfile.read(int(_header(head, b"content-length") or b"0"))
        answer = self.server.bench.fossil("http", self.server.repository, text=head + request).stdout
        reply_head, _, reply = answer.partition(b"\r\n\r\n")
        self.server.exchanges.append(Exchange(head[:-4], request, reply_head, reply))
        self.wfile.write(answer)


class Bench:
    """A home of its own for fossil, and where the vectors go."""

    def __init__(self, work: Path, out: Path) -> None:
        self.work = work
        self.out = out
        self.environment = {**os.environ, "HOME": str(work), "USER": "dev", "FOSSIL_USER": "dev"}

    def fossil(
        self,
        *words: str | Path,
        cwd: Path | None = None,
        text: bytes = b"",
        check: bool = True,
        editor: str = "",
    ) -> subprocess.CompletedProcess[bytes]:
        environment = {**self.environment, "EDITOR": editor, "VISUAL": editor}
        command = ["fossil", *map(str, words)]
        done = subprocess.run(
            command, cwd=cwd or self.work, env=environment, input=text, capture_output=True, check=False
        )
        if check and done.returncode:
            raise SystemExit(f"{command} exits {done.returncode}\n{done.stdout!r}\n{done.stderr!r}")
        return done

    def file(self, name: str, content: bytes) -> Path:
        path = self.work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def save(self, name: str, vectors: object) -> None:
        path = self.out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(vectors, indent=1) + "\n", encoding="ascii")
        print(name)

    def save_round(
        self, wire: Wire, name: str, description: str, more: Mapping[str, object] | None = None
    ) -> None:
        rounds = [
            {
                "request": _half(each.request_head, each.request),
                "reply": _half(each.reply_head, each.reply),
            }
            for each in wire.noted()
        ]
        vectors: Json = {"scenario": name, "description": description, "rounds": rounds, **(more or {})}
        self.save(f"rounds/{name}.json", vectors)


def body_text(head: bytes, body: bytes) -> bytes:
    """The card text of an HTTP message."""
    framed = _header(head, b"content-type") == b"application/x-fossil"
    return unframed(body) if framed and len(body) > 4 else body


def framed(plain: bytes) -> bytes:
    return len(plain).to_bytes(4, "big") + zlib.compress(plain, 9)


def unframed(framed: bytes) -> bytes:
    plain = zlib.decompress(framed[4:])
    if len(plain) != int.from_bytes(framed[:4], "big"):
        raise SystemExit("a framed text of another length than it says")
    return plain


def b64(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")


def raw(text: object) -> bytes:
    return base64.b64decode(str(text))


def _half(head: bytes, body: bytes) -> Json:
    text = body_text(head, body)
    lines = head.decode("latin-1").split("\r\n")
    return {"head": lines, "wire_bytes": len(body), "body_b64": b64(text), "cards": list(_cards(text))}


def _cards(text: bytes) -> Iterable[Json]:
    at = 0
    while at < len(text):
        line, _, _ = text[at:].partition(b"\n")
        at += len(line) + 1
        words = line.split()
        size = None
        if words and words[0] in (b"file", b"cfile", b"config"):
            size = int(words[-1])
        elif words and words[0] == b"uvfile" and not int(words[5]) & 5 and int(words[4]):
            size = int(words[4])
        card: Json = {"card": line.decode("utf-8", "replace")}
        if size is not None:
            payload = text[at : at + size]
            at += size + (words[0] == b"config")
            card |= {"payload_text": payload.decode()} if payload.isascii() else {"payload_b64": b64(payload)}
        yield card


def _header(head: bytes, name: bytes) -> bytes:
    for line in head.split(b"\r\n")[1:]:
        if line.lower().startswith(name + b":"):
            return line.partition(b":")[2].strip()
    return b""
