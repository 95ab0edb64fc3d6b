"""What every metric is given, checked once: scores, truths, alarms, fleets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faultsight.core.errors import InputError

__all__ = [
    "Pair",
    "Pairs",
    "as_alarm",
    "as_pair",
    "as_rows",
    "as_score",
    "mean_of_known",
    "pairs_of",
]

Pair = tuple[ArrayLike, ArrayLike]
"""Score and truth of one entity."""

Pairs = Mapping[str, Pair] | Iterable[Pair]
"""A fleet: entity to pair, or pairs alone."""


def as_score(score: ArrayLike) -> NDArray[np.float64]:
    """Return one score a row; NaN, no score, becomes the lowest there is."""
    values = np.asarray(score, dtype=np.float64)
    if values.ndim != 1:
        raise InputError(f"a score has one value a row, not the shape {values.shape}")
    return np.where(np.isnan(values), -np.inf, values)


def as_rows(values: ArrayLike, *, what: str = "truth") -> NDArray[np.bool_]:
    """Return a 0/1 array as bool."""
    rows = np.asarray(values)
    if rows.ndim != 1:
        raise InputError(f"{what} has one value a row, not the shape {rows.shape}")
    if rows.dtype != np.bool_ and not np.isin(rows, (0, 1)).all():
        raise InputError(f"{what} holds values other than 0 and 1")
    return rows.astype(np.bool_)


def as_pair(score: ArrayLike, truth: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return score and truth of equal length."""
    values, rows = as_score(score), as_rows(truth)
    if len(values) != len(rows):
        raise InputError(f"{len(values)} scores, but {len(rows)} rows of truth")
    return values, rows


def as_alarm(alarm: ArrayLike, truth: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return alarm and truth of equal length."""
    raised, rows = as_rows(alarm, what="alarm"), as_rows(truth)
    if len(raised) != len(rows):
        raise InputError(f"{len(raised)} rows of alarm, but {len(rows)} rows of truth")
    return raised, rows


def pairs_of(pairs: Pairs) -> list[Pair]:
    """Return the pairs of a fleet of at least one entity."""
    found = list(pairs.values() if isinstance(pairs, Mapping) else pairs)
    if not found:
        raise InputError("there is no entity to judge")
    return found


def mean_of_known(values: Iterable[float]) -> float:
    """Return the mean without NaN; NaN where nothing is left."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")
