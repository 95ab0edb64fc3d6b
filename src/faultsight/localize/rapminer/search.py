"""AC-guided layer-by-layer top-down search: from coarse combinations to fine ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from faultsight.localize.cuboids import Cuboids

Attributes = tuple[int, ...]

__all__ = ["LayerSearched", "Scored", "search"]

_MISS = 0.5
"""A combination that reaches this share of the confidence asked for is noted as a near miss."""
_NEAREST = 10
"""How many near misses of a cuboid are noted."""


@dataclass(frozen=True)
class Scored:
    """A combination whose confidence was computed.

    Attributes
    ----------
    attributes, codes : tuple of int
        Its attributes, as positions in the cuboids' attributes, and the element of each.
    leaves, anomalous : int
        How many active leaves it covers, and how many of them are anomalous.
    """

    attributes: Attributes
    codes: tuple[int, ...]
    leaves: int
    anomalous: int

    @property
    def layer(self) -> int:
        """How many attributes it fixes."""
        return len(self.attributes)

    @property
    def confidence(self) -> float:
        """Share of its leaves that are anomalous: the confidence of the rule "here, a fault"."""
        return self.anomalous / self.leaves


@dataclass
class LayerSearched:
    """What the search did in one layer.

    Attributes
    ----------
    layer : int
        How many attributes its combinations fix.
    cuboids : int
        Cuboids visited.
    combinations : int
        Combinations whose confidence was computed: they cover an active leaf and lie below no
        accepted one.
    pruned : int
        Combinations of the visited cuboids that lie below an accepted one.
    accepted : list of Scored
        Candidates for root anomaly patterns.
    missed : list of Scored
        Near misses: at least half as confident as asked for.
    uncovered : int
        Anomalous leaves that no accepted combination covers, at the end of the layer.
    """

    layer: int
    cuboids: int = 0
    combinations: int = 0
    pruned: int = 0
    accepted: list[Scored] = field(default_factory=list)
    missed: list[Scored] = field(default_factory=list)
    uncovered: int = 0


def search(
    cuboids: Cuboids,
    is_active: NDArray[np.bool_],
    is_anomalous: NDArray[np.bool_],
    *,
    ranks: Sequence[int],
    t_conf: float,
    early_stop: bool = True,
) -> list[LayerSearched]:
    """Accept, from the top down, every anomalous combination that lies below no accepted one.

    Layer by layer, and in a layer the cuboids of the most telling attributes first, a combination
    is accepted if more than `t_conf` of its active leaves are anomalous. What lies below an
    accepted combination is not looked at again, and the search ends once the accepted combinations
    cover every anomalous leaf.

    Parameters
    ----------
    cuboids : Cuboids
        Of the attributes that were kept.
    is_active, is_anomalous : ndarray of bool, shape (n_leaves,)
        Which leaves count, and which of them are anomalous.
    ranks : sequence of int, one for each attribute
        0 for the greatest classification power, equal for equal power. Cuboids of equal rank are
        searched as one, for otherwise the early stop would let the names of attributes decide.
    t_conf : float
        The confidence that a combination must exceed.
    early_stop : bool
        Whether to end once every anomalous leaf is covered.

    Returns
    -------
    list of LayerSearched
        The layers that were begun, from the first.

    References
    ----------
    RAPMiner (DSN 2022), Definition 1 (a root anomaly pattern has no anomalous parent), Insight 2,
    Fig. 2 and Fig. 3. The steps are reconstructed from there and from the notation of Table II.
    """
    sums = cuboids.sums(is_active.astype(np.float64), is_anomalous.astype(np.float64))
    leaves, anomalous = sums.flat
    confidence = np.divide(anomalous, leaves, out=np.zeros(len(leaves)), where=leaves > 0)
    is_covered = ~is_anomalous
    below: dict[Attributes, NDArray[np.bool_]] = {}
    layers: list[LayerSearched] = []

    def turn(cuboid: int) -> tuple[int, tuple[int, ...]]:
        attributes = cuboids.attribute_sets[cuboid]
        return len(attributes), tuple(sorted(ranks[a] for a in attributes))

    for (layer, _), equals in groupby(sorted(range(len(cuboids)), key=turn), key=turn):
        if early_stop and is_covered.all():
            break
        if len(layers) < layer:
            layers.append(LayerSearched(layer))
        for cuboid in equals:
            attributes = cuboids.attribute_sets[cuboid]
            cells = slice(cuboids.offsets[cuboid], cuboids.offsets[cuboid + 1])
            scored = _Scores(attributes, leaves[cells], anomalous[cells], confidence[cells])
            is_below = _below(cuboids, attributes, below)
            is_accepted = _visit(cuboids, scored, is_below, t_conf, layers[-1])
            if is_accepted.any():
                below[attributes] = is_accepted[cuboids.cell_of_leaves(attributes)]
                is_covered |= below[attributes]
        layers[-1].uncovered = int((~is_covered).sum())
    return layers


class _Scores(NamedTuple):
    """Of one cuboid: active leaves, anomalous leaves and confidence of every cell."""

    attributes: Attributes
    leaves: NDArray[np.float64]
    anomalous: NDArray[np.float64]
    confidence: NDArray[np.float64]


def _below(
    cuboids: Cuboids, attributes: Attributes, below: Mapping[Attributes, NDArray[np.bool_]]
) -> NDArray[np.bool_] | None:
    """Return which cells of a cuboid lie below an accepted combination; None if none can."""
    above = [mask for ancestors, mask in below.items() if set(ancestors) < set(attributes)]
    if not above:
        return None
    # All leaves of a combination have the same ancestors, so any of them tells.
    is_below = np.zeros(cuboids.n_cells(attributes), dtype=bool)
    is_below[cuboids.cell_of_leaves(attributes)[np.logical_or.reduce(above)]] = True
    return is_below


def _visit(
    cuboids: Cuboids,
    cells: _Scores,
    is_below: NDArray[np.bool_] | None,
    t_conf: float,
    found: LayerSearched,
) -> NDArray[np.bool_]:
    """Search one cuboid, note what was found, and return which of its cells were accepted."""
    confidence = cells.confidence
    n_pruned = 0
    if is_below is not None:
        confidence = np.where(is_below, 0.0, confidence)
        n_pruned = int(np.count_nonzero(cells.leaves[is_below]))
    found.cuboids += 1
    found.pruned += n_pruned
    found.combinations += int(np.count_nonzero(cells.leaves)) - n_pruned

    def scored(positions: NDArray[np.intp]) -> list[Scored]:
        return [
            Scored(
                cells.attributes,
                cuboids.elements_of_cell(cells.attributes, cell),
                int(cells.leaves[cell]),
                int(cells.anomalous[cell]),
            )
            for cell in positions.tolist()
        ]

    is_accepted = confidence > t_conf
    found.accepted += scored(np.flatnonzero(is_accepted))
    misses = np.flatnonzero((confidence >= _MISS * t_conf) & (confidence > 0) & ~is_accepted)
    nearest = misses[np.argsort(-confidence[misses], kind="stable")[:_NEAREST]]
    found.missed += scored(nearest)
    return is_accepted
