"""Rows of history that are taken for normal while tuning is judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from faultsight.core.kpi_frame import KpiFrame
from faultsight.core.seed import random_stream
from faultsight.detect.tuning.marked_rows import MarkedRows

__all__ = ["sample_history"]


def sample_history(
    frames: Sequence[KpiFrame],
    history_rows: Mapping[str, int],
    marked: MarkedRows,
    aside: Mapping[str, NDArray[np.bool_]],
    *,
    most: int,
    seed: int,
) -> dict[str, NDArray[np.int64]]:
    """Return rows of each entity's history, drawn evenly from the whole fleet's.

    Parameters
    ----------
    frames : sequence of KpiFrame
        In order of entity.
    history_rows : mapping of str to int
        How many of an entity's first rows are history.
    marked : MarkedRows
        Rows that a mark speaks of are not drawn.
    aside : mapping of str to array of bool, shape (history row,)
        Nor are these: rows like marked anomalies.
    most : int
        Rows at most, of all entities together.
    seed : int
        Of the draw.

    Examples
    --------
    >>> frame = KpiFrame("a", ("x",), 0, 60, np.zeros((9, 1)))
    >>> nothing = MarkedRows((), {}, {})
    >>> drawn = sample_history([frame], {"a": 4}, nothing, {"a": np.array([True, False] * 2)},
    ...                        most=9, seed=0)
    >>> drawn["a"].tolist()
    [1, 3]
    """
    pool = []
    for number, frame in enumerate(frames):
        n_rows = history_rows[frame.entity]
        usable = ~marked.is_marked(frame.entity, len(frame))[:n_rows] & ~aside[frame.entity]
        usable &= np.isfinite(frame.values[:n_rows]).any(axis=1)
        at = np.flatnonzero(usable)
        pool.append(np.stack([np.full(len(at), number), at], axis=1))
    together = np.concatenate(pool)
    stream = random_stream(seed, "history")
    n = min(most, len(together))
    chosen = together[np.sort(stream.choice(len(together), n, replace=False))]
    return {
        frames[number].entity: chosen[chosen[:, 0] == number, 1]
        for number in np.unique(chosen[:, 0])
    }
