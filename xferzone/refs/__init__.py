"""Who points where: (zone, branch) -> check-in, moved only by compare-and-set."""

from xferzone.refs.local import LocalRefs, Move, Publication, Ref

__all__ = ["LocalRefs", "Move", "Publication", "Ref"]
