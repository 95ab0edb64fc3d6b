"""What a dataset is: labelled cases of one origin, read one by one.

A dataset file names the set, where it comes from, under which licence, and how a user gets it.
Nothing is downloaded: the sets live in a folder of the user's, and only what a licence allows is
shipped with FaultSight.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar, Literal

import polars as pl

from faultsight.core.combination import AttributeCombination
from faultsight.core.cube import KpiCube
from faultsight.core.datasets import Source, data_folder
from faultsight.core.errors import MissingDataError
from faultsight.core.kpi import Kpi

__all__ = ["CaseDataset", "Dataset", "LabelledCase", "LeafTick", "Source", "StreamDataset",
           "data_folder"]  # fmt: skip


@dataclass(frozen=True, eq=False)
class LabelledCase:
    """One cube and the roots of its fault.

    Attributes
    ----------
    name : str
        Unique in its dataset.
    cube : KpiCube
        The leaf table.
    truth : frozenset of AttributeCombination
        The roots; a root that the label repeats is one root.
    group : str
        What the case is grouped by in reports; empty where a set has no groups.
    """

    name: str
    cube: KpiCube
    truth: frozenset[AttributeCombination]
    group: str = ""


@dataclass(frozen=True, eq=False)
class LeafTick:
    """The leaf table of one moment of a stream.

    Attributes
    ----------
    time : datetime
        Start of the tick, UTC; a tick lasts to the next, half-open.
    table : polars.DataFrame
        One row a leaf that was seen: attribute columns, then one column for each measure.
    truth : frozenset of AttributeCombination
        Roots of the faults that are active, where that is known.
    """

    time: datetime
    table: pl.DataFrame
    truth: frozenset[AttributeCombination] = frozenset()


class Dataset(ABC):
    """The base of every dataset.

    Parameters
    ----------
    data_dir : path, optional
        The folder that holds ``localize/<set>``; see `data_folder`. Simulations need none.
    seed : int
        Of a simulation.
    n_cases : int
        How many cases a simulation makes.
    """

    name: ClassVar[str]
    """As in tables of results; the module's name is this in lower case."""
    description: ClassVar[str]
    source: ClassVar[Source]
    kind: ClassVar[Literal["folder", "shipped", "simulated"]] = "folder"

    def __init__(
        self, data_dir: Path | str | None = None, *, seed: int = 0, n_cases: int = 100
    ) -> None:
        self.data_dir = data_folder(data_dir)
        self.seed = seed
        self.n_cases = n_cases

    @property
    def path(self) -> Path:
        """Where a set of kind ``folder`` lies, or would lie."""
        return self.data_dir / "localize" / self.name

    @property
    def is_present(self) -> bool:
        """Whether the set can be read on this machine."""
        return self.kind != "folder" or self.path.exists()

    def missing(self) -> MissingDataError:
        """Return the error that says where the set was looked for and how to get it."""
        return MissingDataError(
            f"{self.name} is not in {self.path}; name the folder that holds localize/{self.name} "
            f"with --data or FAULTSIGHT_DATA. To get it: {self.source.obtain}"
        )


class CaseDataset(Dataset):
    """A dataset of labelled cases."""

    @abstractmethod
    def case_names(self) -> list[str]:
        """Return the names of all cases, in a fixed order; reads no cube.

        Raises
        ------
        MissingDataError
            If the set is not on this machine; names the folder looked in and how to get the set.
        """

    @abstractmethod
    def read(self, name: str) -> LabelledCase:
        """Read one case.

        Raises
        ------
        MissingDataError
            If the set is not on this machine.
        InputError
            If there is no such case or its files cannot be used; names the file.
        """

    def cases(self, limit: int | None = None) -> Iterator[LabelledCase]:
        """Yield the cases one by one, each read when its turn comes.

        Parameters
        ----------
        limit : int, optional
            At most so many, spread evenly over the set, since sets are often sorted by kind.
        """
        for name in spread(self.case_names(), limit):
            yield self.read(name)


class StreamDataset(Dataset):
    """Leaf tables one after another.

    Attributes
    ----------
    interval_s : int
        Seconds from one tick to the next.
    measures : tuple of str
        The value columns of a tick's table; all others are attributes.
    kpis : tuple of Kpi
        What is watched; the measures if empty.
    """

    interval_s: ClassVar[int]
    measures: ClassVar[tuple[str, ...]]
    kpis: ClassVar[tuple[Kpi, ...]] = ()

    @abstractmethod
    def ticks(self) -> Iterator[LeafTick]:
        """Yield the ticks in time order.

        Raises
        ------
        MissingDataError
            If the set is not on this machine.
        """


def spread(names: Sequence[str], limit: int | None) -> list[str]:
    """Return at most `limit` of the names, evenly spread.

    Examples
    --------
    >>> spread(["a", "b", "c", "d"], 2)
    ['a', 'c']
    """
    if limit is None or limit >= len(names):
        return list(names)
    return [names[i * len(names) // limit] for i in range(limit)]
