"""Check-in locks, as a client asks for them, hears of them and gives them back; cards/lock.py has the cards."""

from collections.abc import Iterator

from xferzone.cards import Card, Pragma, lock
from xferzone.sync.client.options import Options


class Locking:
    """The lock of one session.

    Fields:
        held: by whom it is held, if not by us; None: by nobody that the server has named.
    """

    def __init__(self, options: Options) -> None:
        self.held: lock.Locked | None = None
        self._options = options

    def cards(self, *, is_first: bool, is_push: bool) -> Iterator[Card]:
        """What the next request says of locks; `is_push`: artifacts go with it."""
        wanted, client = self._options.lock, self._options.client
        if wanted is not None and is_first:
            yield lock.LockWanted(wanted, client).pragma()
        if is_push and client and self._options.account is not None:
            yield lock.LockFreed(client).pragma()

    def take(self, card: Pragma) -> None:
        """Note what a pragma tells, if anything."""
        match lock.parse(card):
            case lock.Locked() as held if self._options.lock is not None:
                self.held = held
