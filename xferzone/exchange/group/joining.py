"""Becoming a member of a group, or making the group (xferzone/refs/roster.py has its keys).

    no group yet    a primary makes it: claimed in the keys ─> the role here, refs stand still ─> refs, accounts ─> open
    there is one    what its refs name is fetched ─> refs here must be on their lines ─> registered ─> the role here,
                    refs forward to the group's, accounts as the group has them

Whatever interrupts it, the same again goes on: the life of the member and of the group it makes are kept here before
they are written anywhere else. No transaction is open while the network is waited for.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

from xferzone.env import SYSTEM, Env
from xferzone.errors import Away, Exists, Refused, UsageError, XferzoneError
from xferzone.exchange.group import accounts, lines
from xferzone.exchange.group.fellows import Fellows
from xferzone.exchange.group.laying import Laying, Overtaken, again
from xferzone.exchange.group.standing import Fellow, Standing, record
from xferzone.publish.follow import Compiling, Followed, follow
from xferzone.publish.served import Compiler, compile_all
from xferzone.refs import BranchName, Door, LocalRefs, Move, Occasion, Ref, State, membership, serving
from xferzone.refs.consensus import MAX_COPIES, Rules, Tip
from xferzone.refs.keys import Keys
from xferzone.refs.membership import Membership
from xferzone.refs.roster import Account, Member, Roster, check_name, check_prefix, note_fellows, projects
from xferzone.repository.promote import OLD_ORIGIN
from xferzone.repository.rebuild import resettle
from xferzone.store import Reader, Store, Writer, places, schema, symbols, unsent
from xferzone.store import accounts as users
from xferzone.store.database import new_epoch
from xferzone.store.remotes import origin, put_remote, remove_remote
from xferzone.wording import listed

TRIES: Final = 5  # times that others may change what is compared
#: How the fellows of a member are reached: from its share in the group, and them by name.
Reach = Callable[[Membership, Mapping[str, Member]], Fellows]


@dataclass(frozen=True, slots=True)
class Terms:
    """What a caller decides of a join.

    Fields:
        copies: how many members have to have an artifact before a ref moves to it; None: as the group has it, else 1.
        login: of whoever joins.
    """

    reach: Reach
    copies: int | None = None
    login: str = ""
    compiler: Compiler = compile_all
    env: Env = SYSTEM


@dataclass(frozen=True, slots=True)
class Joined:
    """What was done.

    Fields:
        was: the role before.
        has_begun: the group was made here.
        followed: refs that moved.
        dropped: accounts that were here and are not the group's.
    """

    share: Membership
    roster: Roster
    was: str
    has_begun: bool = False
    followed: Followed = field(default_factory=Followed)
    dropped: tuple[str, ...] = ()


def join(store: Store, keys: Keys, wish: Membership, terms: Terms) -> Joined:
    """Make the repository a member. One that is a member of this group already only changes what `wish` changes.

    Args:
        wish: its name, its URL and where the keys are; lives and secret are found or made here.

    Raises:
        Refused: it is of another project, of another group, or a ref is not on the group's line.
        Exists: another member has the name, or the URL.
        Away: etcd, or what is needed of fellows, cannot be reached.
        UsageError: no member may be called so.
    """
    check_name(wish.name)
    check_prefix(wish.prefix)
    if terms.copies is not None and not 1 <= terms.copies <= MAX_COPIES:
        raise UsageError(f"{terms.copies} copies: give a number from 1 to {MAX_COPIES}")
    with store.reader() as reader:
        found = _Found(reader.role, reader.project_code, membership.wished(reader))
    done = _Join(store, keys, _begun(found, wish, terms.env), found, terms).run()
    with store.writer() as writer:
        note_fellows(writer, done.roster.members)
        serving.note(writer, done.roster.serving)
    return done


@dataclass(frozen=True, slots=True)
class _Found:
    """The repository before."""

    role: str
    project: str
    share: Membership | None


def _begun(found: _Found, wish: Membership, env: Env) -> Membership:
    """The share that is wished, with the lives and the secret that are kept here, or new ones."""
    known = found.share
    if known is not None and found.role == schema.MEMBER and known.prefix != wish.prefix:
        raise Refused(
            f"this is a member of the group below {known.prefix} already: `xferzone group leave` first"
        )
    if known is not None and found.role == schema.MEMBER and known.name != wish.name:
        raise Refused(f"this member is called {known.name}: `xferzone group leave`, then join as {wish.name}")
    if known is None or (known.prefix, known.name) != (wish.prefix, wish.name):
        return msgspec.structs.replace(
            wish, life=env.token(16).hex(), group=env.token(16).hex(), secret=env.token(32).hex()
        )
    return msgspec.structs.replace(wish, life=known.life, group=known.group, secret=known.secret)


@dataclass(slots=True)
class _Join:
    store: Store
    keys: Keys
    share: Membership
    found: _Found
    terms: Terms

    @property
    def _space(self) -> str:
        return self.share.space(self.found.project)

    def run(self) -> Joined:
        for _ in range(TRIES):
            roster = Roster.read(self.keys, self._space)
            try:
                if roster.rules is not None:
                    return self._join(roster, roster.rules)
                return self._begin(roster)
            except Overtaken:
                continue
        raise again(TRIES)

    # -- a group that is not there

    def _begin(self, roster: Roster) -> Joined:
        is_own = roster.beginning != "" and roster.beginning_life == self.share.group
        self._check_may_begin(roster, is_own=is_own)
        with self.store.writer() as writer:
            membership.wish(writer, self.share)
        laying = Laying(self.keys, roster, self.share)
        laying.claim()
        # From here on no ref moves here before the group is open: its key does not have the rules yet.
        with self.store.writer() as writer:
            membership.put(writer, self.share)
            membership.begin_seen(writer, roster.stand)
            values = account_values(writer, roster) | _ref_values(writer, roster, self.share.name)
        laying.lay(values)
        opened = laying.open(self.terms.copies or 1)
        return Joined(self.share, opened, self.found.role, has_begun=True)

    def _check_may_begin(self, roster: Roster, *, is_own: bool) -> None:
        if roster.beginning and not is_own:
            raise Away(
                f"{roster.beginning} is making the group: try again. If it was interrupted, `xferzone group join` "
                "there goes on; if it is lost for ever, give another --prefix"
            )
        if self.found.role == schema.MEMBER and not is_own:
            why = "has ended" if roster.last is not None else "is not there"
            raise Refused(
                f"the group that this member belongs to {why} in {self.keys.name}: `xferzone group check` says more"
            )
        own, prefix = self.found.project, self.share.prefix
        if roster.group is None and (others := projects(self.keys, prefix)):
            raise Refused(
                f"{self.keys.name} has a group of another project below {prefix}, {' and '.join(others)}; this "
                f"repository is of {own}. To make a group of its own give another --prefix"
            )
        if self.found.role not in (schema.PRIMARY, schema.MEMBER):
            raise Refused(
                f"{self.keys.name} has no group of project {own} below {prefix}, and this is a {self.found.role}: the "
                "primary begins the group, with `xferzone group join` there"
            )

    # -- a group that is there

    def _join(self, roster: Roster, rules: Rules) -> Joined:
        check_place(roster, self.share)
        is_here = self.found.role == schema.MEMBER and self.share.group == rules.life
        self.share = msgspec.structs.replace(self.share, group=rules.life, secret=roster.secret)
        with self.store.writer() as writer:
            if is_here:
                membership.put(writer, self.share)
            elif self.found.role != schema.MEMBER:
                membership.wish(writer, self.share)
        if is_here:
            self._register(roster, rules)
            return Joined(self.share, Roster.read(self.keys, self._space), self.found.role)
        tips = roster.tips()
        lines.fetch(self.store, self.terms.reach(self.share, roster.fellows(self.share.name)), tips)
        with self.store.reader() as reader:
            self._check_lines(reader, tips)
        self._register(roster, rules)
        self._compare(roster.fellows(self.share.name), tips)
        try:
            followed, dropped = self._become(roster, tips)
        except XferzoneError:
            key, member = (
                roster.names.member(self.share.name),
                Member(self.share.life, self.share.url).encode(),
            )
            self.keys.transact({key: member}, {key: None})
            raise
        return Joined(
            self.share,
            Roster.read(self.keys, self._space),
            self.found.role,
            followed=followed,
            dropped=dropped,
        )

    def _register(self, roster: Roster, rules: Rules) -> None:
        """Be a member in the keys, and have the group's rules as they were wished."""
        names, key = roster.names, roster.names.member(self.share.name)
        puts: dict[str, bytes | None] = {
            key: Member(self.share.life, self.share.url).encode(),
            names.joins: self.share.life.encode(),
        }
        if self.share.name in roster.removed:
            puts[names.removed(self.share.name)] = None
        if self.terms.copies not in (None, rules.copies):
            puts[names.group] = Rules(rules.life, self.terms.copies or 1).encode()
        if all(roster.values.get(each) == value for each, value in puts.items() if each != names.joins):
            return
        expected = {names.group: roster.group, key: roster.values.get(key)}
        if not self.keys.transact(expected, puts).succeeded:
            raise Overtaken

    def _check_lines(self, reader: Reader, tips: Mapping[BranchName, Tip]) -> None:
        off = lines.off_line(reader, tips)
        if off:
            remedy = {
                schema.CLONE: "push what is here to a member, and join again",
                schema.PRIMARY: "two primaries have diverged: `xferzone demote URL` with the URL of a member, then "
                "`xferzone sync`, which sends what is here; then join again",
                schema.MIRROR: "was the group restored? A new file can join: give another with -R",
            }.get(reader.role, "two members have diverged: move this file away, and join with a new one")
            raise Refused(f"{listed(list(map(str, off)), lines.MAX_NAMED)}: {remedy}")

    def _become(self, roster: Roster, tips: Mapping[BranchName, Tip]) -> tuple[Followed, tuple[str, ...]]:
        """Be a member here, whose refs stand where the group's do."""
        with self.store.writer() as writer:
            self._check_lines(writer, tips)
            refs, was = LocalRefs(writer), writer.role
            unsent.forget(writer, unsent.artifacts(writer))
            writer.set_setting("role", schema.MIRROR)  # which only goes where it is told
            told = {str(branch): tip.checkin for branch, tip in tips.items()}
            occasion = Occasion(self.terms.env.clock_ms(), self.terms.login, Door.PULL)
            followed = follow(writer, refs, told, occasion, Compiling(self.terms.compiler))
            if kept := (*followed.incomplete, *followed.invalid):
                told_kept = listed([f"{each.branch}: {each.reason}" for each in kept], lines.MAX_NAMED)
                raise XferzoneError(f"cannot go where the group is: {told_kept}")
            if was in (schema.CLONE, schema.MIRROR):
                _leave_origin(writer, {each.url for each in roster.members.values()})
            membership.put(writer, self.share)
            membership.begin_seen(writer, roster.stand)
            # What a member has beside the keys is of all: they were emptied or set back. Its program renews them.
            accounts.taken(writer, roster.accounts)
            dropped = () if was == schema.MEMBER else _dropped(writer, roster.accounts)
            named = map(BranchName.parse, symbols.branches(writer))
            places.reopen(writer, [str(each) for each in named if each is not None and not each.is_fork])
            resettle(writer, refs)
        return followed, dropped

    def _compare(self, fellows: Mapping[str, Member], tips: Mapping[BranchName, Tip]) -> None:
        """Ask all fellows where their refs stand: the keys may have been set back, of which nothing was seen here.

        If one does not answer, or is ahead, this member proposes nothing before its group program has asked again.
        """
        occasion = Occasion(self.terms.env.clock_ms(), self.terms.login, Door.PULL)
        moves = [
            Move(tip.checkin, Ref(branch, tip.checkin, tip.serial, State.DEFERRED), occasion)
            for branch, tip in tips.items()
        ]
        copied = self.terms.reach(self.share, fellows).copy(self.store, moves, (), 1 + len(fellows))
        if copied.members > len(fellows) and not copied.beyond:
            return
        named, now = listed([*fellows], lines.MAX_NAMED), self.terms.env.clock_ms()
        begins = Standing(
            name=self.share.name,
            group=self.share.group,
            state="comparing",
            why="this member has just joined, and its group program has not asked yet where the refs of "
            f"{named} stand: start `xferzone up` or `xferzone serve` here",
            since_ms=now,
            written_ms=now,
            fellows=tuple(Fellow(name=name, life=one.life, url=one.url) for name, one in fellows.items()),
        )
        try:
            record(self.store.path, begins)
        except OSError as exc:
            raise XferzoneError(f"cannot write beside {self.store.path}: {exc.strerror}") from exc


