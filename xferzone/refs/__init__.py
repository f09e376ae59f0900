"""Who points where: (zone, branch) -> check-in, moved only by compare-and-set."""

from xferzone.refs.local import DEFERRED, LocalRefs, Move, Publication, Ref

__all__ = ["DEFERRED", "LocalRefs", "Move", "Publication", "Ref"]
