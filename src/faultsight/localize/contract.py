"""What a localizer is: `localize(cube)` ranks the attribute combinations at the root of a fault.

The public verb validates once and describes what was found in the cube's own words; a member
implements `_localize` on the leaves of one KPI and answers with element codes and scores.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from faultsight.core.combination import AttributeCombination
from faultsight.core.cube import KpiCube
from faultsight.core.errors import InputError, SettingError
from faultsight.core.kpi import Kpi
from faultsight.localize.leaves import Leaves

__all__ = [
    "Answer",
    "Candidate",
    "Finding",
    "LayerTrace",
    "Localization",
    "Localizer",
    "RootPattern",
]

Direction = Literal["rise", "drop", "none"]

_WORTH_SORTING = 50
"""From so many findings in a cuboid, sorting its leaves once beats a pass for each."""


@dataclass(frozen=True)
class Finding:
    """A root as a member answers it, in codes.

    Attributes
    ----------
    elements : mapping of int to int
        Attribute position to element code.
    score : float
        What the member ranks by; higher is a more likely root.
    confidence : float
        Between 0 and 1, by the member's own measure.
    reason : str
        Why it was kept, in one sentence.
    p_value, stability : float, optional
        Chance of such a finding in noise after multiple testing; share of bootstrap samples of
        the leaves in which it is found again.
    """

    elements: Mapping[int, int]
    score: float
    confidence: float
    reason: str
    p_value: float | None = None
    stability: float | None = None


@dataclass(frozen=True)
class Candidate:
    """A combination that was looked at closely and dropped, and why; in codes."""

    elements: Mapping[int, int]
    score: float
    reason: str


@dataclass(frozen=True)
class LayerTrace:
    """What the search did in one layer of the cube (or one step, for searches without layers).

    Attributes
    ----------
    title : str
        Such as ``"layer 1"`` or ``"step 2"``.
    cuboids, combinations : int
        How many cuboids were visited and how many combinations were scored.
    accepted, dropped : tuple of str
        Text forms of combinations, best first; at most the ten best dropped.
    note : str
        What else should be known, such as why the search ended.
    """

    title: str
    cuboids: int
    combinations: int
    accepted: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Answer:
    """What a member's `_localize` returns.

    Attributes
    ----------
    findings : sequence of Finding
        Roots, in any order; the contract ranks them.
    dropped : sequence of Candidate
        The nearest losers.
    abstained : str
        Why nothing is reported, if nothing is.
    trace : sequence of LayerTrace
        The search, for people to look at. Elements are written with `Localizer.name_of`.
    remarks : sequence of str
        What an operator should know, such as a global shift that was taken out.
    """

    findings: Sequence[Finding] = ()
    dropped: Sequence[Candidate] = ()
    abstained: str = ""
    trace: Sequence[LayerTrace] = ()
    remarks: Sequence[str] = ()


@dataclass(frozen=True)
class RootPattern:
    """One ranked root anomaly pattern.

    Attributes
    ----------
    combination : AttributeCombination
        Where.
    kpis : tuple of str
        Which of the cube's KPIs show it.
    score, confidence : float
        The member's ranking score; its confidence in [0, 1].
    direction : {"rise", "drop", "none"}
        Of the actual value against the forecast.
    actual, forecast : float
        The KPI over the combination's leaves, aggregated before it is derived.
    impact : float
        Share of the overall deviation that lies in the combination; above 1 where other places
        deviate the other way, and 0 where the whole does not deviate.
    leaves, leaf_share : int, float
        Active leaves covered, and their share of all active leaves.
    reason : str
        Why it was kept.
    p_value, stability : float or None
        See `Finding`.
    """

    combination: AttributeCombination
    kpis: tuple[str, ...]
    score: float
    confidence: float
    direction: Direction
    actual: float
    forecast: float
    impact: float
    leaves: int
    leaf_share: float
    reason: str
    p_value: float | None = None
    stability: float | None = None

    @property
    def layer(self) -> int:
        """How many attributes the combination fixes."""
        return self.combination.layer


@dataclass(frozen=True)
class DroppedPattern:
    """A combination that lost, and why."""

    combination: AttributeCombination
    score: float
    reason: str


@dataclass(frozen=True)
class Localization:
    """The answer to "where?": ranked root patterns of one cube.

    Attributes
    ----------
    method : str
        The localizer that answered.
    attributes : tuple of str
        The cube's attributes, in order.
    patterns : tuple of RootPattern
        Best first, in a total order (score, then layer, then text).
    dropped : tuple of DroppedPattern
        The nearest losers, best first.
    abstained : str
        Why there are no patterns; empty if there are.
    trace : tuple of LayerTrace
        How the search went.
    remarks : tuple of str
        What an operator should know.

    Examples
    --------
    >>> Localization("scan", ("site",), (), abstained="no deviation beyond noise").combinations
    ()
    """

    method: str
    attributes: tuple[str, ...]
    patterns: tuple[RootPattern, ...]
    dropped: tuple[DroppedPattern, ...] = ()
    abstained: str = ""
    trace: tuple[LayerTrace, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def combinations(self) -> tuple[AttributeCombination, ...]:
        """The combinations alone, best first."""
        return tuple(pattern.combination for pattern in self.patterns)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; combinations as mappings of attribute to element."""
        return {
            "method": self.method,
            "attributes": list(self.attributes),
            "abstained": self.abstained,
            "remarks": list(self.remarks),
            "patterns": [
                {
                    "rank": rank,
                    "combination": dict(p.combination),
                    "text": p.combination.display(self.attributes),
                    "layer": p.layer,
                    "kpis": list(p.kpis),
                    "score": p.score,
                    "confidence": p.confidence,
                    "direction": p.direction,
                    "actual": p.actual,
                    "forecast": p.forecast,
                    "impact": p.impact,
                    "leaves": p.leaves,
                    "leaf_share": p.leaf_share,
                    "p_value": p.p_value,
                    "stability": p.stability,
                    "reason": p.reason,
                }
                for rank, p in enumerate(self.patterns, start=1)
            ],
            "dropped": [
                {"combination": dict(d.combination), "score": d.score, "reason": d.reason}
                for d in self.dropped
            ],
            "search": [
                {
                    "title": t.title,
                    "cuboids": t.cuboids,
                    "combinations": t.combinations,
                    "accepted": list(t.accepted),
                    "dropped": list(t.dropped),
                    "note": t.note,
                }
                for t in self.trace
            ],
        }


