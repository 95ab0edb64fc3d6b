"""KPI tables as a command reads them: which columns are KPIs, and a word on what is left out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from faultsight.cli._moments import FARTHEST_S
from faultsight.core.errors import InputError

if TYPE_CHECKING:
    import polars as pl

    from faultsight.core.kpi_frame import KpiFrame

__all__ = ["KpiTables", "tell_still"]

_NAMES_SHOWN = 5


@dataclass(frozen=True)
class KpiTables:
    """Files of KPIs and how their columns are to be read.

    Parameters
    ----------
    data : sequence of Path
        CSV or Parquet files, or folders of them.
    timestamp, entity, label : str
        Columns that are no KPIs.
    kpis : str
        Names joined by commas; empty for all.
    interval_s : int, optional
        Seconds from row to row; the usual step if not given.
    """

    data: Sequence[Path]
    timestamp: str
    entity: str
    label: str
    kpis: str
    interval_s: int | None

    def read(
        self,
        say: Callable[[str], None],
        known: Sequence[str] = (),
        fitted_s: int | None = None,
    ) -> tuple[list[KpiFrame], dict[str, int]]:
        """Return a frame for each entity, and how many rows were put aside for what reason.

        Parameters
        ----------
        say : callable
            Told in a line what was left out. KPIs that the model does not know are told on
            standard error.
        known : sequence of str
            The KPIs of the model that the frames are for, if there is one; they are read even
            where a column does not look like numbers, so that a wrong cell is named.
        fitted_s : int, optional
            Seconds from row to row that the model was fitted on.

        Raises
        ------
        InputError
            If the tables cannot be used; names file, column and row.
        """
        from faultsight.core.exported_tables import refuse_other_separators
        from faultsight.core.tables import refuse_columns_told_twice
        from faultsight.detect.reading import read_frames

        named = [name.strip() for name in self.kpis.split(",") if name.strip()]
        for file in self._files():
            refuse_other_separators(file)
            refuse_columns_told_twice(file)
        if known and not named:
            named = self._found(known, say)
        try:
            frames = read_frames(
                self.data, timestamp=self.timestamp, entity=self.entity, label=self.label,
                kpis=named or None, interval_s=self.interval_s, expected_s=fitted_s,
            )  # fmt: skip
        except InputError:
            self._refuse_decimal_commas(named)
            raise
        self._check_calendar(frames)
        self._check_step(frames, fitted_s)
        if not named:
            self._tell_texts(frames[0].kpis, say)
        if known and not self.kpis:
            self._tell_new(known)
        dropped: dict[str, int] = {}
        for frame in frames:
            for reason, count in frame.dropped.items():
                dropped[reason] = dropped.get(reason, 0) + count
        for reason, count in sorted(dropped.items()):
            say(f"put aside: {count:,} {'row' if count == 1 else 'rows'}, {_WHY[reason]}")
        _tell_moved(frames, say)
        _tell_infinite(frames, say)
        return frames, dropped

    def _found(self, known: Sequence[str], say: Callable[[str], None]) -> list[str]:
        """Return which of a model's KPIs any file holds; a missing one is told."""
        columns = {name for _, table in self._tables() for name in table.collect_schema()}
        if not columns:
            return []  # reading the frames says why
        found = [kpi for kpi in known if kpi in columns]
        if not found:
            raise InputError(
                f"holds none of the model's KPIs, which are {_some(known)}",
                source=", ".join(map(str, self.data)),
            )
        if len(found) < len(known):
            missing = [kpi for kpi in known if kpi not in columns]
            say(f"not in the data, and so unknown: {_some(missing)}")
        return found

    def _tell_new(self, known: Sequence[str]) -> None:
        """Tell which columns of numbers a model does not know."""
        import polars as pl

        from faultsight.core.printable import printable

        reserved = {self.timestamp, self.entity, self.label, *known}
        new: dict[str, None] = {}
        for _, table in self._tables():
            kinds = {n: kind for n, kind in table.collect_schema().items() if n not in reserved}
            texts = [name for name, kind in kinds.items() if kind == pl.String]
            found = {n for n, kind in kinds.items() if kind.is_numeric() or kind == pl.Boolean}
            for column in table.select(texts).collect() if texts else ():
                # A stray text does not make a KPI something else.
                n_numbers = column.cast(pl.Float64, strict=False).count()
                if n_numbers > column.count() // 2:
                    found.add(column.name)
            new |= dict.fromkeys(name for name in kinds if name in found)
        if new:
            # Told also where JSON has standard output to itself.
            line = f"not among the model's KPIs, and so not looked at: {_some(list(new))}"
            sys.stderr.write(f"{printable(line)}\n")

    def _check_calendar(self, frames: Sequence[KpiFrame]) -> None:
        if any(
            abs(moment) >= FARTHEST_S
            for frame in frames
            for moment in (frame.window.start_s, frame.window.end_s)
        ):
            raise InputError(
                "stamps lie thousands of years from now; numbers are read as seconds since 1970: "
                "are these milliseconds?",
                source=", ".join(map(str, self.data)), column=self.timestamp,
            )  # fmt: skip

    def _check_step(self, frames: Sequence[KpiFrame], fitted_s: int | None) -> None:
        from faultsight.core.time_grid import step_text

        found_s = frames[0].interval_s
        if fitted_s is not None and found_s != fitted_s:
            raise InputError(
                f"the rows are {step_text(found_s)} apart, those that the model was fitted on "
                f"{step_text(fitted_s)}: bring them to its step, or give --interval-s {fitted_s} "
                "to take the last row of each such span",
                source=", ".join(map(str, self.data)), column=self.timestamp,
            )  # fmt: skip

    def _refuse_decimal_commas(self, named: Sequence[str]) -> None:
        """Refuse a column all of whose texts are numbers but for their comma.

        Raises
        ------
        InputError
            If there is one; names it.
        """
        import polars as pl

        for file, table in self._tables():
            reserved = {self.timestamp, self.entity, self.label}
            kinds = table.collect_schema()
            looked_at = set(named or kinds) - reserved
            texts = [n for n, kind in kinds.items() if n in looked_at and kind == pl.String]
            for column in table.select(texts).collect() if texts else ():
                known = column.drop_nulls()
                if len(known) and known.str.contains(r"^\s*[+-]?\d+,\d+\s*$").all():
                    raise InputError(
                        f"{known[0]!r} has a decimal comma; write decimals with a point",
                        source=str(file), column=column.name, row=1,
                    )  # fmt: skip

    def _tell_texts(self, kpis: Sequence[str], say: Callable[[str], None]) -> None:
        """Tell which columns are no KPIs, and refuse those that are numbers but for some cells.

        Raises
        ------
        InputError
            If most cells of a column are numbers: a stray text must not cost a KPI.
        """
        import polars as pl

        reserved = {self.timestamp, self.entity, self.label, *kpis}
        left_out: dict[str, None] = {}
        for file, table in self._tables():
            kinds = {n: kind for n, kind in table.collect_schema().items() if n not in reserved}
            left_out |= dict.fromkeys(kinds)
            texts = [name for name, kind in kinds.items() if kind == pl.String]
            for column in table.select(texts).collect() if texts else ():
                n_numbers = column.cast(pl.Float64, strict=False).count()
                if column.count() // 2 < n_numbers < column.count():
                    _refuse(column, str(file))
        if left_out:
            self._refuse_decimal_commas(list(left_out))
            say(f"no columns of numbers, and so no KPIs: {_some(list(left_out))}")

    def _tables(self) -> Iterator[tuple[Path, pl.LazyFrame]]:
        """Yield the files and how to read them as they are; skips what cannot be read."""
        import polars as pl

        from faultsight.core.tables import plain_headings

        for file in self._files():
            try:
                if file.suffix.lower() == ".parquet":
                    table = pl.scan_parquet(file)
                    table.collect_schema()
                else:
                    table = pl.scan_csv(file, infer_schema=False)
                    table = table.rename(plain_headings(table.collect_schema().names()))
            except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
                continue  # reading the frames says what is wrong, in better words
            yield file, table

    def _files(self) -> Iterator[Path]:
        from faultsight.core.tables import TABLE_SUFFIXES

        for path in map(Path, self.data):
            for file in sorted(path.iterdir()) if path.is_dir() else [path]:
                if file.suffix.lower() in TABLE_SUFFIXES:
                    yield file


