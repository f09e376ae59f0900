"""The zones of a process of DNS: of one repository, or of all in a directory."""

from pathlib import Path

from xferzone.dnsd import following
from xferzone.dnsd.following import LiveZones
from xferzone.dnsd.many import ManyZones
from xferzone.dnsd.terms import PLAIN, Terms


def open_zones(repository: Path, terms: Terms = PLAIN, *, decides: bool = False) -> LiveZones:
    """The zones that are served, on those terms; `decides`: as of ManyZones.

    Raises:
        XferzoneError: it is not there, or cannot be read.
    """
    if repository.is_dir():
        return ManyZones(repository, terms, decides=decides)
    return following.open_zones(repository, terms)
