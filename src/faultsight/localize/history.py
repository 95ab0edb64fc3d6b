"""A cube from history alone: one moment of a leaf table over time, forecast from its past."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from faultsight.core.combination import AttributeCombination
from faultsight.core.cube import KpiCube
from faultsight.core.errors import InputError, MissingColumnError, SettingError
from faultsight.core.kpi import Kpi
from faultsight.core.tables import as_polars
from faultsight.localize.forecasts import Forecaster
from faultsight.localize.forecasts.moving_average import MovingAverage

__all__ = ["Curve", "History", "cube_from_history", "seconds_of"]

Array = NDArray[np.float64]
Times = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Curve:
    """A KPI of one place over time.

    Attributes
    ----------
    times : ndarray of int64, shape (n_times,)
        Seconds since 1970 UTC.
    actual, forecast : ndarray of float64, shape (n_times,)
        NaN where there is no value, such as before there is enough past to forecast from.
    """

    times: Times
    actual: Array
    forecast: Array


@dataclass(frozen=True, eq=False)
class History:
    """What a cube was before, leaf by leaf.

    Attributes
    ----------
    cube : KpiCube
        The cube of the moment `at`; its forecasts were made from earlier times only.
    at : int
        The moment, seconds since 1970 UTC.
    times : ndarray of int64, shape (n_times,)
        All times up to `at`.
    values : ndarray of float64, shape (measures, leaves, times)
        Leaves as in the cube.
    forecaster : Forecaster
        What made the forecasts.
    baseline_before : int
        Forecasts see only times before this one.
    """

    cube: KpiCube
    at: int
    times: Times
    values: Array
    forecaster: Forecaster
    baseline_before: int

    def curves(
        self, kpi: Kpi, combinations: Sequence[AttributeCombination] = (), *, points: int = 48
    ) -> tuple[Curve, ...]:
        """Return the KPI of the whole, then of each combination, over the last times.

        The forecast at each time is what would have been said then, from the times before it.
        """
        last = len(self.times)
        shown = range(max(0, last - points), last)
        insides = [slice(None), *(self.cube.leaves_of(c) for c in combinations)]
        rows = [self.cube.measures.index(m) for m in kpi.measures]
        sums = np.array(
            [[np.nansum(self.values[row][inside], axis=0) for inside in insides] for row in rows]
        )
        expected = np.full((len(rows), len(insides), len(shown)), np.nan)
        for position, moment in enumerate(shown):
            past = min(moment, int(np.searchsorted(self.times, self.baseline_before)))
            for measure in range(len(rows)):
                # Each place is a history of its own: a forecaster that fits sees nothing twice.
                for place in range(len(insides)):
                    try:
                        expected[measure, place, position] = self.forecaster.forecast(
                            sums[measure, place : place + 1, :past],
                            self.times[:past],
                            int(self.times[moment]),
                        )[0]
                    except InputError:
                        break  # too little past yet
        times = self.times[shown.start :]
        return tuple(
            Curve(
                times,
                kpi.value(*sums[:, place, shown.start :]),
                np.where(np.isfinite(expected[0, place]), kpi.value(*expected[:, place]), np.nan),
            )
            for place in range(len(insides))
        )

    @cached_property
    def at_text(self) -> str:
        """The moment in words, UTC."""
        return datetime.fromtimestamp(self.at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def cube_from_history(
    table: Any,
    *,
    time: str,
    measures: Sequence[str],
    at: int | str | datetime | None = None,
    baseline_before: int | str | datetime | None = None,
    attributes: Sequence[str] | None = None,
    kpis: Sequence[Kpi] | None = None,
    forecaster: Forecaster | None = None,
    missing: Literal["zero", "unknown"] = "zero",
    duplicates: Literal["error", "sum"] = "error",
    name: str = "",
) -> History:
    """Make the cube of one moment, with forecasts from the times before it.

    Parameters
    ----------
    table : polars, pandas or Arrow frame
        One row a leaf and time.
    time : str
        The time column: seconds since 1970, dates with times, or ISO 8601 text; UTC where no
        zone is said.
    measures : sequence of str
        The value columns: the fundamental KPIs.
    at : int, str or datetime, optional
        The moment; the last one by default. Rows after it are never looked at.
    baseline_before : int, str or datetime, optional
        Forecast from times before this one only, to keep the first minutes of a fault out of its
        own baseline; by default `at`.
    attributes : sequence of str, optional
        By default every other column.
    kpis : sequence of Kpi, optional
        What to localize; by default each measure.
    forecaster : Forecaster, optional
        By default the mean of all earlier times.
    missing : {"zero", "unknown"}
        What a time without a row says of a leaf: nothing was counted (right for counts and
        volumes), or nothing is known.
    duplicates : {"error", "sum"}
        What to do with two rows of one leaf and time.
    name : str
        What the cube is called in messages.

    Returns
    -------
    History
        With the cube: all leaves seen up to `at`.

    Raises
    ------
    MissingColumnError, DuplicateLeafError, InputError, SettingError
        As `KpiCube.from_frame`; also if a time cannot be read, or if there is no row at the
        moment or before the baseline's end.

    Examples
    --------
    >>> table = pl.DataFrame({"minute": [0, 60, 60, 120, 120], "site": ["a", "a", "b", "a", "b"],
    ...                       "requests": [4.0, 6.0, 2.0, 9.0, 9.0]})
    >>> history = cube_from_history(table, time="minute", measures=["requests"], at=120)
    >>> history.cube.actual.tolist(), history.cube.forecast.tolist()
    ([[9.0, 9.0]], [[5.0, 1.0]])
    """
    frame = as_polars(table)
    source = name or None
    for column in (time, *measures, *(attributes or ())):
        if column not in frame.columns:
            raise MissingColumnError(column, frame.columns, source=source)
    if time in measures or time in (attributes or ()):
        raise SettingError(f"the time column {time!r} cannot be a value or an attribute too")
    chosen = [c for c in frame.columns if c not in (time, *measures)]
    chosen = chosen if attributes is None else list(attributes)
    stamps = _column_seconds(frame[time], source)
    moment = int(stamps.max()) if at is None else seconds_of(at)
    cut = moment if baseline_before is None else min(seconds_of(baseline_before), moment)
    earlier = stamps <= moment
    if moment not in stamps:
        raise InputError(f"no row at {at!r}", source=source, column=time)

    # With time as one more attribute, the cube's own checks and codes do for the history too.
    nothing = _fresh_name(frame.columns)
    rows = frame.with_columns(pl.Series(time, stamps), pl.lit(0.0).alias(nothing))
    whole = KpiCube.from_frame(
        rows.filter(pl.Series(earlier)).select(time, *chosen, *measures, nothing),
        attributes=[time, *chosen],
        measures={m: (m, nothing) for m in measures},
        kpis=kpis,
        duplicates=duplicates,
        name=name,
    )
    times = np.array([int(text) for text in whole.elements[0]], dtype=np.int64)
    order = np.argsort(times)
    time_of_row = np.argsort(order)[whole.codes[:, 0]]
    times = times[order]
    if times[-1] != moment:
        raise InputError("no usable row at the moment to localize", source=source, column=time)
    if times[0] >= cut:
        raise InputError("no earlier time to forecast from", source=source, column=time)
    leaf_of_row, codes = _distinct(whole.codes[:, 1:])
    gap = 0.0 if missing == "zero" else np.nan
    values = np.full((len(measures), len(codes), len(times)), gap)
    values[:, leaf_of_row, time_of_row] = whole.actual

    elements = whole.elements[1:]
    if missing == "unknown":
        seen = np.isfinite(values[:, :, -1]).all(axis=0)
        codes, values = codes[seen], values[:, seen]
        elements, codes = _used(elements, codes)
    tool = forecaster or MovingAverage()
    n_past = int(np.searchsorted(times, cut))
    forecast = np.array([tool.forecast(v[:, :n_past], times[:n_past], moment) for v in values])
    actual = values[:, :, -1].copy()
    for array in (codes, actual, forecast):
        array.setflags(write=False)
    cube = KpiCube(
        attributes=tuple(chosen),
        elements=elements,
        codes=codes,
        measures=tuple(measures),
        actual=actual,
        forecast=forecast,
        kpis=whole.kpis,
        quarantined=whole.quarantined,
        name=name,
    )
    return History(cube, moment, times, values, tool, cut)


def seconds_of(moment: int | str | datetime) -> int:
    """Return a moment as seconds since 1970; text is ISO 8601 or seconds, UTC if no zone is said.

    Raises
    ------
    InputError
        If the text is not a time.

    Examples
    --------
    >>> seconds_of("1970-01-01T01:00:00+01:00"), seconds_of("1970-01-02"), seconds_of("60")
    (0, 86400, 60)
    """
    if isinstance(moment, str):
        try:
            if moment.strip().lstrip("-").isdecimal():
                return int(moment)
            moment = datetime.fromisoformat(moment.strip())
        except ValueError as error:
            raise InputError(f"{moment!r} is neither ISO 8601 nor seconds since 1970") from error
    if isinstance(moment, datetime):
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    return int(moment)


def _column_seconds(column: pl.Series, source: str | None) -> Times:
    empty = column.is_null().arg_max() if column.null_count() else None
    if empty is not None:
        raise InputError("no time", source=source, column=column.name, row=empty + 1)
    if column.dtype.is_temporal():
        stamps = column.cast(pl.Datetime("us")) if column.dtype == pl.Date else column
        if not isinstance(stamps.dtype, pl.Datetime):
            raise InputError(f"{column.dtype} is not a date", source=source, column=column.name)
        return stamps.dt.epoch("s").to_numpy().astype(np.int64)
    if column.dtype.is_integer():
        return column.to_numpy().astype(np.int64)
    if column.dtype.is_float() and column.is_finite().all():
        floored: Times = np.floor(column.to_numpy()).astype(np.int64)
        return floored
    if column.dtype in (pl.String, pl.Categorical):
        texts = column.cast(pl.String)
        distinct = texts.unique().sort().to_list()
        try:
            known = {text: seconds_of(text) for text in distinct}
        except InputError as error:
            raise InputError(error.problem, source=source, column=column.name) from error
        return np.array([known[text] for text in texts.to_list()], dtype=np.int64)
    raise InputError(f"of type {column.dtype}, which is no time", source=source, column=column.name)


def _fresh_name(taken: Sequence[str]) -> str:
    name = "no forecast"
    while name in taken:
        name += "_"
    return name


def _distinct(codes: NDArray[np.int32]) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
    """Return for each row the position of its leaf, and the leaves in lexicographic order."""
    key = np.zeros(len(codes), dtype=np.int64)
    first = np.zeros(1, dtype=np.intp)
    for column in codes.T:
        _, first, key = np.unique(
            key * (int(column.max()) + 1) + column, return_index=True, return_inverse=True
        )
    return key, np.asfortranarray(codes[first])


def _used(
    elements: tuple[tuple[str, ...], ...], codes: NDArray[np.int32]
) -> tuple[tuple[tuple[str, ...], ...], NDArray[np.int32]]:
    """Return the elements that still have a leaf, and the codes into them."""
    kept, columns = [], []
    for names, column in zip(elements, codes.T, strict=True):
        used, position = np.unique(column, return_inverse=True)
        kept.append(tuple(names[code] for code in used))
        columns.append(position.astype(np.int32))
    return tuple(kept), np.asfortranarray(np.stack(columns, axis=1))
