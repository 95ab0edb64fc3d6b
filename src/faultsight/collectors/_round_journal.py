"""A round is written whole or not at all, together with what it leaves for the next round.

Telemetry is several files, and the state one more; a machine can stop between any two. So the round
is first written as one file of its own (`round.parquet`): from that moment on it counts. If the
next start finds one, it writes the round again. Readers take the last of equal rows, so that a file
that was written twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import polars as pl

from faultsight.collectors._contract import Sink
from faultsight.core.errors import FaultSightError, InputError
from faultsight.core.files import write_atomic

__all__ = ["RoundJournal"]


class RoundJournal:
    """The state of a collector in a folder, and the round that is being written.

    Parameters
    ----------
    folder : path
        Made if it is not there.
    schema : dict
        Of the state.
    added_later : collection of str
        Columns of it that a state written by an earlier version may lack; they are null then.

    Examples
    --------
    >>> import tempfile
    >>> journal = RoundJournal(Path(tempfile.mkdtemp()), {"total": pl.Int64()})
    >>> journal.state().height
    0
    """

    def __init__(
        self,
        folder: Path | str,
        schema: dict[str, pl.DataType],
        *,
        added_later: Collection[str] = (),
    ) -> None:
        self.folder = Path(folder)
        self._schema = schema
        self._added_later = added_later
        self._state = self.folder / "state.parquet"
        self._next_state = self.folder / "next-state.parquet"
        self._round = self.folder / "round.parquet"

    def state(self) -> pl.DataFrame:
        """Return what the last round left; an empty table before the first.

        Raises
        ------
        InputError
            If the file cannot be read; a collector that went on without it would count wrongly.
        """
        if not self._state.exists():
            return pl.DataFrame(schema=self._schema)
        table = _read(self._state)
        table = table.with_columns(
            pl.lit(None, self._schema[column]).alias(column)
            for column in self._added_later
            if column not in table.columns
        )
        if dict(table.schema) != self._schema:
            raise InputError(
                "is not the state of this collector; without it, counters start anew",
                source=str(self._state),
            )
        return table.select(*self._schema)

    def write(self, sink: Sink, table: pl.DataFrame, next_state: pl.DataFrame) -> int:
        """Write a round and its state; return how many files the sink wrote."""
        write_atomic(self._next_state, _parquet(next_state))
        write_atomic(self._round, _parquet(table))
        return self._finish(sink, table)

    def recover(self, sink: Sink) -> int:
        """Finish a round that an earlier process began to write; return its rows."""
        if not self._round.exists():
            self._next_state.unlink(missing_ok=True)
            return 0
        table = _read(self._round)
        self._finish(sink, table)
        return table.height

    def _finish(self, sink: Sink, table: pl.DataFrame) -> int:
        files = sink.append(table) if table.height else 0
        if self._next_state.exists():
            self._next_state.replace(self._state)
        self._round.unlink()
        return files

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let no other process collect into the same folder meanwhile.

        Raises
        ------
        FaultSightError
            If one does.
        """
        import fcntl  # of POSIX only, like what is collected here

        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise FaultSightError(f"another collector is at work in {self.folder}") from error
            yield


def _parquet(table: pl.DataFrame) -> bytes:
    buffer = BytesIO()
    table.write_parquet(buffer, compression="zstd", compression_level=3)
    return buffer.getvalue()


def _read(path: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(path)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise InputError(f"cannot be read: {reason}", source=str(path)) from error
