"""Reads polls that another tool exported as CSV or Parquet: columns are mapped, units are stated.

A cell that cannot be read stays empty, a row without its key is left out; both are counted, with
file, row and value of the first. Nothing is guessed: not a unit, and not whether counters are
running totals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from faultsight.collectors._contract import Batch, Collector, Progress
from faultsight.collectors._device_ids import DeviceIds
from faultsight.collectors._docsis_objects import readable_pre_equalization
from faultsight.collectors._exports import deltas_within, with_fnodes
from faultsight.collectors._set_aside import SetAside, tally
from faultsight.core.errors import FaultSightError, InputError, MissingColumnError, SettingError
from faultsight.core.exported_tables import (
    read_export,
    refuse_other_separators,
    refuse_shared_columns,
    with_plain_headings,
)
from faultsight.core.kpi_frame import epoch_seconds
from faultsight.core.polls import COUNTERS, LEVELS
from faultsight.core.tables import TABLE_SUFFIXES, table_batches

__all__ = ["UNITS", "CsvExport", "CsvExportConfig"]

UNITS = {"whole": 1, "tenth": 10, "quarter": 4, "hundredth": 100}
"""Parts of a dB or dBmV that an export may count in."""

_COLUMNS = (
    "timestamp", "device_id", "mac", "fnode", "channel", *LEVELS, *COUNTERS,
    "requested_at", "round_id", "answered", "pre_equalization",
)  # fmt: skip
_PART_CELLS, _PART_BYTES = 2_000_000, 8_000_000
"""What is read of a file at a time: as texts, looked at one by one, cells take much room."""
_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


@dataclass(frozen=True)
class CsvExportConfig:
    """How an export is read.

    Parameters
    ----------
    columns : mapping of str to str
        The export's column for a column of telemetry, or for ``mac``. Columns that are not named
        here are taken under their own name, if they are there.
    units : mapping of str to str
        For a level such as ``snr_db``: ``whole`` (dB or dBmV, the default), ``tenth``, ``quarter``
        or ``hundredth``.
    counters : str
        ``deltas`` from poll to poll, or running ``totals``; needed if there are counters.
    fnode : str
        Of all devices, where neither a column nor a mapping tells it.
    fnodes : mapping of str to str
        By ``device_id``; goes before a column.
    device_ids : DeviceIds
        How ``mac`` becomes a device id; a column ``device_id`` is taken as it is.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    counters: Literal["deltas", "totals"] | None = None
    fnode: str = ""
    fnodes: Mapping[str, str] = field(default_factory=dict, repr=False)
    device_ids: DeviceIds = field(default_factory=DeviceIds)

    def __post_init__(self) -> None:
        for name in self.columns:
            if name not in _COLUMNS:
                raise SettingError(f"telemetry has no {name!r}; it has {', '.join(_COLUMNS)}")
        if {"mac", "device_id"} <= set(self.columns):
            raise SettingError("either mac or device_id names the modem, not both")
        refuse_shared_columns(self.columns)
        for name, unit in self.units.items():
            if name not in LEVELS:
                raise SettingError(f"{name!r} has no unit to state; {', '.join(LEVELS)} have")
            if unit not in UNITS:
                raise SettingError(f"the unit of {name} is one of {', '.join(UNITS)}, not {unit!r}")
        if self.counters not in (None, "deltas", "totals"):
            raise SettingError(f"counters are deltas or totals, not {self.counters!r}")


