"""The KPIs of one entity over time, on a regular grid; what is missing is NaN, never invented."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from faultsight.core.errors import InputError, MissingColumnError
from faultsight.core.tables import as_polars
from faultsight.core.time_grid import Stamps, grid_points, usual_step

__all__ = ["KpiFrame", "TimeWindow", "entity_names", "epoch_seconds", "numbers"]

_DECIMAL_COMMA = re.compile(r"\s*[+-]?\d+,\d+\s*")
_MOST_POINTS = 50_000_000
"""More grid points than this in one entity are a wrong stamp, not a long series."""


@dataclass(frozen=True, order=True)
class TimeWindow:
    """A half-open span of time, in seconds since 1970 UTC.

    Parameters
    ----------
    start_s, end_s : int
        The first second inside, and the first one after it.

    Raises
    ------
    InputError
        If the window ends before it starts.

    Examples
    --------
    >>> TimeWindow(0, 3600).holds(3600)
    False
    """

    start_s: int
    end_s: int

    def __post_init__(self) -> None:
        if self.end_s < self.start_s:
            raise InputError(f"the window ends ({self.end_s}) before it starts ({self.start_s})")

    def holds(self, time_s: int) -> bool:
        """Whether a moment lies inside."""
        return self.start_s <= time_s < self.end_s

    def overlaps(self, other: TimeWindow) -> bool:
        """Whether the two share a second."""
        return self.start_s < other.end_s and other.start_s < self.end_s


@dataclass(frozen=True, eq=False)
class KpiFrame:
    """Time x KPI of one entity, such as a base station.

    Parameters
    ----------
    entity : str
        Whose KPIs these are.
    kpis : sequence of str
        Column names; distinct.
    start_s : int
        The stamp of the first row, seconds since 1970 UTC.
    interval_s : int
        Seconds from row to row.
    values : array of shape (time, kpi)
        float32; NaN is missing. Infinities become missing.
    labels : array of shape (time,), optional
        1 where the entity is known to misbehave, else 0.
    unlabelled : array of shape (time,), optional
        True where there are labels but this row's was left empty, and so is not to be judged.
    dropped : mapping of str to int
        What reading the data put aside, and how often: duplicated stamps and the like.
    n_moved : int
        How many rows read had a stamp that is not one of the grid.
    moved_s : float
        How far the farthest of them lay from its row's, in seconds.
    n_infinite : int
        How many of the values given were infinite, or beyond 32-bit floating point.

    Raises
    ------
    InputError
        If shapes do not fit or the interval is not positive.

    Examples
    --------
    >>> frame = KpiFrame("cell-1", ("traffic_mb",), 0, 3600, [[1.0], [2.0], [float("inf")]])
    >>> len(frame), bool(np.isnan(frame.values[2, 0])), frame.n_infinite
    (3, True, 1)
    >>> frame[1:].start_s
    3600
    """

    entity: str
    kpis: tuple[str, ...]
    start_s: int
    interval_s: int
    values: NDArray[np.float32]
    labels: NDArray[np.int8] | None = None
    unlabelled: NDArray[np.bool_] | None = None
    dropped: Mapping[str, int] = field(default_factory=dict)
    n_moved: int = 0
    moved_s: float = 0.0
    n_infinite: int = 0

    def __init__(
        self,
        entity: str,
        kpis: Sequence[str],
        start_s: int,
        interval_s: int,
        values: ArrayLike,
        *,
        labels: ArrayLike | None = None,
        unlabelled: NDArray[np.bool_] | None = None,
        dropped: Mapping[str, int] | None = None,
        n_moved: int = 0,
        moved_s: float = 0.0,
        n_infinite: int = 0,
    ) -> None:
        kpis = tuple(kpis)
        with np.errstate(over="ignore"):
            table = np.ascontiguousarray(values, dtype=np.float32)
        if table.ndim != 2 or table.shape[1] != len(kpis):
            raise InputError(
                f"{len(kpis)} KPIs need values of shape (time, {len(kpis)}), not {table.shape}",
                source=entity,
            )
        if len(set(kpis)) != len(kpis):
            raise InputError("two KPIs have one name", source=entity)
        if interval_s <= 0:
            raise InputError(f"the interval must be positive, not {interval_s} s", source=entity)
        infinite = np.isinf(table)
        if infinite.any():
            n_infinite += int(infinite.sum())
            table = np.where(infinite, np.float32(np.nan), table)
        marks = None
        if labels is not None:
            marks = np.ascontiguousarray(labels, dtype=np.int8)
            if marks.shape != (len(table),):
                raise InputError(f"{len(table)} rows, but {marks.shape} labels", source=entity)
        for name, value in (
            ("entity", entity),
            ("kpis", kpis),
            ("start_s", int(start_s)),
            ("interval_s", int(interval_s)),
            ("values", table),
            ("labels", marks),
            ("unlabelled", unlabelled if unlabelled is not None and unlabelled.any() else None),
            ("dropped", dict(dropped or {})),
            ("n_moved", n_moved),
            ("moved_s", moved_s),
            ("n_infinite", n_infinite),
        ):
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: slice) -> KpiFrame:
        """Return the rows of a slice without a step; a view, never a copy."""
        start, stop, step = rows.indices(len(self))
        if step != 1:
            raise InputError("a KpiFrame is cut, never thinned: slices have no step")
        return KpiFrame(
            self.entity,
            self.kpis,
            self.start_s + start * self.interval_s,
            self.interval_s,
            self.values[start:stop],
            labels=None if self.labels is None else self.labels[start:stop],
            unlabelled=None if self.unlabelled is None else self.unlabelled[start:stop],
        )

    @property
    def times_s(self) -> NDArray[np.int64]:
        """The stamp of each row, seconds since 1970 UTC."""
        return self.start_s + np.arange(len(self), dtype=np.int64) * self.interval_s

    @property
    def window(self) -> TimeWindow:
        """From the first stamp to one interval after the last."""
        return TimeWindow(self.start_s, self.start_s + len(self) * self.interval_s)

    def rows_in(self, window: TimeWindow) -> slice:
        """Return the rows whose interval starts inside a window; empty where they do not meet."""
        first = -((self.start_s - window.start_s) // self.interval_s)
        last = -((self.start_s - window.end_s) // self.interval_s)
        return slice(min(max(first, 0), len(self)), min(max(last, 0), len(self)))

    def with_kpis(self, kpis: Sequence[str]) -> KpiFrame:
        """Return the frame with these KPIs in this order; one that it lacks is all missing."""
        kpis = tuple(kpis)
        if kpis == self.kpis:
            return self
        values = np.full((len(self), len(kpis)), np.nan, dtype=np.float32)
        place = {kpi: position for position, kpi in enumerate(self.kpis)}
        for position, kpi in enumerate(kpis):
            if kpi in place:
                values[:, position] = self.values[:, place[kpi]]
        return KpiFrame(
            self.entity,
            kpis,
            self.start_s,
            self.interval_s,
            values,
            labels=self.labels,
            unlabelled=self.unlabelled,
            dropped=self.dropped,
            n_moved=self.n_moved,
            moved_s=self.moved_s,
            n_infinite=self.n_infinite,
        )

    def then(self, later: KpiFrame) -> KpiFrame:
        """Return this frame followed by a later one; rows between them are missing.

        Raises
        ------
        InputError
            If the other frame overlaps this one or has another entity, interval, grid or KPIs.
        """
        gap, rest = divmod(later.start_s - self.window.end_s, self.interval_s)
        if later.interval_s != self.interval_s or rest or gap < 0:
            raise InputError(
                "the frames are not on one grid, one after the other", source=self.entity
            )
        if later.entity != self.entity or later.kpis != self.kpis:
            raise InputError("the frames are of different entities or KPIs", source=self.entity)
        hole = np.full((gap, len(self.kpis)), np.nan, dtype=np.float32)
        labels = None
        if self.labels is not None and later.labels is not None:
            labels = np.concatenate([self.labels, np.zeros(gap, np.int8), later.labels])
        return KpiFrame(
            self.entity,
            self.kpis,
            self.start_s,
            self.interval_s,
            np.concatenate([self.values, hole, later.values]),
            labels=labels,
        )

    @classmethod
    def from_table(
        cls,
        table: Any,
        *,
        timestamp: str = "timestamp",
        entity: str = "entity",
        label: str = "label",
        kpis: Sequence[str] | None = None,
        interval_s: int | None = None,
        expected_s: int | None = None,
        source: str | None = None,
    ) -> list[KpiFrame]:
        """Return one frame for each entity of a table, in order of entity.

        Parameters
        ----------
        table : polars, pandas or pyarrow frame, or any object that exports an Arrow stream
            Rows in any order.
        timestamp : str
            Column of stamps: times, ISO texts (UTC where no zone is told) or epoch seconds.
        entity, label : str
            Columns that may be absent: whose row it is (else all are one entity's, called
            ``"all"``), and whether it is a known anomaly. An entity all of whose labels are empty
            has none.
        kpis : sequence of str, optional
            The KPI columns; all other numeric columns if not given.
        interval_s : int, optional
            Seconds from row to row; the `usual_step` of the table if not given. Stamps are put on
            this grid by `grid_points`.
        expected_s : int, optional
            The interval where none is given and the stamps fit this one, such as that of a model.
        source : str, optional
            The file, for messages.

        Returns
        -------
        list of KpiFrame
            Each tells in `dropped` what was put aside: ``no_timestamp`` rows; ``duplicated``
            rows that say the same twice; ``conflicting`` rows whose grid point was told again
            further down, which is the row that stays; and how many rows were moved onto the grid.

        Raises
        ------
        InputError
            If stamps, entities or values cannot be read, or no row or KPI is left; names column
            and row.

        Examples
        --------
        >>> table = pl.DataFrame({"timestamp": [7200, 0, 0], "drops": [3.0, 1.0, 2.0]})
        >>> frame, = KpiFrame.from_table(table, interval_s=3600)
        >>> frame.values.ravel().tolist(), dict(frame.dropped)
        ([2.0, nan, 3.0], {'conflicting': 1})
        """
        rows = as_polars(table)
        if interval_s is not None and interval_s <= 0:
            raise InputError(f"the interval must be positive, not {interval_s} s", source=source)
        if timestamp not in rows.columns:
            raise MissingColumnError(timestamp, rows.columns, source=source)
        names = _kpi_columns(rows, kpis, {timestamp, entity, label}, source)
        times_s = epoch_seconds(rows[timestamp], source)
        known = ~np.isnan(times_s)
        if not known.any():
            raise InputError("no row has a stamp", source=source, column=timestamp)
        values = _values(rows, names, source)
        labels = _labels(rows, label, source)
        who = entity_names(rows[entity], source).to_numpy() if entity in rows.columns else None
        if interval_s is None:
            owners_known = None if who is None else who[known]
            interval_s = usual_step(_sorted_stamps(times_s[known], owners_known), expected_s)
        owners = np.unique(who[known]) if who is not None else ["all"]
        frames = []
        for owner in owners:
            mine = known if who is None else known & (who == owner)
            unstamped = int(np.sum(~known if who is None else ~known & (who == owner)))
            frames.append(
                _on_grid(
                    str(owner), kpis=names, times_s=times_s[mine], values=values[mine],
                    labels=None if labels is None else labels[mine],
                    step=interval_s, unstamped=unstamped, source=source,
                )
            )  # fmt: skip
        return frames


def _kpi_columns(
    rows: pl.DataFrame, kpis: Sequence[str] | None, reserved: set[str], source: str | None
) -> tuple[str, ...]:
    if kpis is not None:
        for kpi in kpis:
            if kpi not in rows.columns:
                raise MissingColumnError(kpi, rows.columns, source=source)
        if not kpis:
            raise InputError("no KPI is asked for", source=source)
        return tuple(kpis)
    names = tuple(
        c
        for c, kind in rows.schema.items()
        if c not in reserved and (kind.is_numeric() or kind in (pl.Boolean, pl.Null))
    )
    if not names:
        raise InputError("no numeric column is left for KPIs", source=source)
    return names


def epoch_seconds(stamps: pl.Series, source: str | None = None) -> NDArray[np.float64]:
    """Return the epoch seconds of a column of stamps; NaN where one is missing.

    Parameters
    ----------
    stamps : polars.Series
        Times, dates, ISO texts (UTC where no zone is told) or epoch seconds.
    source : str, optional
        The file, for messages.

    Raises
    ------
    InputError
        If a stamp cannot be read; names column and row.

    Examples
    --------
    >>> epoch_seconds(pl.Series("t", ["1970-01-01 01:00", None])).tolist()
    [3600.0, nan]
    """
    kind = stamps.dtype
    if kind.is_numeric():
        seconds = stamps.cast(pl.Float64).to_numpy().copy()
    elif isinstance(kind, pl.Datetime | pl.Date):
        seconds = stamps.cast(pl.Datetime("us")).dt.epoch("us").to_numpy() / 1e6
    elif kind == pl.String:
        seconds = np.array([_parsed(text, row, stamps.name, source)
                            for row, text in enumerate(stamps, start=1)], dtype=float)  # fmt: skip
    elif kind == pl.Null:
        return np.full(len(stamps), np.nan)
    else:
        raise InputError(f"{kind} is no time", source=source, column=stamps.name)
    seconds = np.array(seconds, dtype=float)
    seconds[~np.isfinite(seconds)] = np.nan
    return seconds


def _parsed(text: str | None, row: int, column: str, source: str | None) -> float:
    if text is None or not text.strip():
        return np.nan
    try:
        moment = datetime.fromisoformat(text.strip().upper())  # RFC 3339 allows a small z
    except ValueError:
        try:
            return float(text)
        except ValueError:
            raise InputError(
                f"{text!r} is neither an ISO time nor epoch seconds",
                source=source, column=column, row=row,
            ) from None  # fmt: skip
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def entity_names(column: pl.Series, source: str | None = None) -> pl.Series:
    """Return whose row each is, as text.

    Parameters
    ----------
    column : polars.Series
        Names or numbers of entities.
    source : str, optional
        The file, for messages.

    Raises
    ------
    InputError
        If one is missing; names column and row.

    Examples
    --------
    >>> entity_names(pl.Series("cell", [7, 12])).to_list()
    ['7', '12']
    """
    missing = column.is_null()
    if missing.any():
        row = int(missing.arg_true()[0]) + 1
        raise InputError("the entity is missing", source=source, column=column.name, row=row)
    return column.cast(pl.String)


def numbers(column: pl.Series, source: str | None = None) -> pl.Series:
    """Return a column as floating-point numbers; what is missing stays null.

    Parameters
    ----------
    column : polars.Series
        Numbers, texts of numbers, or truth values.
    source : str, optional
        The file, for messages.

    Raises
    ------
    InputError
        If a value is not a number; names column and row.

    Examples
    --------
    >>> numbers(pl.Series("drops", ["1", None, "2e3"])).to_list()
    [1.0, None, 2000.0]
    """
    kind = column.dtype
    if not (kind.is_numeric() or kind in (pl.String, pl.Boolean, pl.Null)):
        raise InputError(f"{kind} is no number", source=source, column=column.name)
    read = column.cast(pl.Float64, strict=False)
    wrong = read.is_null() & column.is_not_null()
    if wrong.any():
        row = int(wrong.arg_true()[0])
        hint = "; write decimals with a point" if _DECIMAL_COMMA.fullmatch(str(column[row])) else ""
        raise InputError(
            f"{column[row]!r} is not a number{hint}",
            source=source, column=column.name, row=row + 1,
        )  # fmt: skip
    return read


def _values(rows: pl.DataFrame, names: Sequence[str], source: str | None) -> NDArray[np.float32]:
    columns = [numbers(rows[name], source).fill_null(np.nan).to_numpy() for name in names]
    with np.errstate(over="ignore"):
        return np.stack(columns, axis=1).astype(np.float32)


def _labels(rows: pl.DataFrame, label: str, source: str | None) -> NDArray[np.float64] | None:
    """Return 1 and 0, and NaN where the label was left empty."""
    if label not in rows.columns:
        return None
    flags = numbers(rows[label], source).fill_null(np.nan).to_numpy()
    return np.where(np.isnan(flags), np.nan, flags != 0)


def _sorted_stamps(times_s: NDArray[np.float64], who: NDArray[Any] | None) -> list[Stamps]:
    """Return the stamps of each entity by themselves."""
    if who is None:
        return [np.sort(times_s)]
    _, codes = np.unique(who, return_inverse=True)
    order = np.lexsort((times_s, codes))
    return np.split(times_s[order], np.flatnonzero(np.diff(codes[order])) + 1)


def _on_grid(
    entity: str,
    *,
    kpis: tuple[str, ...],
    times_s: NDArray[np.float64],
    values: NDArray[np.float32],
    labels: NDArray[np.float64] | None,
    step: int,
    unstamped: int,
    source: str | None,
) -> KpiFrame:
    grid = grid_points(times_s, step)
    first, last = int(grid.min()), int(grid.max())
    if last - first >= _MOST_POINTS:
        raise InputError(
            f"stamps of {entity!r} span {last - first:,} steps of {step} s; is one of them wrong?",
            source=source,
        )
    order = np.argsort(grid, kind="stable")
    sorted_grid = grid[order]
    told_again = np.append(sorted_grid[1:] == sorted_grid[:-1], False)
    kept = order[~told_again]
    keeper = kept[np.searchsorted(sorted_grid[~told_again], sorted_grid[told_again])]
    lost = order[told_again]
    equal = np.all(
        (values[lost] == values[keeper]) | (np.isnan(values[lost]) & np.isnan(values[keeper])),
        axis=1,
    )
    table = np.full((last - first + 1, len(kpis)), np.nan, dtype=np.float32)
    table[grid[kept] - first] = values[kept]
    marks = unlabelled = None
    if labels is not None and not np.isnan(labels[kept]).all():
        marks, unlabelled = np.zeros(len(table), np.int8), np.zeros(len(table), np.bool_)
        marks[grid[kept] - first] = np.nan_to_num(labels[kept])
        unlabelled[grid[kept] - first] = np.isnan(labels[kept])
    dropped = {
        "no_timestamp": unstamped,
        "duplicated": int(equal.sum()),
        "conflicting": int((~equal).sum()),
    }
    away_s = np.abs(times_s - grid * step)
    return KpiFrame(
        entity, kpis, first * step, step, table, labels=marks,
        unlabelled=unlabelled,
        dropped={reason: count for reason, count in dropped.items() if count},
        n_moved=int(np.count_nonzero(away_s)), moved_s=float(away_s.max()),
    )  # fmt: skip
