"""Synced tables, as a server takes and gives them to peers of our own kind; cards/table.py has the cards.

    it has tables, and the sender may read       pragma tables HASH MAY
    pragma tables HASH    needs read             the same; where HASH is another: each table whose DIGEST the sender did
                                                 not name, and its rows; xlist also for tables that are not here
    xlist                 needs read             the rows from there on
    xwant                 needs read             the row, in this reply or, without room for it, in none
    xtable                needs setup            a definition, stored if it is newer and no row here would be lost;
                                                 between members of a group it is stored all the same, and they are told
    xrow, xdelete         needs write            stored if it is newer, and the sender's by the rule (tables/rights.py);
                                                 what is not the sender's stays, and is sent back if it is there

A login may have half of the rows of a table that others leave, deleted ones included, so that none fills it alone; who
may administer has no such bound. Of the registry of peers who may not administer gets its own rows alone. Who is held
to zones brings rows of its own by self-write, and no others. A mirror takes none. A row is the login's that brings it;
members of a group say whose it is.
"""

from collections.abc import Sequence
from typing import Final

from xferzone.cards import Card, XList, XRow, XTable, XWant
from xferzone.cards.extension import TablesTold
from xferzone.errors import Refused
from xferzone.store import tables
from xferzone.store.reader import Reader
from xferzone.store.tables import REGISTRY, Table
from xferzone.store.writer import Writer
from xferzone.sync.server.login import bar_to_push
from xferzone.sync.server.reply import Draft
from xferzone.sync.server.terms import Terms
from xferzone.sync.tables import brought, defined, dropped, have, taken
from xferzone.tables.definition import Rule
from xferzone.tables.rights import bar

BEFORE_ALL: Final = "0" * 64  # a key before that of any row
MAX_TOLD: Final = 20  # rows and definitions whose refusal a reply tells of; ours


