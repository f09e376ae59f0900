"""Who points where: (zone, branch) -> check-in, moved only by compare-and-set."""

from xferzone.refs.local import LocalRefs, Move, Publication, Ref
from xferzone.refs.served import DEFERRED

__all__ = ["DEFERRED", "LocalRefs", "Move", "Publication", "Ref"]
