"""Histories that came from git, made by `fossil import --git`: a long line, or many branches of many files."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.live import Person, run


def imported(person: Person, file: Path, commits: int) -> None:
    """Make the stock repository `file` of that many commits; two files' contents and a check-in each."""
    _import(person, file, _exported(commits))


def imported_branches(person: Person, file: Path, names: Iterable[str], commits: int, files: int) -> None:
    """Make the stock repository `file`: a trunk of that many files, and off it each branch of that many commits, every
    fourth of which is merged."""
    _import(person, file, _branches(names, commits, files))


def _import(person: Person, file: Path, exported: Iterable[bytes]) -> None:
    stream = file.with_suffix(".stream")
    stream.write_bytes(b"".join(exported))
    command = f"exec fossil import --git '{file}' < '{stream}'"
    run("sh", "-c", command, env=person.env, at=person.home, seconds=300)


def _exported(commits: int) -> Iterator[bytes]:
    """What `git fast-export` writes of a line of commits with a side branch that is merged now and then."""
    texts = [[f"line {line} of {number}" for line in range(60)] for number in range(50)]
    mark, last = 0, 0
    for number in range(commits):
        names = []
        for which in (number % 50, number * 7 % 50):
            texts[which][number % 60] = f"changed in {number}"
            content = "\n".join(texts[which]).encode()
            mark += 1
            names.append((mark, which))
            yield b"blob\nmark :%d\ndata %d\n%s\n" % (mark, len(content), content)
        mark += 1
        comment = b"commit %d" % number
        side = number % 10 == 5
        yield b"commit refs/heads/%s\nmark :%d\n" % (b"side" if side else b"master", mark)
        yield b"committer Ann <ann@example.com> %d +0000\n" % (1_600_000_000 + 60 * number)
        yield b"data %d\n%s\n" % (len(comment), comment)
        if last:
            yield b"from :%d\n" % last
        for blob, which in names:
            yield b"M 100644 :%d dir/file %d.txt\n" % (blob, which)
        last = mark
        yield b"\n"


def _branches(names: Iterable[str], commits: int, files: int) -> Iterator[bytes]:
    folders = ("", "docs/", "src/deep/a/b/c/", "\u00dcn\u00ef/code/")
    paths = [f"{folders[number % 4]}file{number}.txt" for number in range(files)]
    yield _commit("master", 1, 0, paths)
    mark = trunk = 1
    for number, name in enumerate(names):
        tip = trunk
        for step in range(commits):
            mark += 1
            yield _commit(name, mark, tip, [paths[(number + step) % files]])
            tip = mark
        if number % 4 == 0:
            mark += 1
            yield _commit("master", mark, trunk, [paths[number % files]], merged=tip)
            trunk = mark


def _commit(branch: str, mark: int, parent: int, paths: Iterable[str], merged: int = 0) -> bytes:
    lines = [f"commit refs/heads/{branch}", f"mark :{mark}"]
    lines += [f"committer Ann <ann@example.com> {1_600_000_000 + 60 * mark} +0000", "data 1", "c"]
    lines += [f"from :{parent}"] if parent else []
    lines += [f"merge :{merged}"] if merged else []
    for path in paths:
        text = f"{path} as of {mark}"
        lines += [f"M 100644 inline {path}", f"data {len(text.encode())}", text]
    return "\n".join([*lines, "", ""]).encode()
