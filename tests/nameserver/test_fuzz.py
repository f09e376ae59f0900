"""Random and mutated messages, and odd clients, at running servers: nothing dies, grows or answers nonsense.

messages     sound questions, odd messages and noise, then up to MUTATIONS changes of any of them
replies      each is to a message that was sent, reads to its last octet, and fits what was offered
afterwards   the same processes answer right, with as many descriptors and not much more memory
"""

import contextlib
import random
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dns.message
import pytest

from tests.dnsd.test_following import World
from tests.dnsd.test_servers import ASKED, ZONE, log_of, start, stop
from tests.live import PATIENCE_S, free_port, within
from tests.nameserver.made import question, said
from tests.nameserver.peers.asking import Udp, by_tcp
from tests.nameserver.peers.messages import MESSAGES
from tests.nameserver.peers.rules import shape
from xferzone.dnsd.agent import MAX_CONNECTIONS, MAX_PER_CLIENT
from xferzone.nameserver import wire

pytestmark = pytest.mark.interop

SEED = 20261121
DATAGRAMS = 6_000  # docs/dns-answers.md has the figures for 300,000
FRAMES = 2_000  # the same for 100,000
MUTATIONS = 4
BATCH = 40  # messages under way at once
GROWTH = 64 * 1024  # KiB; answers for names that nobody has may take 16 MiB, and twice that with overhead
OPTIONS = (b"", b"\0\x0a\0\x08abcdefgh", b"\0\3\0\0", b"\xff\xff\0\1x")
LABELS = (b"www", b"WWW", b"alias", b"sub", b"big", b"huge", b"*", b"\0", b"nope", b"x" * 63, b"a\xffb")


