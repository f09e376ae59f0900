"""How much of a zone goes when its ref moves (zone/loss.py), from the compiled indexes of both versions.

Only the indexes that one version alone has are compared, and of the others as few are opened as show that the loss is
no large part of the zone.
"""

from collections.abc import Iterable, Iterator

from xferzone.refs import Ref, indexes
from xferzone.store import Reader
from xferzone.zone import loss
from xferzone.zone.index import Index
from xferzone.zone.loss import Lost

Nodes = Iterator[tuple[bytes, bytes]]


def too_much(reader: Reader, before: Ref, lost: Lost) -> loss.Loss | None:
    """The loss, by owners, if it is too much for the zone as it stood, compiled, at `before`. None: it is not."""
    return loss.too_much(lost, (node for _, node in _nodes(reader, before.numbers)))


def between(reader: Reader, before: Ref, after: Ref) -> loss.Loss | None:
    """What goes between two versions of a zone, both compiled, if that is too much. None: it is not."""
    lost = loss.of_nodes(*nodes(reader, before, after))
    return loss.too_much(lost, (node for _, node in _nodes(reader, before.numbers)), loss.owner_of)


def nodes(reader: Reader, before: Ref, after: Ref) -> tuple[Nodes, Nodes]:
    """Key and node of each owner in the indexes that one version alone has, of each of the two."""
    kept = set(before.numbers) & set(after.numbers)
    gone, come = (
        _nodes(reader, [number for number in ref.numbers if number not in kept]) for ref in (before, after)
    )
    return gone, come


def _nodes(reader: Reader, numbers: Iterable[int]) -> Nodes:
    for number in numbers:
        yield from Index(indexes.content(reader, number))
