"""A head on patterns: what looks like a marked false alarm sinks, like a marked anomaly rises.

A pattern is the direction in which the KPIs of a marked row deviate, up and down, in units of what
is usual for entity and KPI. With `c` the largest cosine of a row with any pattern of a kind, and
`k(c) = max(0, (c - reach) / (1 - reach))`, the score is multiplied by

    exp(t (raised k(c of anomalies) - k(c of false alarms))).

There is one number to learn, the strength `t`. Each mark is compared with the patterns of marks
apart from it, so that `t` tells how far marks speak for others; it is shrunk towards 0. Where kinds
of faults and of false alarms do not recur, it stays near 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from faultsight.core.errors import InputError, SettingError
from faultsight.core.seed import random_stream
from faultsight.detect.contract import Score
from faultsight.detect.tuning.marked_rows import MarkedRows, MarkedSpan

__all__ = ["PatternConfig", "PatternHead", "fit_patterns"]

Array = NDArray[np.float64]
Directions = NDArray[np.float32]

_STRONGEST = 3.0
_TINY = 1e-12
_ROWS_A_BLOCK = 65_536


@dataclass(frozen=True)
class PatternConfig:
    """Settings of `fit_patterns`.

    Parameters
    ----------
    reach : float
        Cosine from which on a row is like a pattern at all.
    raised : float
        How much anomalies raise, in terms of how much false alarms sink. A false alarm is known
        as such; of an anomaly's span, some rows show little of it.
    shrinkage : float
        Penalty on the strength squared, in marked spans.
    peak_share : float
        Share of an anomaly's span that should be above the level.
    strength : float
        Rows make a pattern only if they deviate, in squares, so many times as much as the median
        row of their entity.
    distinct : float
        A row whose cosine with a pattern of its kind is above this adds none of its own.
    most : int
        Patterns of each kind.
    apart_rows : int
        Marks of one entity nearer than this are not told apart by strength.
    history_rows : int
        Rows of history compared, of all entities together.
    seed : int
        Of the rows drawn.
    """

    reach: float = 0.6
    raised: float = 0.25
    shrinkage: float = 10.0
    peak_share: float = 0.2
    strength: float = 2.0
    distinct: float = 0.98
    most: int = 500
    apart_rows: int = 12
    history_rows: int = 2_000
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.reach < 1 or not 0 < self.distinct <= 1:
            raise SettingError("reach lies in [0, 1) and distinct in (0, 1]")
        if self.raised < 0 or self.shrinkage <= 0 or self.strength < 0:
            raise SettingError("raised and strength are at least 0, and shrinkage above 0")
        if not 0 < self.peak_share <= 1:
            raise SettingError(f"peak_share must be above 0 and at most 1, not {self.peak_share}")
        if min(self.most, self.history_rows) < 1 or self.apart_rows < 0:
            raise SettingError("most and history_rows are at least 1, and apart_rows at least 0")


@dataclass(frozen=True, eq=False)
class PatternHead:
    """What marks look like, and how far that counts.

    Parameters
    ----------
    kpis : tuple of str
        The KPIs of a direction.
    anomalies, false_alarms : array of shape (pattern, kpi)
        float32; unit vectors.
    strength : float
        t; 0 changes nothing.
    reach, raised : float
        See `PatternConfig`.

    Examples
    --------
    >>> seen = np.float32([[1.0, 0.0]])
    >>> head = PatternHead(("drops", "load"), seen, -seen, strength=1.0)
    >>> head.factors(np.array([[9.0, 0.0], [-9.0, 0.0], [0.0, 9.0]])).round(2).tolist()
    [1.28, 0.37, 1.0]
    """

    kpis: tuple[str, ...]
    anomalies: Directions
    false_alarms: Directions
    strength: float
    reach: float = PatternConfig.reach
    raised: float = PatternConfig.raised

    def __post_init__(self) -> None:
        for table in (self.anomalies, self.false_alarms):
            if table.ndim != 2 or table.shape[1] != len(self.kpis) or not np.isfinite(table).all():
                raise InputError(f"patterns are finite rows of {len(self.kpis)} KPIs")
        bounds = 0 <= self.strength <= _STRONGEST and 0 <= self.reach < 1 and self.raised >= 0
        if not bounds:
            raise InputError("strength, reach or raised is out of bounds")

    def factors(self, deviations: NDArray[np.floating]) -> Array:
        """Return what the score of each row is multiplied by.

        Parameters
        ----------
        deviations : array of shape (time, kpi)
            See `Score.deviations`; NaN is missing.
        """
        pull = np.empty(len(deviations))
        for start in range(0, len(deviations), _ROWS_A_BLOCK):
            block = _directions(deviations[start : start + _ROWS_A_BLOCK])
            pull[start : start + len(block)] = self.raised * _likeness(
                block, self.anomalies, self.reach
            ) - _likeness(block, self.false_alarms, self.reach)
        return np.asarray(np.exp(self.strength * pull))

    def apply(self, score: Score, deviations: NDArray[np.floating] | None) -> Score:
        """Return the score as the head sees it; its residuals still add up to its total.

        Parameters
        ----------
        score : Score
            Perhaps already changed by a residual head.
        deviations : array of shape (time, kpi)
            `Score.deviations` of the score before that.

        Raises
        ------
        InputError
            If the score has no signed deviations or other KPIs.
        """
        if deviations is None or score.residuals is None:
            raise InputError("patterns need signed residuals per KPI", source=score.entity)
        if score.kpis != self.kpis:
            raise InputError("the score has other KPIs than the patterns", source=score.entity)
        factors = self.factors(deviations)
        residuals = (score.residuals * factors[:, None]).astype(np.float32)
        return replace(score, total=score.total * factors, residuals=residuals)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "kpis": list(self.kpis),
            "anomalies": self.anomalies.tolist(),
            "false_alarms": self.false_alarms.tolist(),
            "strength": self.strength,
            "reach": self.reach,
            "raised": self.raised,
        }

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Self:
        """Return the head of `to_dict`.

        Raises
        ------
        InputError
            If a part is missing or is not what `to_dict` writes.
        """
        try:
            kpis = tuple(str(kpi) for kpi in told["kpis"])
            anomalies, false_alarms = (
                np.array(told[name], dtype=np.float32).reshape(-1, len(kpis))
                for name in ("anomalies", "false_alarms")
            )
            strength, reach, raised = (float(told[k]) for k in ("strength", "reach", "raised"))
            return cls(kpis, anomalies, false_alarms, strength, reach, raised)
        except (KeyError, TypeError, ValueError, OverflowError) as problem:
            raise InputError(f"these are no patterns: {problem!r}") from None


def fit_patterns(
    scores: Sequence[Score],
    plain: Sequence[Score],
    levels: Mapping[str, float],
    history_rows: Mapping[str, int],
    marked: MarkedRows,
    config: PatternConfig | None = None,
) -> PatternHead:
    """Collect patterns from marks, and learn how far they count.

    Parameters
    ----------
    scores : sequence of Score
        Of history and of the rows that the marks speak of, as they are deployed without patterns.
    plain : sequence of Score
        The same before a residual head; their deviations make the patterns.
    levels : mapping of str to float
        The levels deployed.
    history_rows : mapping of str to int
        How many of an entity's first rows are history.
    marked : MarkedRows
        What was marked.
    config : PatternConfig, optional
        Settings.

    Raises
    ------
    InputError
        If a score has no signed deviations.

    Examples
    --------
    A false alarm teaches about its like at another entity:

    >>> from faultsight.core.feedback import Mark, MarkKind
    >>> from faultsight.core.kpi_frame import TimeWindow
    >>> from faultsight.detect.tuning.marked_rows import rows_of_marks
    >>> residuals = np.full((40, 2), 0.1, np.float32)
    >>> residuals[30:] = [9.0, 0.0]
    >>> scores = [Score(e, 0, 60, ("drops", "load"), residuals.sum(axis=1, dtype=float), residuals,
    ...                 residuals < 0) for e in "abcdefgh"]
    >>> marks = [Mark(e, TimeWindow(1800, 1860), MarkKind.FALSE_ALARM) for e in "abcdefg"]
    >>> head = fit_patterns(scores, scores, dict.fromkeys("abcdefgh", 4.0),
    ...                     dict.fromkeys("abcdefgh", 30), rows_of_marks(scores, marks))
    >>> head.strength > 0.2, bool(head.apply(scores[7], scores[7].deviations).total[35] < 8.0)
    (True, True)
    """
    config = config or PatternConfig()
    kpis = scores[0].kpis
    deviations = {score.entity: _known(score) for score in plain}
    patterns = _Patterns.of(deviations, history_rows, marked, config)
    strength = 0.0
    if len(patterns.directions):
        rows = _rows(scores, deviations, levels, history_rows, marked, patterns, config)
        strength = float(
            minimize_scalar(rows.loss, bounds=(0.0, _STRONGEST), method="bounded",
                            options={"xatol": 1e-4}).x
        )  # fmt: skip
    kept = [
        _distinct(patterns.directions[patterns.is_anomaly == kind], config)
        for kind in (True, False)
    ]
    return PatternHead(kpis, kept[0], kept[1], strength, config.reach, config.raised)


@dataclass(frozen=True, eq=False)
class _Patterns:
    """Directions of all marked rows that deviate markedly, and of which span each is."""

    directions: Directions
    is_anomaly: NDArray[np.bool_]
    span: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        deviations: Mapping[str, NDArray[np.float32]],
        history_rows: Mapping[str, int],
        marked: MarkedRows,
        config: PatternConfig,
    ) -> _Patterns:
        n_kpis = next(iter(deviations.values())).shape[1]
        found, kinds, numbers = [np.empty((0, n_kpis), np.float32)], [], []
        usual: dict[str, float] = {}
        for number, span in enumerate(marked.spans):
            entity = span.mark.entity
            if entity not in usual:
                past = deviations[entity][: history_rows.get(entity, 0)]
                usual[entity] = float(np.median((past**2).sum(axis=1))) if len(past) else 0.0
            rows = deviations[entity][span.rows]
            size = (rows**2).sum(axis=1)
            strong = (size >= np.median(size)) & (size > config.strength * usual[entity])
            found.append(_directions(rows[strong]))
            kinds += [span.is_anomaly] * int(strong.sum())
            numbers += [number] * int(strong.sum())
        return cls(
            np.concatenate(found), np.array(kinds, dtype=bool), np.array(numbers, dtype=np.int64)
        )

    def likeness(
        self,
        rows: NDArray[np.float32],
        config: PatternConfig,
        *,
        without: NDArray[np.bool_] | None = None,
    ) -> Array:
        """Return the pull on each row of patterns but those of some spans."""
        counts = np.ones(len(self.span), bool) if without is None else ~without[self.span]
        directions = _directions(rows)
        raised, sunk = (
            _likeness(directions, self.directions[counts & (self.is_anomaly == kind)], config.reach)
            for kind in (True, False)
        )
        return config.raised * raised - sunk


@dataclass(frozen=True, eq=False)
class _Rows:
    """What the strength is learned from."""

    margin: Array
    """(row,) logarithm of score over level."""
    pull: Array
    normal_weight: Array
    bags: list[NDArray[np.int64]]
    config: PatternConfig

    def loss(self, strength: float) -> float:
        margin = self.margin + strength * self.pull
        loss = float(self.normal_weight @ np.logaddexp(0.0, margin))
        for bag in self.bags:
            n_high = max(int(self.config.peak_share * len(bag)), 1)
            high = np.sort(margin[bag])[-n_high:]
            loss += float(np.logaddexp(0.0, -high).mean())
        return loss + self.config.shrinkage * strength**2


def _rows(
    scores: Sequence[Score],
    deviations: Mapping[str, NDArray[np.float32]],
    levels: Mapping[str, float],
    history_rows: Mapping[str, int],
    marked: MarkedRows,
    patterns: _Patterns,
    config: PatternConfig,
) -> _Rows:
    """Lay out marked rows, each seen by patterns of marks apart from it, and rows of history."""
    totals = {score.entity: score.total for score in scores}
    usual = float(np.median(list(levels.values())))
    margins, pulls, weights, bags = [], [], [], []
    n_rows = 0

    def add(entity: str, at: NDArray[np.int64], weight: float, pull: Array) -> None:
        level = max(levels.get(entity, usual), _TINY)
        margins.append(np.log(np.maximum(totals[entity][at], _TINY) / level))
        pulls.append(pull)
        weights.append(np.full(len(at), weight / len(at)))

    for span in marked.spans:
        entity = span.mark.entity
        rows = span.rows[np.isfinite(totals[entity][span.rows])]
        if not len(rows):
            continue
        near = np.array([_is_near(span, other, config.apart_rows) for other in marked.spans])
        pull = patterns.likeness(deviations[entity][rows], config, without=near)
        add(entity, rows, 0.0 if span.is_anomaly else 1.0, pull)
        if span.is_anomaly:
            bags.append(np.arange(n_rows, n_rows + len(rows)))
        n_rows += len(rows)
    drawn = -(-config.history_rows // len(scores))
    for score in scores:
        past = np.isfinite(score.total[: history_rows.get(score.entity, 0)])
        past &= ~marked.is_marked(score.entity, len(score))[: len(past)]
        pool = np.flatnonzero(past)
        if not len(pool):
            continue
        if len(pool) > drawn:
            stream = random_stream(config.seed, "patterns", score.entity)
            pool = np.sort(stream.choice(pool, drawn, replace=False))
        pull = patterns.likeness(deviations[score.entity][pool], config)
        add(score.entity, pool, len(marked.spans) / len(scores), pull)
        n_rows += len(pool)
    if not n_rows:
        return _Rows(np.empty(0), np.empty(0), np.empty(0), [], config)
    return _Rows(
        np.concatenate(margins), np.concatenate(pulls), np.concatenate(weights), bags, config
    )


def _is_near(span: MarkedSpan, other: MarkedSpan, apart_rows: int) -> bool:
    return (
        span.mark.entity == other.mark.entity
        and span.rows[0] - apart_rows <= other.rows[-1]
        and other.rows[0] - apart_rows <= span.rows[-1]
    )


def _known(score: Score) -> NDArray[np.float32]:
    deviations = score.deviations
    if deviations is None:
        raise InputError("patterns need signed residuals per KPI", source=score.entity)
    return np.nan_to_num(deviations)


def _directions(rows: NDArray[np.floating]) -> Directions:
    known = np.nan_to_num(rows).astype(np.float32)
    length = np.linalg.norm(known, axis=1, keepdims=True)
    return np.asarray(known / np.maximum(length, np.float32(1e-9)))


def _likeness(directions: Directions, patterns: Directions, reach: float) -> Array:
    if not len(patterns):
        return np.zeros(len(directions))
    cosine = _largest_cosine(directions, np.ascontiguousarray(patterns.T)).astype(np.float64)
    return np.clip((cosine - reach) / (1.0 - reach), 0.0, 1.0)


@njit(nogil=True, cache=True)
def _largest_cosine(
    directions: Directions, patterns: Directions
) -> Directions:  # pragma: no cover - compiled
    """Return each row's; sums have one order, so that a row's never depends on other rows."""
    n_rows, n_kpis = directions.shape
    largest = np.empty(n_rows, np.float32)
    sums = np.empty(patterns.shape[1], np.float32)
    for row in range(n_rows):
        sums[:] = np.float32(0.0)
        for kpi in range(n_kpis):
            sums += directions[row, kpi] * patterns[kpi]
        largest[row] = sums.max()
    return largest


def _distinct(directions: Directions, config: PatternConfig) -> Directions:
    """Return directions of which none is close to an earlier one; evenly thinned if too many."""
    kept = np.empty_like(directions)
    n_kept = 0
    for row in directions:
        if not n_kept or float((kept[:n_kept] @ row).max()) < config.distinct:
            kept[n_kept] = row
            n_kept += 1
    if n_kept <= config.most:
        return kept[:n_kept].copy()
    return kept[np.arange(config.most) * n_kept // config.most]
