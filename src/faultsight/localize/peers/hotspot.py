"""HotSpot: the set of combinations of one cuboid whose change would ripple to what is seen.

If a set of combinations is the cause, the ripple effect says that each of its leaves changes in
proportion to its forecast. The potential score of a set tells how much nearer the leaves seen are
to the leaves so deduced than to the forecast. A Monte Carlo tree search looks for the best set of
each cuboid, layer by layer, and passes on to the next layer only what lies below the best sets.

The deduced values of different combinations of a cuboid concern different leaves, so that the
squared distance explained by a set is the sum of what its members explain. Each member's part
comes from four cuboid sums, and the search never looks at a leaf.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import log, sqrt

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import SettingError
from faultsight.core.seed import random_stream
from faultsight.localize.contract import Answer, Candidate, Finding, LayerTrace, Localizer
from faultsight.localize.cuboids import Cuboids
from faultsight.localize.leaves import Leaves

__all__ = ["HotSpot", "HotSpotConfig"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class HotSpotConfig:
    """Settings of HotSpot.

    Attributes
    ----------
    steps : int
        Most sets that the search scores in one cuboid, after those of one member. 100, as public
        implementations have it.
    potential_threshold : float
        The search ends at a potential score of this. 0.95, as public implementations have it.
    exploration : float
        Weight of the unvisited in the upper confidence bound; the customary sqrt(2).
    layer_penalty, size_penalty : float
        What a layer and a member cost in the choice between sets. 0.01 and 0.02, as public
        implementations have it; the paper asks for the fewest members among sets that are
        equally good, and without a price every leaf of noise would be a member.
    seed : int
        Of the search's random draws.

    Raises
    ------
    SettingError
        If there is no step, the threshold is outside (0, 1], or another number is negative.
    """

    steps: int = 100
    potential_threshold: float = 0.95
    exploration: float = sqrt(2)
    layer_penalty: float = 0.01
    size_penalty: float = 0.02
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise SettingError(f"steps must be at least 1, not {self.steps}")
        if not 0 < self.potential_threshold <= 1:
            raise SettingError(
                f"potential_threshold must lie in (0, 1], not {self.potential_threshold}"
            )
        for name in ("exploration", "layer_penalty", "size_penalty", "seed"):
            if getattr(self, name) < 0:
                raise SettingError(f"{name} must be at least 0, not {getattr(self, name)}")


@dataclass(frozen=True)
class _BestSet:
    """The best set of a cuboid: its cells, and what each explains of the squared distance."""

    attributes: tuple[int, ...]
    cells: NDArray[np.intp]
    explained: Array
    rank: float

    @property
    def potential(self) -> float:
        return _potential(float(self.explained.sum()))


@dataclass
class _Node:
    """A set in the search tree: positions in the list of members, each below the next."""

    members: tuple[int, ...]
    explained: float
    parent: _Node | None
    next_member: int
    children: list[_Node] = field(default_factory=list)
    is_exhausted: bool = False
    visits: int = 0
    best: float = 0.0


class HotSpot(Localizer):
    """Report the combinations of the best set; one set, of one cuboid.

    A pattern's score is its own potential score, its confidence that of the set. For derived KPIs
    the additive pair of the KPI is localized: the method is one for additive KPIs.

    Parameters
    ----------
    config : HotSpotConfig, optional
        Settings.

    References
    ----------
    Y. Sun et al., "HotSpot: anomaly localization for additive KPIs with multi-dimensional
    attributes", IEEE Access 6, 2018: ripple effect, potential score, search and pruning.

    Examples
    --------
    >>> import polars as pl
    >>> from faultsight.core.cube import KpiCube
    >>> cube = KpiCube.from_frame(pl.DataFrame({
    ...     "province": ["x", "x", "y", "y"], "isp": ["a", "b", "a", "b"],
    ...     "real": [5.0, 10.0, 50.0, 50.0], "predict": [10.0, 20.0, 50.0, 50.0]}))
    >>> [(str(p.combination), p.confidence) for p in HotSpot().localize(cube).patterns]
    [('province=x', 1.0)]
    """

    def __init__(self, *, config: HotSpotConfig | None = None) -> None:
        self.config = config or HotSpotConfig()

    def _localize(self, leaves: Leaves) -> Answer:
        actual, forecast = leaves.actual, leaves.forecast
        distance = float(((actual - forecast) ** 2).sum())
        if distance == 0:
            return Answer(abstained="every leaf is as forecast")
        cuboids = leaves.cuboids()
        sums = cuboids.sums(actual, forecast, actual * forecast, forecast**2)
        best: dict[tuple[int, ...], _BestSet] = {}
        trace = []
        for layer in range(1, len(leaves.cardinalities) + 1):
            visited = [a for a in cuboids.attribute_sets if len(a) == layer]
            scored = 0
            for attributes in visited:
                explained = _explained(sums[attributes]) / distance
                open_cells = _below_best(cuboids, attributes, best, explained > 0)
                scored += len(open_cells)
                if len(open_cells):
                    best[attributes] = self._search(attributes, open_cells, explained[open_cells])
            reached = [best[a] for a in visited if a in best]
            trace.append(
                LayerTrace(
                    title=f"layer {layer}",
                    cuboids=len(visited),
                    combinations=scored,
                    accepted=tuple(
                        self.name_of(leaves, _elements(cuboids, s.attributes, cell))
                        for s in sorted(reached, key=lambda s: -s.rank)
                        for cell in s.cells
                    ),
                    note="best sets of the layer's cuboids",
                )
            )
            if not reached or max(s.potential for s in reached) >= self.config.potential_threshold:
                break
        order = sorted(best.values(), key=lambda s: (-s.rank, _names(leaves, s.attributes)))
        if not order:
            return Answer(abstained="no combination changed as one", trace=trace)
        winner, losers = order[0], order[1:]
        return Answer(
            findings=[
                Finding(
                    elements=_elements(cuboids, winner.attributes, cell),
                    score=_potential(part),
                    confidence=winner.potential,
                    reason=f"one of the {len(winner.cells)} members of the set with potential "
                    f"score {winner.potential:.3f}",
                )
                for cell, part in zip(winner.cells, winner.explained.tolist(), strict=True)
            ],
            dropped=[
                Candidate(
                    _elements(cuboids, s.attributes, cell),
                    _potential(part),
                    f"its set has potential score {s.potential:.3f} with {len(s.cells)} members",
                )
                for s in losers
                for cell, part in zip(s.cells, s.explained.tolist(), strict=True)
            ][:10],
            trace=trace,
        )

    def _search(
        self, attributes: tuple[int, ...], cells: NDArray[np.intp], explained: Array
    ) -> _BestSet:
        """Search the sets of these cells for the best by Monte Carlo tree search."""
        config = self.config
        # A set of more members than steps is out of reach, so that smaller parts need no node.
        order = np.argsort(-explained, kind="stable")[: config.steps]
        parts = explained[order].tolist()
        price = config.layer_penalty * len(attributes)
        root = _Node((), 0.0, None, len(parts), visits=len(parts))
        for member, part in enumerate(parts):
            child = _Node((member,), part, root, member + 1, visits=1, best=_potential(part))
            root.children.append(child)
        best = root.children[0]
        root.best = best.best
        best_rank = best.best - price - config.size_penalty
        # The same draws for each cuboid: neither names nor order of attributes change the answer.
        stream = random_stream(config.seed, "hotspot")
        for _ in range(config.steps):
            if root.best >= config.potential_threshold:
                break
            node = _grow(root, parts, stream, config.exploration)
            if node is None:
                break
            node.best = _potential(node.explained)
            rank = node.best - price - config.size_penalty * len(node.members)
            if rank > best_rank:
                best, best_rank = node, rank
            climb: _Node | None = node
            while climb is not None:
                climb.visits += 1
                climb.best = max(climb.best, node.best)
                climb = climb.parent
        members = order[list(best.members)]
        return _BestSet(attributes, cells[members], explained[members], round(best_rank, 12))


def _explained(sums: Array) -> Array:
    """Return how much of the squared distance vanishes if each cell's change ripples down.

    With r = sum v / sum f the deduced leaf is r f, and sum (v - f)^2 - sum (v - r f)^2 is
    (1 - r^2) sum f^2 - 2 (1 - r) sum v f. Where nothing was forecast nothing can ripple.
    """
    actual, forecast, product, square = sums
    ratio = np.divide(actual, forecast, out=np.ones(len(actual)), where=forecast > 0)
    return np.asarray((1 - ratio**2) * square - 2 * (1 - ratio) * product, dtype=np.float64)


def _potential(explained: float) -> float:
    """Return the potential score of a set that explains a share of the squared distance."""
    left = 1.0 - explained
    # The root of a rounding error would be far from nothing.
    return 1.0 - sqrt(left) if left > 1e-12 else 1.0


def _below_best(
    cuboids: Cuboids,
    attributes: tuple[int, ...],
    best: dict[tuple[int, ...], _BestSet],
    is_open: NDArray[np.bool_],
) -> NDArray[np.intp]:
    """Return the open cells of which a parent is in the best set of its cuboid."""
    cells = cuboids.cell_of_leaves(attributes)
    is_below = np.full(len(cells), len(attributes) == 1)
    for free in attributes if len(attributes) > 1 else ():
        above = tuple(a for a in attributes if a != free)
        if above in best:
            is_below |= np.isin(cuboids.cell_of_leaves(above), best[above].cells)
    found: NDArray[np.intp] = np.unique(cells[is_below & is_open[cells]])
    return found


def _grow(
    root: _Node, parts: list[float], stream: np.random.Generator, exploration: float
) -> _Node | None:
    """Select a node and return its new child; None once the tree holds every set.

    A child adds one member that explains less than all before it, so that each set has one place
    in the tree. The better the best child is, the more likely the search goes down, not sideways.
    """
    node = root
    while True:
        can_expand = node.next_member < len(parts)
        children = [child for child in node.children if not child.is_exhausted]
        reward = max((child.best for child in children), default=-1.0)
        if can_expand and stream.random() > reward:
            member = node.next_member
            node.next_member += 1
            child = _Node((*node.members, member), node.explained + parts[member], node, member + 1)
            node.children.append(child)
            return child
        if children:
            visits = log(node.visits)
            node = max(children, key=lambda c: c.best + exploration * sqrt(visits / c.visits))
        elif not can_expand:
            node.is_exhausted = True
            if node.parent is None:
                return None
            node = node.parent


def _elements(cuboids: Cuboids, attributes: tuple[int, ...], cell: int) -> dict[int, int]:
    codes = cuboids.elements_of_cell(attributes, int(cell))
    return dict(zip(attributes, map(int, codes), strict=True))


def _names(leaves: Leaves, attributes: tuple[int, ...]) -> list[str]:
    return sorted(leaves.cube.attributes[a] for a in attributes)
