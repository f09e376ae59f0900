"""The client's half of synced tables, beside the artifacts of a session, or alone between members of a group.

    nothing                        until the server has sent a pragma of ours in this session: stock sees no card of it
        <~ pragma tables HASH MAY  HASH is ours: nothing more is said
    pragma tables HASH, xtable     of each table here, without its definition
        <~ xtable, xhave, xlist    what is other there: the newer definition is taken, or brought with the next request
    xlist                          while a list was cut
    xwant                          for each row that is newer there
        <~ xrow, xdelete           no answer: it had no room, ask again
    xrow, xdelete                  what is newer here and may be brought by this account
        <~ xrow, xdelete           not taken: this is what stands there, and here from now on

Rows travel where both ends have one definition.
"""

from collections.abc import Iterator
from itertools import islice, takewhile
from typing import Final

from xferzone.cards import Card, Pragma, XHave, XList, XRow, XTable, XWant
from xferzone.cards.extension import TablesAsked, TablesTold, parse
from xferzone.errors import PeerError, Refused
from xferzone.hashing import SHORT
from xferzone.observer import Traffic
from xferzone.store import Reader, Writer, tables
from xferzone.store.tables import MAX_ROWS, MAX_TABLES, Head, Row
from xferzone.sync.client.options import Options
from xferzone.sync.client.registry import enter
from xferzone.sync.tables import brought, check_date, defined, dropped, taken
from xferzone.tables.rights import bar

MAX_CARDS: Final = 2 * MAX_ROWS + 2 * MAX_TABLES  # of one reply; ours
MAX_WANTS: Final = 1_000  # in one request; ours, some 140 kB
MAX_PENDING: Final = 2 * MAX_ROWS  # rows wanted and to be sent, beyond which no list goes on
MAX_VAIN: Final = 3  # requests in a row that ask for rows and get none
MAX_LEFT_OUT: Final = 20  # reasons that people are told; ours
_SHOWN: Final = 1_000  # letters of each

_Id = tuple[str, str]  # table and key


