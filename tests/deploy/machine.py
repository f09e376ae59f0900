"""A machine of its own for a test: this one's file system below a writable layer, seen by nobody else.

    mount namespace    tmpfs ─> overlay over / ─> chroot         held by a process; gone when it ends

It needs root, as the programs of tests/peers.sh do. Nothing that a step writes is left behind.

Source: unshare(1), nsenter(1), mount(8) for overlay, setpriv(1).
"""

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.live import PATIENCE_S, Done

#: Behind the links of a virtual environment.
_PYTHON = Path(sys.executable).resolve()
_SETUP = """\
set -eu
mount -t tmpfs -o size=3g tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" overlay "$1/root"
mount --rbind /dev "$1/root/dev"
mount -t proc proc "$1/root/proc"
mount -t tmpfs tmpfs "$1/root/tmp"
echo ready
exec sleep infinity
"""


class Machine:
    """The namespace and its holder; `place` is an empty directory."""

    def __init__(self, place: Path) -> None:
        argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _SETUP, "sh", str(place)]
        self._root = place / "root"
        self._holder = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == "ready\n"
        # An interpreter below a home directory is its owner's alone; that of an image is everybody's.
        for directory in _PYTHON.parents:
            self.run("chmod", "o+rx", str(directory))
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._holder.kill()
        self._holder.communicate()

    def argv(self, *words: str, at: str = "/", before: str = "") -> list[str]:
        """The command line that runs `words` there, in directory `at`.

        `before`: what a shell does first, in a mount namespace of its own, with $ROOT as the root to be.
        """
        enter = ["nsenter", f"--mount=/proc/{self._holder.pid}/ns/mnt"]
        inside = f'cd {shlex.quote(at)} && exec "$@"'
        chroot = ["/usr/sbin/chroot", str(self._root), "sh", "-c", inside, "sh", *words]
        if not before:
            return [*enter, *chroot]
        script = f'set -eu; ROOT={shlex.quote(str(self._root))}; {before}\nexec "$@"'
        return [*enter, "unshare", "--mount", "sh", "-c", script, "sh", *chroot]

    def run(
        self,
        *words: str,
        at: str = "/",
        env: Mapping[str, str] | None = None,
        stdin: str = "",
        before: str = "",
    ) -> Done:
        """What the program left; it must end well."""
        done = subprocess.run(
            self.argv(*words, at=at, before=before),
            env=dict(env or self.env),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S * 10,
            check=False,
        )
        assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout}{done.stderr}"
        return Done(done.returncode, done.stdout, done.stderr)

    @property
    def env(self) -> dict[str, str]:
        """The environment of a build: where pip is told to look, and the interpreter that the tests run with."""
        pip = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "http"))}
        python = _PYTHON.parent
        return {
            **pip,
            "HOME": "/root",
            "PATH": f"{python}:/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL": "C.UTF-8",
        }

    def copy_in(self, files: Sequence[Path], source: Path, to: str) -> None:
        """Copy files below `source` into directory `to` there."""
        listed = "".join(f"{file.relative_to(source)}\0" for file in files)
        packed = subprocess.run(
            ["tar", "-C", str(source), "--null", "-T", "-", "-c"],
            input=listed.encode(),
            capture_output=True,
            check=True,
        )
        self.run("mkdir", "-p", to)
        subprocess.run(self.argv("tar", "-x", at=to), input=packed.stdout, check=True, env=self.env)
