"""A repository in this process, for tests and for programs that hold both ends.

InProcess(answer).exchange(body) is answer(body)
"""

from collections.abc import Callable

from xferzone.transport.base import Body


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
