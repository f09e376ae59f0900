"""What a client of another project is told: whether this one goes on with its, so that it should clone anew."""

from typing import Final

from xferzone.store import Reader, schema

WRONG: Final = "wrong project"  # as stock
ANEW: Final = f"{WRONG}: yours was rolled over, and this repository goes on with it: clone it anew"


def wrong_project(reader: Reader, code: str) -> str:
    """The text of the error for a client of project `code`."""
    return ANEW if code == reader.setting(schema.PROJECT_BEFORE) else WRONG
