"""A head on the residuals: one weight per KPI and one factor per entity, learned from marks.

Each KPI's residual is first averaged over the recent rows (`memory`), because what lasts is more
often a fault than a spike. The score of row t of entity e is then, in logarithms,

    s = log sum_c exp(a_c) r_tc + b_e

and its margin is s less the logarithm of the entity's level. Rows of a false alarm, and rows of
history, should have a margin below 0; a span in which something was wrong should have its highest
scores above 0, and only those: an operator marks a span, and the anomaly need not show in all of
it (multiple-instance learning). A logistic loss on the margins is minimised, shrunk towards
a = b = 0. The biases take up what a level can do, so that the weights need not.

A head changes the scale of scores: levels have to be set anew on the history as it scores them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from faultsight.core.errors import InputError, SettingError
from faultsight.core.seed import random_stream
from faultsight.detect.contract import Score
from faultsight.detect.tuning.aggregation import aggregate, remember
from faultsight.detect.tuning.marked_rows import MarkedRows

__all__ = ["HeadConfig", "ResidualHead", "fit_head"]

Array = NDArray[np.float64]

_NEVER_ZERO = 1e-30
"""Added to totals before a logarithm: a row that fits exactly has a score, too."""


@dataclass(frozen=True)
class HeadConfig:
    """Settings of `fit_head`.

    Attributes
    ----------
    memory : float
        Share of its last average that a residual keeps from row to row; 0 is none. 0.4 looks
        back one or two rows: spikes of one row sink, and little delay is paid for it.
    shrinkage : float
        Penalty on each squared log-weight, in marked spans. 5: a KPI needs about ten spans that
        agree before its weight changes by half. Weaker ones lost more on some data than they
        won on other.
    bias_shrinkage : float
        The same for the biases of entities.
    history_weight : float
        History counts as many spans as were marked, times this, so that it cannot drift.
    history_rows : int
        Rows drawn from each entity's history.
    peak_share : float
        Share of an anomaly's span that should be above the level.
    seed : int
        Of the rows drawn.
    """

    memory: float = 0.4
    shrinkage: float = 5.0
    bias_shrinkage: float = 5.0
    history_weight: float = 1.0
    history_rows: int = 1000
    peak_share: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.memory < 1:
            raise SettingError(f"memory is at least 0 and below 1, not {self.memory}")
        if self.shrinkage <= 0 or self.bias_shrinkage <= 0 or self.history_weight < 0:
            raise SettingError("shrinkages are positive and history_weight is at least 0")
        if self.history_rows < 1:
            raise SettingError(f"history_rows must be at least 1, not {self.history_rows}")
        if not 0 < self.peak_share <= 1:
            raise SettingError(f"peak_share must be above 0 and at most 1, not {self.peak_share}")


@dataclass(frozen=True, eq=False)
class ResidualHead:
    """Weights on residuals, learned from marks; apply it to any score with residuals per KPI.

    Parameters
    ----------
    kpis : tuple of str
        The KPIs weighted.
    log_weights : tuple of float
        One for each KPI; 0 leaves it as it is.
    entity_bias : mapping of str to float
        Added to the logarithm of an entity's score; 0 for one that is not in it.
    memory : float
        Share of its last average that a residual keeps from row to row.
    largest : int, optional
        The aggregation of the detector; see `aggregate`.

    Examples
    --------
    >>> head = ResidualHead(("drops", "load"), (float(np.log(3.0)), 0.0))
    >>> residuals = np.array([[1.0, 5.0], [2.0, 0.5]], dtype=np.float32)
    >>> plain = Score("cell-1", 0, 3600, head.kpis, residuals.sum(axis=1, dtype=float), residuals)
    >>> head.apply(plain).total.round(3).tolist()
    [8.0, 6.5]
    >>> ResidualHead.from_dict(head.to_dict()).apply(plain).total.round(3).tolist()
    [8.0, 6.5]
    """

    kpis: tuple[str, ...]
    log_weights: tuple[float, ...]
    entity_bias: Mapping[str, float] = field(default_factory=dict)
    memory: float = 0.0
    largest: int | None = None

    def __post_init__(self) -> None:
        if len(self.log_weights) != len(self.kpis):
            raise InputError(f"{len(self.kpis)} KPIs have {len(self.log_weights)} weights")
        if not np.isfinite([*self.log_weights, *self.entity_bias.values()]).all():
            raise InputError("weights and biases must be finite")

    def apply(self, score: Score) -> Score:
        """Return the score as the head sees it; its residuals add up to its total.

        Raises
        ------
        InputError
            If the score has no residuals or other KPIs.
        """
        _check(score, self.kpis)
        weights = np.exp(np.array(self.log_weights) + self.entity_bias.get(score.entity, 0.0))
        residuals = _remembered(score, self.memory) * weights
        total = aggregate(residuals, largest=self.largest)
        return replace(score, total=total, residuals=residuals.astype(np.float32))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "kpis": list(self.kpis),
            "log_weights": list(self.log_weights),
            "entity_bias": dict(self.entity_bias),
            "memory": self.memory,
            "largest": self.largest,
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
            return cls(
                tuple(str(kpi) for kpi in told["kpis"]),
                tuple(float(weight) for weight in told["log_weights"]),
                {str(entity): float(bias) for entity, bias in told["entity_bias"].items()},
                float(told["memory"]),
                None if told["largest"] is None else int(told["largest"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            raise InputError(f"this is no residual head: {problem!r}") from None


def fit_head(
    scores: Sequence[Score],
    levels: Mapping[str, float],
    history_rows: Mapping[str, int],
    marked: MarkedRows,
    *,
    config: HeadConfig | None = None,
    largest: int | None = None,
) -> ResidualHead:
    """Learn a head from marks, with history as normal rows.

    Parameters
    ----------
    scores : sequence of Score
        Of history and of the rows that the marks speak of; not yet changed by a head.
    levels : mapping of str to float
        The levels deployed.
    history_rows : mapping of str to int
        How many of an entity's first rows are history.
    marked : MarkedRows
        What was marked. Where a mark names KPIs, it moves the weights of these alone.
    config : HeadConfig, optional
        Settings.
    largest : int, optional
        The detector's aggregation; see `aggregate`.

    Returns
    -------
    ResidualHead
        Without any mark, or any known residual to learn from, one that changes nothing.

    Raises
    ------
    InputError
        If a score has no residuals per KPI.
    """
    config = config or HeadConfig()
    kpis = scores[0].kpis
    for score in scores:
        _check(score, kpis)
    nothing = ResidualHead(kpis, (0.0,) * len(kpis), largest=largest)
    if not marked.spans:
        return nothing
    rows = _collected(scores, levels, history_rows, marked, config=config, largest=largest)
    if rows is None:
        return nothing
    n_kpis, n_entities = len(kpis), len(scores)
    best = minimize(
        _loss, np.zeros(n_kpis + n_entities), args=(rows, n_entities, config),
        jac=True, method="L-BFGS-B",
    ).x  # fmt: skip
    biases = dict(zip((s.entity for s in scores), best[n_kpis:].tolist(), strict=True))
    weights = tuple(best[:n_kpis].tolist())
    return ResidualHead(kpis, weights, biases, config.memory, largest)


@dataclass(frozen=True, eq=False)
class _Rows:
    """All rows that the loss looks at, of all entities."""

    residuals: Array
    """(row, kpi), 0 where missing."""
    learns: NDArray[np.bool_]
    """(row, kpi), whether the row moves the weight of the KPI."""
    entity: NDArray[np.int64]
    offset: Array
    """(row,), what takes the logarithm of a sum of residuals to the margin."""
    normal_weight: Array
    """(row,), how much the row counts as a normal one."""
    bags: list[NDArray[np.int64]]
    """The rows of each span in which something was wrong."""
    largest: int | None


def _collected(
    scores: Sequence[Score],
    levels: Mapping[str, float],
    history_rows: Mapping[str, int],
    marked: MarkedRows,
    *,
    config: HeadConfig,
    largest: int | None,
) -> _Rows | None:
    """Return the rows of history and of marks; None if no residual of them is known."""
    fleet = float(np.median(list(levels.values())))
    asked = len(scores[0].kpis) if largest is None else min(largest, len(scores[0].kpis))
    residuals, learns, entities, offsets, weights, bags = [], [], [], [], [], []
    n_rows = 0
    for position, score in enumerate(scores):
        recent = _remembered(score, config.memory)
        known = ~np.isnan(recent)
        n_known = known.sum(axis=1)
        total = aggregate(recent, largest=largest)
        past = np.zeros(len(score), dtype=bool)
        past[: history_rows.get(score.entity, 0)] = True
        past &= ~marked.is_marked(score.entity, len(score)) & (n_known > 0)
        level = _same_share(levels.get(score.entity, fleet), score.total[past], total[past])
        drawn = np.flatnonzero(past)
        if len(drawn) > config.history_rows:
            stream = random_stream(config.seed, "head", score.entity)
            drawn = np.sort(stream.choice(drawn, config.history_rows, replace=False))
        share = config.history_weight * len(marked.spans) / len(scores)
        parts: list[tuple[NDArray[np.int64], float, bool, tuple[str, ...]]] = [
            (drawn, share, False, ())
        ]
        parts += [
            (span.rows[n_known[span.rows] > 0], 1.0, span.is_anomaly, span.mark.kpis)
            for span in marked.spans
            if span.mark.entity == score.entity
        ]
        for chosen, weight, is_anomaly, named in parts:
            if not len(chosen):
                continue
            residuals.append(np.where(known[chosen], recent[chosen], 0.0))
            told = np.array([not set(named) & set(score.kpis) or kpi in named
                             for kpi in score.kpis])  # fmt: skip
            learns.append(np.broadcast_to(told, residuals[-1].shape))
            entities.append(np.full(len(chosen), position))
            offsets.append(np.log(asked / np.minimum(n_known[chosen], asked)) - np.log(level))
            weights.append(np.full(len(chosen), 0.0 if is_anomaly else weight / len(chosen)))
            if is_anomaly:
                bags.append(np.arange(n_rows, n_rows + len(chosen)))
            n_rows += len(chosen)
    if not n_rows:
        return None
    return _Rows(
        np.concatenate(residuals), np.concatenate(learns), np.concatenate(entities),
        np.concatenate(offsets), np.concatenate(weights), bags, largest,
    )  # fmt: skip


def _loss(
    parameters: Array, rows: _Rows, n_entities: int, config: HeadConfig
) -> tuple[float, Array]:
    """Return the loss and its gradient at log-weights and biases, one after the other."""
    n_kpis = rows.residuals.shape[1]
    log_weights, biases = parameters[:n_kpis], parameters[n_kpis:]
    parts = rows.residuals * np.exp(rows.learns * log_weights)
    if rows.largest is not None and rows.largest < n_kpis:
        smallest = np.argpartition(parts, n_kpis - rows.largest, axis=1)[:, : n_kpis - rows.largest]
        np.put_along_axis(parts, smallest, 0.0, axis=1)
    total = parts.sum(axis=1) + _NEVER_ZERO
    margin = np.log(total) + biases[rows.entity] + rows.offset
    loss = float(rows.normal_weight @ np.logaddexp(0.0, margin))
    slope = rows.normal_weight * expit(margin)
    for bag in rows.bags:
        n_high = max(int(config.peak_share * len(bag)), 1)
        high = bag[np.argsort(-margin[bag], kind="stable")[:n_high]]
        loss += float(np.logaddexp(0.0, -margin[high]).mean())
        slope[high] -= expit(-margin[high]) / n_high
    parts *= rows.learns
    of_weights = (slope / total) @ parts + 2 * config.shrinkage * log_weights
    of_biases = np.bincount(rows.entity, slope, n_entities) + 2 * config.bias_shrinkage * biases
    loss += config.shrinkage * float(log_weights @ log_weights)
    loss += config.bias_shrinkage * float(biases @ biases)
    return loss, np.concatenate([of_weights, of_biases])


def _same_share(level: float, before: Array, after: Array) -> float:
    """Return the level that as many scores of history stay under after as did before."""
    if not len(before) or not len(after):
        return max(level, _NEVER_ZERO)
    share = float(np.mean(before <= level))
    if share == 1.0:  # beyond history there is nothing to count: the same distance is kept
        return max(level * float(after.max()) / max(float(before.max()), _NEVER_ZERO), _NEVER_ZERO)
    return max(float(np.quantile(after, share)), _NEVER_ZERO)


def _remembered(score: Score, memory: float) -> Array:
    residuals = np.asarray(score.residuals, dtype=np.float32)
    return remember(residuals, memory).astype(np.float64)


def _check(score: Score, kpis: tuple[str, ...]) -> None:
    if score.residuals is None:
        raise InputError("the head needs residuals per KPI", source=score.entity)
    if score.kpis != kpis:
        raise InputError("the score has other KPIs than the head", source=score.entity)