class CsvExport(Collector):
    """Reads exports of one layout.

    Parameters
    ----------
    files : sequence of path
        CSV or Parquet.
    config : CsvExportConfig, optional
        How they are read.

    Examples
    --------
    >>> import tempfile
    >>> from faultsight.core.telemetry import TelemetryFolder
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "export.csv").write_text('''time,modem,node,us,snr
    ... 2026-01-01 00:00,m1,FN1,1,365
    ... 2026-01-01 00:00,m1,FN1,2,n/a
    ... ''')
    >>> config = CsvExportConfig(
    ...     columns={"timestamp": "time", "device_id": "modem", "fnode": "node", "channel": "us",
    ...              "snr_db": "snr"},
    ...     units={"snr_db": "tenth"})
    >>> sink = TelemetryFolder.create(folder / "pnm")
    >>> done = CsvExport([folder / "export.csv"], config).collect(sink)
    >>> done.rows, done.set_aside[0].reason
    (2, 'not a number')
    >>> next(sink.nodes()).values["snr_db"].tolist()
    [[36.5, nan]]
    """

    def __init__(self, files: Sequence[Path | str], config: CsvExportConfig | None = None) -> None:
        self.files = [Path(file) for file in files]
        self.config = config or CsvExportConfig()
        if not self.files:
            raise SettingError("no file is named")

    def _collect(self, progress: Progress) -> Batch | Iterator[Batch]:
        if self.config.counters == "totals" or self._is_small():
            return self._at_once(progress)
        return self._in_parts(progress)

    def _is_small(self) -> bool:
        file = self.files[0]
        if len(self.files) > 1:
            return False
        if not file.is_file() or file.suffix.lower() not in TABLE_SUFFIXES:
            return True  # reading it says so
        parts = _tables(file)
        next(parts, None)
        return next(parts, None) is None

    def _at_once(self, progress: Progress) -> Batch:
        parts: list[pl.DataFrame] = []
        aside: list[SetAside] = []
        for file in self.files:
            progress(f"reading {file.name}")
            export = _Export(file, read_export(file), self.config)
            parts.append(export.usable())
            export.refuse_empty()
            aside += export.aside
        table = pl.concat(parts, how="diagonal_relaxed")
        if self.config.counters == "totals":
            table = deltas_within(table)
        return _batch(table, aside)

    def _in_parts(self, progress: Progress) -> Iterator[Batch]:
        """Yield part after part; all of them are read once before, for all are written or none."""
        for file in self.files:
            progress(f"looking through {file.name}")
            unusable: _Export | None = None
            is_usable = False
            for export in self._exports(file):
                is_usable = is_usable or export.usable().height > 0
                unusable = unusable or export
            if unusable is not None and not is_usable:
                unusable.refuse_empty()
        for file in self.files:
            progress(f"reading {file.name}")
            for export in self._exports(file):
                table = export.usable()
                yield _batch(table, export.aside)

    def _exports(self, file: Path) -> Iterator[_Export]:
        first_row = 0
        for rows in _tables(file):
            yield _Export(file, rows, self.config, first_row=first_row)
            first_row += rows.height


def _tables(file: Path) -> Iterator[pl.DataFrame]:
    refuse_other_separators(file)
    parts = table_batches(file, as_text=True, most_cells=_PART_CELLS, most_bytes=_PART_BYTES)
    return map(with_plain_headings, parts)


def _batch(table: pl.DataFrame, aside: Sequence[SetAside]) -> Batch:
    polls = table.unique(["device_id", "timestamp"])
    answered = polls.height
    if "answered" in polls.columns:
        answered = polls.filter(pl.col("answered").fill_null(value=True)).height
    return Batch(table, polled=polls.height, answered=answered, set_aside=aside)


