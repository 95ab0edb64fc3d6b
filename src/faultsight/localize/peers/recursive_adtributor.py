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
from faultsight.localize.cuboids import Cuboids
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
        0.4, where the thesis has 0.1 to 0.2: with these nearly every cut has values that qualify
        and the recursion ends in single leaves, thousands of them. The public implementation's
        0.2 is of a power shared out over all attributes that are left, 0.8 of one of four at the
        top and 0.2 at the bottom.
    n_attributes : int
        How many attributes are followed in each sub-cube, the most surprising first. 3, as in
        Adtributor.

    Raises
    ------
    SettingError
        If the threshold is outside [0, 1) or no attribute is to be followed.
    """

    t_eep: float = 0.4
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
        recursion = _Recursion(self.config, leaves, cuboids)
        explained = recursion.explain((), np.flatnonzero(leaves.is_active))
        moved: dict[tuple[int, ...], Array] = {}
        findings = []
        for elements, share in explained.items():
            attributes, codes = zip(*elements, strict=True)
            if attributes not in moved:
                moved[attributes] = surprise(recursion.sums[attributes])
            findings.append(
                Finding(
                    elements=dict(elements),
                    score=float(moved[attributes][cuboids.cell_of_elements(attributes, codes)]),
                    confidence=share,
                    reason=f"accounts for {share:.0%} of the change, in a set of values that "
                    "cannot all be cut finer",
                )
            )
        return Answer(
            findings=findings,
            abstained=f"no attribute has some, but not all, of its values explain more than "
            f"{self.config.t_eep:.0%} of the change",
            trace=[
                LayerTrace(
                    title=f"layer {layer}",
                    cuboids=len({cuboid for cuboid, _ in asked}),
                    combinations=sum(n_values for _, n_values in asked),
                    note=f"{len(asked)} times an attribute was asked in a sub-cube",
                )
                for layer, asked in sorted(recursion.asked.items())
            ],
        )


class _Recursion:
    """One run: the sums of every cuboid, and what was asked and answered so far."""

    def __init__(self, config: RecursiveAdtributorConfig, leaves: Leaves, cuboids: Cuboids) -> None:
        self.config = config
        self.leaves = leaves
        self.cuboids = cuboids
        self.sums = cuboids.sums(*columns_of(leaves))
        self.cells: dict[tuple[int, ...], NDArray[np.intp]] = {}
        self.asked: dict[int, list[tuple[tuple[int, ...], int]]] = {}
        # A sub-cube is reached on as many ways as its elements have orders.
        self.known: dict[Elements, dict[Elements, float]] = {}

    def explain(self, fixed: Elements, inside: NDArray[np.intp]) -> dict[Elements, float]:
        """Return the combinations that explain the change of a sub-cube.

        `inside` are the active leaves of the sub-cube that `fixed` cuts out. Each combination
        comes with the share that it explains of the sub-cube's change.
        """
        if fixed in self.known:
            return self.known[fixed]
        explained: dict[Elements, float] = {}
        for attribute, values in self._candidates(fixed, inside):
            here = {tuple(sorted([*fixed, (attribute, v)])): p for v, p in values.items()}
            finer: dict[Elements, float] = {}
            for value, (elements, power) in zip(values, here.items(), strict=True):
                below = self.explain(
                    elements, inside[self.leaves.codes[inside, attribute] == value]
                )
                if not below:
                    # One value that cannot be cut finer keeps the whole set as it is.
                    finer = {}
                    break
                finer.update((place, power * share) for place, share in below.items())
            for place, share in (finer or here).items():
                explained[place] = max(share, explained.get(place, 0.0))
        self.known[fixed] = explained
        return explained

    def _candidates(
        self, fixed: Elements, inside: NDArray[np.intp]
    ) -> list[tuple[int, dict[int, float]]]:
        """Return the attributes that explain a sub-cube, with the powers of their values."""
        answers = []
        for attribute in set(range(len(self.leaves.cardinalities))) - {a for a, _ in fixed}:
            cuboid = tuple(sorted([a for a, _ in fixed] + [attribute]))
            if cuboid not in self.cells:
                self.cells[cuboid] = self.cuboids.cell_of_leaves(cuboid)
            cells = np.unique(self.cells[cuboid][inside])
            self.asked.setdefault(len(cuboid), []).append((cuboid, len(cells)))
            sums = self.sums[cuboid][:, cells]
            power = explanatory_power(sums)
            if power is None:
                continue
            chosen = np.flatnonzero(power > self.config.t_eep)
            if not 0 < len(chosen) < len(cells):
                continue
            place = cuboid.index(attribute)
            values = {
                self.cuboids.elements_of_cell(cuboid, int(cells[i]))[place]: float(power[i])
                for i in chosen
            }
            # Attributes that split the cube alike must tie, whatever the order of their sums.
            total = round(float(surprise(sums)[chosen].sum()), 12)
            answers.append((-total, self.leaves.cube.attributes[attribute], attribute, values))
        answers.sort(key=lambda answer: answer[:2])
        return [answer[2:] for answer in answers[: self.config.n_attributes]]
