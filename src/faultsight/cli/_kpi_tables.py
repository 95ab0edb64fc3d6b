"""KPI tables as a command reads them: which columns are KPIs, and a word on what is left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from faultsight.cli._moments import FARTHEST_S
from faultsight.core.errors import InputError

if TYPE_CHECKING:
    import polars as pl

    from faultsight.core.kpi_frame import KpiFrame

__all__ = ["KpiTables"]

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
        self, say: Callable[[str], None], known: Sequence[str] = ()
    ) -> tuple[list[KpiFrame], dict[str, int]]:
        """Return a frame for each entity, and how many rows were put aside for what reason.

        Parameters
        ----------
        say : callable
            Told in a line what was left out.
        known : sequence of str
            The KPIs of the model that the frames are for, if there is one; they are read even
            where a column does not look like numbers, so that a wrong cell is named.

        Raises
        ------
        InputError
            If the tables cannot be used; names file, column and row.
        """
        from faultsight.detect.reading import read_frames

        named = [name.strip() for name in self.kpis.split(",") if name.strip()]
        if known and not named:
            named = self._found(known, say)
        frames = read_frames(
            self.data, timestamp=self.timestamp, entity=self.entity, label=self.label,
            kpis=named or None, interval_s=self.interval_s,
        )  # fmt: skip
        self._check_calendar(frames)
        if not named:
            self._tell_texts(frames[0].kpis, say)
        dropped: dict[str, int] = {}
        for frame in frames:
            for reason, count in frame.dropped.items():
                dropped[reason] = dropped.get(reason, 0) + count
        for reason, count in sorted(dropped.items()):
            say(f"put aside: {count:,} {'row' if count == 1 else 'rows'}, {_WHY[reason]}")
        return frames, dropped

    def _found(self, known: Sequence[str], say: Callable[[str], None]) -> list[str]:
        """Return which of a model's KPIs any file holds; a missing one is told."""
        columns = {name for _, table in self._tables() for name in table.collect_schema()}
        found = [kpi for kpi in known if kpi in columns]
        if columns and not found:
            raise InputError(
                f"holds none of the model's KPIs, which are {_some(known)}",
                source=", ".join(map(str, self.data)),
            )
        if len(found) < len(known):
            missing = [kpi for kpi in known if kpi not in columns]
            say(f"not in the data, and so unknown: {_some(missing)}")
        return found

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
            say(f"no columns of numbers, and so no KPIs: {_some(list(left_out))}")

    def _tables(self) -> Iterator[tuple[Path, pl.LazyFrame]]:
        """Yield the files and how to read them as they are; skips what cannot be read."""
        import polars as pl

        from faultsight.core.tables import TABLE_SUFFIXES

        for path in map(Path, self.data):
            for file in sorted(path.iterdir()) if path.is_dir() else [path]:
                if file.suffix.lower() not in TABLE_SUFFIXES:
                    continue
                try:
                    table = (
                        pl.scan_parquet(file)
                        if file.suffix.lower() == ".parquet"
                        else pl.scan_csv(file, infer_schema=False)
                    )
                    table.collect_schema()
                except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
                    continue  # reading the frames says what is wrong, in better words
                yield file, table


_WHY = {
    "no_timestamp": "without a stamp",
    "duplicated": "which say the same twice",
    "conflicting": "whose moment is told again further down",
}


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
