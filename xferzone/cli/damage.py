"""Damage in the repository that made a verb fail: told by name, instead of the traceback that it led to.

    a verb raises what no code of ours raises on purpose  ->  is anything wrong with the file?
        yes ─> an error that names it          no ─> a bug of ours, which is shown as it is

A damaged row can come out as any error, wherever it is read. Rows are not looked at twice for that: the file is checked
only where a verb has failed already.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Final

import click

from xferzone.cli.settings import Settings
from xferzone.errors import XferzoneError
from xferzone.wording import and_more

MAX_NAMED: Final = 10  # faults that such an error names
_ON_PURPOSE: Final = (XferzoneError, OSError, click.ClickException, click.exceptions.Exit, click.Abort)


@contextmanager
def named(ctx: click.Context) -> Iterator[None]:
    """Turn an error that damage in the repository has led to into one that names the damage."""
    try:
        yield
    except _ON_PURPOSE:
        raise
    except Exception as exc:
        settings = ctx.meta.get(Settings.__name__, ctx.obj)
        found = faults(settings.repository) if isinstance(settings, Settings) else []
        if not found:
            raise
        raise XferzoneError(told(settings.repository, found)) from exc


def told(repository: Path, found: list[str]) -> str:
    """The message that names these faults; one more than MAX_NAMED stands for all others."""
    more = [f"... {and_more(len(found) - MAX_NAMED)}"] if len(found) > MAX_NAMED else []
    return "\n".join([f"{repository} is damaged: see `xferzone check`", *found[:MAX_NAMED], *more])


def faults(repository: Path) -> list[str]:
    """The first faults of the repository, one more than are named. Raises XferzoneError: it cannot even be opened."""
    from xferzone.refs import LocalRefs
    from xferzone.repository.check import everything
    from xferzone.store import Store

    if not repository.exists():
        return []
    with Store.open(repository) as store, store.reader() as reader:
        return list(islice(everything(reader, LocalRefs(reader)), MAX_NAMED + 1))
