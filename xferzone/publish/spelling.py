r"""Names that people take for a branch which a zone here has, though they are spelled otherwise.

    Example.com/main   example.com./main   ex\097mple.com/main   example.com/%6dain   EXAMPLE.COM/MAIN in full width

look like example.com/main, and Fossil takes each for another branch. So does a name with a letter beyond ASCII in it,
such as a Cyrillic one, once accents and all that nobody sees are taken away: it stands for any letter, since zone ids
are ASCII. A name whose zone is spelled as a zone id is compared with the branches of that zone alone.

Source: Unicode Standard Annex 15 (NFKD). Unicode Technical Standard 39 has tables of look-alikes; none is needed here.
"""

import re
import unicodedata
from collections.abc import Iterable

from xferzone.refs import BranchName, LocalRefs, Ref

_ESCAPE = re.compile(r"\\([0-9]{3})|%([0-9a-fA-F]{2})|\\(.)", re.DOTALL)
_UNSEEN = frozenset({"Mn", "Me", "Cc", "Cf", "Zs", "Zl", "Zp"})  # marks, controls, formats, blanks


class Spellings:
    """The branches that have a ref, by what their names look like; read when first needed, and then kept."""

    def __init__(self, refs: LocalRefs) -> None:
        self._refs = refs
        self._all: _Looks | None = None
        self._of_zone: dict[str, _Looks] = {}

    def shadowed(self, name: str) -> BranchName | None:
        """The branch that `name` is another spelling of; None: of none, or it is a branch that has a ref itself."""
        own = BranchName.parse(name)
        if own is not None:
            if self._refs.get(own) is not None:
                return None
            if own.zone not in self._of_zone:
                self._of_zone[own.zone] = _Looks(self._refs.of_zone(own.zone))
            return self._of_zone[own.zone].like(_look(name))
        look = _look(name)
        if "/" not in look:
            return None
        if self._all is None:
            self._all = _Looks(self._refs.list())
        return self._all.like(look)


class _Looks:
    """What the names of some branches look like."""

    def __init__(self, refs: Iterable[Ref]) -> None:
        self._branches = {_look(str(ref.branch)): ref.branch for ref in refs}
        self._by_length: dict[int, str] = {}  # those of a length, a line each

    def like(self, look: str) -> BranchName | None:
        if look.isascii():
            return self._branches.get(look)
        size = len(look)
        if size not in self._by_length:
            self._by_length[size] = "\n".join(each for each in self._branches if len(each) == size)
        letters = "".join(re.escape(letter) if letter.isascii() else "." for letter in look)
        found = re.search(f"^{letters}$", self._by_length[size], re.MULTILINE)
        return None if found is None else self._branches[found[0]]


def _look(name: str) -> str:
    """The name without escapes, case, accents, what nobody sees, and final dots of its parts."""
    plain = unicodedata.normalize("NFKD", _ESCAPE.sub(_unescaped, name)).casefold()
    seen = "".join(letter for letter in plain if unicodedata.category(letter) not in _UNSEEN)
    return re.sub(r"\.+(?=/)|\.+\Z", "", re.sub("/+", "/", seen)).strip("/")


def _unescaped(escape: re.Match[str]) -> str:
    if escape[1] is not None:
        return chr(int(escape[1]))
    return chr(int(escape[2], 16)) if escape[2] is not None else escape[3]
