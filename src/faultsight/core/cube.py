"""KpiCube: the leaf table that a fault is localized in.

A leaf is an attribute combination with every attribute fixed. The cube holds, for each leaf that
exists, the actual and the forecast value of each fundamental KPI, encoded once: localizing works
on integer codes and never touches strings again.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import and_
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from faultsight.core.combination import AttributeCombination
from faultsight.core.errors import (
    DuplicateLeafError,
    InputError,
    MissingColumnError,
    SettingError,
)
from faultsight.core.kpi import Kpi
from faultsight.core.tables import as_polars

__all__ = ["MISSING_ELEMENT", "KpiCube", "Quarantined"]

MISSING_ELEMENT = "(missing)"
"""The element name of a leaf whose attribute is null."""

# Sums and squares of values up to here stay finite, whatever the number of leaves.
_LARGEST = 1e100


@dataclass(frozen=True)
class Quarantined:
    """Rows of the input that were set aside or repaired, and why.

    Attributes
    ----------
    reason : str
        What was wrong and what was done.
    column : str
        The column that held it.
    rows : int
        How many rows.
    first_row : int
        The first of them, counted from 1 without the header.
    """

    reason: str
    column: str
    rows: int
    first_row: int


@dataclass(frozen=True, eq=False)
class KpiCube:
    """A leaf table with attributes and the actual and forecast values of fundamental KPIs.

    Make one with `from_frame`. The arrays are read-only and hold the leaves in one canonical
    order, so that the order of the input's rows can never change an answer.

    Attributes
    ----------
    attributes : tuple of str
        Attribute names.
    elements : tuple of tuple of str
        Element names of each attribute, sorted; a code is a position in here.
    codes : ndarray of int32, shape (n_leaves, n_attributes)
        The leaves, unique, in lexicographic order.
    measures : tuple of str
        Names of the fundamental KPIs.
    actual, forecast : ndarray of float64, shape (n_measures, n_leaves)
        Values of each leaf.
    kpis : tuple of Kpi
        What is to be localized; the measures themselves unless said otherwise.
    quarantined : tuple of Quarantined
        What was set aside on the way in.
    name : str
        What the cube is called in reports.

    References
    ----------
    RAPMiner (DSN 2022), sections II.B and III, Table III.

    Examples
    --------
    >>> cube = KpiCube.from_frame(pl.DataFrame({
    ...     "location": ["L1", "L1", "L2"], "os": ["ios", "android", "ios"],
    ...     "real": [10.0, 2.0, 7.0], "predict": [10.0, 9.0, 7.0]}))
    >>> cube.n_leaves, cube.attributes, cube.cardinalities
    (3, ('location', 'os'), (2, 2))
    >>> cube.actual.sum(), cube.leaves_of(AttributeCombination({"location": "L1"})).tolist()
    (np.float64(19.0), [0, 1])
    """

    attributes: tuple[str, ...]
    elements: tuple[tuple[str, ...], ...]
    codes: NDArray[np.int32]
    measures: tuple[str, ...]
    actual: NDArray[np.float64]
    forecast: NDArray[np.float64]
    kpis: tuple[Kpi, ...]
    quarantined: tuple[Quarantined, ...] = ()
    name: str = ""

    @classmethod
    def from_frame(
        cls,
        table: Any,
        *,
        attributes: Sequence[str] | None = None,
        actual: str = "real",
        forecast: str = "predict",
        measures: Mapping[str, tuple[str, str]] | None = None,
        kpis: Sequence[Kpi] | None = None,
        duplicates: Literal["error", "sum"] = "error",
        name: str = "",
    ) -> KpiCube:
        """Encode a table of leaves.

        Parameters
        ----------
        table : polars, pandas or Arrow frame
            One row a leaf; leaves that do not exist may be absent.
        attributes : sequence of str, optional
            The attribute columns; by default every column that is not a value; a
            column of floats or dates must then not be left over.
        actual, forecast : str
            The value columns where there is one fundamental KPI.
        measures : mapping of str to (str, str), optional
            Where there are several: the columns (actual, forecast) of each.
        kpis : sequence of Kpi, optional
            What to localize; by default each measure.
        duplicates : {"error", "sum"}
            What to do with two rows of one leaf: refuse them, or add them up (right for tables
            that were not grouped before).
        name : str
            What the cube is called in messages and reports.

        Returns
        -------
        KpiCube
            Rows whose value is null or NaN and rows with a negative actual value are set aside
            and counted in `quarantined`; a negative forecast is raised to 0 and counted. A null
            attribute becomes the element ``(missing)``.

        Raises
        ------
        MissingColumnError
            If a named column is not there.
        DuplicateLeafError
            If two rows describe the same leaf and `duplicates` is ``"error"``.
        InputError
            If a value is infinite, beyond 1e100 or not a number, if a column of floats or dates
            is left over, or if no row is left.
        SettingError
            If a KPI is made of a measure that the cube does not have.
        """
        frame = as_polars(table)
        source = name or None
        columns = dict(measures) if measures else {actual: (actual, forecast)}
        value_columns = list(dict.fromkeys(c for pair in columns.values() for c in pair))
        attribute_names = _attribute_columns(frame, attributes, value_columns, source)
        kpi_list = tuple(kpis) if kpis else tuple(Kpi.additive(m) for m in columns)
        for kpi in kpi_list:
            for measure in kpi.measures:
                if measure not in columns:
                    raise SettingError(f"KPI {kpi.name!r} needs the measure {measure!r}")

        values = {c: _values(frame, c, source) for c in value_columns}
        forecast_columns = {pair[1] for pair in columns.values()}
        keep, quarantined = _quarantine(values, forecast_columns)
        if not keep.any():
            raise InputError("no row with usable values", source=source)
        for column in forecast_columns:
            np.maximum(values[column], 0.0, out=values[column], where=keep)

        kept = frame.filter(pl.Series(keep)) if not keep.all() else frame
        elements, codes = _encode(kept, attribute_names)
        order = np.lexsort(codes.T[::-1]) if len(codes) else np.zeros(0, dtype=np.intp)
        if (np.diff(order) == 1).all():
            order = np.arange(len(codes))
        codes = codes[order]
        is_first = np.ones(len(codes), dtype=bool)
        is_first[1:] = (codes[1:] != codes[:-1]).any(axis=1)
        stacked = [
            np.stack([values[pair[side]][keep][order] for pair in columns.values()])
            for side in (0, 1)
        ]
        if not is_first.all():
            repeated = int(order[np.flatnonzero(~is_first)[0]])
            row = int(np.flatnonzero(keep)[repeated]) + 1
            if duplicates == "error":
                raise DuplicateLeafError(
                    f"{int((~is_first).sum())} rows repeat a leaf; group them first, or have "
                    "them added up: duplicates='sum', on the command line --duplicates sum",
                    source=source,
                    row=row,
                )
            groups = np.cumsum(is_first) - 1
            stacked = [
                np.stack([np.bincount(groups, weights=column) for column in side])
                for side in stacked
            ]
            codes = codes[is_first]
            quarantined.append(
                Quarantined(
                    "rows that repeat a leaf, added up",
                    ", ".join(attribute_names),
                    int((~is_first).sum()),
                    row,
                )
            )
        return cls._frozen(
            tuple(attribute_names),
            elements,
            codes,
            tuple(columns),
            stacked[0],
            stacked[1],
            kpi_list,
            tuple(quarantined),
            name,
        )

    @classmethod
    def _frozen(cls, *fields: Any) -> KpiCube:
        cube = cls(*fields)
        for array in (cube.codes, cube.actual, cube.forecast):
            array.setflags(write=False)
        return cube

    @property
    def n_leaves(self) -> int:
        """How many leaves the cube holds."""
        return len(self.codes)

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """How many elements each attribute has."""
        return tuple(len(names) for names in self.elements)

    def measure(self, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the actual and the forecast values of a fundamental KPI, one for each leaf."""
        row = self.measures.index(name)
        return self.actual[row], self.forecast[row]

    def kpi(self, name: str) -> Kpi:
        """Return one of the cube's KPIs.

        Raises
        ------
        SettingError
            If the cube has no KPI of that name.
        """
        for kpi in self.kpis:
            if kpi.name == name:
                return kpi
        raise SettingError(
            f"the cube has no KPI {name!r}; it has {', '.join(k.name for k in self.kpis)}"
        )

    def with_kpis(self, *kpis: Kpi) -> KpiCube:
        """Return the same cube with other KPIs to localize."""
        return replace(self, kpis=kpis)

    def leaves_of(self, combination: AttributeCombination) -> NDArray[np.intp]:
        """Return the positions of the leaves inside a combination; empty if there are none.

        Raises
        ------
        SettingError
            If the combination fixes an attribute that the cube does not have.
        """
        masks = []
        for attribute, element in combination.items():
            if attribute not in self.attributes:
                raise SettingError(f"the cube has no attribute {attribute!r}")
            column = self.attributes.index(attribute)
            names = self.elements[column]
            code = bisect_left(names, element)
            if code == len(names) or names[code] != element:
                return np.zeros(0, dtype=np.intp)
            masks.append(self.codes[:, column] == code)
        inside = reduce(and_, masks, np.ones(self.n_leaves, dtype=bool))
        return np.flatnonzero(inside)

    def combination(self, elements: Mapping[int, int]) -> AttributeCombination:
        """Return the named combination of attribute positions and element codes."""
        return AttributeCombination(
            (self.attributes[a], self.elements[a][code]) for a, code in elements.items()
        )

    def to_frame(self) -> pl.DataFrame:
        """Return the leaves as a table: attributes, then ``<measure>`` and ``<measure>_forecast``.

        With one measure the columns are ``real`` and ``predict``, the format of the public
        localization datasets.
        """
        columns: dict[str, Any] = {
            name: np.array(self.elements[i], dtype=object)[self.codes[:, i]].tolist()
            for i, name in enumerate(self.attributes)
        }
        for row, measure in enumerate(self.measures):
            single = len(self.measures) == 1
            columns["real" if single else measure] = self.actual[row]
            columns["predict" if single else f"{measure}_forecast"] = self.forecast[row]
        return pl.DataFrame(columns)


