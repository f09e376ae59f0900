"""At rest: nothing goes wrong any more, everybody exchanges what is new, and all nodes must become equal."""

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import dns.message

from tests.simulation import acts
from tests.simulation.node import Node
from xferzone.dnsd.following import open_zones
from xferzone.nameserver.respond import respond
from xferzone.publish.deferred import compile_deferred, deferred
from xferzone.publish.served import compile_all
from xferzone.refs import LocalRefs, State
from xferzone.store import Store
from xferzone.zonefile.names import zone_name

if TYPE_CHECKING:
    from tests.simulation.world import World


class Unequal(AssertionError):
    """Nodes have not become equal."""


def caught_up(world: "World", node: Node) -> str:
    """The node publishes what it left, or exchanges what is new with its origin."""
    if node.origin is None:
        return acts.publish_rest(world, node)
    if node.is_mirror:
        return acts.pull(world, node)
    told = acts.synced(world, node, pull=True, push=True)
    with node.process("compiling") as process, process.store.writer() as writer:
        refs = LocalRefs(writer)
        compile_deferred(writer, refs, deferred(refs), compile_all)
    return told


class _State(NamedTuple):
    """What nodes must agree on.

    Fields:
        reached: hashes of the check-ins that lead to where refs stand; mirrors have no others.
    """

    refs: frozenset[tuple[str, str, int | None, State]]
    artifacts: frozenset[bytes]
    tags: frozenset[tuple[bytes, str, str, str | None]]
    answers: frozenset[tuple[str, bytes]]
    reached: frozenset[bytes]


def differences(nodes: Sequence[Node]) -> list[str]:
    """In what the others are unlike the first node; a mirror, as far as refs reach."""
    first = _state(nodes[0])
    reached = _as_mirrored(first, first)
    found: list[str] = []
    for node in nodes[1:]:
        state = _state(node)
        if node.is_mirror:
            found += _differences(reached, node.name, _as_mirrored(first, state))
        else:
            found += _differences(first, node.name, state)
    return found


def _as_mirrored(primary: _State, state: _State) -> _State:
    """What counts of a mirror's state, or of the primary's: check-ins that lead to refs, and their tags."""
    tags = frozenset(tag for tag in state.tags if tag[0] in primary.reached)
    return state._replace(artifacts=state.artifacts & primary.reached, tags=tags)


def _differences(wanted: _State, name: str, found: _State) -> Iterator[str]:
    for field, here, there in zip(_State._fields, wanted, found, strict=True):
        lacks, extra = here - there, there - here
        if lacks or extra:
            yield f"{name} lacks {len(lacks)} {field}, has {len(extra)} others: {_shown(lacks or extra)}"


def _shown(some: frozenset[object]) -> str:
    return min(map(repr, some))[:100]


def _state(node: Node) -> _State:
    with Store.open(node.path) as store, store.reader() as reader:
        refs = LocalRefs(reader).list()
        tags = reader.db.execute(
            """SELECT target.hash, name, prefix, value FROM tag JOIN blob AS target ON target.rid = tag.target
               JOIN blob AS source ON source.rid = tag.source WHERE source.content IS NOT NULL"""
        )
        here = reader.db.execute("SELECT hash FROM blob WHERE content IS NOT NULL")
        reached = reader.db.execute(
            """WITH RECURSIVE up(rid) AS (
                   SELECT value FROM json_each(?)
                   UNION SELECT parent FROM up JOIN parent ON child = up.rid)
               SELECT hash FROM up JOIN blob USING (rid)""",
            (json.dumps([reader.rid(ref.checkin) for ref in refs]),),
        )
        return _State(
            frozenset((str(ref.branch), ref.checkin, ref.serial, ref.state) for ref in refs),
            frozenset(raw for (raw,) in here),
            frozenset(tags),
            frozenset(_answers(node)),
            frozenset(raw for (raw,) in reached),
        )


def _answers(node: Node) -> Iterator[tuple[str, bytes]]:
    zones = open_zones(node.path)
    try:
        for zone in acts.ZONES:
            for host in ("", "host-3.", "host-11.", "plain.", "nothing."):
                name = f"{host}{zone_name(zone).to_text()}"
                query = dns.message.make_query(name, "SOA" if not host else "A", id=1).to_wire()
                yield name, respond(query, zones, tcp=True) or b""
    finally:
        zones.close()
