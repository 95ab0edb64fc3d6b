"""The regular grid that stamps belong to: clocks jitter, and a poll is a few seconds early or late.

Rows of a grid start at whole multiples of the step, counted from 1970 UTC. Which of them a stamp
means is told by where most stamps of its entity lie, never by order, so that rows which come later
do not move earlier ones as long as they jitter about the same point.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["EARLY_SHARE", "Stamps", "grid_points", "step_text", "usual_step"]

EARLY_SHARE = 10
"""Stamps that lie up to a tenth of a step before a point of the grid are early, and mean it."""

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400
_USUAL_STEPS_S = np.array([
    *(1, 2, 5, 10, 15, 20, 30),
    *(_MINUTE_S * n for n in (1, 2, 5, 10, 15, 20, 30)),
    *(_HOUR_S * n for n in (1, 2, 3, 4, 6, 8, 12)),
    _DAY_S, 7 * _DAY_S,
])  # fmt: skip
_MOST = 0.9
"""So many stamps of an entity have to lie close together for them to be on a grid."""
_LAG = 4
_NEAR = float(np.log(1.75))
"""How far, as a logarithm, what is measured of a step may lie from it: jitter moves it."""
_FEW_ROWS = 3
"""Of so few rows nobody can tell their step, only whether they fit one."""

Stamps = NDArray[np.float64]


def usual_step(stamps: Sequence[Stamps], expected_s: int | None = None) -> int:
    """Return the step of some entities' stamps, in seconds.

    Where all steps are whole multiples of the most frequent one, it is that. Else it is the usual
    step (15 minutes, an hour, ...) about whose grid the stamps jitter, and if they jitter about
    none by clearly less than half a step, the most frequent one.

    Parameters
    ----------
    stamps : sequence of array
        For each entity its stamps in seconds since 1970, sorted.
    expected_s : int, optional
        The step if the stamps fit it, such as that of a model.

    Examples
    --------
    >>> usual_step([np.array([0.0, 3597.0, 7203.0, 10_801.0])])
    3600
    >>> usual_step([np.array([0.0, 420.0, 840.0, 1680.0])])
    420
    >>> usual_step([np.array([7200.0])]), usual_step([np.array([7200.0])], 3600)
    (1, 3600)
    """
    told = [np.unique(of_one) for of_one in stamps]
    every = np.concatenate([np.diff(of_one) for of_one in told] or [np.empty(0)])
    steps = np.rint(every[every >= 1]).astype(np.int64)
    if not steps.size:
        return expected_s or 1
    found, counts = np.unique(steps, return_counts=True)
    mode = int(found[np.argmax(counts)])
    is_few = max(map(len, told)) <= _FEW_ROWS
    paces = _paces(told)
    near = [mode]
    if (found % mode).any():
        usual = [int(step) for step in _USUAL_STEPS_S if _distance(step, paces) <= _NEAR]
        near = sorted(usual, key=lambda step: _distance(step, paces))
    if expected_s is not None and (is_few or _distance(expected_s, paces) <= _NEAR):
        near.insert(0, expected_s)
    return next((step for step in near if step == mode or _fit(told, step)), mode)


def grid_points(stamps: Stamps, step: int) -> NDArray[np.int64]:
    """Return which row of the grid each stamp of one entity means; row 0 starts in 1970 UTC.

    Where most stamps jitter about one point between rows, by clearly less than half a step, each
    stamp means the row whose such point is nearest. That row is the one before the point, or the
    one that it precedes by at most a tenth of a step. Else, and where two stamps would so become
    one row that do not otherwise, a stamp means the row in which it lies.

    Parameters
    ----------
    stamps : array of float
        Seconds since 1970, in any order.
    step : int
        Seconds from row to row.

    Examples
    --------
    >>> grid_points(np.array([3.0, 3598.0, 7201.0]), 3600).tolist()
    [0, 1, 2]
    >>> grid_points(np.array([3.0, 2200.0, 4700.0]), 3600).tolist()
    [0, 0, 1]
    """
    floored: NDArray[np.int64] = np.floor_divide(stamps, step).astype(np.int64)
    if not stamps.size or not (stamps - floored * step).any():
        return floored
    phase = _phase(stamps, step)
    if phase is None:
        return floored
    nearest: NDArray[np.int64] = np.floor((stamps - phase) / step + 0.5).astype(np.int64)
    return nearest if len(np.unique(nearest)) >= len(np.unique(floored)) else floored


def step_text(step: int) -> str:
    """Return a step as it is told.

    Examples
    --------
    >>> step_text(3600), step_text(900), step_text(90)
    ('an hour', '15 minutes', '90 seconds')
    """
    units = (7 * _DAY_S, "week"), (_DAY_S, "day"), (_HOUR_S, "hour"), (_MINUTE_S, "minute")
    size, unit = next((u for u in units if step % u[0] == 0), (1, "second"))
    if step == size:
        return f"{'an' if unit == 'hour' else 'a'} {unit}"
    return f"{step // size:,} {unit}s"


def _paces(stamps: Sequence[Stamps]) -> NDArray[np.float64]:
    """Return how far rows lie apart, told in two ways: by neighbours, and by those some rows apart.

    Missing rows disturb the first one less, jitter the second one.
    """
    return np.array([
        np.median(np.concatenate([
            (of_one[lag:] - of_one[:-lag]) / lag
            for of_one in stamps
            if (lag := min(most, len(of_one) - 1))
        ]))
        for most in (1, _LAG)
    ])  # fmt: skip


def _distance(step: float, paces: NDArray[np.float64]) -> float:
    return float(np.min(np.abs(np.log(paces / step))))


def _fit(stamps: Sequence[Stamps], step: int) -> bool:
    """Whether each entity's stamps jitter about a grid, and hardly two of them are one row."""
    n_stamps = sum(map(len, stamps))
    n_rows = 0
    for of_one in stamps:
        phase = _phase(of_one, step)
        if phase is None:
            return False
        n_rows += len(np.unique(np.floor((of_one - phase) / step + 0.5)))
    return n_rows >= _MOST * n_stamps


def _phase(stamps: Stamps, step: int) -> float | None:
    """Return how long after the start of their rows most stamps lie; None if they lie anywhere.

    It is 0 where they lie about the start itself, and negative where they hardly reach it.
    """
    after = np.sort(np.mod(stamps, step))
    n_most = int(np.ceil(_MOST * len(after)))
    around = np.append(after, after + step)
    widths = around[n_most - 1 : n_most - 1 + len(after)] - after
    first = int(np.argmin(widths))
    width = float(widths[first])
    if width > step / 2:
        return None
    start = float(after[first])
    if start + width >= step - step / EARLY_SHARE:
        start -= step
    if start > step / EARLY_SHARE:
        return start + width / 2
    is_about_the_start = -step / 4 <= start and start + width <= step / 4
    return 0.0 if is_about_the_start else start + width / 2