_WHY = {
    "no_timestamp": "without a stamp",
    "duplicated": "which say the same twice",
    "conflicting": "whose moment is told again further down",
}


def _tell_moved(frames: Sequence[KpiFrame], say: Callable[[str], None]) -> None:
    from faultsight.core.time_grid import step_text

    n_moved = sum(frame.n_moved for frame in frames)
    if n_moved:
        farthest_s = max(frame.moved_s for frame in frames)
        say(
            f"not on the grid of rows {step_text(frames[0].interval_s)} apart, and moved there: "
            f"{n_moved:,} {'row' if n_moved == 1 else 'rows'}, by {farthest_s:,.3g} s at most"
        )


def _tell_infinite(frames: Sequence[KpiFrame], say: Callable[[str], None]) -> None:
    n_infinite = sum(frame.n_infinite for frame in frames)
    if n_infinite:
        say(f"infinite, and taken for missing: {n_infinite:,} "
            f"{'value' if n_infinite == 1 else 'values'}")  # fmt: skip


def tell_still(frames: Sequence[KpiFrame], say: Callable[[str], None]) -> None:
    """Tell which KPIs never move or are all missing, and at how many of the entities.

    Parameters
    ----------
    frames : sequence of KpiFrame
        What is trained on; frames share their KPIs.
    say : callable
        Told in a line what is constant, in another what is missing.
    """
    import numpy as np

    missing: dict[str, int] = {}
    constant: dict[str, int] = {}
    for frame in frames:
        known = np.isfinite(frame.values)
        lowest = np.where(known, frame.values, np.inf).min(axis=0, initial=np.inf)
        highest = np.where(known, frame.values, -np.inf).max(axis=0, initial=-np.inf)
        n_known = known.sum(axis=0)
        # One value alone says nothing of whether a KPI moves.
        still = (n_known > 1) & (lowest == highest)
        for place, kpi in enumerate(frame.kpis):
            missing[kpi] = missing.get(kpi, 0) + int(not n_known[place])
            constant[kpi] = constant.get(kpi, 0) + int(still[place])
    for what, counts in (("constant", constant), ("all missing", missing)):
        if any(counts.values()):
            say(f"{what}: {_at_entities(counts, len(frames))}")


def _at_entities(counts: Mapping[str, int], n_entities: int) -> str:
    """Return KPIs and at how many entities each is so, those of most entities first."""
    of = f"of {n_entities:,} {'entity' if n_entities == 1 else 'entities'}"
    told = sorted((kpi for kpi in counts if counts[kpi]), key=lambda kpi: -counts[kpi])
    return _some([f"{kpi} at {counts[kpi]:,} {of}" for kpi in told])


def _refuse(column: pl.Series, source: str) -> None:
    from faultsight.core.kpi_frame import numbers

    try:
        numbers(column, source)
    except InputError as error:
        raise InputError(
            f"{error.problem}, but most of the column are; empty the cell, or name the KPI "
            "columns with --kpis",
            source=error.source, column=error.column, row=error.row,
        ) from error  # fmt: skip


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMES_SHOWN
    shown = ", ".join(names[:_NAMES_SHOWN])
    return f"{shown} and {more} more" if more > 0 else shown
