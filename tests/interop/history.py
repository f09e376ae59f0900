"""A repository with a past that only stock fossil wrote: everything its artifacts can be, as its users make them.

    built(person, directory)     CHECKINS check-ins on branches with merges, renames, forks, delta manifests, tags,
                                 edited dates and comments; SHA1 names, then SHA3; clusters; wiki, tickets, forum,
                                 technotes, attachments; and a zone on its own branch

Only the forum has no command line: its two posts are written here as the artifact format says, and taken in by
`fossil test-content-put` and a rebuild.
"""

import hashlib
import random
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.interop import texts
from tests.live import Person

CHECKINS = 300
ZONE = "example.com"
_FILES = 40


def built(person: Person, directory: Path) -> Path:
    """The repository file, in `directory`, which is made."""
    builder = _Builder(person, directory)
    builder.build()
    return builder.file


class _Builder:
    def __init__(self, person: Person, directory: Path) -> None:
        directory.mkdir()
        self.person, self.file, self._rng = person, directory / "foreign.fossil", random.Random(7)
        self._hour = 0
        person.fossil("init", "--sha1", "--date-override", "2023-12-31", self.file)
        self.work = person.open(self.file, directory / "work")

    def build(self) -> None:
        for number in range(_FILES):
            self._write(f"src/{number:02} file.txt", "".join(f"line {line}\n" for line in range(80)))
        self._write("bytes.bin", "".join(map(chr, range(1, 128))) * 3_000)
        self._write("empty", "")
        self._write("grüße.txt", "hello\n")
        self._fossil("addremove")
        self._commit("all files")
        for number in range(CHECKINS - 30):
            if number == 100:
                self._fossil("hash-policy", "sha3")
            self._step(number)
        self._zone()
        self._said_beside()
        self._forum()
        # Whatever is unclustered: above all what has come since a server would have made clusters.
        self.person.fossil("rebuild", "--cluster", self.file)

    def _step(self, number: int) -> None:
        """One check-in; now and then on a branch, as a delta, with a rename, a merge, a tag, an amendment."""
        rng = self._rng
        for _ in range(rng.randrange(1, 4)):
            self._edit(f"src/{rng.randrange(_FILES):02} file.txt", number)
        options: list[str] = ["--delta"] if number % 7 == 3 else []
        if number % 25 == 10:
            self._fossil("mv", "--hard", f"src/{number % _FILES:02} file.txt", f"src/moved {number}.txt")
        if number % 25 == 11:
            self._fossil(
                "mv", "--hard", f"src/moved {number - 1}.txt", f"src/{(number - 1) % _FILES:02} file.txt"
            )
        if number % 40 == 20:
            options += ["--branch", f"side-{number}", "--tag", f"begin-{number}"]
        self._commit(f"change [{number}] <b>&", *options)
        if number % 40 == 30:
            side = f"side-{number - 10}"
            self._fossil("update", "trunk")
            self._edit("src/05 file.txt", number)
            self._commit("meanwhile")
            self._fossil("merge", side, *(["--integrate"] if number % 80 == 30 else []))
            self._resolve()
            self._commit(f"merge {side}")
        if number % 30 == 5:
            self._fossil("tag", "add", f"v{number}", "current")
            self._fossil("tag", "add", "--raw", "reviewed", "current", f"by somebody {number}")
        if number % 60 == 6:
            self._fossil("tag", "cancel", f"v{number - 1}", "prev")
        if number % 30 == 7:
            self._fossil("amend", "current", "-m", f"said better {number}", "--author", "carol")
        if number % 50 == 8:
            self._fossil("amend", "prev", "--date", self._date(-1), "--bgcolor", "#f0e0d0")
        if number % 90 == 9:
            self._fork(number)

    def _fork(self, number: int) -> None:
        """A second leaf of the branch."""
        self._fossil("update", "prev")
        self._edit("src/07 file.txt", number)
        self._commit("fork", "--allow-fork")
        self._fossil("update", "trunk")

    def _zone(self) -> None:
        """A zone with some twenty versions."""
        self._fossil("update", "root:trunk")
        self._write(f"{ZONE}.zone", texts.mended(""))
        self._fossil("add", f"{ZONE}.zone")
        self._commit("a zone", "--branch", f"{ZONE}/main")
        for _ in range(20):
            file = self.work / f"{ZONE}.zone"
            file.write_text(texts.edited(file.read_text(), self._rng))
            self._commit("zone edit")

    def _said_beside(self) -> None:
        """Wiki, tickets, technotes, attachments."""
        page = self.work.parent / "page.md"
        for version in range(5):
            page.write_text(f"# Page\n\nversion {version}\n" * 40)
            self._fossil(
                "wiki", "commit" if version else "create", "A page", page, "--mimetype", "text/x-markdown"
            )
        self._fossil("wiki", "create", "a note", page, "--technote", "2024-05-05T05:05:05")
        self._fossil("attachment", "add", "A page", page)
        for number in range(5):
            self._fossil("ticket", "add", "title", f"ticket {number}", "status", "Open")
        with closing(sqlite3.connect(self.file)) as db:
            (ticket,) = db.execute("SELECT tkt_uuid FROM ticket LIMIT 1").fetchone()
        self._fossil("ticket", "set", ticket, "status", "Closed", "comment", "done\nat last")

    def _forum(self) -> None:
        thread = _artifact(
            "D 2024-06-01T10:00:00.000", "H A\\sthread", "N text/x-markdown", "U ops", text="Hello all"
        )
        name = hashlib.sha3_256(thread).hexdigest()
        reply = _artifact("D 2024-06-01T11:00:00.000", f"G {name}", f"I {name}", "U carol", text="And to you")
        for content in (thread, reply):
            file = self.work.parent / "post"
            file.write_bytes(content)
            self._fossil("test-content-put", file)

    # -- parts

    def _fossil(self, *words: str | Path) -> None:
        self.person.fossil(*words, at=self.work)

    def _commit(self, comment: str, *options: str) -> None:
        self._hour += 1
        words = ("commit", "--no-warnings", "-m", comment, "--date-override", self._date(0), *options)
        self.person.fossil(*words, at=self.work)

    def _date(self, hours: int) -> str:
        hour = self._hour + hours
        return f"2024-{hour // 672 + 1:02}-{hour // 24 % 28 + 1:02}T{hour % 24:02}:00:00"

    def _write(self, name: str, text: str) -> None:
        file = self.work / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)

    def _edit(self, name: str, number: int) -> None:
        file = self.work / name
        if not file.exists():
            return
        lines = file.read_text().splitlines(keepends=True)
        lines[self._rng.randrange(len(lines))] = f"changed in {number} {self._rng.random()}\n"
        file.write_text("".join(lines))

    def _resolve(self) -> None:
        """Keep both sides of every conflict."""
        for file in self.work.glob("src/*.txt"):
            kept = [
                line for line in file.read_text().splitlines(keepends=True) if not texts.CONFLICT.match(line)
            ]
            file.write_text("".join(kept))


def _artifact(*cards: str, text: str) -> bytes:
    """A forum post: these cards, its text, the checksum."""
    body = "".join(f"{card}\n" for card in cards) + f"W {len(text)}\n{text}\n"
    return f"{body}Z {hashlib.md5(body.encode()).hexdigest()}\n".encode()
