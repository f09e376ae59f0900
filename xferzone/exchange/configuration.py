"""The project's configuration alone, with one peer: no artifact travels, and no ref moves."""

from collections.abc import Collection
from dataclasses import replace

from xferzone.errors import UsageError
from xferzone.exchange.options import Options, Outcome
from xferzone.exchange.running import Running
from xferzone.publish.follow import Followed
from xferzone.refs import Door, LocalRefs, Occasion
from xferzone.repository import shunning
from xferzone.store import Store, Writer
from xferzone.sync.client.options import Configuration, Known, Purpose
from xferzone.sync.client.session import ClientSession
from xferzone.sync.configuration import AREAS
from xferzone.transport import Transport


def sync_configuration(
    store: Store, transport: Transport, areas: Collection[str], options: Options | None = None
) -> Outcome:
    """Exchange these areas of the configuration with the peer behind `transport`, the newer of two rows each.

    `options.pull` and `options.push` say which way they go. Accounts are taken and given with the area user, and with
    all; the peer must allow it. Raises what sync_unversioned raises; UsageError: there is no such area.
    """
    options = (options or Options()).within(transport)
    if unknown := set(areas) - AREAS.keys():
        raise UsageError(f"{min(unknown)!r} is not an area: there are {', '.join(AREAS)}")
    wanted, given = (tuple(areas) if way else () for way in (options.pull, options.push))
    with store.reader() as reader:
        wishes = replace(
            options.for_session(pull=False, push=False),
            purpose=Purpose(pull=False, push=False),
            configuration=Configuration(wanted, given, with_accounts=True),
        )
        cookie = "" if options.remote is None else options.remote.cookie
        session = ClientSession(reader.project_code, wishes, Known(cookie=cookie, is_origin=False))
    running = Running(store.with_faults(options.faults), transport, session, options)
    left_out: tuple[str, ...] = ()
    with running.observed("config"):
        running.drive()
        if session.configuring.shun and not session.errors:
            with store.writer() as writer:
                left_out = take_shunned(writer, session, options)
    done = running.outcome(Followed())
    return replace(done, config_left_out=(*done.config_left_out, *left_out))


def take_shunned(writer: Writer, session: ClientSession, options: Options) -> tuple[str, ...]:
    """Shun what a list has that came; why some of it may not be."""
    occasion = Occasion(options.env.clock_ms(), options.login, Door.PULL)
    return tuple(shunning.take(writer, LocalRefs(writer), session.configuring.shun, occasion)[1])
