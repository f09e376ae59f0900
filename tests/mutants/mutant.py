"""A one-line fault, as a patch of one place."""

from pathlib import Path
from typing import NamedTuple


class Mutant(NamedTuple):
    """A fault: in `file` the text `right`, which is there once, becomes `wrong`.

    `kind`: of the histories that are to find it, as `--kind` of tests.simulation names them.
    `seed`: the first that found it when that was last looked for, at running.LEVEL; it changes with the package. 0: it
    was not looked for yet.
    """

    name: str
    seed: int
    file: str
    right: str
    wrong: str
    kind: str = "primary"

    def apply(self, root: Path) -> None:
        """Put it into the copy of the package under `root`. Raises ValueError: it does not apply."""
        path = root / self.file
        text = path.read_text()
        if text.count(self.right) != 1:
            raise ValueError(
                f"{self.name} does not apply: {self.file} has its place {text.count(self.right)} times"
            )
        path.write_text(text.replace(self.right, self.wrong))