class Localizer(ABC):
    """The base of every localizer: keyword settings in `__init__`, one verb.

    A member keeps its settings in a frozen dataclass `config`, and implements `_localize`.

    Examples
    --------
    >>> from faultsight.localize import LOCALIZERS
    >>> issubclass(LOCALIZERS.load("scan"), Localizer)
    True
    """

    config: Any
    name: ClassVar[str] = ""
    excused: ClassVar[Mapping[str, str]] = {}
    """Contract checks that this member cannot pass by its nature: name to reason."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in vars(cls):
            cls.name = cls.__module__.rpartition(".")[2]

    def localize(self, cube: KpiCube) -> Localization:
        """Rank the attribute combinations at the root of a fault.

        Parameters
        ----------
        cube : KpiCube
            Leaves with actual and forecast values. Of several KPIs, each is localized and what
            several of them show is ranked higher.

        Returns
        -------
        Localization
            Ranked patterns, or none and the reason in `abstained`.

        Raises
        ------
        InputError
            If the cube holds no leaf.
        """
        if not isinstance(cube, KpiCube):
            raise InputError(
                f"a {type(cube).__name__} is not a KpiCube; make one with KpiCube.from_frame"
            )
        if cube.n_leaves == 0:
            raise InputError("the cube holds no leaf", source=cube.name or None)
        if not cube.kpis:
            raise SettingError("the cube names no KPI to localize")
        parts = []
        for kpi in cube.kpis:
            leaves = Leaves(cube, kpi)
            if leaves.is_active.any():
                answer = self._localize(leaves)
            else:
                answer = Answer(abstained="every leaf is 0 and was expected to be 0")
            parts.append(self._describe(leaves, answer))
        return parts[0] if len(parts) == 1 else _merge(parts, cube.kpis)

    @abstractmethod
    def _localize(self, leaves: Leaves) -> Answer:
        """Answer for one KPI; at least one leaf is active."""

    @staticmethod
    def name_of(leaves: Leaves, elements: Mapping[int, int]) -> str:
        """Return the text form of a combination given in codes."""
        return leaves.cube.combination(elements).display(leaves.cube.attributes)

    def _describe(self, leaves: Leaves, answer: Answer) -> Localization:
        cube = leaves.cube
        deviation = leaves.actual - leaves.forecast
        overall = deviation.sum()
        # Sums that cancel leave rounding behind; that is no deviation to share out.
        if abs(overall) <= 1e-12 * np.abs(deviation).sum():
            overall = 0.0
        n_active = int(leaves.is_active.sum())
        patterns = []
        for finding, inside in zip(answer.findings, _insides(cube, answer.findings), strict=True):
            combination = cube.combination(finding.elements)
            change = float(deviation[inside].sum())
            actual, forecast = leaves.value(inside)
            active = int(leaves.is_active[inside].sum())
            patterns.append(
                RootPattern(
                    combination=combination,
                    kpis=(leaves.kpi.name,),
                    score=_rounded(finding.score),
                    confidence=_rounded(min(max(finding.confidence, 0.0), 1.0)),
                    direction="rise" if change > 0 else "drop" if change < 0 else "none",
                    actual=_rounded(actual),
                    forecast=_rounded(forecast),
                    impact=_rounded(change / overall) if overall else 0.0,
                    leaves=active,
                    leaf_share=_rounded(active / n_active),
                    reason=finding.reason,
                    p_value=finding.p_value,
                    stability=finding.stability,
                )
            )
        patterns.sort(key=lambda p: (-p.score, p.combination))
        dropped = [
            DroppedPattern(cube.combination(c.elements), _rounded(c.score), c.reason)
            for c in answer.dropped
        ]
        dropped.sort(key=lambda d: (-d.score, d.combination))
        abstained = "" if patterns else answer.abstained or "no combination stands out"
        return Localization(
            method=self.name,
            attributes=cube.attributes,
            patterns=tuple(patterns),
            dropped=tuple(dropped),
            abstained=abstained,
            trace=tuple(answer.trace),
            remarks=tuple(answer.remarks),
        )


def _insides(cube: KpiCube, findings: Sequence[Finding]) -> list[NDArray[np.intp]]:
    """Return the positions of the leaves inside each finding.

    There may be as many findings as leaves: each cuboid is sorted once, and a finding is a run.
    """
    sorted_leaves: dict[tuple[int, ...], tuple[NDArray[np.intp], list[NDArray[np.int32]]]] = {}
    n_findings = Counter(tuple(sorted(f.elements)) for f in findings)
    insides = []
    for finding in findings:
        attributes = tuple(sorted(finding.elements))
        if n_findings[attributes] < _WORTH_SORTING:
            insides.append(cube.leaves_of(cube.combination(finding.elements)))
            continue
        if attributes not in sorted_leaves:
            columns = [cube.codes[:, a] for a in attributes]
            order = np.lexsort(columns[::-1])
            sorted_leaves[attributes] = order, [column[order] for column in columns]
        order, columns = sorted_leaves[attributes]
        start, stop = 0, cube.n_leaves
        for attribute, column in zip(attributes, columns, strict=True):
            code = np.int32(finding.elements[attribute])
            run = column[start:stop]
            first, end = np.searchsorted(run, code, "left"), np.searchsorted(run, code, "right")
            start, stop = start + int(first), start + int(end)
        insides.append(order[start:stop])
    return insides


def _rounded(value: float) -> float:
    """Return the value to 12 significant digits: sums in another order must rank the same."""
    return float(f"{value:.12g}")


def _merge(parts: Sequence[Localization], kpis: Sequence[Kpi]) -> Localization:
    """Join the answers for several KPIs.

    Scores of different KPIs share no scale; ranks do. A pattern's score becomes the sum of its
    reciprocal ranks, so that what several KPIs show comes first.
    """
    scores: dict[AttributeCombination, float] = {}
    shown: dict[AttributeCombination, list[RootPattern]] = {}
    for part in parts:
        for rank, pattern in enumerate(part.patterns, start=1):
            combination = pattern.combination
            scores[combination] = scores.get(combination, 0.0) + 1.0 / rank
            shown.setdefault(combination, []).append(pattern)
    patterns = [
        replace(
            found[0],
            kpis=tuple(name for p in found for name in p.kpis),
            score=_rounded(scores[combination]),
            confidence=max(p.confidence for p in found),
            reason="; ".join(f"{p.kpis[0]}: {p.reason}" for p in found),
        )
        for combination, found in shown.items()
    ]
    patterns.sort(key=lambda p: (-p.score, p.combination))
    silent = [(k.name, p.abstained) for k, p in zip(kpis, parts, strict=True) if p.abstained]
    return Localization(
        method=parts[0].method,
        attributes=parts[0].attributes,
        patterns=tuple(patterns),
        dropped=tuple(d for p in parts for d in p.dropped if d.combination not in shown),
        abstained="" if patterns else "; ".join(f"{name}: {why}" for name, why in silent),
        trace=tuple(
            replace(t, title=f"{k.name}, {t.title}")
            for k, p in zip(kpis, parts, strict=True)
            for t in p.trace
        ),
        remarks=tuple(r for p in parts for r in p.remarks),
    )
