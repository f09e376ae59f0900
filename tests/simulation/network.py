"""The network between nodes: carries one body there and one back, and does what networks do.

    before the request arrives    others may act; it is lost, flipped, or brought twice
    before the reply arrives      others may act; it is lost after all was committed, cut, or flipped
                                  an artifact in it is not what its name says, and the whole is sound
    a partition                   nothing goes between two nodes for a while

A client's driver sends from a thread of its own. Here the reply is made when it is first looked at, in the one thread
that there is, so that a history is the same every time.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import replace
from io import BytesIO
from typing import Final, NamedTuple, Self

from tests.simulation.luck import Luck
from tests.simulation.process import Death
from tests.simulation.story import Story
from xferzone.cards import File, UVFile, encode_cards, parse_cards
from xferzone.cards.body import UNCOMPRESSED, decode_body
from xferzone.errors import PeerError
from xferzone.sync.client.driver import MAX_TEXT
from xferzone.transport import Body
from xferzone.transport.base import PLAIN
from xferzone.transport.walk import WalkReply, WalkRequest

MEANWHILE: Final = 0.1  # how probable it is that others act while a message is on its way


class Message(NamedTuple):
    """What travels; `coding` and `takes_zstd` as in transport/base.py."""

    content_type: str
    octets: bytes
    coding: str = PLAIN
    takes_zstd: bool = False


class Network:
    """All ways between nodes. `meanwhile` lets others act."""

    def __init__(self, luck: Luck, story: Story, meanwhile: Callable[[], None]) -> None:
        self._luck = luck
        self._story = story
        self._meanwhile = meanwhile
        self._parted: dict[frozenset[str], int] = {}  # until when, ms
        self.repeated: set[str] = set()  # clients whose requests have arrived twice
        self.garbled: set[str] = set()  # clients of whose requests a bit was flipped

    def part(self, one: str, other: str, until_ms: int) -> None:
        """Let nothing through between two nodes until then."""
        self._parted[frozenset((one, other))] = until_ms
        self._story.tell("network", f"{one} and {other} cannot reach each other")

    def heal(self) -> None:
        """End all partitions."""
        self._parted.clear()

    def check(self, client: str, server: str) -> None:
        """A message sets out. Raises PeerError: it does not arrive."""
        self.wait()
        if not self.reaches(client, server):
            raise PeerError(f"{server} cannot be reached")
        if self._luck.strikes("network.request-lost", 0.15):
            self._tell(client, f"its request to {server} is lost")
            raise PeerError(f"{server} does not answer")

    def asked(self, client: str, server: str, ask: Callable[[bytes], Message], octets: bytes) -> Message:
        """The reply to `octets`, as it arrives. Raises PeerError: none does."""
        self.check(client, server)
        if self._luck.strikes("network.request-flipped", 0.1):
            self._tell(client, f"a bit of its request to {server} is flipped")
            self.garbled.add(client)
            octets = self.flipped(octets)
        try:
            reply = ask(octets)
            if self._luck.strikes("network.request-repeated", 0.15):
                self._tell(client, f"its request arrives at {server} twice")
                self.repeated.add(client)
                reply = ask(octets)
        except Death as death:
            raise PeerError(f"{server} closed the connection: it died") from death
        self.wait()
        if self._luck.strikes("network.artifact-damaged", 0.1):
            reply = self._damaged(client, server, reply)
        return reply._replace(octets=self.returned(client, server, reply.octets))

    def returned(self, client: str, server: str, octets: bytes) -> bytes:
        """A reply as it arrives. Raises PeerError: it does not."""
        if self._luck.strikes("network.reply-lost", 0.2):
            self._tell(client, f"the reply of {server} is lost")
            raise PeerError(f"{server} closed the connection")
        if self._luck.strikes("network.reply-cut", 0.1):
            self._tell(client, f"the reply of {server} is cut")
            return octets[: self._luck.below(len(octets) or 1)]
        if self._luck.strikes("network.reply-flipped", 0.1):
            self._tell(client, f"a bit of the reply of {server} is flipped")
            return self.flipped(octets)
        return octets

    def _damaged(self, client: str, server: str, reply: Message) -> Message:
        """A reply of xfer in which one artifact is not what its name says, as no checksum of the whole tells."""
        if not reply.content_type:
            return reply
        text = decode_body(reply.content_type, reply.octets, limit=MAX_TEXT, coded=reply.coding)
        cards = list(parse_cards(text))
        at = [number for number, card in enumerate(cards) if isinstance(card, File | UVFile)]
        if not at:
            return reply
        self._tell(client, f"{server} sends it an artifact or file that is damaged")
        number = self._luck.one_of(at)
        card = cards[number]
        assert isinstance(card, File | UVFile)
        cards[number] = replace(card, payload=self.flipped(card.payload))
        return Message(UNCOMPRESSED, encode_cards(cards))

    def flipped(self, octets: bytes) -> bytes:
        """The same with one bit changed."""
        if not octets:
            return octets
        at = self._luck.below(len(octets))
        return octets[:at] + bytes([octets[at] ^ 1 << self._luck.below(8)]) + octets[at + 1 :]

    def reaches(self, one: str, other: str) -> bool:
        """Whether anything goes between two nodes."""
        return self._parted.get(frozenset((one, other)), 0) <= self._story.now_ms

    def wait(self) -> None:
        """Time passes, and others may act."""
        self._story.now_ms += 5 + self._luck.below(200)
        if self._luck.chance(MEANWHILE):
            self._meanwhile()

    def _tell(self, client: str, what: str) -> None:
        self._story.tell("network", f"{client}: {what}")


class Way:
    """A Transport from one node to the server of another."""

    def __init__(self, network: Network, client: str, server: str, ask: Callable[[Message], Message]) -> None:
        self.name = f"http://{server}/"
        self._server = server
        self._network = network
        self._client = client
        self._ask = ask

    def exchange(self, body: Body) -> Body:
        with body:
            octets = body.octets.read()
        sent = Message(body.content_type, octets, body.coding, body.takes_zstd)
        return _Promised(
            lambda: self._network.asked(
                self._client, self._server, lambda arrived: self._ask(sent._replace(octets=arrived)), octets
            )
        )


class WalkWay:
    """A WalkTransport from one node to the server of another."""

    def __init__(
        self, network: Network, client: str, server: str, ask: Callable[[WalkRequest], "Replied"]
    ) -> None:
        self.name = f"http://{server}/"
        self.host = server
        self._network = network
        self._client = client
        self._ask = ask

    def ask(self, request: WalkRequest) -> WalkReply:
        replied: list[Replied] = []

        def asked(octets: bytes) -> Message:
            replied.append(self._ask(replace(request, body=octets)))
            return Message("", replied[-1].octets)

        whole = self._network.asked(self._client, self.host, asked, request.body)
        last = replied[-1]
        return WalkReply(last.status, last.headers, _sent(whole.octets, len(last.octets)))


class Replied(NamedTuple):
    """A reply of the walk, all of it."""

    status: int
    headers: Mapping[str, str]
    octets: bytes


def _sent(octets: bytes, stated: int) -> Generator[bytes, None, None]:
    """What arrives of a body that was to have `stated` octets."""
    half = len(octets) // 2
    yield octets[:half]
    yield octets[half:]
    if len(octets) < stated:
        raise PeerError("the connection was closed before the end of the reply")


class _Promised(Body):
    """A reply that is made when it is entered: by the thread that reads it."""

    def __init__(self, make: Callable[[], Message]) -> None:
        super().__init__("", BytesIO())
        object.__setattr__(self, "_make", make)

    def __enter__(self) -> Self:
        message = self._make()
        object.__setattr__(self, "content_type", message.content_type)
        object.__setattr__(self, "coding", message.coding)
        object.__setattr__(self, "octets", BytesIO(message.octets))
        return self

    _make: Callable[[], Message]