def _attribute_columns(
    frame: pl.DataFrame,
    named: Sequence[str] | None,
    value_columns: Sequence[str],
    source: str | None,
) -> list[str]:
    for column in [*(named or ()), *value_columns]:
        if column not in frame.columns:
            raise MissingColumnError(column, frame.columns, source=source)
    if named is not None:
        chosen = list(named)
    else:
        chosen = [c for c in frame.columns if c not in value_columns]
        for column in chosen:
            if frame.schema[column].is_float() or frame.schema[column].is_temporal():
                raise InputError(
                    f"of type {frame.schema[column]} and neither the actual nor the forecast "
                    "value; name the attribute columns",
                    source=source,
                    column=column,
                )
    if not chosen:
        raise InputError("no attribute column", source=source)
    if len(set(chosen)) < len(chosen) or set(chosen) & set(value_columns):
        raise InputError(f"attributes {chosen} are not distinct columns", source=source)
    return chosen


def _values(frame: pl.DataFrame, column: str, source: str | None) -> NDArray[np.float64]:
    series = frame[column]
    numbers = series.cast(pl.Float64, strict=False)
    not_numbers = (numbers.is_null() & series.is_not_null()).arg_max()
    if not_numbers is not None and numbers[not_numbers] is None and series[not_numbers] is not None:
        raise InputError(
            f"{series[not_numbers]!r} is not a number",
            source=source,
            column=column,
            row=not_numbers + 1,
        )
    values = numbers.fill_null(float("nan")).to_numpy().copy()
    size = np.abs(values)
    for bad, kind in (np.isinf(size), "infinite values"), (size > _LARGEST, "values beyond 1e100"):
        if bad.any():
            raise InputError(
                f"{bad.sum()} {kind}",
                source=source,
                column=column,
                row=int(bad.argmax()) + 1,
            )
    return values


