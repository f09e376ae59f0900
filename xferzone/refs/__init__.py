"""Refs: (zone, branch) -> check-in, moved only by compare-and-set."""

from xferzone.refs.branch import DEFAULT_BRANCH, BranchName
from xferzone.refs.local import LocalRefs, Move, Publication, Ref
from xferzone.refs.occasion import Door, Occasion
from xferzone.refs.served import State

__all__ = [
    "DEFAULT_BRANCH",
    "BranchName",
    "Door",
    "LocalRefs",
    "Move",
    "Occasion",
    "Publication",
    "Ref",
    "State",
]
