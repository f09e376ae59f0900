"""A sync with one peer: rounds until nothing is left to say, then the refs follow what came.

    session.request ─> transport ─> session.receive ─> stored, a transaction a round     sync/client/driver.py
    at the end, in one transaction: refs follow (publish/follow.py), the remote is remembered

What earlier rounds brought stays, whatever ends the sync.
"""

from xferzone.exchange.options import Options, Outcome
from xferzone.exchange.running import Running
from xferzone.faults import fault
from xferzone.publish.follow import Compiling, Followed, follow
from xferzone.publish.noted import Noted
from xferzone.publish.publish import publish
from xferzone.refs import Door, LocalRefs, Occasion
from xferzone.store import Reader, Store, Writer, schema
from xferzone.store.remotes import ORIGIN, Remote, put_remote, url_of
from xferzone.sync.client.options import Known
from xferzone.sync.client.session import ClientSession
from xferzone.sync.meeting import role_told
from xferzone.transport import Transport


def sync(store: Store, transport: Transport, options: Options | None = None) -> Outcome:
    """Exchange what is new with the peer behind `transport`.

    Raises:
        PeerError: the peer cannot be reached, or breaks the protocol. What earlier rounds brought stays.
        Cancelled: `options.cancelled` said so; the same.
        XferzoneError: the peer is the repository itself.
        Refused: both decide where branches stand, as two primaries do. Nothing was taken or given.
    """
    options = (options or Options()).within(transport)
    remote = options.remote or Remote("", transport.name)
    store = store.with_cache(options.cache).with_faults(options.faults)
    noted = Noted()
    with store.reader() as reader:
        session = _session(reader, remote, options, noted)
        url = url_of(reader, remote.name)
    running = Running(store, transport, session, options)
    followed = Followed()
    with running.observed(_operation(options)):
        running.drive()
        fault(options.faults, "client.driven", 0.1)
        if not session.errors:
            with store.writer() as writer:
                followed, reached = _follow(writer, remote, session, noted, options)
                # Meanwhile people may have given it another URL, or removed it, as `promote` does with an origin.
                if remote.name and url_of(writer, remote.name) == url:
                    put_remote(writer, reached)
                    writer.fault("client.remembered", 0.1)
    return running.outcome(followed)


def _operation(options: Options) -> str:
    return "sync" if options.pull and options.push else "pull" if options.pull else "push"


def _session(reader: Reader, remote: Remote, options: Options, noted: Noted) -> ClientSession:
    # A primary or a member counts nothing as unsent, and another name than origin leaves it so: no harm is done.
    counts_unsent = reader.role not in schema.DECIDING and remote.name == ORIGIN
    known = Known(
        epochs={} if options.accept_clobber else remote.epochs,
        cookie=remote.cookie,
        is_origin=remote.name == ORIGIN,
        own_epoch=LocalRefs(reader).epoch() if counts_unsent else None,
        role=role_told(reader),
    )
    wishes = options.for_session(
        pull=options.pull,
        push=options.push,
        gives_files=reader.role != schema.MIRROR,
        client=reader.setting("server-code") or "",
    )
    return ClientSession(reader.project_code, wishes, known, noted)


def _follow(
    writer: Writer, remote: Remote, session: ClientSession, noted: Noted, options: Options
) -> tuple[Followed, Remote]:
    """Let the refs follow what came; what is known of the remote now."""
    followed = Followed()
    epochs, refs = remote.epochs, LocalRefs(writer)
    occasion = Occasion(options.env.clock_ms(), options.login, Door.PULL)
    is_elsewhere = remote.name != ORIGIN and writer.role != schema.PRIMARY
    if session.pulls and (is_elsewhere or writer.role == schema.MEMBER):
        # Where the refs of a clone stand is its origin's business alone, those of a member its group's (law 5).
        followed = Followed(notices=tuple(publish(writer, refs, occasion)))
    elif session.pulls:
        told = session.told.refs if session.told.is_ours else None
        compiling = Compiling(options.compiler, noted)
        followed = follow(writer, refs, told, occasion, compiling, accept_clobber=options.accept_clobber)
        # A mirror is told again of what it does not follow, until people have accepted it.
        if not followed.incomplete and not (writer.role == schema.MIRROR and followed.invalid):
            epochs = session.told.epochs
    writer.fault("client.followed", 0.1)
    marks = {
        epoch: mark for epoch, mark in remote.marks.items() if epochs.get(epoch) == remote.epochs.get(epoch)
    }
    return followed, Remote(remote.name, remote.url, epochs, session.cookie, marks)
