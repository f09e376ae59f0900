"""--if-missing and --if-exists, for scripts that run more than once: with nothing to do a verb ends with 0.

    init, zone add, user add, remote add, tag, branch      --if-missing    it exists already
    zone remove, user remove, remote remove, delete, and
    apply for its lines of delete                          --if-exists     it does not exist

What is said of it is "nothing changed"; without the option the exit code is 3, or 5.
"""

from collections.abc import Callable
from typing import TypeVar

import click

from xferzone.edit.appending import Commit
from xferzone.edit.commit import Edit
from xferzone.errors import Exists, NotFound, XferzoneError
from xferzone.refs import LocalRefs
from xferzone.store import Writer

_META = "xferzone.condition"
_Command = TypeVar("_Command", bound=Callable[..., object])
_Act = Callable[[Edit, Writer, LocalRefs], Commit]


def if_missing(command: _Command) -> _Command:
    """Give a verb --if-missing, which `is_given` reads."""
    return _option(command, "--if-missing", "If it exists already, change nothing and exit with 0.")


def if_exists(command: _Command) -> _Command:
    """Give a verb --if-exists, which `is_given` reads."""
    return _option(command, "--if-exists", "If it does not exist, change nothing and exit with 0.")


def is_given() -> bool:
    """Whether the running verb was given its option."""
    return bool(click.get_current_context().meta.get(_META))


def unless_there(act: _Act, tag: str | None = None) -> _Act:
    """`act` as the option has it; `tag`: the one that it makes."""
    return _lenient(act, Exists, tag)


def unless_gone(act: _Act) -> _Act:
    """The same where `act` takes away."""
    return _lenient(act, NotFound, None)


def tell_nothing(name: str) -> None:
    """Say that there was nothing to do."""
    click.echo(f"{name}: nothing changed", err=True)


def _lenient(act: _Act, expected: type[XferzoneError], tag: str | None) -> _Act:
    def lenient(edit: Edit, writer: Writer, refs: LocalRefs) -> Commit:
        try:
            return act(edit, writer, refs)
        except expected:
            if not is_given():
                raise
            ref = refs.get(edit.branch)
            return Commit(edit.branch, None, None if ref is None else ref.serial, tag=tag)

    return lenient


def _option(command: _Command, word: str, text: str) -> _Command:
    def keep(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
        ctx.meta[_META] = value

    return click.option(word, is_flag=True, expose_value=False, callback=keep, help=text)(command)
