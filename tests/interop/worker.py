"""What everybody has who plays in the driver: a name, dice that all share, what was done so far."""

import random
from collections.abc import Callable, Sequence


class Worker:
    """Somebody who does one of `actions`, (weight, what), when it is his turn."""

    actions: Sequence[tuple[int, Callable[[], object]]]

    def __init__(self, name: str, rng: random.Random, trace: list[str]) -> None:
        self.name, self.rng, self.commits = name, rng, 0
        self._trace, self._made = trace, 0

    def act(self) -> None:
        weights, actions = zip(*self.actions, strict=True)
        self.rng.choices(actions, weights)[0]()

    def note(self, command: str, code: int, said: str) -> str:
        """Write down what was done; that line."""
        last = said.strip().splitlines()[-1:]
        self._trace.append(f"{self.name}$ {command}  -> {code} {last}")
        return self._trace[-1]

    def new(self, word: str) -> str:
        """A name that nobody else makes."""
        self._made += 1
        return f"{word}-{self.name}-{self._made}"
