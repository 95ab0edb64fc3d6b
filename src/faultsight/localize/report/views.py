"""What of a cube is drawn: two attributes, the slice in which a root is seen, and cell sums."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from faultsight.core.combination import AttributeCombination
from faultsight.localize.contract import RootPattern
from faultsight.localize.leaves import Leaves

__all__ = ["Ranked", "View", "choose_views", "relative_deviation"]

Ranked = tuple[int, RootPattern]
"""A pattern and its rank among the patterns of all KPIs."""

MAX_VIEWS = 3
MAX_ROWS = 40
MAX_COLUMNS = 24
# Elements of an attribute that are told apart at all: a picture of a million has no use.
MAX_ELEMENTS = 400


@dataclass(frozen=True, eq=False)
class View:
    """Two attributes of a cube (one, where there is one), possibly within a slice.

    Attributes
    ----------
    leaves : Leaves
        One KPI's leaves.
    rows, columns : int
        Positions of the attributes; ``columns`` is -1 where the cube has one attribute.
    slice : mapping of int to int
        Other attributes that are held at an element.
    roots : sequence of (int, RootPattern)
        Patterns of this KPI with their ranks.
    """

    leaves: Leaves
    rows: int
    columns: int
    slice: Mapping[int, int]
    roots: Sequence[Ranked]

    @cached_property
    def inside(self) -> NDArray[np.bool_]:
        """Which leaves lie in the slice."""
        inside = np.ones(len(self.leaves.codes), dtype=bool)
        for attribute, code in self.slice.items():
            inside &= self.leaves.codes[:, attribute] == code
        return inside

    @cached_property
    def cells(self) -> dict[str, NDArray[np.float64]]:
        """Sums of each cell, shape (n_rows, n_columns): actual, forecast, volume, leaves."""
        cube = self.leaves.cube
        shape = (cube.cardinalities[self.rows], cube.cardinalities[self.columns]) if (
            self.columns >= 0
        ) else (cube.cardinalities[self.rows], 1)  # fmt: skip
        codes = self.leaves.codes
        column = codes[:, self.columns] if self.columns >= 0 else 0
        cell = (codes[:, self.rows] * shape[1] + column)[self.inside]

        def total(values: NDArray[np.float64]) -> NDArray[np.float64]:
            weights = values[self.inside]
            sums: NDArray[np.float64] = np.bincount(
                cell, weights, minlength=shape[0] * shape[1]
            ).astype(np.float64)
            return sums.reshape(shape)

        parts = self.leaves.parts
        # A ratio's volume is what it is divided by; all else is its own volume.
        sized = parts[-1] if self.leaves.kpi.is_ratio else (
            self.leaves.actual, self.leaves.forecast
        )  # fmt: skip
        return {
            "actual": total(self.leaves.actual),
            "forecast": total(self.leaves.forecast),
            "volume": np.maximum(total(sized[0]), total(sized[1])),
            "leaves": total(self.leaves.is_active.astype(np.float64)),
        }

    def element(self, attribute: int, code: int) -> str:
        """Return an element's name; the whole, for the column of a one-attribute cube."""
        return self.leaves.cube.elements[attribute][code] if attribute >= 0 else "all"

    def short(self, attribute: int, code: int) -> str:
        """Return an element's name without what all long names of its attribute share."""
        return self._short_names[attribute][code] if attribute >= 0 else "all"

    @cached_property
    def _short_names(self) -> dict[int, list[str]]:
        return {
            a: _told_apart(self.leaves.cube.elements[a])
            for a in (self.rows, self.columns)
            if a >= 0
        }

    def name(self, attribute: int) -> str:
        """Return an attribute's name."""
        return self.leaves.cube.attributes[attribute] if attribute >= 0 else ""

    def shown(self, axis: int) -> list[int]:
        """Return the element codes drawn on an axis (0 rows, 1 columns), in natural order.

        Where there are too many: those of roots, then those that deviate most.
        """
        attribute = self.rows if axis == 0 else self.columns
        if attribute < 0:
            return [0]
        limit = MAX_ROWS if axis == 0 else MAX_COLUMNS
        change = np.abs(self.cells["actual"] - self.cells["forecast"]).sum(axis=1 - axis)
        present = np.flatnonzero(self.cells["leaves"].sum(axis=1 - axis) > 0)
        named = {
            root.combination[self.name(attribute)]
            for _, root in self.roots
            if self.name(attribute) in root.combination
        }
        ranked = sorted(
            present.tolist(),
            key=lambda code: (self.element(attribute, code) not in named, -change[code], code),
        )
        return sorted(ranked[:limit], key=lambda code: _natural(self.element(attribute, code)))

    def place_of(self, root: RootPattern) -> tuple[int | None, int | None, bool] | None:
        """Return a root's row and column (None: all of them) and whether it fills its cells.

        None if the root does not lie in this view.
        """
        cube = self.leaves.cube
        elements = _codes(self.leaves, root.combination)
        if any(elements.get(a, code) != code for a, code in self.slice.items()):
            return None
        if self.rows not in elements and self.columns not in elements:
            return None
        beyond = set(elements) - {self.rows, self.columns} - set(self.slice)
        beyond = {a for a in beyond if cube.cardinalities[a] > 1}
        return elements.get(self.rows), elements.get(self.columns), not beyond


