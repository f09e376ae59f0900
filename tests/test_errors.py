"""The tree of errors that the module draws is the one that is there."""

import re

from xferzone import errors

_ROW = re.compile(r"^    ((?:\|   |\+-- )*)(\w+) +(\d+)? ", re.MULTILINE)


def test_the_tree_of_errors_is_as_drawn() -> None:
    drawn: dict[str, tuple[str, int]] = {}
    above: list[str] = []
    for indent, name, code in _ROW.findall(errors.__doc__ or ""):
        above[len(indent) // 4 :] = [name]
        parent = above[-2] if indent else "Exception"
        drawn[name] = parent, int(code) if code else drawn[parent][1]
    there = {
        name: (kind.mro()[1].__name__, kind.exit_code)
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.XferzoneError)
    }
    assert drawn == there
