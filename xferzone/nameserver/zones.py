"""Which zones are served in this process, and which of them a question is for.

    example        served    answers for a.example, and for DS of sub.example
    sub.example    served    answers for sub.example and a.b.sub.example

The deepest zone that contains a name is found in as many lookups as the name has labels.

A view is opened at the first question. A zone's view dies when the zone is put anew or removed. A new zone takes
names from the zone above it, and a removed one gives them back: and the view of that zone dies too.

    ready     open views by name, of zones that no other is below: whoever finds a name's end there, from the left, has
              its view; only those that batch.py can answer from

Source: RFC 1034 4.3.2 step 2; RFC 4035 3.1.4.1 (DS).
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from xferzone.nameserver.edns import Edns
from xferzone.nameserver.route import Resolvers
from xferzone.nameserver.view import View
from xferzone.zonefile.rdtypes import DS

_SHORT: Final = 191  # octets of a name: with a label of 63 before it, it is one still


@dataclass(slots=True)
class Entry:
    """A zone: how to open its view, and the view once it is open."""

    opened: Callable[[], View]
    view: View | None = None


class Zones:
    """Served zones by name (wire form, lower case)."""

    def __init__(self) -> None:
        self.entries: dict[bytes, Entry] = {}  # the same dict for ever, as the next
        self.ready: dict[bytes, View] = {}
        self._below: Counter[bytes] = Counter()  # how many zones are below a name; none: it is not in it
        self.resolvers = Resolvers()  # believed when they name their client's subnet, by one zone or another
        self.routed = [0, 0]  # answers of zones with a canary: main's, and the canary's
        self.awaited = ""  # why there are none yet; empty: there are all that there should be

    def find(self, name: bytes, rdtype: int) -> View | None:
        """The view of the deepest zone that contains `name`; for DS of its apex, of the next one above.

        If there is no zone above, the zone itself answers that too. None: no zone contains the name.

        Raises:
            XferzoneError: the view cannot be opened.
        """
        own = self.entries.get(name)
        entry = (self._above(name) or own) if own is None or rdtype == DS else own
        if entry is None:
            return None
        if entry.view is None:
            entry.view = view = entry.opened()
            is_ready = view.is_plain and view.route is None and len(view.origin) <= _SHORT
            if is_ready and view.origin not in self._below:
                self.ready[view.origin] = view
        return entry.view

    def origin(self, name: bytes, rdtype: int) -> bytes | None:
        """The name of the zone whose view `find` has; None: no zone contains `name`."""
        own, at = name if name in self.entries else None, 0
        if own is not None and rdtype != DS:
            return own
        while length := name[at]:
            at += length + 1
            if name[at:] in self.entries:
                return name[at:]
        return own

    def place(self, view: View, client: bytes, edns: Edns | None) -> tuple[bool, bytes]:
        """Whether a client that asks with that OPT record gets the canary of a view, and the option for its answer.

        Raises:
            ValueError: it is believed and names what is not a subnet.
        """
        if view.route is not None:
            return view.route.place(client, edns)
        subnet = self.resolvers.subnet(client, edns)
        return False, b"" if subnet is None else subnet.echoed(0)

    def has(self, name: bytes) -> bool:
        """Whether the zone of that name is served."""
        return name in self.entries

    def put(self, name: bytes, opened: Callable[[], View]) -> None:
        """Serve a zone, or serve it anew; `opened` makes its view at the first question."""
        entry = self.entries.get(name)
        if entry is None:
            self._close_above(name)
            self._below.update(_above(name))
        else:
            self._close(entry)
        self.entries[name] = Entry(opened)

    def remove(self, name: bytes) -> None:
        """Serve a zone no longer, if it is served."""
        entry = self.entries.pop(name, None)
        if entry is not None:
            self._close(entry)
            self._close_above(name)
            for above in _above(name):
                self._below[above] -= 1
                if not self._below[above]:
                    del self._below[above]

    def clear(self) -> None:
        """Serve no zone any longer."""
        for entry in self.entries.values():
            self._close(entry)
        self.entries.clear()
        self._below.clear()

    def __len__(self) -> int:
        return len(self.entries)

    def _above(self, name: bytes) -> Entry | None:
        entries = self.entries
        while length := name[0]:
            name = name[length + 1 :]
            if name in entries:
                return entries[name]
        return None

    def _close_above(self, name: bytes) -> None:
        entry = self._above(name)
        if entry is not None:
            self._close(entry)

    def _close(self, entry: Entry) -> None:
        view = entry.view
        if view is not None:
            view.live = False
            view.canary = None  # which knows this view: a cycle that nobody would collect
            entry.view = None
            self.ready.pop(view.origin, None)


def _above(name: bytes) -> Iterator[bytes]:
    """The names above a name."""
    while length := name[0]:
        name = name[length + 1 :]
        yield name