def check_place(roster: Roster, share: Membership) -> None:
    """Raise Exists if another member than the one of that share has its name or its URL."""
    name, own = share.name, roster.members.get(share.name)
    if own is not None and own.life != share.life:
        raise Exists(
            f"another member is called {name}, at {own.url}: give another --name; if that one is lost for ever, "
            f"`xferzone group remove {name}` at a member comes first"
        )
    if (other := roster.at(share.url, name)) is not None:
        raise Exists(
            f"another member, {other}, is at {share.url}: give another --url; if that one is lost for ever, "
            f"`xferzone group remove {other}` at a member comes first"
        )


def account_values(reader: Reader, roster: Roster) -> dict[str, bytes]:
    """The values of the keys that say which accounts there are here, and which were removed."""
    return {roster.names.account(login): each.encode() for login, each in accounts.shared(reader).items()}


def _ref_values(reader: Reader, roster: Roster, name: str) -> dict[str, bytes]:
    """The values of the keys that say where refs stand here."""
    refs = LocalRefs(reader).list()
    return {roster.names.ref(each.branch): Tip(each.checkin, each.serial, name).encode() for each in refs}


def _leave_origin(writer: Writer, members: set[str]) -> None:
    """No longer follow anybody: its origin gets another name, or goes if it is a fellow."""
    # Another copy of the file may still follow somebody.
    writer.set_setting("epoch", new_epoch())
    known = origin(writer)
    if known is not None:
        remove_remote(writer, known)
        if known.url not in members:
            put_remote(writer, replace(known, name=OLD_ORIGIN))


def _dropped(writer: Writer, shared: Mapping[str, Account]) -> tuple[str, ...]:
    """Remove the accounts that are not the group's; their logins."""
    gone = [each for each in users.rows(writer) if each.login not in shared]
    for each in gone:
        users.remove_user(writer, each)
    return tuple(each.login for each in gone if not each.is_invite)
