"""RobustSpot: association rules among the leaves that move the overall ratio most.

References
----------
Y. Sun, D. Cheng, P. Jin et al., "Robust anomaly clue localization of multi-dimensional derived
measure for online video services", IEEE Transactions on Services Computing 2023,
doi:10.1109/TSC.2022.3155500: anomaly degree and contribution ability of a leaf, and weighted
association rule mining.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import SettingError
from faultsight.localize.contract import Answer, Candidate, Finding, LayerTrace, Localizer
from faultsight.localize.leaves import Leaves
from faultsight.localize.peers._kneedle import knee

__all__ = ["RobustSpot", "RobustSpotConfig"]

Array = NDArray[np.float64]
Items = tuple[tuple[int, int], ...]
"""A combination: pairs of attribute position and element code, by attribute."""

_MOST_ITEMS = 3
_MOST_CAUSES = 5
_ROUNDS = 3
_KNEE_SENSITIVITY = 6.0
_KNEE_DEGREE = 7


@dataclass(frozen=True)
class RobustSpotConfig:
    """Settings of RobustSpot, all from its authors.

    Attributes
    ----------
    n_causes : int
        How many causes are reported; a cause can be several sibling combinations. 3.
    amplification : float
        A leaf counts floor(amplification x influence x contribution) times in the mining; 100.
    min_confidence : float
        A set of elements is mined if one of its rules has a confidence above; 0.8.
    fallback_influence : float
        Least influence degree of a leaf where the distribution of degrees has no knee; 0.5.

    Raises
    ------
    SettingError
        If a number is outside its range.
    """

    n_causes: int = 3
    amplification: float = 100.0
    min_confidence: float = 0.8
    fallback_influence: float = 0.5

    def __post_init__(self) -> None:
        if self.n_causes < 1:
            raise SettingError(f"n_causes must be at least 1, not {self.n_causes}")
        if not self.amplification > 0:
            raise SettingError(f"amplification must be above 0, not {self.amplification}")
        for name in ("min_confidence", "fallback_influence"):
            if not 0 <= getattr(self, name) <= 1:
                raise SettingError(f"{name} must lie in [0, 1], not {getattr(self, name)}")


class RobustSpot(Localizer):
    """Report the causes whose share of the influential leaves most exceeds that of all leaves.

    That excess is a pattern's score. The authors drop one attribute of their own data, the
    peer-to-peer flag, from merged causes; here no name is special.

    Parameters
    ----------
    config : RobustSpotConfig, optional
        Settings.

    Examples
    --------
    >>> import polars as pl
    >>> from faultsight.core.cube import KpiCube
    >>> from faultsight.core.kpi import Kpi
    >>> cdn, bitrate = np.repeat(range(4), 5), np.tile(range(5), 4)
    >>> cube = KpiCube.from_frame(pl.DataFrame({"cdn": cdn, "bitrate": bitrate,
    ...     "stalls": np.where(cdn == 2, 40.0, 2.0), "stalls_forecast": np.full(20, 2.0),
    ...     "viewers": np.full(20, 100.0), "viewers_forecast": np.full(20, 100.0)}),
    ...     measures={m: (m, m + "_forecast") for m in ("stalls", "viewers")},
    ...     kpis=[Kpi.ratio("stall_ratio", "stalls", "viewers")])
    >>> RobustSpot().localize(cube).patterns[0].combination
    AttributeCombination('cdn=2')
    """

    def __init__(self, *, config: RobustSpotConfig | None = None) -> None:
        self.config = config or RobustSpotConfig()

    def _localize(self, leaves: Leaves) -> Answer:
        counts = _Counts.of(leaves)
        every = np.arange(len(counts.codes))
        selected, ranked = self._mine(counts, every)
        if not ranked:
            return Answer(abstained="no leaf both deviates and worsens the whole")
        causes: list[tuple[Items, ...]] = []
        for first in ranked[:_ROUNDS]:
            rest = every[~counts.holds(first, every)]
            second = self._mine(counts, rest)[1][:1]
            third: list[Items] = []
            if second:
                third = self._mine(counts, rest[~counts.holds(second[0], rest)])[1]
            causes += _siblings([first], second, third)
        causes += [(cause,) for cause in ranked]
        causes = [self._common_part(counts, every, cause) for cause in causes]
        gains = {
            cause: round(counts.support(cause, selected) - counts.support(cause, every), 12)
            for cause in dict.fromkeys(tuple(sorted(c)) for c in causes)
        }
        order = sorted(gains, key=lambda cause: -gains[cause])
        findings: dict[Items, Finding] = {}
        for cause in order[: self.config.n_causes]:
            share = counts.support(cause, selected)
            reason = f"{share:.0%} of the influential leaves, {gains[cause]:+.0%} against all"
            if len(cause) > 1:
                reason += f", with {len(cause) - 1} siblings"
            for items in cause:
                findings.setdefault(items, Finding(dict(items), gains[cause], share, reason))
        dropped = [
            Candidate(dict(items), gains[cause], "other causes gain more")
            for cause in order[self.config.n_causes :]
            for items in cause[:1]
            if len(cause) == 1 and items not in findings
        ]
        trace = LayerTrace(
            title="association rules",
            cuboids=len({tuple(a for a, _ in items) for cause in gains for items in cause}),
            combinations=len(gains),
            accepted=tuple(self.name_of(leaves, dict(items)) for items in findings),
            dropped=tuple(self.name_of(leaves, c.elements) for c in dropped),
            note=f"{len(selected)} influential leaves of {len(every)}",
        )
        return Answer(list(findings.values()), dropped, trace=[trace])

    def _mine(
        self, counts: _Counts, places: NDArray[np.intp]
    ) -> tuple[NDArray[np.intp], list[Items]]:
        """Return the influential leaves among some, and the likeliest causes, best first."""
        influence = counts.influence(places)
        contribution = counts.contribution(places)
        positive = np.sort(influence[influence > 0])
        least = _influence_knee(positive)
        if least is None:
            least = self.config.fallback_influence
        is_selected = (influence > least) & (contribution > 0)
        times = influence * np.minimum(contribution, 1e6) * self.config.amplification
        selected, times = places[is_selected], np.floor(np.round(times[is_selected], 9))
        if times.sum() == 0:
            return selected, []
        items: Items = tuple(
            (attribute, int(np.argmax(np.bincount(column, weights=times))))
            for attribute, column in enumerate(counts.codes[selected].T)
        )
        causes: list[Items] = []
        for size in range(2, _MOST_ITEMS + 1):
            for candidate in combinations(items, size):
                together = counts.weight(candidate, selected, times)
                # The rule from the rarest part of the set is the surest.
                parts = [
                    counts.weight(p, selected, times) for p in combinations(candidate, size - 1)
                ]
                if together > self.config.min_confidence * min(parts):
                    causes.append(candidate)
        causes += [(item,) for item in items]
        gain = [
            round(counts.support((c,), selected) - counts.support((c,), places), 12) for c in causes
        ]
        order = sorted(range(len(causes)), key=lambda i: -gain[i])
        return selected, [causes[i] for i in order[:_MOST_CAUSES]]

    @staticmethod
    def _common_part(
        counts: _Counts, every: NDArray[np.intp], cause: tuple[Items, ...]
    ) -> tuple[Items, ...]:
        """Return what siblings share if they fill nine tenths of it, else the siblings."""
        shared = tuple(item for item in cause[0] if all(item in other for other in cause))
        if len(cause) > 1 and shared:
            filled = counts.support(cause, every) / counts.support((shared,), every)
            if filled >= 0.9:
                return (shared,)
        return cause


@dataclass(frozen=True)
class _Counts:
    """The active leaves: their KPI, and the counts behind it if it is a ratio."""

    codes: NDArray[np.int32]
    actual: Array
    forecast: Array
    has_forecast: NDArray[np.bool_]
    parts: tuple[tuple[Array, Array], ...]

    @classmethod
    def of(cls, leaves: Leaves) -> _Counts:
        if not leaves.kpi.is_ratio:
            active = leaves.is_active
            sides = leaves.actual[active], leaves.forecast[active]
            return cls(leaves.codes[active], *sides, np.ones(len(sides[0]), dtype=bool), ())
        (failures, failures_forecast), (total, total_forecast) = leaves.parts
        active = (total > 0) | (total_forecast > 0)
        parts = tuple((a[active], f[active]) for a, f in leaves.parts)
        actual = leaves.kpi.value(failures[active], total[active])
        forecast = leaves.kpi.value(failures_forecast[active], total_forecast[active])
        return cls(leaves.codes[active], actual, forecast, total_forecast[active] > 0, parts)

    def influence(self, places: NDArray[np.intp]) -> Array:
        """Return how much each leaf deviates against the mean deviation of the others."""
        actual, forecast = self.actual[places], self.forecast[places]
        n_others = max(len(places) - 1, 1)
        others = ((actual.sum() - actual) - (forecast.sum() - forecast)) / n_others
        own, others = np.abs(actual - forecast), np.abs(others)
        own[~self.has_forecast[places]] = 0.0
        degree: Array = np.divide(own, own + others, out=np.zeros(len(own)), where=own > 0)
        return degree

    def contribution(self, places: NDArray[np.intp]) -> Array:
        """Return how much each leaf alone would worsen the overall ratio; 1 if there is none."""
        if not self.parts:
            return np.ones(len(places))
        (failures, failures_forecast), (total, total_forecast) = (
            (a[places], f[places]) for a, f in self.parts
        )
        whole_failures, whole = failures_forecast.sum(), total_forecast.sum()
        if whole_failures <= 0:
            # Where no failure was expected, every failing leaf worsens the whole beyond measure.
            return (failures > 0).astype(np.float64)
        numerator = failures + whole_failures - failures_forecast
        denominator = total + whole - total_forecast
        ratio = np.divide(numerator, denominator, out=np.zeros(len(places)), where=denominator > 0)
        result: Array = ratio * whole / whole_failures - 1
        return result

    def holds(self, items: Items, places: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Return which leaves lie in a combination."""
        attributes = [attribute for attribute, _ in items]
        elements = [element for _, element in items]
        inside: NDArray[np.bool_] = (self.codes[places][:, attributes] == elements).all(axis=1)
        return inside

    def weight(self, items: Items, places: NDArray[np.intp], times: Array) -> float:
        """Return how many times the leaves in a combination count together."""
        return float(times[self.holds(items, places)].sum())

    def support(self, cause: Sequence[Items], places: NDArray[np.intp]) -> float:
        """Return the share of leaves that lie in the combinations of a cause."""
        return sum(int(self.holds(items, places).sum()) for items in cause) / max(len(places), 1)


