"""A mirror that follows its primaries: one pull, or for ever.

    pull      the first primary in the list that answers is used; what failed lately comes after the others
    run       pull, wait for news or for the interval, pull again; after failures wait longer, with jitter

A pull by the walk is in walked.py, by xfer in by_xfer.py. A poll that finds nothing new is one request, and writes
nothing to the repository. While a server holds a request until there is news, that request is the poll: its reply comes
at the interval at the latest, so nothing depends on being told.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from typing import Final

from xferzone.errors import Busy, Cancelled, Denied, PeerError, Refused, UsageError, XferzoneError
from xferzone.exchange.mirror import by_xfer, rows, standing
from xferzone.exchange.mirror.fetching import Fetching
from xferzone.exchange.mirror.following import INTERVAL_S, Following, Pulled, Ways
from xferzone.exchange.mirror.moving import Moving, joined
from xferzone.exchange.mirror.primary import Primary
from xferzone.exchange.mirror.walked import MANY_MOVES, Aids, Pull, Walked
from xferzone.publish.follow import Kept
from xferzone.refs import LocalRefs
from xferzone.replicate.client import Cursor, NoWalk, TooMany
from xferzone.replicate.messages import Refs
from xferzone.store import Reader, Store, schema
from xferzone.store.remotes import ORIGIN, Mark, Remote, origin, put_remote

MAX_WAIT_S: Final = (
    25  # seconds that a server is asked to hold a request; less than the silence that ends one
)
_NAP_S: Final = 0.2  # seconds between two looks at whether `run` is cancelled


class Follower:
    """Follows the first of its primaries that answers.

    Fields:
        primaries: in the order in which they are asked, each with how the mirror stands to it.
    """

    # many: what is followed, by which way, how often and how
    def __init__(
        self,
        store: Store,
        primaries: Sequence[str],
        interval: float = INTERVAL_S,
        transport: Ways | None = None,
        options: Following | None = None,
    ) -> None:
        """
        Args:
            store: of role mirror; repository/make.py makes one of which nothing is known yet.
            primaries: URLs of repositories, without passwords, in the order in which they are asked. The first becomes
                the repository's origin with the first pull.
            interval: seconds between two polls.
            transport: None: over HTTP.
        """
        self._store = store
        self._interval = interval
        self._options = options or Following()
        ways = transport or _over_http()
        before = standing.standings(store.path)
        stood = {} if before is None else {each.url: each for each in before.primaries}
        self.primaries = [Primary(url, ways, self._options, stood.get(url)) for url in primaries]
        self._last: Primary | None = None  # the one that answered last
        self._was_broken_off = False
        self._is_compiled = False  # no pull has left a zone to be compiled, of this program or one that died
        self._fetching = Fetching(self._options.in_thread, self._options.cancelled)

    def close(self) -> None:
        """Close the connections that are kept open."""
        for each in self.primaries:
            each.close()

    # -- one pull

    def pull(self, *, accept_clobber: bool = False) -> Pulled:
        """Fetch what is new at the first primary that answers, and let the refs follow.

        Args:
            accept_clobber: move refs whose line there no longer leads from where they stand: the primary was restored
                from a backup.

        Raises:
            PeerError, Denied: no primary can be used. What came before stays.
            Busy: another process pulls.
            Refused: the repository is not a mirror.
            Cancelled: `options.cancelled` said so.
        """
        return self._pull(self.primaries, accept_clobber=accept_clobber)

    def _pull(self, order: Sequence[Primary], *, accept_clobber: bool = False, wait_s: int = 0) -> Pulled:
        """`wait_s`: seconds for which the primary that answered last may hold the poll."""
        self._begin()
        failed: list[tuple[str, str]] = []
        for each in order:
            try:
                holds_s = wait_s if each is self._last else 0
                pulled = self._pull_from(each, accept_clobber=accept_clobber, wait_s=holds_s)
            except (PeerError, Denied) as exc:
                each.failed(exc)
                failed.append((each.url, str(exc)))
                if each is order[-1]:
                    raise
            else:
                each.succeeded(is_whole=not pulled.followed.invalid)
                self._last = each
                return replace(pulled, failed=tuple(failed))
            finally:
                self._record()
        raise AssertionError("a pull has an order")

    def _begin(self) -> None:
        """Have the first of the primaries be the origin, whichever answers."""
        if not self.primaries:
            raise XferzoneError("no primary is known: give the URL of one")
        url = self.primaries[0].url
        with self._store.reader() as reader:
            self._check_mirror(reader)
            known = origin(reader)
        if known is None or known.url != url:
            with self._store.writer() as writer:
                self._check_mirror(writer)
                # What is known of epochs stays: several primaries may tell of one.
                put_remote(writer, replace(origin(writer) or Remote(ORIGIN, url), url=url))

    def _check_mirror(self, reader: Reader) -> None:
        if reader.role != schema.MIRROR:
            raise Refused(
                f"{self._store.path} is a {reader.role}, and follows nobody by itself: make a mirror in a new file"
            )

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Be the only one who pulls into this mirror. Raises Busy."""
        with ExitStack() as held:
            try:
                is_alone = held.enter_context(standing.pulling(self._store.path))
            except OSError as exc:
                raise XferzoneError(
                    f"{self._store.path} cannot be pulled into: a lock beside it: {exc.strerror}"
                ) from exc
            if not is_alone:
                raise Busy(f"another process is pulling into {self._store.path} already")
            yield

    def _pull_from(self, primary: Primary, *, accept_clobber: bool, wait_s: int) -> Pulled:
        began = self._options.env.monotonic()
        before = primary.counted()
        walked: Walked | None = None
        if primary.via == "walk":
            try:
                walked = self._walk(primary, accept_clobber=accept_clobber, wait_s=wait_s)
                walked.rows = rows.take(self._store, primary, self._options, self._fetching)
            except NoWalk:
                primary.fall_back()
        if walked is None:
            with self._alone():
                walked = by_xfer.pull(self._store, primary, self._options, accept_clobber=accept_clobber)
        wire = primary.counted()
        followed = joined(walked.followed)
        if walked.is_new:
            primary.kept = followed.invalid
        elif primary.kept:
            followed = replace(followed, invalid=self._still(primary.kept))
        return Pulled(
            primary=primary.url,
            via=primary.via,
            is_new=walked.is_new,
            requests=wire.requests - before.requests,
            bytes_out=wire.bytes_out - before.bytes_out,
            bytes_in=wire.bytes_in - before.bytes_in,
            received=walked.received,
            rows=walked.rows,
            seconds=self._options.env.monotonic() - began,
            followed=followed,
            notes=primary.take_notes(),
        )

    def _still(self, kept: Sequence[Kept]) -> tuple[Kept, ...]:
        """Those of the refs that stayed where they were that have not followed since."""
        with self._store.reader() as reader:
            refs = LocalRefs(reader)
            stands = {each: refs.get(each.branch) for each in kept}
        return tuple(each for each, ref in stands.items() if ref is None or ref.checkin != each.checkin)

    # -- by the walk

    def _walk(self, primary: Primary, *, accept_clobber: bool, wait_s: int) -> Walked:
        if self._store.follow():  # another file by that name: what is known of primaries is in there
            for each in self.primaries:
                each.cursor, each.tables = None, ""
        client = primary.client
        found = self._found(primary)
        client.project = client.project or found.project
        cursor = None if accept_clobber else found.cursor
        told = self._told(primary, cursor, wait_s)
        moving = Moving(self._store, self._options, primary.url, accept_clobber)
        if told is None:
            primary.behind = 0
            self._compile_rest(moving)
            return Walked()
        if told.epoch == found.own_epoch:
            raise PeerError(
                "the primary is this mirror itself, or a plain copy of its file: give another URL"
            )
        is_wary = self._was_broken_off or (not found.is_empty and _is_far(told, cursor))
        pull = Pull(self._store, client, self._options, moving, is_wary=is_wary)
        with self._alone(), self._aids() if found.is_empty else nullcontext(Aids()) as aids:
            self._was_broken_off, self._is_compiled = True, False
            try:
                pull.run(told, cursor, aids)
            finally:
                primary.cursor = pull.done.cursor or primary.cursor
                primary.behind = pull.done.behind
            self._was_broken_off, self._is_compiled = False, True
        return pull.done

    @contextmanager
    def _aids(self) -> Iterator[Aids]:
        with self._options.helping() as helper, self._options.beginning() as begin:
            yield Aids(helper, begin)

    def _compile_rest(self, moving: Moving) -> None:
        if not self._is_compiled:
            with self._alone():
                moving.compile_rest()
            self._is_compiled = True

    def _told(self, primary: Primary, cursor: Cursor | None, wait_s: int) -> Refs | None:
        """What is new; None: nothing is."""
        if wait_s:
            try:
                return self._fetching.answer(lambda: primary.client.refs(cursor, wait_s))
            except TooMany as exc:
                primary.waits_at = self._options.env.monotonic() + exc.retry_s
        return self._fetching.answer(lambda: primary.client.refs(cursor))

    def _found(self, primary: Primary) -> "_Found":
        with self._store.reader() as reader:
            known = origin(reader)
            cursor = primary.cursor
            if cursor is None and known is not None and known.epochs:
                epoch, number = list(known.epochs.items())[-1]
                mark = known.marks.get(epoch, Mark())
                cursor = Cursor(epoch, number, mark.position, mark.checkin)
            project = reader.setting("project-code")
            return _Found(cursor, project, LocalRefs(reader).epoch(), is_empty=not reader.last_row())

    # -- for ever

    def run(self) -> None:
        """Pull for ever, until `options.cancelled` says otherwise. What goes wrong is told to `options.heard`.

        Raises:
            Refused: the repository is not a mirror.
        """
        options, env = self._options, self._options.env
        wait_s = 0
        while not options.cancelled():
            began = env.monotonic()
            due = [each for each in self.primaries if each.next_at <= began]
            if not due:
                self._sleep(min(each.next_at for each in self.primaries) - began)
                continue
            try:
                pulled = self._pull(due, wait_s=wait_s)
            except Cancelled:
                return
            except (Refused, UsageError):
                raise
            except (PeerError, Denied) as exc:
                options.heard(exc)
                wait_s = 0
            except XferzoneError as exc:
                # A full disk, a lock, a file that was damaged: people are told, and may mend it meanwhile.
                options.heard(exc)
                self._sleep(self._interval)
            else:
                options.heard(pulled)
                wait_s = self._holds_s()
                if not wait_s:
                    self._sleep(self._interval - (env.monotonic() - began))

    def _holds_s(self) -> int:
        """For how many seconds the next poll may be held by the server; 0: sleep here instead."""
        last = self._last
        if last is None or not self._options.waits or last.via != "walk":
            return 0
        if last.waits_at > self._options.env.monotonic():
            return 0
        return min(int(self._interval), MAX_WAIT_S)

    def _sleep(self, seconds: float) -> None:
        env = self._options.env
        if not self._options.in_thread:
            env.sleep(max(seconds, 0))
            return
        end = env.monotonic() + seconds
        options = self._options
        while (left := end - env.monotonic()) > 0 and not (options.cancelled() or options.woken()):
            env.sleep(min(left, _NAP_S))

    def _record(self) -> None:
        # Where it cannot be written, as on a full disk, zones are followed all the same.
        with suppress(OSError):
            standing.record(self._store.path, self._interval, [each.standing for each in self.primaries])


@dataclass(frozen=True, slots=True)
class _Found:
    """What is here before a pull: up to where the primary is known, the project (None: none yet), the own epoch."""

    cursor: Cursor | None
    project: str | None
    own_epoch: str
    is_empty: bool


def _is_far(told: Refs, cursor: Cursor | None) -> bool:
    if cursor is None or told.epoch != cursor.epoch:
        return True
    return told.number - cursor.number > MANY_MOVES


def _over_http() -> Ways:
    # Imported here: only a program that uses the network pays for loading it.
    from xferzone.transport.http import HTTP
    from xferzone.transport.walk_http import WalkHTTP

    return Ways(WalkHTTP, lambda url: HTTP(url, with_login=True))