@dataclass(frozen=True, slots=True)
class Servers:
    """An answerer and an agent on a port of 127.0.0.1."""

    port: int
    pids: dict[str, int]

    def memory(self, part: str) -> int:
        """Its resident KiB."""
        lines = Path(f"/proc/{self.pids[part]}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))

    def descriptors(self, part: str) -> int:
        return len(list(Path(f"/proc/{self.pids[part]}/fd").iterdir()))

    def well(self) -> bool:
        """Whether both answer right."""
        try:
            with Udp(self.port) as way:
                return {said(way.ask(ASKED)).answer, said(by_tcp(self.port, ASKED)[0]).answer} == {
                    frozenset({"www.example.com. 300 in a 192.0.2.1"})
                }
        except (OSError, AssertionError, IndexError):
            return False


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    world = World(tmp_path_factory.mktemp("served"))
    world.put("example.com", *ZONE)
    path = world.project.path
    port = free_port()
    listen = f"127.0.0.1:{port}"
    with start("answerer", path, listen) as answerer, start("agent", path, listen) as agent:
        made = Servers(port, {"answerer": answerer.pid, "agent": agent.pid})
        assert within(PATIENCE_S, made.well)
        yield made
        stop(answerer)
        stop(agent)
    for part in ("answerer", "agent"):
        said = log_of(part, path).read_text().splitlines()
        assert not [line for line in said if "WARNING dns outcome=refused" not in line]


def messages(chance: random.Random, number: int) -> Iterator[bytes]:
    """That many messages, each with an id of its own within 65,535 of them."""
    corpus = list(MESSAGES.values())
    for count in range(number):
        match chance.randrange(8):
            case 0:
                made = bytearray(chance.randbytes(chance.randrange(200)))
            case 1 | 2:
                made = bytearray(chance.choice(corpus))
            case _:
                made = bytearray(_question(chance))
        for _ in range(chance.choice((0, 0, 1, 1, MUTATIONS))):
            _mutate(made, chance)
        made[:2] = (count % 0xFFFF).to_bytes(2)  # never the one that ends a batch
        yield bytes(made)


def _question(chance: random.Random) -> bytes:
    labels = [chance.choice(LABELS) for _ in range(chance.randrange(4))]
    if chance.randrange(4) == 0:
        labels.append(chance.randbytes(chance.randrange(1, 64)))
    name = b"".join(bytes((len(label),)) + label for label in labels)
    name += chance.choice((b"\7example\3com\0", b"\7example\3net\0", b"\7EXample\3cOM\0", b"\0"))
    asked = name + chance.choice(
        (1, 2, 5, 6, 16, 28, 43, 46, 64, 65, 255, 251, 252, chance.randrange(65536))
    ).to_bytes(2)
    asked += chance.choice((1, 1, 1, 1, 3, 255, chance.randrange(65536))).to_bytes(2)
    flags = chance.choice((0, 0x0100, 0x0110, 0x2400, 0x2800, chance.randrange(0x8000))).to_bytes(2)
    if chance.randrange(3) == 0:
        return b"id" + flags + b"\0\1\0\0\0\0\0\0" + asked
    size = chance.choice((0, 512, 700, 1231, 1232, 4096, 65535)).to_bytes(2)
    bits = chance.choice((b"\0\0\0\0", b"\0\0\x80\0", b"\0\1\0\0", chance.randbytes(4)))
    options = b"".join(chance.choices(OPTIONS, k=chance.randrange(3)))
    opt = b"\0\0\x29" + size + bits + len(options).to_bytes(2) + options
    return b"id" + flags + b"\0\1\0\0\0\0\0\1" + asked + opt


def _mutate(made: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(made) + 1)
    match chance.randrange(5):
        case 0:
            made[at:at] = chance.randbytes(chance.randrange(1, 20))
        case 1:
            del made[at : at + chance.randrange(1, 8)]
        case 2:
            del made[at:]
        case _:
            for place in chance.sample(range(len(made)), min(len(made), 2)):
                made[place] = chance.choice((0, 1, 0x3F, 0x40, 0xC0, 0xFF, chance.randrange(256)))


def assert_reads(message: bytes, answer: bytes, limit: int) -> None:
    """The answer is to the message, no longer than the limit, and dnspython reads it, if it can read the question."""
    assert answer[:2] == message[:2]
    assert answer[2] & 0x80
    assert len(answer) <= limit
    said_shape = shape(answer)
    # An update's sections mean something else, and a TSIG wants a key: those two are read by shape() alone.
    if message[2] & 0x78 != 0x28 and "tsig" not in said_shape:
        dns.message.from_wire(answer)


def limit_of(message: bytes) -> int:
    query = wire.parse(message)
    return 0 if query is None else wire.size_offered(query)


def test_datagrams(servers: Servers) -> None:
    chance = random.Random(SEED)
    before = {part: servers.memory(part) for part in servers.pids}
    answered = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", servers.port))
        client.settimeout(PATIENCE_S)
        batch: list[bytes] = []
        for message in messages(chance, DATAGRAMS):
            batch.append(message)
            if len(batch) == BATCH:
                answered += _ask_all(client, batch)
                batch.clear()
    assert answered > DATAGRAMS // 2
    assert servers.well()
    assert servers.memory("answerer") - before["answerer"] < GROWTH


def _ask_all(client: socket.socket, batch: list[bytes]) -> int:
    """Send all, read what comes until the answer to a last sound question; how many answers came."""
    last = b"\xff\xff" + ASKED[2:]
    for message in (*batch, last):
        client.send(message)
    sent = {message[:2]: message for message in batch}
    wanted = {message[:2] for message in batch if limit_of(message)}
    number = len(wanted)
    while (answer := client.recv(65535))[:2] != last[:2]:
        assert_reads(sent[answer[:2]], answer, limit_of(sent[answer[:2]]))
        wanted.discard(answer[:2])
    assert wanted == set()
    return number


def test_frames(servers: Servers) -> None:
    chance = random.Random(SEED)
    before = {part: (servers.memory(part), servers.descriptors(part)) for part in servers.pids}
    batch: list[bytes] = []
    for message in messages(chance, FRAMES):
        batch.append(message)
        if limit_of(message) and len(batch) < BATCH:
            continue
        # A message that deserves no answer ends the connection; all before it are answered.
        answers = by_tcp(servers.port, *batch, seconds=PATIENCE_S)
        asked = [message for message in batch if limit_of(message)]
        assert len(answers) == len(asked)
        for one, answer in zip(asked, answers, strict=True):
            assert_reads(one, answer, 65535)
        batch.clear()
    assert servers.well()
    assert within(PATIENCE_S, lambda: servers.descriptors("agent") <= before["agent"][1] + 1)
    assert servers.memory("agent") - before["agent"][0] < GROWTH


def test_noise_instead_of_frames(servers: Servers) -> None:
    chance = random.Random(SEED)
    for _ in range(FRAMES // 20):
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", servers.port), timeout=PATIENCE_S) as client,
        ):
            client.sendall(chance.randbytes(chance.randrange(2_000)))
            if chance.randrange(2):
                client.shutdown(socket.SHUT_WR)
                while client.recv(65535):
                    pass
    assert servers.well()


def test_a_client_that_has_said_all_gets_all_answers(servers: Servers) -> None:
    asked = [question(f"n{number}.example.com.", "TXT") for number in range(50)]
    with (
        socket.create_connection(("127.0.0.1", servers.port), timeout=PATIENCE_S) as client,
        client.makefile("rb") as incoming,
    ):
        client.sendall(b"".join(len(message).to_bytes(2) + message for message in asked))
        client.shutdown(socket.SHUT_WR)
        for message in asked:
            assert incoming.read(int.from_bytes(incoming.read(2)))[:2] == message[:2]
        assert incoming.read() == b""


def test_hundreds_of_idle_connections_leave_room_for_others(servers: Servers) -> None:
    before = servers.descriptors("agent")
    with contextlib.ExitStack() as stack:
        for number in range(MAX_CONNECTIONS):
            client = stack.enter_context(socket.socket())
            client.settimeout(PATIENCE_S)
            client.bind((f"127.0.1.{1 + number // (MAX_PER_CLIENT // 2)}", 0))
            client.connect(("127.0.0.1", servers.port))
            client.sendall(b"\0"[: number % 2])  # half of them have begun to speak
        assert within(PATIENCE_S, lambda: servers.descriptors("agent") >= before + MAX_CONNECTIONS - 1)
        for _ in range(20):
            assert servers.well()
    assert within(PATIENCE_S, lambda: servers.descriptors("agent") <= before + 1)
    assert servers.well()


def test_those_who_take_no_answers_cost_little_and_stop_nobody(servers: Servers) -> None:
    before = servers.memory("agent")
    asked = question("huge.example.com.", "TXT")
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            client = stack.enter_context(
                socket.create_connection(("127.0.0.1", servers.port), timeout=PATIENCE_S)
            )
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                for _ in range(200):
                    client.send((len(asked).to_bytes(2) + asked) * 50)
        for _ in range(20):
            assert servers.well()
        assert servers.memory("agent") - before < GROWTH