class _Export:
    """Rows of one file while they are read; it notes what it sets aside."""

    def __init__(
        self, file: Path, rows: pl.DataFrame, config: CsvExportConfig, *, first_row: int = 0
    ) -> None:
        self.source = str(file)
        self.config = config
        self.aside: list[SetAside] = []
        self.rows = rows
        self.first_row = first_row
        self.first_lost: int | None = None
        self.n_usable = 0

    def usable(self) -> pl.DataFrame:
        """Return the rows that can be used, as telemetry has them."""
        config = self.config
        for column in config.columns.values():
            if column not in self.rows.columns:
                raise MissingColumnError(column, self.rows.columns, source=self.source)
        counters = [name for name in COUNTERS if self._has(name)]
        if counters and config.counters is None:
            raise SettingError(
                f"{self.source} has counters ({', '.join(counters)}); say whether they are deltas "
                "or totals"
            )
        columns = {"timestamp": self._moments("timestamp"), "device_id": self._devices()}
        columns["channel"] = self._texts("channel")
        for name in LEVELS:
            if self._has(name):
                columns[name] = self._numbers(name) / UNITS[config.units.get(name, "whole")]
        for name in counters:
            numbers = self._numbers(name)
            columns[name] = self._checked(numbers, numbers >= 0, name, "a counter below 0")
        if self._has("requested_at"):
            columns["requested_at"] = self._moments("requested_at")
        if self._has("round_id"):
            columns["round_id"] = self._numbers("round_id").cast(pl.Int64, strict=False)
        if self._has("answered"):
            columns["answered"] = self._truths("answered")
        if self._has("pre_equalization"):
            columns["pre_equalization"] = self._coefficients("pre_equalization")
        if self._has("fnode"):
            columns["fnode"] = self._texts("fnode")
        table = self._keyed(pl.DataFrame(columns))
        self.n_usable = table.height
        return table

    def refuse_empty(self) -> None:
        """Say so if no row can be used, and why."""
        if self.n_usable:
            return
        reasons = "; ".join(dict.fromkeys(one.reason for one in self.aside))
        raise InputError(
            f"no row can be used: {reasons or 'the table is empty'}", source=self.source,
            column=self.aside[-1].column if self.aside else None, row=self.first_lost,
        )  # fmt: skip

    def _keyed(self, table: pl.DataFrame) -> pl.DataFrame:
        """Return the rows whose key is known."""
        silent = ~table["answered"].fill_null(value=True) if "answered" in table.columns else None
        is_kept = np.ones(table.height, np.bool_)
        for name in ("timestamp", "device_id", "channel"):
            is_missing = table[name].is_null()
            if name == "channel" and silent is not None:
                is_missing = is_missing & ~silent  # a poll without an answer has no channel
            missing = is_missing.to_numpy()
            self._note("the row lacks it and is left out", missing, name, self._column(name))
            is_kept &= ~missing
        kept = table.filter(pl.Series(is_kept))
        kept, lost = with_fnodes(kept, self.config.fnodes, self.config.fnode)
        self.aside += lost
        if table.height:
            self.first_lost = int(np.argmin(is_kept)) + 1 + self.first_row
        return kept

    def _column(self, name: str) -> str:
        """Return the export's column for a column of telemetry."""
        if name == "device_id" and not self._has("device_id") and self._has("mac"):
            name = "mac"
        return self.config.columns.get(name, name)

    def _has(self, name: str) -> bool:
        return self.config.columns.get(name, name) in self.rows.columns

    def _raw(self, name: str) -> pl.Series:
        column = self._column(name)
        if column not in self.rows.columns:
            raise MissingColumnError(column, self.rows.columns, source=self.source)
        series = self.rows[column]
        if series.dtype == pl.String:
            series = series.str.strip_chars().replace("", None)
        return series

    def _texts(self, name: str) -> pl.Series:
        return self._raw(name).cast(pl.String)

    def _numbers(self, name: str) -> pl.Series:
        told = self._raw(name)
        numbers = told.cast(pl.Float64, strict=False)
        numbers = numbers.set(numbers.is_nan().fill_null(value=False), None)
        return self._checked(numbers, told.is_null() | numbers.is_not_null(), name, "not a number")

    def _truths(self, name: str) -> pl.Series:
        told = self._raw(name).cast(pl.String).str.to_lowercase()
        truths = told.replace_strict(_TRUTH, default=None, return_dtype=pl.Boolean)
        return self._checked(
            truths, told.is_null() | truths.is_not_null(), name, "not true or false"
        )

    def _moments(self, name: str) -> pl.Series:
        told = self._raw(name)
        try:
            seconds = epoch_seconds(told, self.source)
        except InputError:
            # One stamp is wrong: each is read alone, and those that cannot be are counted.
            known = {text: _moment(text) for text in told.unique()}
            seconds = np.array([known[text] for text in told])
        is_known = np.isfinite(seconds)
        wrong = ~is_known & told.is_not_null().to_numpy()
        self._note("not a time", wrong, name, self._column(name))
        milliseconds = np.where(is_known, np.rint(seconds * 1000), 0).astype(np.int64)
        stamps = pl.Series(milliseconds).cast(pl.Datetime("ms", "UTC"))
        return stamps.set(pl.Series(~is_known), None)

    def _devices(self) -> pl.Series:
        if self._has("device_id"):
            return self._texts("device_id")
        told = self._texts("mac")
        ids = {mac: _or_none(self.config.device_ids.of, mac) for mac in told.unique().drop_nulls()}
        devices = told.replace_strict(ids, default=None, return_dtype=pl.String)
        wrong = (devices.is_null() & told.is_not_null()).to_numpy()
        self._note("not a MAC address", wrong, "device_id", self._column("mac"))
        return devices

    def _coefficients(self, name: str) -> pl.Series:
        told = self._raw(name)
        data = told.to_list()
        if told.dtype == pl.String:
            data = [
                None if text is None else _or_none(_bytes_of_hex, text) or text for text in data
            ]
        kept, wrong = readable_pre_equalization(data)
        self._note("not DocsEqualizerData", np.array(wrong, np.bool_), name, self._column(name))
        return pl.Series(kept, dtype=pl.Binary)

    def _checked(self, values: pl.Series, is_fine: pl.Series, name: str, reason: str) -> pl.Series:
        wrong = ~is_fine.fill_null(value=True)
        self._note(reason, wrong.to_numpy(), name, self._column(name))
        return values.set(wrong, None)

    def _note(self, reason: str, wrong: np.ndarray, name: str, column: str) -> None:
        if not wrong.any():
            return
        row = int(np.argmax(wrong))
        value = self.rows[column][row] if column in self.rows.columns else None
        told = "" if value is None else f": {value!r}"
        example = (
            f"{Path(self.source).name}, column {column!r}, row {row + 1 + self.first_row}{told}"
        )
        self.aside += tally(reason, int(wrong.sum()), name, example)


def _moment(text: object) -> float:
    try:
        return float(epoch_seconds(pl.Series([text]))[0])
    except InputError:
        return float("nan")


def _bytes_of_hex(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x").removeprefix("0X"))


def _or_none(function: Callable[[str], str | bytes], text: str) -> str | bytes | None:
    try:
        return function(text)
    except (ValueError, FaultSightError):
        return None
