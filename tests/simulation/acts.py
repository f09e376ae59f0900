"""What people and programs do in a history. Each act is one program on one node; it may die or fail anywhere."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from tests.simulation.node import Node
from tests.simulation.process import Death, Process
from tests.simulation.upkeep import change_rights, mend, rot
from xferzone import exchange
from xferzone.artifacts import CheckIn, FileCard, Tag
from xferzone.cards import File, Push
from xferzone.cards.body import COMPRESSED, encode_body
from xferzone.edit.appending import Author, Commit
from xferzone.edit.commit import Edit
from xferzone.edit.replaying import own_forks, replay
from xferzone.exchange import Options
from xferzone.exchange.mirror.follower import Follower
from xferzone.exchange.mirror.following import Following, Ways
from xferzone.exchange.publishing import publish_left
from xferzone.hashing import ArtifactId, short
from xferzone.publish.publish import publish
from xferzone.refs import BranchName, LocalRefs, Ref, State
from xferzone.store import Reader, Writer, unsent
from xferzone.sync.client.options import ANY_PEER
from xferzone.sync.client.signing import Signing
from xferzone.transport import Body
from xferzone.zone.changes import parse_change
from xferzone.zonefile import text
from xferzone.zonefile.names import zone_name

if TYPE_CHECKING:
    from tests.simulation.world import World

ZONES: Final = ("a.test", "b.test", "c.test")
BRANCHES: Final = ("main", "dev")
_STOCKED: Final = 25  # records of a new zone, so that its versions are worth a delta
_RESTARTED: Final = 0.3  # of the pulls, before which a new program begins
_PARTITION_MS: Final = 120_000
_PUSHED: Final = 0.6  # of what is unsent, when another program pushes


def zone_text(zone: str, serial: int) -> bytes:
    """A new zone's text."""
    head = f"$TTL 3600\n@ SOA ns1 ops {serial} 7200 3600 1209600 300\n@ NS ns1.{zone}.\nns1 A 192.0.2.1\n"
    return (head + "".join(f"host-{n} A 192.0.2.{n + 10}\n" for n in range(_STOCKED))).encode()


# -- edits


def edit(world: "World", node: Node) -> str:
    """A record is set or deleted."""
    luck = world.luck
    with node.writing("edit") as writer:
        ref = _served(world, writer)
        if ref is None:
            return "no zone to edit"
        host = f"host-{luck.below(_STOCKED)}.{ref.branch.zone}"
        if luck.chance(0.8):
            change = parse_change("set", [host, "A", f"198.51.100.{luck.below(250)}"])
        else:
            change = parse_change("delete", [host])
        done = _edit(node, writer, ref.branch).change([change], f"{change.verb} {host}")
    return _made(world, node, done, f"{change.verb} {host}")


def add_zone(world: "World", node: Node) -> str:
    """A zone is added, or replaced by other text."""
    branch = BranchName(world.luck.one_of(ZONES), "main")
    read = text.read_zone(zone_text(branch.zone, 1 + world.luck.below(50)), zone_name(branch.zone))
    with node.writing("zone add") as writer:
        done = _edit(node, writer, branch).replace(read, f"zone {branch.zone}")
    return _made(world, node, done, f"zone add {branch.zone}")


def remove_zone(world: "World", node: Node) -> str:
    """A zone is removed, at the primary."""
    with node.writing("zone remove") as writer:
        ref = _served(world, writer)
        if ref is None:
            return "no zone to remove"
        done = _edit(node, writer, ref.branch).remove("no longer needed")
    return _made(world, node, done, f"zone remove {ref.branch}")


def branch_off(world: "World", node: Node) -> str:
    """A branch is begun."""
    with node.writing("branch") as writer:
        ref = _served(world, writer)
        if ref is None:
            return "no zone to branch"
        branch = BranchName(ref.branch.zone, "dev")
        done = _edit(node, writer, branch).fork_off(ref.checkin, f"begin {branch}")
    return _made(world, node, done, f"branch {branch} at {short(ref.checkin)}")


def tag(world: "World", node: Node) -> str:
    """A check-in is named."""
    with node.writing("tag") as writer:
        ref = _served(world, writer)
        if ref is None:
            return "nothing to tag"
        name = f"{ref.branch.zone}/v{world.luck.below(20)}"
        _edit(node, writer, ref.branch).mark(name, ref.checkin)
    return f"tag {name} on {short(ref.checkin)}"


def close(world: "World", node: Node) -> str:
    """A branch is closed."""
    branch = BranchName(world.luck.one_of(ZONES), "dev")
    if not node.is_admin:
        return "may not close branches"
    with node.writing("close") as writer:
        _edit(node, writer, branch).close()
    return f"close {branch}"


