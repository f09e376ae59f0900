"""What a server does once before it answers: it publishes what waits, and for DNS compiles what is not compiled yet."""

import logging

from xferzone.errors import NoRoom, ReadOnly
from xferzone.exchange.publishing import publish_in_parts
from xferzone.publish import beforehand, deferred
from xferzone.refs import LocalRefs, Occasion
from xferzone.serve.helpers import compile_in_parallel
from xferzone.store import Store

_log = logging.getLogger(__name__)


def prepare(store: Store, occasion: Occasion, *, answers: bool) -> None:
    """Do so; `answers`: DNS. Where nothing can be written, what was published before is served."""
    try:
        for notice in publish_in_parts(store, occasion):
            _log.warning("%s", notice)
        if answers:
            compile_left(store)
    except (NoRoom, ReadOnly) as exc:
        _log.warning("what was published before is served: %s", exc)


def compile_left(store: Store) -> None:
    """Compile these, in transactions of their own; what cannot be served is logged."""
    with store.reader() as reader:
        left = deferred.deferred(LocalRefs(reader))
    if left:
        _log.info("compiling %d zones for their first answer", len(left))
    while left:
        some, made = beforehand.some_made(store, left, compile_in_parallel)
        left = left[len(some) :]
        with store.writer() as writer:
            for ref, invalid in deferred.compile_deferred(writer, LocalRefs(writer), some, made.compile):
                _log.warning("%s is not served: %s", ref.branch, invalid)
