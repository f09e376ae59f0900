"""A repository in this process, for tests and for programs that hold both ends.

InProcess(answer).exchange(body) is answer(body)
WalkInProcess(answer).ask(request) is answer(request)
"""

from collections.abc import Callable

from xferzone.transport.base import Body
from xferzone.transport.walk import WalkReply, WalkRequest


class InProcess:
    """Hands each body to a function of this process: a sync without sockets or a server.

    Example:
        transport = InProcess(lambda body: Body.of(body.content_type, b""))
    """

    def __init__(self, answer: Callable[[Body], Body], name: str = "this process") -> None:
        """
        Args:
            answer: gives the reply to a body, as another body. What it raises comes out of `exchange`.
            name: what messages call the other side.
        """
        self.name = name
        self._answer = answer

    def exchange(self, body: Body) -> Body:
        with body:
            return self._answer(body)


class WalkInProcess:
    """Hands each request of the walk to a function of this process.

    Example:
        transport = WalkInProcess(lambda request: respond(store, request, terms))
    """

    def __init__(
        self, answer: Callable[[WalkRequest], WalkReply], name: str = "this process", host: str = "localhost"
    ) -> None:
        """
        Args:
            answer: gives the reply to a request. What it raises comes out of `ask`.
            name: what messages call the other side.
            host: what requests are signed for.
        """
        self.name = name
        self.host = host
        self._answer = answer

    def ask(self, request: WalkRequest) -> WalkReply:
        return self._answer(request)
