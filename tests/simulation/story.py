"""The trace of one history: a line for each thing that happened, with the hour, who did it, and what came of it."""

from datetime import UTC, datetime
from typing import Final

_WHO: Final = 12  # columns


class Story:
    """Told line by line; `now_ms` is the true time of the history."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.now_ms = 0
        self._depth = 0

    def tell(self, who: str, what: str) -> None:
        """A line, indented where it happens while something else is under way."""
        hour = datetime.fromtimestamp(self.now_ms / 1_000, UTC).strftime("%H:%M:%S.%f")[:-3]
        self.lines.append(f"{hour}  {'  ' * self._depth}{who:{_WHO}} {what}")

    def deeper(self) -> None:
        """What follows happens while something else is under way."""
        self._depth += 1

    def higher(self) -> None:
        self._depth -= 1

    def __str__(self) -> str:
        return "".join(f"{line}\n" for line in self.lines)
