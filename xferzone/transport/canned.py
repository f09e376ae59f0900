"""Replies that were recorded, for tests: what a client makes of them, and what it asks."""

from collections.abc import Iterable

from xferzone.errors import PeerError
from xferzone.transport.base import Body


class Canned:
    """Gives recorded replies in turn, whatever it is asked, and remembers the requests.

    Example:
        transport = Canned([("application/x-fossil-debug", b"error no\\n")])

    Fields:
        requests: content type and octets of each request so far, in order.
    """

    def __init__(self, replies: Iterable[tuple[str, bytes]], name: str = "a recording") -> None:
        """
        Args:
            replies: content type and octets of each reply, in order.
            name: what messages call the other side.
        """
        self.name = name
        self.requests: list[tuple[str, bytes]] = []
        self._replies = iter(replies)

    def exchange(self, body: Body) -> Body:
        """The next reply. Raises PeerError: all were given."""
        with body:
            self.requests.append((body.content_type, body.octets.read()))
        for content_type, octets in self._replies:
            return Body.of(content_type, octets)
        raise PeerError(f"{self.name} has no reply to request {len(self.requests)}")
