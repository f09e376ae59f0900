"""The push that a request belongs to (store/pushes.py): one whose token it brings in a cookie, or a new one."""

import re
from typing import Final

from xferzone.cards import Cookie
from xferzone.store import pushes
from xferzone.store.pushes import Push
from xferzone.store.writer import Writer
from xferzone.sync.server.reply import Draft
from xferzone.sync.server.request import Request
from xferzone.sync.server.terms import Terms

#: Of a repository. Clients of ours name none: they see for themselves what became of a push.
_CODE: Final = re.compile(r"(?!0{40})[0-9a-f]{40}")


class Pushing:
    """What one request has to do with its push.

    Fields:
        row: the last one before what the request brought; 0: it has brought nothing.
    """

    def __init__(self, request: Request, terms: Terms, draft: Draft) -> None:
        self.row, self._peer = 0, ""
        self._login, self._token = terms.rights.login, terms.token
        self._tokens, self._draft = request.cookies(), draft
        self._push: Push | None = None  # as far as it was looked for

    def comes_from(self, code: str) -> None:
        """Which repository pushes, by its server code, as it says."""
        self._peer = code if _CODE.fullmatch(code) else ""

    def begin(self, writer: Writer) -> int:
        """The number of the push that brings something now. Its sender is given the token, unless he has it."""
        self.row = writer.last_row()
        self._push = pushes.going_on(writer, self._login, self._tokens)
        if self._push is None:
            self._push = pushes.begin(writer, self._login, self._peer, self._token)
            self._give()
        return self._push.number

    def end(self, writer: Writer) -> list[Push]:
        """The push, of which nothing more is to come, and those before it of which something is to be told, or left."""
        self._draft.cookie = None
        found = pushes.not_ended(writer, self._login, self._peer, [*self._tokens, self._token])
        if self._push is not None and all(each.number != self._push.number for each in found):
            found.append(self._push)
        return found

    def told(self, writer: Writer, push: Push, *, is_news: bool) -> None:
        """The sender is told what became of one of them, if anything: again, unless he sends the token back."""
        first = pushes.first_left(writer, push)
        is_known = bool(self._peer) or push.token in self._tokens
        is_told = is_news if self._peer else first is not None and (is_news or not is_known)
        if is_told and self._token:
            pushes.tell(writer, push, self._token)
            self._give()
        elif first is not None and is_known:
            pushes.keep(writer, push, first)
        else:
            pushes.end(writer, push)

    def _give(self) -> None:
        self._draft.cookie = Cookie(self._token) if self._token else None