class Tables:
    """The synced tables of one request.

    Fields:
        received, sent: rows.
    """

    def __init__(self, reader: Reader, draft: Draft, terms: Terms) -> None:
        self.received = self.sent = self._told = 0
        self._reader = reader
        self._draft = draft
        self._rights = terms.rights
        self._now_ms = terms.now_ms
        self._digests: dict[str, str] = {}  # of the sender's tables
        self._lists: dict[str, str] = {}  # table -> the key behind which to go on
        self._wanted: dict[tuple[str, str], None] = {}
        self._own: dict[str, int] = {}  # how many rows of a table are the sender's, where that was asked

    @property
    def _whose(self) -> str | None:
        """Whose rows of the registry the sender may see; None: all."""
        return None if self._rights.setup or self._rights.fellow else self._rights.login

    def _may(self) -> str:
        """Letters of what the sender may do."""
        rights = self._rights
        writes = rights.fellow or (rights.write and not bar_to_push(self._reader))
        return "o" * rights.read + "i" * writes + "s" * (self._whose is None)

    def go_on(self, reader: Reader) -> None:
        """Read in this transaction from now on."""
        self._reader = reader

    def take(self, card: Card) -> None:
        """Do what a card asks. Raises PeerError: a forged key or hash; nothing of the request may be kept."""
        try:
            match card:
                case XRow():
                    self._store(card)
                case XTable(definition=b""):
                    self._digests[card.name] = card.digest
                case XTable():
                    self._define(card)
                case XList() if self._rights.read:
                    self._lists[card.name] = card.key or BEFORE_ALL
                case XWant() if self._rights.read:
                    self._wanted[card.name, card.key] = None
        except Refused as exc:
            self._tell_people(str(exc))

    def _tell_people(self, text: str) -> None:
        """Say it in the reply; empty: there is nothing to say."""
        self._told += bool(text)
        if text and self._told <= MAX_TOLD:
            self._draft.notice(text)

    # -- what comes

    def _writer(self) -> Writer:
        assert isinstance(self._reader, Writer), "may_write was not asked"
        return self._reader

    def _define(self, card: XTable) -> None:
        if not {"i", "s"} <= set(self._may()):
            raise Refused(f"table {card.name} is not defined here: that needs the capability s")
        definition, writer = defined(card, self._now_ms), self._writer()
        known = tables.table(writer, card.name)
        if known is not None and (card.mtime, card.hash) > known.rank:
            if self._rights.fellow:
                self._tell_people(dropped(writer, definition))
            elif lost := tables.lost(writer, definition):
                raise Refused(
                    f"table {card.name} keeps its definition here: {lost} of its rows do not fit the newer one and "
                    "would be lost; keep its key and the columns that they use, or remove them first with `xferzone "
                    "table rm`"
                )
        tables.define(writer, definition, card.mtime)

    def _store(self, card: XRow) -> None:
        if "i" not in self._may():
            raise Refused(f"no row of table {card.name} is taken: not authorized to write")
        writer = self._writer()
        table = tables.table(writer, card.name)
        if table is None:
            raise Refused(f"no row of table {card.name} is taken: it is not defined here")
        rights, rule = self._rights, table.definition.rule
        known = tables.head(writer, card.name, card.key)
        if rights.fellow:
            new, _ = taken(card, table.definition, card.owner, self._now_ms)
        else:
            new, values = taken(card, table.definition, rights.login, self._now_ms)
            why = bar(table.definition, values, None if known is None else known.owner, rights.login)
            if rights.held and rule is not Rule.SELF:
                why = "this account is held to zones"
            if why:
                self._wanted[card.name, card.key] = None  # so that the sender has what stands
                raise Refused(f"row {card.key[:16]} of table {card.name} is not taken: {why}")
            if known is None:
                self._check_share(table, card.key)
        is_new = tables.put(writer, card.name, new, now_ms=self._now_ms)
        self.received += is_new
        if is_new and (known is None or known.owner != rights.login) and card.name in self._own:
            self._own[card.name] += 1

    def _check_share(self, table: Table, key: str) -> None:
        """Raise Refused where the sender has as many rows of the table as it may."""
        login = self._rights.login
        if self._rights.setup:
            return
        if table.name not in self._own:
            self._own[table.name] = tables.owned(self._reader, login, table.name)
        own = self._own[table.name]
        if own + 1 > (tables.MAX_ROWS - (table.rows - own)) // 2:
            raise Refused(
                f"row {key[:16]} of table {table.name} is not taken: {own} rows of it, deleted ones included, are "
                f"{login[:60]}'s, and nobody may have more than half of what others leave"
            )

    # -- what goes

    def answer(self, asked: str | None, *, is_met: bool, is_first: bool) -> None:
        """Send what the sender asked for.

        Args:
            asked: its catalogue hash; None: it has asked for none.
            is_met: it is of our kind, and no clone that begins: it is told of the tables here.
            is_first: there is no artifact and no file in the reply.
        """
        if self._rights.read and (asked is not None or is_met):
            seen = tables.seen_by(self._reader, self._whose)
            catalogue = tables.catalogue_hash(seen)
            if seen or asked is not None or self._rights.fellow:
                self._draft.add(TablesTold(catalogue, self._may()).pragma())
            if asked not in (None, catalogue):
                self._tell(seen)
        for name, key in self._wanted:
            self._send(name, key, is_first=is_first)
        for name, after in self._lists.items():
            self._list(name, after)

    def _tell(self, seen: Sequence[Table]) -> None:
        """The tables that are other at the sender; their rows are listed then."""
        for each in seen:
            if self._digests.pop(each.name, "") != each.digest:
                text = each.definition.encode()
                self._draft.add(XTable(each.name, each.mtime, each.definition.hash, each.digest, text))
                self._lists[each.name] = BEFORE_ALL
        here = {each.name for each in seen}
        for name in self._digests:
            if name not in here:
                self._draft.add(XList(name, None))

    def _list(self, name: str, after: str) -> None:
        """The rows behind a key, and how far they go: one at least, so that there is an end."""
        for number, head in enumerate(tables.heads(self._reader, name, after, self._whose)):
            if number and not self._draft.left():
                self._draft.add(XList(name, after))
                return
            self._draft.add(have(name, head))
            after = head.key
        self._draft.add(XList(name, None))

    def _send(self, name: str, key: str, *, is_first: bool) -> None:
        row = tables.row(self._reader, name, key)
        if row is None or (name == REGISTRY and self._whose not in (None, row.owner)):
            return
        has_room = self._draft.left() and self._draft.takes(row.content)
        if has_room or (is_first and not self.sent):
            self._draft.add(brought(name, row, row.owner))
            self.sent += 1
