"""What a collector is: `collect(sink)` gathers samples once and writes them, whole or not at all.

A sink is anything with ``append(table)``, such as `faultsight.core.telemetry.TelemetryFolder`. The
public verb checks what every collector must check, and counts what it set aside; a member
implements `_collect`.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Protocol

import polars as pl

from faultsight.collectors._ranges import within_ranges
from faultsight.collectors._set_aside import SetAside, merged
from faultsight.collectors._storable import with_storable_names

__all__ = [
    "Batch", "Collected", "Collector", "FeedSink", "Progress", "Sink", "Written", "silent",
]  # fmt: skip

Progress = Callable[[str], None]
"""Told in a short line what happens."""


def silent(_message: str) -> None:
    """Tell nobody."""


class Sink(Protocol):
    """Where polls are written."""

    def append(self, table: pl.DataFrame) -> int:
        """Write a table as `faultsight.core.polls.node_polls` reads it; say how many files."""


class FeedSink(Protocol):
    """Where rows of KPIs and cubes are written: `faultsight.stores.telemetry.KpiStore`."""

    def append_parts(
        self, tables: Iterable[Any], *, source: str, received_at_s: float, key: str
    ) -> Told:
        """Write tables, all of them or none, and once for each key."""


class Told(Protocol):
    """What such a sink says of it."""

    @property
    def n_rows(self) -> int:
        """Rows written."""

    @property
    def n_files(self) -> int:
        """Files written."""

    @property
    def quarantined(self) -> Mapping[str, int]:
        """Rows set aside, by rule."""


@dataclass(frozen=True)
class Written:
    """How many rows and files were written, and how many polls could not be after all."""

    rows: int
    files: int
    refused: int = 0


def _append(sink: Sink, table: pl.DataFrame) -> Written:
    return Written(table.height, sink.append(table))


@dataclass(frozen=True, eq=False)
class Batch:
    """What a collector gathered, before it is checked and written.

    Attributes
    ----------
    table : polars.DataFrame
        A row for each poll and channel, as `faultsight.core.polls.node_polls` reads it.
    polled, answered, retried : int
        Polls; those that were answered; those that needed more than one request.
    set_aside : sequence of SetAside
        What could not be used, and why.
    round_id : int, optional
        The collection round, where there are rounds.
    notes : sequence of str
        What an operator should know besides.
    details : mapping
        More figures for the JSON.
    write : callable
        How to write the checked table; by default the sink's ``append``. It may add to
        ``set_aside``.
    is_of_polls : bool
        Whether it is telemetry of cable modems, with ranges that values of a plant lie in.
    """

    table: pl.DataFrame
    polled: int
    answered: int
    retried: int = 0
    set_aside: Sequence[SetAside] = ()
    round_id: int | None = None
    notes: Sequence[str] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    write: Callable[[Any, pl.DataFrame], Written] = _append
    is_of_polls: bool = True


@dataclass(frozen=True, eq=False)
class Collected:
    """What one call of `Collector.collect` did.

    Attributes
    ----------
    collector : str
        Its name.
    polled, answered, retried : int
        Polls; those that were answered; those that needed more than one request.
    rows, files : int
        What was written.
    seconds : float
        From start to the last file.
    set_aside : tuple of SetAside
        Values and rows that could not be used, with the reason and the count.
    round_id : int, optional
        The collection round, where there are rounds.
    notes : tuple of str
        What an operator should know besides.
    details : mapping
        More figures for the JSON.

    Examples
    --------
    >>> Collected("snmp", polled=3, answered=2, retried=1, rows=7, files=1, seconds=0.5).unanswered
    1
    """

    collector: str
    polled: int
    answered: int
    retried: int
    rows: int
    files: int
    seconds: float
    set_aside: tuple[SetAside, ...] = ()
    round_id: int | None = None
    notes: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def unanswered(self) -> int:
        """Polls without an answer; each is a row of its own."""
        return self.polled - self.answered

    def to_dict(self) -> dict[str, Any]:
        """Return what ``--json`` writes."""
        return {
            "collector": self.collector,
            "round_id": self.round_id,
            "polled": self.polled,
            "answered": self.answered,
            "unanswered": self.unanswered,
            "retried": self.retried,
            "rows": self.rows,
            "files": self.files,
            "seconds": round(self.seconds, 3),
            "set_aside": [one.to_dict() for one in self.set_aside],
            "notes": list(self.notes),
            **self.details,
        }


class Collector(ABC):
    """The base of every collector.

    Examples
    --------
    >>> from faultsight.collectors import COLLECTORS
    >>> issubclass(COLLECTORS.load("csv_export"), Collector)
    True
    """

    name: ClassVar[str] = ""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in vars(cls):
            cls.name = cls.__module__.rpartition(".")[2]

    def collect(self, sink: Sink | FeedSink, *, progress: Progress = silent) -> Collected:
        """Gather polls once and write them, whole or not at all.

        Values outside the range that a working plant can have, and polls under a name that cannot
        be stored, are not written; they are counted with the reason.

        Parameters
        ----------
        sink : object with ``append(table)``
            Where to; of what collects rows of KPIs or cubes, a `FeedSink`.
        progress : callable
            Told in a short line what happens.

        Raises
        ------
        InputError
            If nothing of the input can be used.
        """
        start = time.perf_counter()
        batches: list[Batch] = []
        aside: list[SetAside] = []
        unfit: list[SetAside]
        rows = files = refused = 0
        with self._ready(sink):
            told = self._collect(progress)
            for batch in [told] if isinstance(told, Batch) else told:
                table, unfit = batch.table, []
                if batch.is_of_polls:
                    table, unnamed = with_storable_names(table)
                    table, out_of_range = within_ranges(table)
                    unfit = [*unnamed, *out_of_range]
                written = batch.write(sink, table)
                rows, files = rows + written.rows, files + written.files
                refused += written.refused
                aside += [*batch.set_aside, *unfit]
                batches.append(replace(batch, table=table.clear()))
        return Collected(
            collector=self.name,
            polled=sum(batch.polled for batch in batches),
            answered=sum(batch.answered for batch in batches) - refused,
            retried=sum(batch.retried for batch in batches),
            rows=rows,
            files=files,
            seconds=time.perf_counter() - start,
            set_aside=merged(aside),
            round_id=batches[-1].round_id if batches else None,
            notes=tuple(note for batch in batches for note in batch.notes),
            details={key: value for batch in batches for key, value in batch.details.items()},
        )

    def _ready(self, sink: Any) -> AbstractContextManager[None]:
        """Return what holds while it gathers and writes, such as a lock; by default nothing."""
        return nullcontext()

    @abstractmethod
    def _collect(self, progress: Progress) -> Batch | Iterator[Batch]:
        """Gather; values are in the units that their columns name.

        A member that writes piece by piece yields each batch; it goes on when that is written.
        """
