"""AC-guided layer-by-layer top-down search: from coarse combinations to fine ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from faultsight.localize.cuboids import Cuboids

__all__ = ["LayerSearched", "Scored", "search"]

_NEAREST = 10
"""How many of the combinations that came nearest to being accepted are kept, each layer."""


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

    attributes: tuple[int, ...]
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
        The nearest of those that cover an anomalous leaf and were not confident enough.
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
        Of the attributes that were kept, the most telling first.
    is_active, is_anomalous : ndarray of bool, shape (n_leaves,)
        Which leaves count, and which of them are anomalous.
    ranks : sequence of int, one for each attribute
        Ascending ranks by classification power; equal for equal power. Cuboids of equal rank are
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
    is_covered = ~is_anomalous
    below: dict[tuple[int, ...], NDArray[np.bool_]] = {}
    layers: list[LayerSearched] = []

    def turn(attributes: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
        return len(attributes), tuple(ranks[a] for a in attributes)

    for (layer, _), equals in groupby(sorted(cuboids.attribute_sets, key=turn), key=turn):
        if early_stop and is_covered.all():
            break
        if len(layers) < layer:
            layers.append(LayerSearched(layer))
        for attributes in equals:
            accepted = _visit(
                cuboids, attributes, sums[attributes], below, t_conf=t_conf, found=layers[-1]
            )
            if accepted.any():
                below[attributes] = accepted[cuboids.cell_of_leaves(attributes)]
                is_covered |= below[attributes]
        layers[-1].uncovered = int((~is_covered).sum())
    return layers


def _visit(
    cuboids: Cuboids,
    attributes: tuple[int, ...],
    sums: NDArray[np.float64],
    below: dict[tuple[int, ...], NDArray[np.bool_]],
    *,
    t_conf: float,
    found: LayerSearched,
) -> NDArray[np.bool_]:
    """Search one cuboid, note what was found, and return which of its cells were accepted."""
    leaves, anomalous = sums
    is_open = leaves > 0
    found.cuboids += 1
    found.combinations += int(is_open.sum())
    above = [mask for ancestors, mask in below.items() if set(ancestors) < set(attributes)]
    if above:
        # All leaves of a combination lie below the same ancestors, so its leaves tell whether
        # it does.
        is_below = np.zeros(len(leaves), dtype=bool)
        is_below[cuboids.cell_of_leaves(attributes)[np.logical_or.reduce(above)]] = True
        n_pruned = int((is_open & is_below).sum())
        found.pruned += n_pruned
        found.combinations -= n_pruned
        is_open &= ~is_below
    confidence = np.divide(anomalous, leaves, out=np.zeros(len(leaves)), where=is_open)
    is_accepted = confidence > t_conf

    def scored(cell: int) -> Scored:
        codes = tuple(int(code) for code in cuboids.elements_of_cell(attributes, cell))
        return Scored(attributes, codes, int(leaves[cell]), int(anomalous[cell]))

    found.accepted.extend(scored(int(cell)) for cell in np.flatnonzero(is_accepted))
    misses = np.flatnonzero((confidence > 0) & ~is_accepted)
    nearest = misses[np.argsort(-confidence[misses], kind="stable")[:_NEAREST]]
    found.missed.extend(scored(int(cell)) for cell in nearest)
    found.missed.sort(key=lambda miss: -miss.confidence)
    del found.missed[_NEAREST:]
    return is_accepted