def _quarantine(
    values: Mapping[str, NDArray[np.float64]], forecast_columns: set[str]
) -> tuple[NDArray[np.bool_], list[Quarantined]]:
    keep = np.ones(len(next(iter(values.values()))), dtype=bool)
    notes = []

    def note(bad: NDArray[np.bool_], column: str, reason: str) -> None:
        rows = np.flatnonzero(bad)
        if rows.size:
            notes.append(Quarantined(reason, column, rows.size, int(rows[0]) + 1))

    for column, numbers in values.items():
        missing = np.isnan(numbers)
        note(missing, column, "no value: row set aside")
        keep &= ~missing
        if column in forecast_columns:
            note(numbers < 0, column, "negative forecast: raised to 0")
        else:
            note(numbers < 0, column, "negative actual value: row set aside")
            keep &= ~(numbers < 0)
    return keep, notes


def _encode(
    frame: pl.DataFrame, attributes: Sequence[str]
) -> tuple[tuple[tuple[str, ...], ...], NDArray[np.int32]]:
    elements = []
    codes = np.empty((frame.height, len(attributes)), dtype=np.int32, order="F")
    for position, attribute in enumerate(attributes):
        names = frame[attribute].cast(pl.String).fill_null(MISSING_ELEMENT)
        distinct = names.unique().sort()
        elements.append(tuple(distinct.to_list()))
        codes[:, position] = names.cast(pl.Enum(distinct)).to_physical().to_numpy()
    return tuple(elements), codes
