"""Rows set aside: as Parquet, with the rule, where they came from, and all they told."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from faultsight.core.bucketed import read_columns, write_parquet

__all__ = ["Quarantine"]

# What is wrong may be endless: a cell of a gigabyte, in Parquet told a million times for nothing.
_MOST_WHOLE = 100_000
_LONGEST_CELL = 1024

_SCHEMA = {
    "rule": pl.String(),
    "source": pl.String(),
    "row": pl.Int64(),
    "received_at": pl.Datetime("ms", "UTC"),
    "content": pl.String(),
}


class Quarantine:
    """A folder of rows set aside, one file for each append that had some.

    Of one append and rule the first 100,000 rows are kept with what they told, cells cut to 1,024
    characters; of more rows only their numbers are.

    Parameters
    ----------
    path : Path
        The folder; made when the first row comes.

    Examples
    --------
    >>> import tempfile
    >>> quarantine = Quarantine(Path(tempfile.mkdtemp()))
    >>> sent = pl.DataFrame({"entity": ["a", None], "drops": [1.5, 2.0]})
    >>> _ = quarantine.write(0, sent, {"no_entity": np.array([1])}, "a.csv", received_at_s=0)
    >>> quarantine.rows().drop("received_at").rows()
    [('no_entity', 'a.csv', 2, '{"entity":null,"drops":"2.0"}')]
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(
        self,
        number: int,
        table: pl.DataFrame,
        set_aside: Mapping[str, NDArray[np.intp]],
        source: str,
        *,
        received_at_s: float,
        first_row: int = 0,
        before: Mapping[str, int] | None = None,
    ) -> Path:
        """Write rows of one append, whole or not at all.

        Parameters
        ----------
        number : int
            Of the append.
        table : polars.DataFrame
            What was given.
        set_aside : mapping of str to ndarray of int
            Rows of it by rule.
        source : str
            Where they came from.
        received_at_s : float
            When.
        first_row : int
            So many rows of the source came before the table.
        before : mapping of str to int, optional
            So many of them were set aside, by rule.
        """
        parts = []
        for rule, rows in sorted(set_aside.items()):
            whole = rows[: max(_MOST_WHOLE - (before or {}).get(rule, 0), 0)]
            content = _as_json(table[whole]) if len(whole) else pl.Series(dtype=pl.String)
            parts.append(
                pl.DataFrame(
                    {
                        "rule": [rule] * len(rows),
                        "source": [source] * len(rows),
                        "row": rows + 1 + first_row,
                        "received_at": pl.Series([int(received_at_s * 1000)] * len(rows)),
                        "content": content.extend_constant(None, len(rows) - len(content)),
                    }
                ).cast(_SCHEMA)  # type: ignore[arg-type]
            )
        return write_parquet(self.path / f"{number:06d}.parquet", pl.concat(parts))

    def rows(self, *, up_to: int | None = None, limit: int | None = None) -> pl.DataFrame:
        """Return what was set aside, the newest append first.

        Parameters
        ----------
        up_to : int, optional
            Files of higher numbers are not looked at: their writer has not finished.
        limit : int, optional
            At most so many rows.

        Returns
        -------
        polars.DataFrame
            ``rule``, ``source``, ``row`` (from 1), ``received_at``, ``content`` (JSON).
        """
        parts = [pl.DataFrame(schema=_SCHEMA)]
        n_rows = 0
        for number, file in sorted(self.files(), reverse=True):
            if up_to is not None and number > up_to:
                continue
            if limit is not None and n_rows >= limit:
                break
            parts.append(read_columns(file, _SCHEMA, needed=_SCHEMA))
            n_rows += parts[-1].height
        return pl.concat(parts).head(n_rows if limit is None else limit)

    def files(self) -> list[tuple[int, Path]]:
        """Return the files with the numbers of their appends."""
        return [(int(file.stem), file) for file in self.path.glob("*.parquet")
                if file.stem.isdecimal()]  # fmt: skip

    def drop_after(self, number: int) -> None:
        """Remove what appends wrote that were never finished."""
        for found, file in self.files():
            if found > number:
                file.unlink(missing_ok=True)

    def drop_before(self, moment_s: float) -> int:
        """Remove files whose rows were all received before a moment; say how many."""
        n_removed = 0
        for _, file in self.files():
            received = read_columns(file, ["received_at"], needed=["received_at"])["received_at"]
            newest = received.dt.epoch("ms").max()
            if newest is None or int(str(newest)) < moment_s * 1000:
                file.unlink(missing_ok=True)
                n_removed += 1
        return n_removed


def _as_json(rows: pl.DataFrame) -> pl.Series:
    """Return each row as JSON text; every cell as the text it would be in a CSV."""
    return pl.DataFrame([_as_text(column) for column in rows]).to_struct().struct.json_encode()


def _as_text(column: pl.Series) -> pl.Series:
    if column.dtype == pl.Binary:
        return column.bin.head(_LONGEST_CELL // 2).bin.encode("hex")
    if column.dtype.is_nested() or column.dtype == pl.Object:
        texts = [None if value is None else str(value) for value in column.to_list()]
        column = pl.Series(column.name, texts, dtype=pl.String)
    return column.cast(pl.String, strict=False).str.head(_LONGEST_CELL)