class Tables:
    """The synced tables of one session.

    Fields:
        is_denied: the server takes none of what is newer here from this account.
        left_out: why rows and definitions of the server were not taken.
        started: tables that are exchanged, with how many rows were here.
        sent, received: rows of each.
    """

    def __init__(self, options: Options, traffic: Traffic) -> None:
        self.is_denied = False
        self.left_out: dict[str, None] = {}
        self.started: dict[str, int] = {}
        self.sent: dict[str, int] = {}
        self.received: dict[str, int] = {}
        self._takes, self._gives = options.purpose.tables_pull, options.purpose.tables_push
        self._options = options
        self._is_fellow = options.fellow
        self._login = options.login if options.account is None else options.account.login
        self._bound, self._env, self._traffic = options.bound, options.env, traffic
        self._told: TablesTold | None = None
        self._is_asked = self._is_over = False
        self._came: list[Card] = []  # with the last reply, until it is kept
        self._listed: dict[str, list[XHave]] = {}
        self._reached: dict[str, str] = {}  # table -> the key up to which its list has come
        self._on: dict[str, str] = {}  # tables whose list goes on, and behind which key
        self._to_define: dict[str, None] = {}
        self._wanted: dict[_Id, None] = {}
        self._to_send: dict[_Id, None] = {}
        self._asked: set[_Id] = set()  # with the last request
        self._brought: set[_Id] = set()
        self._vain = 0

    @property
    def has_news(self) -> bool:
        """Whether the last reply brought anything for `keep`."""
        return bool(self._came or self._asked) or self._may_enter

    @property
    def _may_enter(self) -> bool:
        """Whether this repository may enter itself in the registry, before the tables are compared."""
        return not self._is_asked and self._gives and "i" in self._may and bool(self._options.client)

    @property
    def _may(self) -> str:
        return "" if self._told is None else self._told.may

    @property
    def _whose(self) -> str | None:
        """Whose rows of the registry count; None: all."""
        return self._login if self._told is not None and "s" not in self._may else None

    # -- requests

    def cards(self, reader: Reader, *, is_met: bool, is_alone: bool) -> list[Card]:
        """What this request carries of them.

        Args:
            is_met: the server is of our own kind, as it has said.
            is_alone: no artifact goes with it, so rows may.
        """
        if self._is_over or not (self._takes or self._gives) or not is_met:
            return []
        if not self._is_asked:
            return self._question(reader)
        self._asked = set() if self._vain >= MAX_VAIN else set(islice(self._wanted, MAX_WANTS))
        self._brought = set()
        lists = self._on if len(self._wanted) + len(self._to_send) < MAX_PENDING else {}
        said: list[Card] = [XList(name, after) for name, after in lists.items()]
        self._on = {} if lists else self._on
        said += [XWant(*each) for each in self._asked]
        return [*said, *self._definitions(reader), *(self._rows(reader) if is_alone else [])]

    def _question(self, reader: Reader) -> list[Card]:
        seen = tables.seen_by(reader, self._whose)
        own = tables.catalogue_hash(seen)
        there = "" if self._told is None else self._told.catalogue
        if own == there or not (self._gives or there):
            self._is_over = True
            return []
        self._is_asked = True
        known = [XTable(each.name, each.mtime, each.definition.hash, each.digest) for each in seen]
        return [TablesAsked(own).pragma(), *known]

    def _definitions(self, reader: Reader) -> Iterator[XTable]:
        names, self._to_define = self._to_define, {}
        for each in filter(None, (tables.table(reader, name) for name in names)):
            text = each.definition.encode()
            yield XTable(each.name, each.mtime, each.definition.hash, each.digest, text)

    def _rows(self, reader: Reader) -> Iterator[XRow]:
        """The rows for this request; the next one takes what is over the bound."""
        left, most = self._bound.size, self._bound.size
        while self._to_send and left > 0:
            name, key = next(iter(self._to_send))
            row = self._own(reader, name, key)
            if row is not None:
                card = brought(name, row, row.owner if self._is_fellow else "")
                size = len(card.encode())
                if not self._bound.overshoots and size > left < most:
                    return
                left -= size
                self._count(self.sent, name)
                self._traffic.rows_sent += 1
                self._brought.add((name, key))
                yield card
            del self._to_send[name, key]

    def _own(self, reader: Reader, name: str, key: str) -> Row | None:
        """A row that this account may bring; None: it may not, and who may will."""
        table, row = tables.table(reader, name), tables.row(reader, name, key)
        if table is None or row is None:
            return None
        if self._is_fellow:
            return row
        values = table.definition.row(row.content, deleted=row.deleted)
        if why := bar(table.definition, values, row.owner, self._login):
            self._leave_out(f"row {key[:SHORT]} of table {name} stays here: {why}")
            return None
        return row

    # -- replies

    def take(self, card: Card) -> None:
        """Note a card. Raises PeerError: they are too many."""
        if not self._is_asked:
            return  # none was asked for
        self._came.append(card)
        if len(self._came) > MAX_CARDS:
            raise PeerError(f"the server sends over {MAX_CARDS} cards of tables in one reply")

    def take_pragma(self, card: Pragma) -> None:
        """Note what the server says of its tables, and of what may be done."""
        if card.args[1:2] == ("tables",) and isinstance(told := parse(card), TablesTold):
            self._told = told

    def ask_again(self) -> None:
        """The last reply was not read to its end."""
        self._is_asked = False
        self._came.clear()

    def keep(self, writer: Writer, *, came_beside: bool) -> int:
        """Store what came, and see what is to be asked for and brought. Returns the bytes that were stored.

        `came_beside`: artifacts came, so that there may have been no room for rows.

        Raises:
            PeerError: a row or a definition is not what its card says. Nothing of the reply may be kept.
        """
        came, self._came = self._came, []
        if self._may_enter:
            enter(writer, self._options)
        size = 0
        answered = False
        for card in came:
            try:
                match card:
                    case XTable():
                        self._meet(writer, card)
                    case XHave():
                        self._listed.setdefault(card.name, []).append(card)
                    case XList():
                        self._compare(writer, card)
                    case XRow():
                        answered = answered or (card.name, card.key) in self._asked
                        size += self._store(writer, card)
            except Refused as exc:
                self._leave_out(str(exc))
        self._vain = 0 if answered or came_beside or not self._asked else self._vain + 1
        if self._vain == MAX_VAIN:
            self._leave_out(f"{len(self._wanted)} rows that are newer at the server have not come")
        self._asked = set()
        return size

    def _leave_out(self, why: str) -> None:
        """Have people told; empty: there is nothing to tell."""
        if why and len(self.left_out) < MAX_LEFT_OUT:
            self.left_out[why[:_SHOWN]] = None

    def _meet(self, writer: Writer, card: XTable) -> None:
        """See whose definition of a table is newer, and whether its rows can be exchanged."""
        there = defined(card, self._env.clock_ms())
        known = tables.table(writer, card.name)
        if self._takes and (known is None or (card.mtime, card.hash) > known.rank):
            self._leave_out(dropped(writer, there))
            tables.define(writer, there, card.mtime)
            known = tables.needed(writer, card.name)
        if known is None:
            return
        is_newer = known.rank > (card.mtime, card.hash)
        if is_newer and self._gives and self._may_define:
            self._to_define[known.name] = None
        elif known.definition != there:
            self.is_denied = self.is_denied or (is_newer and self._gives)
            return
        self._start(known.name, known.rows)

    @property
    def _may_define(self) -> bool:
        return {"i", "s"} <= set(self._may)

    def _start(self, name: str, rows: int) -> None:
        self._reached[name] = ""
        self.started.setdefault(name, rows)

    def _compare(self, writer: Writer, card: XList) -> None:
        """See which rows of a part of a list are newer there, and which here."""
        name, listed = card.name, self._listed.pop(card.name, [])
        if name not in self._reached:
            known = tables.table(writer, name) if not listed and card.key is None else None
            if known is None or not self._gives:
                return
            if not self._may_define:
                self.is_denied = True
                return
            self._to_define[name] = None  # the server has no such table
            self._start(name, known.rows)
        after, until = self._reached[name], card.key
        part = tables.heads(writer, name, after, self._whose)
        here = {each.key: each for each in takewhile(lambda each: until is None or each.key <= until, part)}
        self._choose(name, {each.key: each for each in listed}, here)
        if until is None:
            self._reached.pop(name)
        else:
            if until < after:
                raise PeerError(f"the server lists rows of table {name} backwards")
            self._reached[name] = self._on[name] = until

    def _choose(self, name: str, there: dict[str, XHave], here: dict[str, Head]) -> None:
        for key, have in there.items():
            own = here.get(key)
            rank = Head(key, have.mtime, have.hash, "").rank
            if self._takes and (own is None or own.rank < rank) and self._is_dated_well(have):
                self._wanted[name, key] = None
            if own is not None and own.rank <= rank:
                del here[key]
        if here and self._gives:
            if "i" in self._may:
                self._to_send |= dict.fromkeys((name, key) for key in here)
            else:
                self.is_denied = True

    def _is_dated_well(self, have: XHave) -> bool:
        try:
            check_date(have.name, have.mtime, self._env.clock_ms())
        except Refused as exc:
            self._leave_out(str(exc))
            return False
        return True

    def _store(self, writer: Writer, card: XRow) -> int:
        """Store a row that was asked for, or that stands where one was not taken; the bytes of it that were stored."""
        id_ = card.name, card.key
        is_asked, stands = id_ in self._asked, id_ in self._brought and self._takes
        table = tables.table(writer, card.name)
        if not (is_asked or stands) or table is None:
            return 0
        self._wanted.pop(id_, None)
        now_ms = self._env.clock_ms()
        row, values = taken(card, table.definition, card.owner, now_ms)
        if why := bar(table.definition, values, card.owner, card.owner):
            raise Refused(f"a row of table {card.name} is left out: {why}")
        if not tables.put(writer, card.name, row, stands=stands, now_ms=now_ms):
            return 0
        self._count(self.received, card.name)
        self._traffic.rows_received += 1
        return len(card.content)

    @staticmethod
    def _count(counts: dict[str, int], name: str) -> None:
        counts[name] = counts.get(name, 0) + 1
