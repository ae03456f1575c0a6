"""Chance that falls the same way on every machine and every version of Python."""

import random
from collections.abc import Sequence
from typing import TypeVar

_T = TypeVar("_T")


class Dice:
    """Draws from a seed.

    Uses `random()` alone: of all the methods of `random.Random`, Python promises only for this one
    that a seed gives the same numbers in every version.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311

    def share(self) -> float:
        """Return a number from 0 up to, not including, 1."""
        return self._random.random()

    def below(self, end: int) -> int:
        """Return a whole number from 0 up to, not including, `end`."""
        return int(self.share() * end)

    def one_of(self, values: Sequence[_T]) -> _T:
        """Return one of the values."""
        return values[self.below(len(values))]

    def shuffled(self, values: Sequence[_T]) -> list[_T]:
        """Return the values in another order."""
        order = sorted((self.share(), place) for place in range(len(values)))
        return [values[place] for _, place in order]
