"""One request, opened once: its card text, the login card it opens with, and what it asks for by its first cards.

    octets ─> text, bounded ─> login, operation, project ─> rights (login.py) ─> the round (round.py)

Nothing here is believed: the login is checked against the accounts, and the operation is what the cards say first.
"""

import hashlib
import re
from itertools import islice
from typing import IO, Final

from xferzone.cards import CFile, Clone, File, Gimme, IGot, Login, Pull, Push, UVFile, UVGimme, parse_cards
from xferzone.cards.body import opened
from xferzone.cards.table import WRITING
from xferzone.errors import MalformedCard

_FIRST: Final = (
    20  # cards looked at; Fossil 2.21 sends login, pragma, pull and push first, src/xfer.c client_sync()
)
_STEP: Final = 65_536  # bytes looked through or hashed at a time; among the first are the first cards
#: No line of its own: nothing ends the content of an artifact before it.
_COOKIE: Final = re.compile(rb"cookie ([0-9a-f]{16})\n")
_COOKIE_SIZE: Final = len("cookie \n") + 16
MAX_COOKIES: Final = 10  # of a request: a client sends one, and artifacts may hold what looks so; even; ours
_NOBODY: Final = "nobody"


class Request:
    """The text of one request, and the sender that it names.

    Fields:
        login: the card it opens with, else the one that came beside it, as newer stock clients have it; None: neither.
            Comments may stand before it.
        operation: clone, pull, push, sync (a pull and a push) or other.
        project_code: of the first pull or push card; empty: none of the first cards is one.
    """

    def __init__(
        self, text: bytes | IO[bytes], opening: "Request | None" = None, beside: Login | None = None
    ) -> None:
        """`text` is card text; of a file, the file is read anew whenever it is asked for.

        Args:
            opening: the same request as its beginning told it; None: it was not looked at yet.
            beside: the login card that came beside the text, whose `end` is 0; None: none did.
        """
        self._text = text
        self.login: Login | None = opening.login if opening else beside
        self.operation: str = opening.operation if opening else "other"
        self.project_code: str = opening.project_code if opening else ""
        if opening is None:
            self._look()

    @property
    def text(self) -> IO[bytes]:
        """The card text, to be read from its first octet."""
        return opened(self._text)

    @property
    def user(self) -> str:
        """The login it claims, true or not: as it was sent, of any length."""
        return _NOBODY if self.login is None else self.login.user

    def hashed(self) -> str:
        """What the nonce of its login card must be: the hash of all behind the card; without a card, of all."""
        text, hashed = self.text, hashlib.sha1()
        text.seek(0 if self.login is None else self.login.end)
        while octets := text.read(_STEP):
            hashed.update(octets)
        return hashed.hexdigest()

    def has_push(self) -> bool:
        """Whether there may be a push card in it: without one nothing is stored."""
        return self._may_have(Push.operator)

    def has_lock(self) -> bool:
        """Whether it may ask for a check-in lock, or give one back."""
        return self._may_have(b"pragma ci-")

    def has_files(self) -> bool:
        """Whether there may be an artifact in it."""
        return self._may_have(b"file ")  # cfile ends so, too

    def has_configuration(self) -> bool:
        """Whether there may be a row of configuration in it: `reqconfig` ends in the same word."""
        return self._count(b"config /") > self._count(b"reqconfig /")

    def has_unversioned(self) -> bool:
        """Whether there may be an unversioned file in it."""
        return self._may_have(UVFile.operator)

    def has_rows(self) -> bool:
        """Whether there may be a row of a synced table in it, or a definition."""
        return self._may_have(*WRITING)

    def cookies(self) -> list[str]:
        """The tokens of its cookie cards that may be a server's of our kind, of many the first and the last.

        Our clients send theirs before artifacts, stock behind them. Source: Fossil 2.21, src/xfer.c client_sync().
        """
        found: list[bytes] = []
        text, tail = self.text, b""
        while octets := text.read(_STEP):
            window = tail + octets
            if b"cookie " in window:
                found = list(dict.fromkeys([*found, *_COOKIE.findall(window)]))
                if len(found) > MAX_COOKIES:
                    found = found[: MAX_COOKIES // 2] + found[-MAX_COOKIES // 2 :]
            tail = window[1 - _COOKIE_SIZE :]
        return [token.decode("ascii") for token in found]

    def _may_have(self, *operators: bytes) -> bool:
        text, tail = self.text, b""
        while octets := text.read(_STEP):
            window = tail + octets
            if any(operator in window for operator in operators):
                return True
            tail = window[-max(map(len, operators)) :]
        return False

    def _count(self, words: bytes) -> int:
        count, text, tail = 0, self.text, b""
        while octets := text.read(_STEP):
            window = tail + octets
            count += window.count(words)
            tail = window[1 - len(words) :]
        return count

    def _look(self) -> None:
        pulls = pushes = clones = False
        try:
            for number, card in enumerate(islice(parse_cards(self.text.read(_STEP)), _FIRST)):
                match card:
                    case File() | CFile() | IGot() | Gimme() | UVFile() | UVGimme():
                        break
                    case Login() if number == 0:
                        self.login = card
                    case Pull(project_code=code) | Push(project_code=code):
                        pulls, pushes = pulls or isinstance(card, Pull), pushes or isinstance(card, Push)
                        self.project_code = self.project_code or code
                    case Clone():
                        clones = True
        except MalformedCard:
            pass  # the round says so
        if clones:
            self.operation = "clone"
        elif pulls or pushes:
            self.operation = "sync" if pulls and pushes else "pull" if pulls else "push"
