"""All cuboids of a dense cube, rolled up from its widest one.

The cuboids with one attribute less are most of the work, for the widest has far more cells than any
other; they are made in one pass over it. Each of the rest is made from the smallest there is that
has one attribute more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from faultsight.localize.cuboids.kernels import drop_each, drop_in_turn
from faultsight.localize.cuboids.passes import Attributes, Rows
from faultsight.localize.threads import run_all

__all__ = ["RollUp"]


class RollUp:
    """How all cuboids of a dense cube are made from the widest.

    Parameters
    ----------
    cardinalities : sequence of int
        Of all attributes.
    starts : mapping of tuple of int to int
        Where the cells of every cuboid begin among those of all, the cuboids by layer.

    Attributes
    ----------
    work : int
        How many values are added up.

    Examples
    --------
    >>> roll_up = RollUp((2, 3), {(0,): 0, (1,): 2, (0, 1): 5})
    >>> flat = np.empty((1, 11))
    >>> roll_up.run([np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0])], flat, in_threads=False)
    >>> flat[0].tolist()
    [7.0, 56.0, 9.0, 18.0, 36.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0]
    """

    def __init__(self, cardinalities: Sequence[int], starts: Mapping[Attributes, int]) -> None:
        n = len(cardinalities)
        whole = tuple(range(n))
        self._cardinalities = tuple(cardinalities)
        self._sizes = np.array(cardinalities, dtype=np.int64)
        n_cells = math.prod(cardinalities)
        self._place = slice(starts[whole], starts[whole] + n_cells)
        # Where the cuboid that lacks attribute a begins, for each a, and where the widest does.
        self._has_narrower = n > 1
        narrower = [whole[:a] + whole[a + 1 :] for a in whole] if n > 1 else []
        self._starts = np.array([starts[a] for a in (*narrower, whole)], dtype=np.int64)
        self._starts_in_place = np.append(self._starts[:-1], -1)
        steps = [self._step(attributes, starts) for attributes in starts if len(attributes) < n - 1]
        self._steps = np.array(steps[::-1], dtype=np.int64).reshape(-1, 5)
        self.work = n_cells + int(self._steps[:, 2:].prod(axis=1).sum())

    def run(self, source: Rows | None, flat: NDArray[np.float64], *, in_threads: bool) -> None:
        """Write the sums of a source, a row for each column, into the cells of all cuboids.

        Without a source, the cells of the widest cuboid are there already.
        """
        tasks = [
            partial(self._roll_up, None if source is None else source[number], row)
            for number, row in enumerate(flat)
        ]
        run_all(tasks, workers=None if in_threads else 1)

    def _roll_up(self, values: NDArray[np.float64] | None, row: NDArray[np.float64]) -> None:
        if not self._has_narrower:
            if values is not None:
                row[self._place] = values
        elif values is not None:
            drop_each(values, row, self._sizes, self._starts)
        else:
            drop_each(row[self._place], row, self._sizes, self._starts_in_place)
        drop_in_turn(row, self._steps)

    def _step(
        self, attributes: Attributes, starts: Mapping[Attributes, int]
    ) -> tuple[int, int, int, int, int]:
        """Return how to make a cuboid from the smallest that has one attribute more."""
        others = [a for a in range(len(self._cardinalities)) if a not in attributes]
        dropped = min(others, key=self._cardinalities.__getitem__)
        before = tuple(a for a in attributes if a < dropped)
        after = attributes[len(before) :]
        outer, inner = (math.prod(self._cardinalities[a] for a in some) for some in (before, after))
        source = starts[(*before, dropped, *after)]
        return source, starts[attributes], outer, self._cardinalities[dropped], inner
