"""Configuration cards, as a server answers them; what becomes of a row is in sync/configuration.py.

    reqconfig /AREA    needs read; without it, and for what is not an area, there is no answer, as from stock. AREA may
                       be cut short. Each area is answered once in a request
    config             needs admin that is held to no zones, or: error not authorized to push configuration; the end.
                       Shunned artifacts and accounts need setup. Taken at once, so that what is asked for behind it
                       has it

A mirror takes none. The members of a group share accounts and change them together, so one takes none by cards.
Source: Fossil 2.21, src/xfer.c page_xfer(); compared live in tests/web/test_as_stock.py.
"""

from itertools import islice
from typing import Final

from xferzone.cards import Config, Error
from xferzone.store import Reader, Writer, schema
from xferzone.store.shunned import Shunned
from xferzone.sync.configuration import ALL, AREAS, Area, Taking, cards, fitting
from xferzone.sync.server.login import bar_to_push
from xferzone.sync.server.reply import Draft
from xferzone.sync.server.terms import Terms

_LINE: Final = 200  # bytes, more than the line of a config card has


class Configuring:
    """The configuration cards of one request."""

    def __init__(self, reader: Reader, draft: Draft, terms: Terms) -> None:
        self._reader = reader
        self._draft = draft
        self._rights = terms.rights
        self._now_ms = terms.now_ms
        self._asked: set[str] = set()  # areas that were answered
        self._taking: Taking | None = None

    @property
    def shun(self) -> list[Shunned]:
        """What the client wants to be shunned, and may."""
        return [] if self._taking is None else list(self._taking.shun.values())

    def config(self, card: Config) -> None:
        """Take what a card brings."""
        bar = bar_to_push(self._reader)
        if not self._rights.admin or self._rights.held or bar:
            self._draft.fail(Error(f"not authorized to push configuration{bar}"))
            return
        if self._taking is None:
            assert isinstance(self._reader, Writer), "may_write was not asked"
            is_setup, is_member = self._rights.setup, self._reader.role == schema.MEMBER
            areas = ALL if is_setup else ALL - {Area.SHUN}
            with_accounts = is_setup and not is_member
            self._taking = Taking(self._reader, areas, with_accounts=with_accounts, now_ms=self._now_ms)
        told = len(self._taking.notices)
        self._taking.take(card)
        for text in islice(self._taking.notices, told, None):
            self._draft.notice(text)
        if card.table in ("/user", "/shun") and not self._rights.setup:
            self._draft.notice("accounts and shunned artifacts are taken from the setup capability (s) alone")
        elif card.table == "/user" and self._reader.role == schema.MEMBER:
            self._draft.notice(
                "accounts are left out: members of a group share theirs, `xferzone user` changes them"
            )

    def reqconfig(self, name: str) -> None:
        """Answer a wish for `name`, an area behind a slash."""
        area = fitting(name.removeprefix("/"))
        if not self._rights.read or not name.startswith("/") or area is None or area in self._asked:
            return
        self._asked.add(area)
        for card in cards(self._reader, AREAS[area] & self._areas(), with_accounts=self._rights.setup):
            if not self._draft.budget.overshoots and len(card.payload) + _LINE > self._draft.left():
                self._draft.notice(
                    "some of the configuration does not fit into a message here: ask over HTTP"
                )
                return
            self._draft.add(card)
        if area == "user" and self._rights.setup:
            self._draft.notice("passwords stay here: set them anew for accounts that you take")

    def _areas(self) -> frozenset[Area]:
        """What the client may have."""
        areas = ALL if self._rights.admin else ALL - {Area.USER, Area.SUBSCRIBER}
        return areas if self._rights.addresses else areas - {Area.EMAIL}
