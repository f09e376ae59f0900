"""A long history that came from git, made by `fossil import --git`: two files' contents and a check-in a commit."""

from collections.abc import Iterator
from pathlib import Path

from tests.live import Person, run


def imported(person: Person, file: Path, commits: int) -> None:
    """Make the stock repository `file` of that many commits."""
    stream = file.with_suffix(".stream")
    stream.write_bytes(b"".join(_exported(commits)))
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
