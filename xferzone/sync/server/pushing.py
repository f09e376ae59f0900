"""The push that a request belongs to (store/pushes.py): one whose token it brings in a cookie, or a new one."""

from xferzone.cards import Cookie
from xferzone.store import pushes
from xferzone.store.pushes import Push
from xferzone.store.reader import Reader
from xferzone.store.writer import Writer
from xferzone.sync.server.reply import Draft
from xferzone.sync.server.request import Request
from xferzone.sync.server.terms import Terms


class Pushing:
    """What one request has to do with its push.

    Fields:
        row: the last one before what the request brought; 0: it has brought nothing.
    """

    def __init__(self, request: Request, terms: Terms, draft: Draft) -> None:
        self.row = 0
        self._login, self._token = terms.rights.login, terms.token
        self._tokens, self._draft = request.cookies(), draft
        self._push: Push | None = None  # as far as it was looked for

    def begin(self, writer: Writer) -> int:
        """The number of the push that brings something now. Its sender is given the token, unless he has it."""
        self.row = writer.last_row()
        self._push = self._going_on(writer)
        if self._push is None:
            self._push = pushes.begin(writer, self._login, self._token)
            self._draft.cookie = Cookie(self._token) if self._token else None
        return self._push.number

    def end(self, writer: Writer) -> Push | None:
        """The push, which ends now. None: the request belongs to none, as far as is known."""
        push = self._push or self._going_on(writer)
        if push is not None:
            pushes.end(writer, push)
            self._draft.cookie = None
        return push

    def _going_on(self, reader: Reader) -> Push | None:
        return pushes.going_on(reader, self._login, self._tokens)
