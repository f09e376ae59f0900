"""The line of each table, key and element: of documents that show how it is, and of any that tomllib reads."""

import tomllib
from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from xferzone.tomltext import Path, lines

SHOWN = '''\
# a comment with ] and "
http = {workers = 2, "threads" = 8}   # 2
a.'b c'.d = 1                         # 3

[dns]                                 # 5
listen = [                            # 6
    "0.0.0.0:53",   # all ]             7
    "[::]:53", [1,                    # 8
 2],                                  # 9
]
s = """
]] " \\\\""" # 11
t = \'\'\'it''s\'\'\'\'
d = 1979-05-27 07:32:00               # 14
[[zone]]                              # 15
name = "a"                            # 16
canary = { percent = 5, x = {y=1}}    # 17
[[zone]] # x                            18
[zone.canary]                         # 19
branch = "x"                          # 20
[[zone.also.more]]                    # 21
[[zone.also.more.still]]              # 22
[[zone.also.more]]                    # 23
[[zone.also.more.still]]              # 24
[[zone.also.more.still]]              # 25
z = -inf                              # 26
[ keys . "a.]b" ]                     # 27
'''


def test_each_thing_has_its_line() -> None:
    found = lines(SHOWN)
    assert found["http", "threads"] == 2
    assert found["a", "b c", "d"] == 3
    assert found["dns",] == 5
    assert [found["dns", "listen"], found["dns", "listen", 0], found["dns", "listen", 2]] == [6, 7, 8]
    assert found["dns", "listen", 2, 1] == 9
    assert [found["dns", key] for key in "std"] == [11, 13, 14]
    assert [found["zone", 0], found["zone", 0, "canary", "x", "y"], found["zone", 1]] == [15, 17, 18]
    assert [found["zone", 1, "canary"], found["zone", 1, "canary", "branch"]] == [19, 20]
    more: Path = ("zone", 1, "also", "more")
    assert [found[*more, 0], found[*more, 0, "still", 0], found[*more, 1]] == [21, 22, 23]
    assert [found[*more, 1, "still", 0], found[*more, 1, "still", 1, "z"]] == [24, 26]
    assert found["keys", "a.]b"] == 27


NAMES = st.sampled_from(["a", "b-1", '"c.d"', "'e ]'", '"f\\"="', "a.b", '"" . a', "0"])
SCALARS = [
    *["1", "-0.5e3", "true", "nan", "0xf", "1979-05-27T07:32:00Z", "07:32:00", '"x"', '"\\"#]"', '""'],
    "'\\'",
    "''",
    '"x y"',
    '"' * 5 + "a" + '"' * 4,
    '"' * 3 + '\n"q""\\"' + '"' * 3,
    "'" * 3 + "]" + "'" * 4,
    "'" * 6,
]
VALUES = st.recursive(
    st.sampled_from(SCALARS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda each: "[ " + ", # ]\n ".join(each) + "\n]"),
        st.lists(st.tuples(NAMES, inner), max_size=3).map(
            lambda each: "{ " + ", ".join(f"{name} = {value}" for name, value in each) + " }"
        ),
    ),
    max_leaves=6,
)
LINES = st.one_of(
    st.tuples(NAMES, VALUES).map(lambda pair: f" {pair[0]} = {pair[1]} # x"),
    NAMES.map(lambda name: f"[ {name} ]"),
    NAMES.map(lambda name: f"[[{name}]]\r"),
    st.sampled_from(["", "# [x]", "\t"]),
)


@settings(max_examples=300)
@given(st.lists(LINES, max_size=8))
def test_whatever_tomllib_reads_has_lines(statements: list[str]) -> None:
    text = "\n".join(statements) + "\n"
    try:
        read = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    found = lines(text)
    assert set(found) == set(_paths(read))
    assert all(1 <= line <= text.count("\n") + 1 for line in found.values())


def _paths(read: object, at: Path = ()) -> Iterator[Path]:
    if at:
        yield at
    below = read.items() if isinstance(read, dict) else enumerate(read) if isinstance(read, list) else ()
    for key, value in below:
        yield from _paths(value, (*at, key))