def merge(world: "World", node: Node) -> str:
    """A branch is merged into another by hand, as stock does it, either way round; or a commit on what is old."""
    luck = world.luck
    with node.writing("plain commit") as writer:
        ref = _served(world, writer)
        if ref is None:
            return "nothing to commit to"
        other = LocalRefs(writer).get(BranchName(ref.branch.zone, "dev" if ref.branch.is_main else "main"))
        old = _before(writer, ref.checkin, luck.below(3))
        if other is None or luck.chance(0.5):
            parents: tuple[ArtifactId, ...] = (old,)
        else:
            parents = (ref.checkin, other.checkin) if luck.chance(0.5) else (other.checkin, ref.checkin)
        wrong = b"@ NOT A ZONE\n" if luck.chance(0.15) else b""
        content = zone_text(ref.branch.zone, luck.below(9)) + b"plain A 203.0.113.%d\n" % luck.below(250)
        made = _commit_plainly(node, writer, parents, content + wrong)
        publish(writer, LocalRefs(writer), Author(node.login, node.env.clock_ms()).occasion)
    world.facts.made(node, made)
    return f"plain commit {short(made)} on {' and '.join(map(short, parents))}"


def replay_forks(world: "World", node: Node) -> str:
    """Work that lost a race is made again."""
    author = Author(node.login, node.env.clock_ms())
    with node.process("replay") as process, process.store.writer() as writer:
        forks = list(own_forks(writer, node.login))
        if not forks:
            return "nothing to replay"
        done = replay(writer, LocalRefs(writer), forks[0], author)
    for _, commit in done.commits:
        _made(world, node, commit, "")
    return f"replay {forks[0]}: {len(done.commits)} commits"


# -- exchanges


def clone(world: "World", node: Node) -> str:
    """A copy of the origin is made."""
    assert node.origin is not None
    with node.process("clone") as process:
        options = Options(account=node.account, env=node.env, faults=process.faults)
        done = exchange.clone(node.path, world.way(node, node.origin), options)
    return f"clone ends: {'; '.join(done.errors)[:150]}" if done.errors else "clone"


def sync(world: "World", node: Node) -> str:
    """A clone pulls, pushes or does both."""
    pull, push = world.luck.one_of(((True, True), (True, True), (True, False), (False, True)))
    return synced(world, node, pull=pull, push=push)


def synced(world: "World", node: Node, *, pull: bool, push: bool) -> str:
    """The node exchanges what is new with its origin."""
    assert node.origin is not None
    with node.process("sync") as process:
        budget, gimmes = world.luck.one_of((700, 250_000)), world.luck.one_of((3, 200))
        options = replace(node.options(process, budget), pull=pull, push=push, gimmes=gimmes)
        done = exchange.sync(process.store, world.way(node, node.origin), options)
        world.facts.exchanged(node, done)
        verb = "sync" if pull and push else "pull" if pull else "push"
        if done.errors:
            return f"{verb} ends: {'; '.join(done.errors)[:150]}"
    told = [f"{moved.branch} to {short(moved.new)}" for moved in done.followed.moved]
    kept = [f"{kept.branch} kept" for kept in (*done.followed.incomplete, *done.followed.invalid)]
    traffic = f"{done.traffic.sent} sent, {done.traffic.received} received"
    return f"{verb}: {', '.join([traffic, *told, *kept])}"


def publish_rest(_world: "World", node: Node) -> str:
    """What pushes have left is published."""
    if not node.has_left:
        return "nothing was left to publish"
    node.has_left = False
    with node.process("publishing") as process:
        notices = list(publish_left(process.store, node.env))
    return f"publishes what was left; {len(notices)} notices"


def part(world: "World", node: Node) -> str:
    """Nothing goes between two nodes for a while."""
    if node.origin is None or not world.luck.strikes("network.partition", 1.0):
        return "looks at the weather"
    world.network.part(node.name, node.origin.name, world.story.now_ms + _PARTITION_MS)
    return "is cut off"


def push_some(world: "World", node: Node) -> str:
    """Some of what is unsent is pushed in any order, as other programs may; a sync pushes the rest, or all again."""
    with node.process("looking") as process, process.store.reader() as reader:
        own = [each for each in unsent.artifacts(reader) if world.luck.chance(_PUSHED)]
    world.luck.shuffle(own)
    return push_these(world, node, own)