def relative_deviation(actual: float, forecast: float) -> float:
    """Return (actual - forecast) / the larger of both: -1 all is missing, +1 none was expected."""
    largest = max(actual, forecast)
    return (actual - forecast) / largest if largest > 0 else 0.0


def choose_views(leaves: Leaves, roots: Sequence[Ranked]) -> list[View]:
    """Return the views in which the roots are seen best, at most three, the first the widest."""
    leaves = _condensed(leaves, roots)
    cube = leaves.cube
    n = len(cube.attributes)
    if n == 1:
        return [View(leaves, 0, -1, {}, roots)]
    weight = np.zeros(n)
    for _, root in roots:
        for attribute in root.combination:
            weight[cube.attributes.index(attribute)] += 0.1 + min(abs(root.impact), 1.0)
    if not roots:
        weight = np.array([_spread(leaves, attribute) for attribute in range(n)])
    by_weight = sorted(range(n), key=lambda a: (-weight[a], _unhandy(cube.cardinalities[a]), a))
    views: list[View] = []
    for _, root in roots:
        if any((seen := v.place_of(root)) is not None and seen[2] for v in views):
            continue
        elements = _codes(leaves, root.combination)
        pair = [a for a in by_weight if a in elements][:2]
        pair += [a for a in by_weight if a not in elements][: 2 - len(pair)]
        held = {a: code for a, code in elements.items() if a not in pair}
        views.append(_view(leaves, pair, held, roots))
        if len(views) == MAX_VIEWS:
            break
    return views or [_view(leaves, by_weight[:2], {}, roots)]


def _condensed(leaves: Leaves, roots: Sequence[Ranked]) -> Leaves:
    """Return the leaves with the least elements of large attributes taken together as one.

    Elements of roots are kept, then the largest. For drawing only: leaves repeat.
    """
    cube = leaves.cube
    elements = list(cube.elements)
    codes = cube.codes.copy()
    for attribute, name in enumerate(cube.attributes):
        size = cube.cardinalities[attribute]
        if size <= MAX_ELEMENTS:
            continue
        named = {root.combination[name] for _, root in roots if name in root.combination}
        is_named = np.array([element in named for element in elements[attribute]])
        volume = np.maximum(leaves.actual, leaves.forecast)
        volume = np.bincount(codes[:, attribute], volume, size)
        kept = np.sort(np.lexsort((-volume, ~is_named))[: max(MAX_ELEMENTS, len(named))])
        place = np.full(size, len(kept), dtype=np.int32)
        place[kept] = np.arange(len(kept))
        codes[:, attribute] = place[codes[:, attribute]]
        elements[attribute] = (
            *(elements[attribute][code] for code in kept),
            f"{size - len(kept):,} others",
        )
    return Leaves(replace(cube, elements=tuple(elements), codes=codes), leaves.kpi)


def _view(
    leaves: Leaves, pair: Sequence[int], held: Mapping[int, int], roots: Sequence[Ranked]
) -> View:
    """Return a view that is taller than wide."""
    sizes = leaves.cardinalities
    rows, columns = sorted(pair, key=lambda a: (-sizes[a], a))
    return View(leaves, rows, columns, held, roots)


def _codes(leaves: Leaves, combination: AttributeCombination) -> dict[int, int]:
    cube = leaves.cube
    return {
        (position := cube.attributes.index(a)): cube.elements[position].index(e)
        for a, e in combination.items()
    }


def _spread(leaves: Leaves, attribute: int) -> float:
    """Return how unequally the deviation is spread over an attribute's elements."""
    size = leaves.cardinalities[attribute]
    change = np.bincount(leaves.codes[:, attribute], leaves.actual - leaves.forecast, size)
    return float(np.abs(change - change.mean()).sum())


def _unhandy(cardinality: int) -> tuple[bool, int]:
    return cardinality < 2 or cardinality > MAX_ROWS, cardinality


def _told_apart(names: Sequence[str]) -> list[str]:
    """Return names as they are, or where all are long, without what they begin and end with.

    >>> _told_apart(["the north station number 1 (rack)", "the north station number 2 (rack)"])
    ['…r 1 (…', '…r 2 (…']
    """
    if len(names) < 2 or min(len(name) for name in names) < 16:
        return list(names)
    start = _common(names)
    end = _common([name[start:][::-1] for name in names])
    # Two characters of what is common are kept, to be recognized by.
    start, end = max(start - 2, 0), max(end - 2, 0)
    return [
        ("…" if start else "") + name[start : len(name) - end] + ("…" if end else "")
        for name in names
    ]


def _common(names: Sequence[str]) -> int:
    """Return with how many characters all names begin alike."""
    first, last = min(names), max(names)
    alike = (a == b for a, b in zip(first, last, strict=False))
    return next((n for n, same in enumerate(alike) if not same), min(len(first), len(last)))


def _natural(name: str) -> tuple[tuple[bool, int, str], ...]:
    """Sort L2 before L10."""
    return tuple(
        (not part.isdecimal(), int(part) if part.isdecimal() else 0, part)
        for part in re.split(r"(\d+)", name)
        if part
    )
