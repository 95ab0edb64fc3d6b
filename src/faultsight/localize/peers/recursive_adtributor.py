"""Recursive Adtributor: Adtributor's two measures, asked again inside each value that it names.

Each attribute gives the set of its values that explain enough of the change. The cube is then cut
to each of these values and the question is put to the attributes that are left; where they have
no answer, the set stands.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import SettingError
from faultsight.localize.contract import Answer, Finding, LayerTrace, Localizer
from faultsight.localize.cuboids import Cells, Cuboids
from faultsight.localize.leaves import Leaves
from faultsight.localize.peers.adtributor import columns_of, explanatory_power, surprise

__all__ = ["RecursiveAdtributor", "RecursiveAdtributorConfig"]

Array = NDArray[np.float64]
Elements = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class RecursiveAdtributorConfig:
    """Settings of Recursive Adtributor.

    Attributes
    ----------
    t_eep : float
        A value must explain more than this share of the change of the sub-cube that it lies in.
        0.2, as public implementations have it; the thesis tries several.
    n_attributes : int
        How many attributes are followed in each sub-cube, the most surprising first. 3, as in
        Adtributor.

    Raises
    ------
    SettingError
        If the threshold is outside [0, 1) or no attribute is to be followed.
    """

    t_eep: float = 0.2
    n_attributes: int = 3

    def __post_init__(self) -> None:
        if not 0 <= self.t_eep < 1:
            raise SettingError(f"t_eep must lie in [0, 1), not {self.t_eep}")
        if self.n_attributes < 1:
            raise SettingError(f"n_attributes must be at least 1, not {self.n_attributes}")


class RecursiveAdtributor(Localizer):
    """Report the values that explain the change, cut finer as long as a finer cut explains it.

    A pattern's score is its surprise against the whole cube, which compares patterns of different
    layers; its confidence is the product of the explanatory powers on the way to it, for an
    additive KPI its share of the overall change.

    Parameters
    ----------
    config : RecursiveAdtributorConfig, optional
        Settings.

    References
    ----------
    M. Persson, L. Rudenius, "Anomaly detection and fault localization: an automated process for
    advertising systems", master's thesis, Chalmers 2018. Adtributor: see `Adtributor`.

    Examples
    --------
    >>> import polars as pl
    >>> from faultsight.core.cube import KpiCube
    >>> cube = KpiCube.from_frame(pl.DataFrame({
    ...     "center": ["x", "x", "y", "y"], "os": ["a", "b", "a", "b"],
    ...     "real": [5.0, 50.0, 50.0, 50.0], "predict": [50.0, 50.0, 50.0, 50.0]}))
    >>> [str(c) for c in RecursiveAdtributor().localize(cube).combinations]
    ['center=x&os=a']
    """

    def __init__(self, *, config: RecursiveAdtributorConfig | None = None) -> None:
        self.config = config or RecursiveAdtributorConfig()

    def _localize(self, leaves: Leaves) -> Answer:
        cuboids = leaves.cuboids()
        recursion = _Recursion(self.config, leaves, cuboids, cuboids.sums(*columns_of(leaves)))
        free = frozenset(range(len(leaves.cardinalities)))
        explained = recursion.explain((), leaves.is_active, free, 1.0)
        findings = [
            Finding(
                elements=dict(elements),
                score=recursion.overall_surprise(elements),
                confidence=share,
                reason=f"accounts for {share:.0%} of the change, and no finer cut explains it",
            )
            for elements, share in explained.items()
        ]
        return Answer(
            findings=findings,
            abstained=f"no attribute has some, but not all, of its values explain more than "
            f"{self.config.t_eep:.0%} of the change",
            trace=[
                LayerTrace(title=f"layer {layer}", cuboids=len(asked), combinations=sum(asked))
                for layer, asked in sorted(recursion.asked.items())
            ],
        )


class _Recursion:
    """One run: the sums of every cuboid, and how many values were asked in each layer."""

    def __init__(
        self,
        config: RecursiveAdtributorConfig,
        leaves: Leaves,
        cuboids: Cuboids,
        sums: Cells[np.float64],
    ) -> None:
        self.config = config
        self.leaves = leaves
        self.cuboids = cuboids
        self.sums = sums
        self.asked: dict[int, list[int]] = {}
        self.cells: dict[tuple[int, ...], NDArray[np.intp]] = {}

    def explain(
        self, fixed: Elements, inside: NDArray[np.bool_], free: frozenset[int], share: float
    ) -> dict[Elements, float]:
        """Return the combinations that explain the change of a sub-cube, with their shares.

        `inside` tells the active leaves of the sub-cube that `fixed` cuts out, `free` its
        attributes, `share` what part of the overall change it holds.
        """
        answers: list[tuple[float, str, int, dict[int, float]]] = []
        for attribute in free:
            cuboid = tuple(sorted([a for a, _ in fixed] + [attribute]))
            if cuboid not in self.cells:
                self.cells[cuboid] = self.cuboids.cell_of_leaves(cuboid)
            cells = np.unique(self.cells[cuboid][inside])
            self.asked.setdefault(len(cuboid), []).append(len(cells))
            sums = self.sums[cuboid][:, cells]
            power = explanatory_power(sums)
            if power is None:
                continue
            chosen = np.flatnonzero(power > self.config.t_eep)
            if not 0 < len(chosen) < len(cells):
                continue
            place = cuboid.index(attribute)
            values = {
                int(self.cuboids.elements_of_cell(cuboid, int(cells[i]))[place]): float(power[i])
                for i in chosen
            }
            total = round(float(surprise(sums)[chosen].sum()), 12)
            answers.append((-total, self.leaves.cube.attributes[attribute], attribute, values))
        explained: dict[Elements, float] = {}
        for _, _, attribute, values in sorted(answers)[: self.config.n_attributes]:
            here: dict[Elements, float] = {}
            finer: dict[Elements, float] | None = {}
            for value, power_here in values.items():
                elements = tuple(sorted([*fixed, (attribute, value)]))
                here[elements] = share * power_here
                if finer is None:
                    continue
                below = self.explain(
                    elements,
                    inside & (self.leaves.codes[:, attribute] == value),
                    free - {attribute},
                    here[elements],
                )
                # One value that cannot be cut finer keeps the whole set as it is.
                finer = {**finer, **below} if below else None
            explained.update(finer or here)
        return explained

    def overall_surprise(self, elements: Elements) -> float:
        """Return the surprise of a combination against the whole cube."""
        attributes, codes = zip(*elements, strict=True)
        cell = self.cuboids.cell_of_elements(attributes, codes)
        return float(surprise(self.sums[attributes])[cell])