def _influence_knee(influence: Array) -> float | None:
    """Return the knee of the distribution of ascending degrees, smoothed by a polynomial."""
    if len(influence) < 2 or influence[0] == influence[-1]:
        return None
    share = np.arange(1, len(influence) + 1) / len(influence)
    # Chebyshev polynomials on [-1, 1] span the same curves as powers do, and lose no digits.
    unit = 2 * (influence - influence[0]) / (influence[-1] - influence[0]) - 1
    degree = min(_KNEE_DEGREE, len(influence) - 1)
    basis = np.polynomial.chebyshev.chebvander(unit, degree)
    smooth = basis @ np.linalg.lstsq(basis, share, rcond=None)[0]
    return knee(influence, np.round(smooth, 12), sensitivity=_KNEE_SENSITIVITY)


def _siblings(*rounds: Sequence[Items]) -> list[tuple[Items, ...]]:
    """Return pairs and triples of causes of three rounds that differ in elements only."""
    merged: list[tuple[Items, ...]] = []
    for one, two in combinations(rounds, 2):
        merged += [(a, b) for a in one for b in two if _are_siblings(a, b)]
    merged += [
        (a, b, c) for a in rounds[0] for b in rounds[1] for c in rounds[2] if _are_siblings(a, b, c)
    ]
    return merged


def _are_siblings(*causes: Items) -> bool:
    if len({tuple(attribute for attribute, _ in items) for items in causes}) > 1:
        return False
    return any(len(set(column)) == len(causes) for column in zip(*causes, strict=True))