def push_these(world: "World", node: Node, own: Sequence[ArtifactId]) -> str:
    """Another program pushes these."""
    assert node.origin is not None
    with node.process("other program") as process, process.store.reader() as reader:
        files = [File(each, reader.content(each)) for each in own]
        code = reader.project_code
    if not files:
        return "nothing to push by another program"
    text = Signing(node.account, node.env).body([Push(ANY_PEER, code), *files], code, is_first=False)
    with world.way(node, node.origin).exchange(Body.of(COMPRESSED, encode_body(COMPRESSED, text))):
        return f"another program pushes {' '.join(map(short, own))}"


# -- helpers of acts


def _edit(node: Node, writer: Writer, branch: BranchName) -> Edit:
    author = Author(node.login, node.env.clock_ms(), allow_older=True)
    return Edit(writer, LocalRefs(writer), branch, author, allow_loss=True)


def _served(world: "World", reader: Reader) -> Ref | None:
    refs = [ref for ref in LocalRefs(reader).list() if ref.state is not State.REMOVED]
    return world.luck.one_of(refs) if refs else None


def _made(world: "World", node: Node, done: Commit, what: str) -> str:
    """Note what was committed, and tell it."""
    if done.checkin is None:
        return f"{what}: nothing changed"
    world.facts.made(node, done.checkin)
    if node.origin is None:
        world.facts.committed(node, done)
    where = done.fork or str(done.branch)
    return f"{what}: {short(done.checkin)} on {where}, serial {done.serial}"


def _before(reader: Reader, checkin: ArtifactId, steps: int) -> ArtifactId:
    """The check-in so many first parents before, as far as there are any."""
    for _ in range(steps):
        parents = reader.checkin(checkin).parents
        if not parents:
            break
        checkin = parents[0]
    return checkin


def _commit_plainly(node: Node, writer: Writer, parents: Sequence[ArtifactId], content: bytes) -> ArtifactId:
    """Store a check-in without asking where the branch stands, as other programs do."""
    first = writer.checkin(parents[0])
    name = next((card.name for card in first.files), "a.test.zone")
    date = max(node.env.clock_ms(), *(writer.checkin(parent).date_ms + 1 for parent in parents))
    files = (FileCard(name, unsent.put_own(writer, content)),)
    manifest = CheckIn("plain", date, node.login, files, tuple(parents), tags=_NO_TAGS)
    return unsent.put_own(writer, manifest.encode())


_NO_TAGS: Final[tuple[Tag, ...]] = ()

#: What a node does, and how often, by what it is.
Act = Callable[["World", Node], str]
AT_PRIMARY: Final[Sequence[tuple[Act, int]]] = (
    (edit, 8),
    (add_zone, 2),
    (remove_zone, 1),
    (branch_off, 1),
    (tag, 1),
    (close, 1),
    (merge, 2),
    (publish_rest, 3),
    (change_rights, 1),
    (rot, 2),
    (mend, 1),
)
AT_CLONE: Final[Sequence[tuple[Act, int]]] = (
    (edit, 5),
    (add_zone, 1),
    (branch_off, 1),
    (tag, 1),
    (close, 1),
    (merge, 3),
    (replay_forks, 2),
    (sync, 9),
    (push_some, 1),
    (part, 1),
)


def pull(world: "World", node: Node) -> str:
    """A mirror pulls; its program may have begun long before."""
    if world.luck.chance(_RESTARTED):
        node.end_follower()
    process, follower = node.follower or _begun(world, node)
    try:
        done = follower.pull()
    except Death as death:
        if death.process is process:
            node.note(death)
            node.end_follower()
        raise
    moved = [f"{each.branch} to {short(each.new)}" for each in done.followed.moved]
    kept = [f"{each.branch} kept" for each in (*done.followed.incomplete, *done.followed.invalid)]
    told = [
        f"{done.received} received in {done.requests} requests of {done.primary} by {done.via}",
        *moved,
        *kept,
    ]
    return f"pull: {', '.join(told)}"


def _begun(world: "World", node: Node) -> tuple[Process, Follower]:
    """A program that follows."""
    assert node.origin is not None
    process = Process(f"follower on {node.name}", world.luck, node.path)
    order = [node.origin, *node.others]
    world.luck.shuffle(order)
    primaries = {f"http://{each.name}/": each for each in order}
    ways = Ways(
        walk=lambda url: world.walk_way(node, primaries[url]),
        xfer=lambda url: world.way(node, primaries[url]),
    )
    options = Following(
        via=node.via, account=node.account, waits=False, in_thread=False, env=node.env, faults=process.faults
    )
    node.follower = process, Follower(process.store, list(primaries), transport=ways, options=options)
    return node.follower


AT_MIRROR: Final[Sequence[tuple[Act, int]]] = ((pull, 9), (part, 1))
