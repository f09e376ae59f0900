"""Two repositories and what is done with them while the wire between them is noted."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from tests.vectors.wire import PASSWORDS, Bench, Json, Wire

CAPABILITIES = {"dev": "vuxy", "odd user": "gio", "ro": "go"}


class Scene:
    """A server, its check-out, a client that clones it and pushes to it, in the order of the methods below."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.server = bench.work / "server.fossil"
        self.client = bench.work / "client.fossil"
        bench.fossil("new", "-A", "admin", "--project-name", "vector project", self.server)
        for login, password in PASSWORDS.items():
            bench.fossil("user", "new", login, "", password, "-R", self.server)
            bench.fossil("user", "capabilities", login, CAPABILITIES[login], "-R", self.server)
        self.change(self.server, "DELETE FROM reportfmt")  # stock's own texts stay out of the vectors
        self.project_code = str(self.rows("SELECT value FROM config WHERE name = 'project-code'")[0][0])
        self.wire = Wire(bench, self.server)
        self.tree = self.check_out("tree", self.server)

    def check_out(self, name: str, repository: Path, *words: str) -> Path:
        tree = self.bench.work / name
        tree.mkdir()
        self.bench.fossil("open", repository, *words, cwd=tree)
        self.bench.fossil("settings", "mtime-changes", "off", cwd=tree)
        return tree

    def rows(self, query: str, repository: Path | None = None) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(repository or self.server)) as database:
            return database.execute(query).fetchall()

    def change(self, repository: Path, statements: str) -> None:
        with closing(sqlite3.connect(repository)) as database, database:
            database.executescript(statements)

    def commit(self, tree: Path, files: Mapping[str, bytes], comment: str, *words: str) -> None:
        for name, content in files.items():
            self.bench.file(str(tree / name), content)
        self.bench.fossil("addremove", cwd=tree)
        self.bench.fossil("commit", "-m", comment, "--no-warnings", *words, cwd=tree)

    def artifact(self, name: str, tree: Path | None = None) -> bytes:
        where = [] if tree else ["-R", str(self.server)]
        return self.bench.fossil("artifact", name, *where, cwd=tree).stdout

    def note(self, name: str, description: str, more: Mapping[str, object] | None = None) -> None:
        self.bench.save_round(self.wire, name, description, more)

    def run(self, *words: str | Path, cwd: Path | None = None, editor: str = "") -> Json:
        """What a client says that may well fail."""
        done = self.bench.fossil(*words, cwd=cwd, check=False, editor=editor)
        stdout = done.stdout.decode("utf-8", "replace").replace("\r", "\n")
        stderr = done.stderr.decode("utf-8", "replace")
        return {"client_stdout": stdout, "client_stderr": stderr, "client_exit": done.returncode}
