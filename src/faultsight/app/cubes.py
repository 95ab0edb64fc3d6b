"""Cube slices: sums of a span by some attributes, beside the span right before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from faultsight.app.feed_stores import FeedStores
from faultsight.core.cube import MISSING_ELEMENT
from faultsight.core.errors import InputError, MissingColumnError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.stores.operations import Operations

__all__ = ["CubeRow", "CubeSlice", "Cubes"]

_LONGEST_DAYS = 31


@dataclass(frozen=True)
class CubeRow:
    """One combination of values, the sums there, and those of the span before."""

    elements: tuple[str, ...]
    values: tuple[float, ...]
    baseline: tuple[float, ...]


@dataclass(frozen=True)
class CubeSlice:
    """Sums of a span by some attributes.

    Attributes
    ----------
    feed, window : str, TimeWindow
        Of which.
    attributes, measures : tuple of str
        What the rows are of.
    rows : list of CubeRow
        Those that changed most, relative to nothing, first; by the first measure, ties by name.
    is_cut : bool
        Whether there are more.
    """

    feed: str
    window: TimeWindow
    attributes: tuple[str, ...]
    measures: tuple[str, ...]
    rows: list[CubeRow]
    is_cut: bool


class Cubes:
    """The cubes of all feeds."""

    def __init__(self, ops: Operations, stores: FeedStores) -> None:
        self._ops = ops
        self._stores = stores

    def shape(self, feed: str) -> tuple[list[str], list[str]]:
        """Return attributes and measures.

        Of a ``kpi`` feed, the attributes are those of its entities, and ``entity`` itself.
        """
        store = self._stores.kpi(feed)
        if store.kind == "cube":
            return list(store.attributes), list(store.columns)
        attributes = self._ops.entities.attributes(feed)
        return sorted({"entity", *(a for own in attributes.values() for a in own)}), list(
            store.columns
        )

    def slice(
        self,
        feed: str,
        window: TimeWindow,
        *,
        by: Sequence[str],
        where: Sequence[tuple[str, str]] = (),
        limit: int = 1000,
    ) -> CubeSlice:
        """Return sums by some attributes inside a combination.

        Raises
        ------
        MissingColumnError
            If an attribute is none of the feed's.
        InputError
            If the span is longer than a month.
        """
        length_s = window.end_s - window.start_s
        if length_s > _LONGEST_DAYS * 86_400:
            raise InputError(f"a slice spans at most {_LONGEST_DAYS} days")
        attributes, measures = self.shape(feed)
        by = tuple(dict.fromkeys(by))
        for name in (*by, *(attribute for attribute, _ in where)):
            if name not in attributes:
                raise MissingColumnError(name, attributes, source=feed)
        before = TimeWindow(max(window.start_s - length_s, 0), window.start_s)
        rows = self._rows(feed, TimeWindow(before.start_s, window.end_s), by, where, measures)
        is_now = rows["timestamp"].to_numpy() >= window.start_s
        names, group = _groups([rows[name] for name in by], rows.height)
        n_groups = len(names)
        sums = np.zeros((2, len(measures), n_groups))
        for place, measure in enumerate(measures):
            values = rows[measure].cast(pl.Float64).fill_null(0.0).fill_nan(0.0).to_numpy()
            for part, chosen in enumerate((is_now, ~is_now)):
                sums[part, place] = np.bincount(group[chosen], values[chosen], n_groups)
        change = np.abs(sums[0, 0] - sums[1, 0]) if measures else np.zeros(n_groups)
        order = np.lexsort((np.arange(n_groups), -change))[:limit]
        return CubeSlice(
            feed, window, by, tuple(measures),
            [CubeRow(names[i], tuple(sums[0, :, i].tolist()), tuple(sums[1, :, i].tolist()))
             for i in order.tolist()],
            n_groups > limit,
        )  # fmt: skip

    def _rows(
        self,
        feed: str,
        window: TimeWindow,
        by: Sequence[str],
        where: Sequence[tuple[str, str]],
        measures: Sequence[str],
    ) -> pl.DataFrame:
        """Return the rows of a span with the attributes that are needed, and seconds."""
        store = self._stores.kpi(feed)
        rows = store.table(window, columns=measures)
        needed = dict.fromkeys((*by, *(attribute for attribute, _ in where)))
        if store.kind == "kpi":
            own = self._ops.entities.attributes(feed)
            entities = rows["entity"].unique().sort()
            for name in needed:
                if name != "entity":
                    values = [own.get(entity, {}).get(name) for entity in entities.to_list()]
                    told = rows["entity"].replace_strict(
                        entities, pl.Series(values, dtype=pl.String), return_dtype=pl.String
                    )
                    rows = rows.with_columns(told.alias(name))
        keep = np.ones(rows.height, bool)
        for name, value in where:
            keep &= (rows[name].fill_null(MISSING_ELEMENT) == value).to_numpy()
        seconds = rows["timestamp"].dt.epoch("s")
        return rows.with_columns(timestamp=seconds).filter(pl.Series(keep))


def _groups(
    columns: Sequence[pl.Series], n_rows: int
) -> tuple[list[tuple[str, ...]], NDArray[np.int64]]:
    """Return the combinations that occur, sorted, and that of each row."""
    flat = np.zeros(n_rows, np.int64)
    elements: list[list[str]] = []
    for column in columns:
        told = column.fill_null(MISSING_ELEMENT)
        names = told.unique().sort()
        codes = told.replace_strict(
            names, pl.Series(range(len(names)), dtype=pl.Int64), return_dtype=pl.Int64
        )
        flat = flat * max(len(names), 1) + codes.to_numpy()
        # Codes stay small whatever the number of attributes.
        flat = np.unique(flat, return_inverse=True)[1]
        elements.append(names.to_list())
    found, first, group = np.unique(flat, return_index=True, return_inverse=True)
    rows = [column.fill_null(MISSING_ELEMENT).gather(first).to_list() for column in columns]
    if not columns:
        return [()] if n_rows else [], group
    return [tuple(row) for row in zip(*rows, strict=True)] if len(found) else [], group
