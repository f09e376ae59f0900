"""A dictionary of a repository's own: trained on what it keeps, where that makes it smaller.

of frames at equal distances    every other one trains, the rest judge: what would all be smaller by?
twice the dictionary or more    it is kept as a setting (frames.py), and repacking makes frames with it
no frame needs one any more     it goes
"""

from typing import Final

import zstandard

from xferzone.store import chains, frames
from xferzone.store.reader import Reader
from xferzone.store.writer import Writer

# Of 64 KiB the frames of a history of zones became 2 % smaller, and with the dictionary larger.
SIZE: Final = 32_768  # bytes
SAMPLES: Final = 4_000  # frames that are looked at
LEAST: Final = 500  # of these; fewer say too little
_LARGEST: Final = 20_000  # bytes of a sample: in large ones a dictionary saves next to nothing


def trained(reader: Reader) -> bytes | None:
    """The dictionary. None: it would save too little."""
    (count,) = reader.db.execute("SELECT count(*) FROM blob WHERE content IS NOT NULL").fetchone()
    found = _samples(reader, max(1, count // SAMPLES))
    teachers: list[bytes | bytearray | memoryview[int]] = [content for content, _ in found[::2]]
    judges = found[1::2]
    if len(found) < LEAST:
        return None
    try:
        made = zstandard.train_dictionary(SIZE, teachers, level=frames.BEST)
    except zstandard.ZstdError:  # they have too little in common
        return None
    dictionary = frames.numbered(made.as_bytes())
    best = frames.best_with(dictionary)
    saved = sum(max(0, size - len(best(content))) for content, size in judges)
    return dictionary if saved * count > 2 * len(frames.text(dictionary)) * len(judges) else None


def _samples(reader: Reader, step: int) -> list[tuple[bytes, int]]:
    """What frames hold, and how many bytes the smallest frame of it has that is made without such a dictionary."""
    found = []
    rows = reader.db.execute("SELECT rid FROM blob WHERE content IS NOT NULL AND rid % ? = 0", (step,))
    for (rid,) in rows.fetchall():
        frame = chains.stored(reader.db, rid)
        try:
            content = frames.expand(frame, chains.MAX_ARTIFACT, reader.db)
        except ValueError:
            continue  # damaged
        if 0 < len(content) <= _LARGEST:
            found.append((content, min(len(frame), len(frames.compress_best(content)))))
    return found


def keep(writer: Writer, dictionary: bytes) -> None:
    """Let frames be made with it."""
    writer.set_setting(f"{frames.OWN}{frames.id_of(dictionary)}", frames.text(dictionary))


def drop_unused(writer: Writer) -> None:
    """Remove dictionaries that no frame needs."""
    if there := kept(writer):
        for name in there.keys() - needed(writer):
            writer.remove_setting(name)


def kept(reader: Reader) -> dict[str, bytes]:
    """The settings that hold dictionaries, by name."""
    query = "SELECT name, CAST(value AS BLOB) FROM setting WHERE name GLOB ?"
    return dict(reader.db.execute(query, (f"{frames.OWN}*",)))


def needed(reader: Reader) -> set[str]:
    """What the settings are called that frames need."""
    # An empty one is in the table `large`; damage may have left a value of another type.
    beginning = "substr(CAST(content AS BLOB), 1, 18) FROM"
    query = f"SELECT {beginning} blob WHERE content > x'' UNION ALL SELECT {beginning} large"
    ids = {frames.own_id(each) for (each,) in reader.db.execute(query) if each}
    return {f"{frames.OWN}{number}" for number in ids - {None}}
