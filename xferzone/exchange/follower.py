"""A mirror that follows its primaries: one pull, or for ever.

refs since the cursor ─> walk ─> batches, stored in parts ─> one last transaction: refs move, the cursor with them
"""

from collections.abc import Sequence

from xferzone.exchange.following import INTERVAL_S, Following, Pulled, Ways
from xferzone.store import Store


class Follower:
    """Follows the first of its primaries that answers."""

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
            primaries: URLs of repositories, without passwords, in the order in which they are asked.
            interval: seconds between two polls.
            transport: None: over HTTP.
        """
        self._store = store
        self._primaries = tuple(primaries)
        self._interval = interval
        self._ways = transport
        self._options = options or Following()

    def pull(self, *, accept_clobber: bool = False) -> Pulled:
        """Fetch what is new at the first primary that answers, and let the refs follow.

        Args:
            accept_clobber: move refs whose line there no longer leads from where they stand: the primary was restored
                from a backup.

        Raises:
            PeerError: no primary can be used. What came before stays.
            Busy: another process pulls.
            Cancelled: `options.cancelled` said so.
        """
        raise NotImplementedError

    def run(self) -> None:
        """Pull for ever, until `options.cancelled` says otherwise. What goes wrong is told to `options.heard`."""
        raise NotImplementedError
