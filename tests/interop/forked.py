"""Our command line as a fork of the test's own process: a process of its own, without the 0.3 s of Python's start.

A driver runs hundreds of commands. Only for tests that have no second thread when they call this.
"""

import functools
import importlib
import os
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from typing import BinaryIO, NoReturn

from tests.live import BOUND_S, Done, Person
from xferzone.cli.main import main
from xferzone.cli.verbs import VERBS
from xferzone.serve.process import die_with


def xferzone(person: Person, *words: str | Path) -> Done:
    """As `person.xferzone(*words, code=None)`; one that is killed has the negative number of the signal."""
    _load()
    parent = os.getpid()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        pid = os.fork()
        if pid == 0:
            _run(person, parent, ["xferzone", *map(str, words)], out, err)
        _, status = os.waitpid(pid, 0)
        return Done(os.waitstatus_to_exitcode(status), _text(out), _text(err))


@functools.cache
def _load() -> None:
    for verb in VERBS.values():
        importlib.import_module(f"xferzone.cli.{verb.partition(':')[0]}")


def _run(person: Person, parent: int, argv: list[str], out: BinaryIO, err: BinaryIO) -> NoReturn:
    code: object = 1
    try:
        die_with(parent)
        signal.alarm(int(BOUND_S))
        os.chdir(person.home)
        env = person.env
        os.environ.clear()
        os.environ.update(env)
        with Path(os.devnull).open("rb") as nothing:
            for ours, theirs in ((nothing, 0), (out, 1), (err, 2)):
                os.dup2(ours.fileno(), theirs)
        sys.stdin, sys.stdout, sys.stderr = sys.__stdin__, os.fdopen(1, "w"), os.fdopen(2, "w")
        sys.argv = argv
        main()
    except SystemExit as exc:
        code = exc.code
    except BaseException:  # noqa: BLE001 the process ends here: shown as the interpreter would, which is not reached
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)


def _text(file: BinaryIO) -> str:
    file.seek(0)
    return file.read().decode()
