"""Who may write which row of a synced table.

    mtime-wins    whoever may write
    self-write    whose login the first key column names
    owner-write   whose the row is: the login that wrote it first; a deleted one is still its

Nobody and anonymous have no rows of their own: whose they would be is not known.
"""

from collections.abc import Mapping
from typing import Final

from xferzone.tables.canonical import Value
from xferzone.tables.definition import Definition, Rule

_UNKNOWN: Final = frozenset({"", "nobody", "anonymous"})
_SHOWN: Final = 60  # letters of a login in a message


def bar(definition: Definition, values: Mapping[str, Value], owner: str | None, login: str) -> str:
    """Why `login` may not write the row with these values; empty: it may. `owner` None: there was no such row."""
    if definition.rule is Rule.MTIME:
        return ""
    if login in _UNKNOWN:
        return "it is of those whose login is not known"
    if definition.rule is Rule.SELF:
        whose = str(values[definition.key[0]])
        return "" if whose == login else f"it is {whose[:_SHOWN]}'s, and {login[:_SHOWN]} asks"
    return "" if owner in (None, login) else f"it is {str(owner)[:_SHOWN]}'s, and {login[:_SHOWN]} asks"
