"""The steps that Squeeze and PSqueeze share: amount filter, density peaks, search in a cluster.

Both papers lay the same path: leaves that deviate alike are found from the bottom up, and each
such cluster is explained from the top down, by the generalized potential score. The members say
what differs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faultsight.localize.contract import Finding, LayerTrace, Localizer
from faultsight.localize.cuboids import Cuboids
from faultsight.localize.leaves import Leaves
from faultsight.localize.peers._kneedle import cumulated_density, knee
from faultsight.localize.peers._leaf_kpi import leaf_kpi

__all__ = ["Explanation", "Search", "Space", "density_peaks", "findings_of", "large_amounts"]

Array = NDArray[np.float64]
Places = NDArray[np.intp]

_MARGIN_BINS, _MARGIN_WIDTH = 5, 0.1


@dataclass(frozen=True)
class Space:
    """The leaves that take part, and their cuboids.

    Attributes
    ----------
    actual, forecast : ndarray of float64
        The KPI of each leaf.
    parts : tuple of (ndarray, ndarray)
        Actual and forecast of what is summed before the KPI is taken.
    is_ratio : bool
        Whether the KPI is the first part over the second.
    cuboids : Cuboids
        Of these leaves.
    n_elements : int
        How many elements the attributes have together.
    """

    actual: Array
    forecast: Array
    parts: tuple[tuple[Array, Array], ...]
    is_ratio: bool
    cuboids: Cuboids
    n_elements: int

    @classmethod
    def of(cls, leaves: Leaves, takes_part: NDArray[np.bool_]) -> Space:
        """Keep some leaves of a cube."""
        actual, forecast = (side[takes_part] for side in leaf_kpi(leaves))
        parts = leaves.parts if leaves.kpi.is_ratio else ((leaves.actual, leaves.forecast),)
        codes = leaves.codes[takes_part]
        return cls(
            actual,
            forecast,
            tuple((a[takes_part], f[takes_part]) for a, f in parts),
            leaves.kpi.is_ratio,
            Cuboids(codes, leaves.cardinalities),
            sum(len(np.unique(column)) for column in codes.T),
        )

    def ripple(self, inside: Places) -> tuple[float, float]:
        """Return the KPI of leaves taken together, actual and forecast."""
        totals = [(float(a[inside].sum()), float(f[inside].sum())) for a, f in self.parts]
        if not self.is_ratio:
            return totals[0]
        (failures, failures_forecast), (whole, whole_forecast) = totals
        return (
            failures / whole if whole > 0 else 0.0,
            failures_forecast / whole_forecast if whole_forecast > 0 else 0.0,
        )


def large_amounts(amounts: Array) -> Places:
    """Return the places of the amounts beyond the knee of their distribution."""
    threshold = None
    if amounts.max() > amounts.min():
        threshold = knee(*cumulated_density(amounts))
        if threshold is None:
            threshold = float(amounts.min())
    return np.arange(len(amounts)) if threshold is None else np.flatnonzero(amounts > threshold)


def density_peaks(
    deviation: Array, weights: Array, edges: Array, *, with_plateaus: bool
) -> Iterator[tuple[float, float]]:
    """Yield the range of each peak of a weighted histogram, from valley to valley.

    Parameters
    ----------
    deviation, weights : ndarray of float64
        What is counted, and how much each counts.
    edges : ndarray of float64
        Of the bins; empty bins are added on both sides.
    with_plateaus : bool
        Whether a flat top is a peak too.
    """
    margin = _MARGIN_WIDTH * np.arange(1, _MARGIN_BINS + 1)
    edges = np.concatenate([edges[0] - margin[::-1], edges, edges[-1] + margin])
    centres = (edges[:-1] + edges[1:]) / 2
    mass = np.histogram(deviation, bins=edges, weights=weights)[0]
    density = mass / (mass.sum() * np.diff(edges))
    width = max(int(np.count_nonzero(density)) // 10, 1)
    average = np.convolve(density, np.ones(width), mode="valid") / width
    # Digits are rounded off that would make two equal averages a peak and a valley.
    smooth = np.round(np.concatenate([density[: width - 1], average]), 12)
    before, after = np.roll(smooth, 1), np.roll(smooth, -1)
    is_valley = (smooth <= before) & (smooth <= after)
    if with_plateaus:
        is_peak = (smooth >= before) & (smooth >= after) & (smooth > 0)
        is_valley &= ~is_peak
        is_peak[1:] &= ~is_peak[:-1]
    else:
        is_peak = (smooth > before) & (smooth > after)
    bounds = np.concatenate([[-np.inf], centres[is_valley], [np.inf]])
    for centre in centres[is_peak]:
        place = int(np.searchsorted(bounds, centre, side="left"))
        yield float(bounds[place - 1]), float(bounds[place])


@dataclass(frozen=True)
class Explanation:
    """The elements of one cuboid that explain a cluster; `score` is their potential score."""

    attributes: tuple[int, ...]
    cells: tuple[int, ...]
    score: float
    rank: float


@dataclass(frozen=True)
class Search:
    """The search for the elements behind a cluster.

    Attributes
    ----------
    space : Space
        All leaves.
    is_normal : ndarray of bool
        The leaves that deviate less than any cluster.
    score_weight : float
        What the potential score weighs against the number of elements.
    layer_power : float
        The penalty is the number of elements times the layer to this power.
    max_elements : int
        How many elements of a cuboid are tried together.
    stop_score : float
        No deeper layer is visited once a score is above.
    """

    space: Space
    is_normal: NDArray[np.bool_]
    score_weight: float
    layer_power: float
    max_elements: int
    stop_score: float

    def explain(self, weights: Array) -> list[Explanation]:
        """Return the explanations of a cluster, best rank first.

        Parameters
        ----------
        weights : ndarray of float64
            How much each leaf belongs to the cluster; 0 outside.
        """
        cuboids = self.space.cuboids
        domain = np.flatnonzero(self.is_normal | (weights > 0))
        held = cuboids.sums(weights)
        found: list[Explanation] = []
        for layer in range(1, cuboids.max_layer + 1):
            for attributes in cuboids.attribute_sets:
                if len(attributes) == layer:
                    found += self._in_cuboid(attributes, held[attributes][0], domain)
            if any(e.score > self.stop_score for e in found):
                break
        return sorted(found, key=lambda e: -e.rank)

    def _in_cuboid(
        self, attributes: tuple[int, ...], held: Array, domain: Places
    ) -> list[Explanation]:
        """Return the best set of the elements that lie most in the cluster, if there is one."""
        space, cuboids = self.space, self.space.cuboids
        members = np.flatnonzero(held > 0)
        counts = cuboids.counts[attributes]
        # Of elements that lie in the cluster alike, those that hold more of it come first.
        purity = np.round(held[members] / counts[members], 12)
        members = members[np.lexsort((-held[members], -purity))]
        n_tried = min(len(members), self.max_elements, int(np.count_nonzero(counts)) - 1)
        if n_tried <= 0:
            return []
        order_of_cell = np.full(len(held), -1)
        order_of_cell[members[:n_tried]] = np.arange(n_tried)
        order = order_of_cell[cuboids.cell_of_leaves(attributes)[domain]]
        tried = np.flatnonzero(order >= 0)
        tried = tried[np.argsort(order[tried], kind="stable")]
        ends = np.cumsum(np.bincount(order[tried], minlength=n_tried))
        error = np.abs(space.actual - space.forecast)
        n_all, error_all = len(domain), float(error[domain].sum())
        best_score, best_n = -np.inf, 0
        for n in range(1, n_tried + 1):
            inside = domain[tried[: ends[n - 1]]]
            actual, forecast = space.ripple(inside)
            if forecast > 0:
                expected = space.forecast[inside] * (actual / forecast)
            else:
                expected = space.forecast[inside] + actual
            error_inside = float(error[inside].sum())
            n_rest = n_all - len(inside)
            rest = max(error_all - error_inside, 0.0) / n_rest if n_rest else 0.0
            now = error_inside / len(inside) + rest
            then = float(np.abs(space.actual[inside] - expected).mean()) + rest
            score = round(1 - then / now, 12) if now > 0 else -np.inf
            if score > best_score:
                best_score, best_n = score, n
        if best_n == 0:
            return []
        rank = best_score * self.score_weight - best_n * len(attributes) ** self.layer_power
        return [Explanation(attributes, tuple(members[:best_n].tolist()), best_score, rank)]


def findings_of(
    leaves: Leaves, search: Search, clusters: list[tuple[float, Array]]
) -> tuple[list[Finding], list[LayerTrace]]:
    """Explain clusters, each a mean deviation and leaf weights; return every element once.

    An element's score is the share of the overall absolute deviation that it holds in its
    clusters; its confidence is the potential score of the set that it belongs to.
    """
    space = search.space
    amounts = np.abs(space.actual - space.forecast)
    whole = float(amounts.sum())
    findings: dict[tuple[tuple[int, int], ...], Finding] = {}
    trace = []
    for mean, weights in clusters:
        explanations = search.explain(weights)
        names: list[str] = []
        for best in explanations[:1]:
            for cell in best.cells:
                codes = space.cuboids.elements_of_cell(best.attributes, cell)
                elements = dict(zip(best.attributes, codes, strict=True))
                inside = space.cuboids.leaves_of_cell(best.attributes, cell)
                share = float(amounts[inside][weights[inside] > 0].sum()) / whole
                others = f", with {len(best.cells) - 1} more" if len(best.cells) > 1 else ""
                reason = f"it explains the leaves at {mean:+.2f}{others}: score {best.score:.2f}"
                key = tuple(elements.items())
                names.append(Localizer.name_of(leaves, elements))
                if key not in findings or share > findings[key].score:
                    findings[key] = Finding(elements, share, best.score, reason)
        trace.append(
            LayerTrace(
                title=f"cluster at {mean:+.2f}",
                cuboids=len(explanations),
                combinations=sum(len(e.cells) for e in explanations),
                accepted=tuple(names),
                note=f"{np.count_nonzero(weights)} leaves",
            )
        )
    return list(findings.values()), trace
