"""The guard: a tuning step is kept only if marks that it has not seen say that it helps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from faultsight.core.kpi_frame import KpiFrame
from faultsight.detect.contract import Score
from faultsight.detect.tuning.marked_rows import MarkedRows, MarkedSpan

__all__ = ["Guard", "GuardVerdict", "deployed_loss", "judge"]


class Deployed(Protocol):
    """What the guard judges: scores, and levels above which they alarm."""

    def score(self, frames: Sequence[KpiFrame]) -> list[Score]:
        """Score every row."""

    def level_of(self, entity: str) -> float:
        """Return an entity's level."""


@dataclass(frozen=True)
class Guard:
    """How steps are judged.

    Parameters
    ----------
    folds : int
        Parts that the marks are cut into; marks that are neighbours in time stay together.
    least_marks : int
        With fewer marks than this nothing can be judged, and the step is not taken.
    sharpness : float
        How steeply the loss falls around the level, in units of the logarithm of score over
        level; large values count rows right and wrong, small ones also by how far.
    """

    folds: int = 3
    least_marks: int = 4
    sharpness: float = 2.0


@dataclass(frozen=True)
class GuardVerdict:
    """Whether a step was kept, and why.

    Attributes
    ----------
    step : str
        What it was.
    kept : bool
        Whether it was.
    before, after : float or None
        Mean loss on marks and history held out, without and with the step; None if not judged.
    n_marks : int
        Marks that were to be learned from.
    reason : str
        In words.
    """

    step: str
    kept: bool
    before: float | None
    after: float | None
    n_marks: int
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def deployed_loss(
    deployed: Deployed,
    scores: Sequence[Score],
    spans: Sequence[MarkedSpan],
    history: Mapping[str, NDArray[np.int64]],
    *,
    sharpness: float,
) -> tuple[float, ...]:
    """Return the mean loss over anomalous spans, over false alarms, and over history.

    The loss of a row is a logistic function of the logarithm of its score over the level; an
    anomalous span has that of its highest row, a false alarm the mean of its rows. A part
    without members has the loss 0.
    """
    over = {}
    for score in scores:
        level = max(deployed.level_of(score.entity), 1e-300)
        over[score.entity] = np.log(np.maximum(np.nan_to_num(score.total), 1e-300) / level)
    missed, alarmed, quiet = [], [], []
    for span in spans:
        rows = over[span.mark.entity][span.rows]
        if span.is_anomaly:
            missed.append(_logistic(-sharpness * float(rows.max())))
        else:
            alarmed.append(float(np.mean([_logistic(sharpness * float(r)) for r in rows])))
    for entity, at in history.items():
        quiet.extend(1.0 / (1.0 + np.exp(np.clip(-sharpness * over[entity][at], -60, 60))))
    return tuple(float(np.mean(part)) if part else 0.0 for part in (missed, alarmed, quiet))


def judge(
    step: str,
    before: Deployed,
    learn: Callable[[MarkedRows], Deployed],
    marked: MarkedRows,
    history: Mapping[str, NDArray[np.int64]],
    frames: Sequence[KpiFrame],
    guard: Guard,
) -> GuardVerdict:
    """Cross-validate a step on the marks and on sampled history.

    Parameters
    ----------
    step : str
        What to call it.
    before : Deployed
        As it stands.
    learn : callable
        Returns what the step makes of it from some of the marks.
    marked : MarkedRows
        All marks.
    history : mapping of str to array of int
        Rows that are taken for normal.
    frames : sequence of KpiFrame
        History and the rows that the marks speak of.
    guard : Guard
        The settings.

    Returns
    -------
    GuardVerdict
        Kept if the loss on what was held out, missed anomalies and false alarms and history
        weighing alike, is lower with the step.
    """
    n = len(marked.spans)
    if n < guard.least_marks:
        reason = f"{n} marks are too few to tell; {guard.least_marks} are needed"
        return GuardVerdict(step, False, None, None, n, reason)
    folds = _folds(marked.spans, guard.folds)
    standing = before.score(frames)
    old, new = np.zeros(3), np.zeros(3)
    for held in folds:
        kept = [span for number, span in enumerate(marked.spans) if number not in held]
        out = [marked.spans[number] for number in sorted(held)]
        after = learn(marked.only(kept))
        share = np.array([sum(s.is_anomaly for s in out), sum(not s.is_anomaly for s in out), 1.0])
        old += share * deployed_loss(before, standing, out, history, sharpness=guard.sharpness)
        new += share * deployed_loss(
            after, after.score(frames), out, history, sharpness=guard.sharpness
        )
    counts = np.array(
        [sum(s.is_anomaly for s in marked.spans), sum(not s.is_anomaly for s in marked.spans),
         len(folds)]
    )  # fmt: skip
    told = counts > 0
    lost, gained = (float((part[told] / counts[told]).mean()) for part in (old, new))
    kept_it = gained < lost
    word = "falls" if kept_it else "does not fall"
    reason = f"held-out loss {word}, from {lost:.4f} to {gained:.4f}, over {len(folds)} folds"
    return GuardVerdict(step, kept_it, lost, gained, n, reason)


def _folds(spans: Sequence[MarkedSpan], folds: int) -> list[set[int]]:
    """Return the numbers of the spans in each fold; each kind is dealt out in runs of time."""
    parts: list[set[int]] = [set() for _ in range(folds)]
    for is_anomaly in (False, True):
        numbers = [i for i, span in enumerate(spans) if span.is_anomaly == is_anomaly]
        numbers.sort(key=lambda i: (spans[i].mark.entity, spans[i].mark.window))
        for place, number in enumerate(numbers):
            parts[place * folds // len(numbers)].add(number)
    return [part for part in parts if part]


def _logistic(value: float) -> float:
    return float(1.0 / (1.0 + np.exp(-np.clip(value, -60.0, 60.0))))
