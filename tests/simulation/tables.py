"""One history of synced tables: a primary and three clones, of which each writes rows, and some forge them; a mirror.

    primary <── ann, bob, carl      by xfer
    primary <── east                by the walk or by xfer; takes rows, and changes none

After every step, of every replica: a row is one that somebody wrote, and of whose right it was; its state only becomes
greater, but where the primary has taken another's first. At rest all have the same, and nothing acknowledged is older.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.simulation.acts import AT_MIRROR, Act, part, pull
from tests.simulation.facts import must
from tests.simulation.node import READER, Node
from tests.simulation.world import NOW_MS, World
from xferzone import exchange
from xferzone.cards import Card, Unknown, XDelete, XRow, XTable
from xferzone.cards.body import COMPRESSED, encode_body
from xferzone.cards.extension import introduced
from xferzone.errors import NotFound
from xferzone.repository import make
from xferzone.repository import tables as changes
from xferzone.store import Store, tables
from xferzone.store.accounts import put_user
from xferzone.sync.client.signing import Signing
from xferzone.tables.canonical import Value
from xferzone.tables.definition import Definition, Rule, made
from xferzone.transport import Body

CLONES: Final = ("ann", "bob", "carl")
MIRROR: Final = "east"
PAIRS: Final = made("pairs", (("k", "text"), ("v", "integer")), ("k",), "mtime-wins")
MINE: Final = made("mine", (("k", "text"), ("v", "integer")), ("k",), "self-write")
OWNED: Final = made("owned", (("k", "text"), ("v", "integer")), ("k",), "owner-write")
ALL: Final = (PAIRS, MINE, OWNED)
KEYS: Final = ("a", "b", "c", "d", "e", "f")
EVIL: Final = -666  # the value of every row that is forged
LARGE: Final = 2**70
MINUTE: Final = 60_000

_Rank = tuple[int, str]


class TablesWorld(World):
    """The replicas of a history, and what was written there."""

    def __init__(self, seed: int, level: int, directory: Path) -> None:
        super().__init__(seed, level, directory)
        self._made: dict[tuple[str, str], _Rank] = {}  # the greatest state of each row that was acknowledged
        self._ranks: dict[
            tuple[str, str, str], _Rank
        ] = {}  # of each row at each replica, when last looked at
        self._owners: dict[str, str] = {}  # of the rows of owner-write at the primary

    def acts_of(self, node: Node) -> Sequence[tuple[Act, int]]:
        if node.name == MIRROR:
            return AT_MIRROR
        return AT_PRIMARY if node.origin is None else AT_CLONE

    def write(self, node: Node, definition: Definition, key: str, value: int | None) -> str:
        """A row is written, or deleted where `value` is None."""
        values: dict[str, Value] = {"k": key, "v": value}
        with node.process("table") as process:
            with process.store.writer() as writer:
                now_ms = node.env.clock_ms()
                # Some programs date to the minute, so that two replicas have the same date now and then.
                now_ms -= self.luck.below(2) * (now_ms % MINUTE)
                if value is None:
                    changes.remove(writer, definition.name, values, node.login, now_ms)
                else:
                    changes.put(writer, definition.name, values, node.login, now_ms)
                head = tables.head(writer, definition.name, definition.key_hash(values))
            process.dies("tables.written", 0.1)
            assert head is not None
            if definition.rule is not Rule.OWNER:
                row = definition.name, head.key
                self._made[row] = max(self._made.get(row, (0, "")), head.rank)
        return f"{'deletes' if value is None else 'writes'} {key} of {definition.name}, dated {head.mtime}"

    def look(self) -> None:
        for node in self.nodes.values():
            with Store.open(node.path) as store, store.reader() as reader:
                for each in tables.tables(reader):
                    for head in tables.heads(reader, each.name):
                        self._look_at(node, each.definition, head)
                    for row, values in tables.rows(reader, each.definition):
                        must(values.get("v") != EVIL, node, f"{row.content!r} of {each.name} is forged")
                        is_right = each.definition.rule is not Rule.SELF or values["k"] == row.owner
                        must(is_right, node, f"{row.content!r} of {each.name} is {row.owner}'s")
                self._look_after_crash(node, reader)

    def _look_at(self, node: Node, definition: Definition, head: tables.Head) -> None:
        at = node.name, definition.name, head.key
        if definition.rule is Rule.OWNER:
            if node.origin is None:
                owner = self._owners.setdefault(head.key, head.owner)
                must(owner == head.owner, node, f"{head.key} was {owner}'s, and is {head.owner}'s")
            if node.origin is not None:
                return
        before = self._ranks.get(at, (0, ""))
        must(head.rank >= before, node, f"{at} goes back from {before} to {head.rank}")
        self._ranks[at] = head.rank

    def _begin(self) -> None:
        primary = self._node("primary", None)
        make.make(primary.path, admin="ops", project_code=f"{7:040x}", now_ms=NOW_MS - 1_000)
        with Store.open(primary.path) as store, store.writer() as made_:
            for name in CLONES:
                put_user(made_, name, "pw", "goi")
            put_user(made_, MIRROR, "pw", READER)
            for definition in ALL:
                tables.define(made_, definition, NOW_MS - 1_000)
        for name in CLONES:
            self._cloned(name)
        self._mirrored(MIRROR, "primary")

    def _come_to_rest(self) -> None:
        self._rest_when_equal(come_to_the_same, _catalogue)
        with Store.open(self.nodes["primary"].path) as store, store.reader() as reader:
            for (name, key), rank in self._made.items():
                head = tables.head(reader, name, key)
                must(head is not None and head.rank >= rank, self.nodes["primary"], f"{key} is forgotten")
        self.story.tell("", f"all are equal after {self.rounds} rounds")


def write(world: World, node: Node) -> str:
    """A row is written."""
    assert isinstance(world, TablesWorld)
    luck = world.luck
    definition = luck.one_of(ALL)
    key = node.login if definition is MINE else luck.one_of(KEYS)
    return world.write(node, definition, key, luck.one_of((0, luck.below(9), LARGE + luck.below(9))))


def delete(world: World, node: Node) -> str:
    """A row is deleted."""
    assert isinstance(world, TablesWorld)
    definition = world.luck.one_of(ALL)
    key = node.login if definition is MINE else world.luck.one_of(KEYS)
    try:
        return world.write(node, definition, key, None)
    except NotFound:
        return f"no row {key} of {definition.name}"


def define(world: World, node: Node) -> str:
    """The primary gives a table one more column, or one less."""
    with node.process("table") as process, process.store.writer() as writer:
        known = tables.needed(writer, "pairs").definition
        extra = () if len(known.columns) > 2 else (("more", "json"),)
        changes.define(
            writer, made("pairs", (*PAIRS.columns, *extra), ("k",), "mtime-wins"), node.env.clock_ms()
        )
    return f"pairs has {2 + len(extra)} columns"


def forge(world: World, node: Node) -> str:
    """A clone sends what it may not: rows of others, keys that are not of their rows, names that no table has."""
    assert node.origin is not None
    luck = world.luck
    other = luck.one_of([name for name in CLONES if name != node.login])
    now_ms = node.env.clock_ms() + luck.below(1_000_000)
    evil: dict[str, Value] = {"k": other, "v": EVIL}
    content = MINE.content(evil)
    key, wrong = MINE.key_hash(evil), "0" * 64
    cards: Sequence[Card] = luck.one_of((
        [XRow("mine", key, now_ms, other, content)],
        [XDelete("mine", key, now_ms, other, MINE.key_content(evil))],
        [XRow("pairs", wrong, now_ms, "", content)],
        [XRow("pairs", key, now_ms, "", b'{"k":"a","v":-666}')],
        [XRow("pairs", key, now_ms + 10**10, "", content)],
        [XRow("nosuch", key, now_ms, "", content)],
        [XTable("mine", now_ms, PAIRS.hash, wrong, PAIRS.encode())],
        [Unknown(b"xrow pairs';DROP %s 5 a 0\n" % wrong.encode())],
        [Unknown(b"xtable ../x 5 %s %s 0\n" % (wrong.encode(), wrong.encode()))],
    ))  # fmt: skip
    with node.process("forge") as process:
        with process.store.reader() as reader:
            code = reader.project_code
        text = Signing(node.account, node.env).body([introduced(), *cards], code, is_first=False)
        with world.way(node, node.origin).exchange(Body.of(COMPRESSED, encode_body(COMPRESSED, text))):
            pass
    return f"forges {cards[0].encode()[:60]!r}"


def exchange_rows(world: World, node: Node) -> str:
    """A clone syncs with its origin."""
    assert node.origin is not None
    luck = world.luck
    with node.process("sync") as process:
        options = node.options(process, luck.one_of((300, 250_000)))
        done = exchange.sync(process.store, world.way(node, node.origin), options)
    counts = f"{done.traffic.rows_received} received, {done.traffic.rows_sent} sent"
    return f"syncs: {'; '.join((*done.errors, *done.messages))[:150] or counts}"


def come_to_the_same(world: World, node: Node) -> str:
    """A clone syncs with its origin, or the mirror pulls."""
    return pull(world, node) if node.name == MIRROR else exchange_rows(world, node)


def _catalogue(node: Node) -> str:
    with Store.open(node.path) as store, store.reader() as reader:
        return tables.catalogue_hash(tables.tables(reader))


AT_PRIMARY: Final[Sequence[tuple[Act, int]]] = ((write, 5), (delete, 2), (define, 1))
AT_CLONE: Final[Sequence[tuple[Act, int]]] = (
    (write, 5),
    (delete, 2),
    (exchange_rows, 8),
    (forge, 2),
    (part, 1),
)
