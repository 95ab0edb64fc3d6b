"""What a detection dataset is: fleets of entities that share KPIs, with labels to judge by."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from faultsight.core.datasets import Source, data_folder
from faultsight.core.errors import MissingDataError
from faultsight.core.kpi_frame import KpiFrame

__all__ = ["Fleet", "FleetDataset", "carries_feedback"]

FEEDBACK_SHARE = 0.3
"""The first part of the test, whose errors operators mark (paper, 4.3)."""


@dataclass(frozen=True, eq=False)
class Fleet:
    """Entities that share KPIs and are modelled together.

    Parameters
    ----------
    name : str
        Unique in its dataset.
    train : tuple of KpiFrame
        History, one frame an entity. It may hold anomalies, as real history does.
    test : tuple of KpiFrame
        Labelled, later than history, in the same order; empty for sets without labels.
    """

    name: str
    train: tuple[KpiFrame, ...]
    test: tuple[KpiFrame, ...]

    def whole(self) -> list[KpiFrame]:
        """Return history and test as one frame an entity."""
        if not self.test:
            return list(self.train)
        return [a.then(b) for a, b in zip(self.train, self.test, strict=True)]


class FleetDataset(ABC):
    """The base of every detection dataset.

    Parameters
    ----------
    data_dir : path, optional
        The folder that holds ``detect/<set>``; see `data_folder`. Simulations need none.
    seed : int
        Of a simulation.
    """

    name: ClassVar[str]
    """As in tables of results; the module's name is this in lower case."""
    description: ClassVar[str]
    source: ClassVar[Source]
    kind: ClassVar[Literal["folder", "simulated"]] = "folder"
    not_benchmarked: ClassVar[str] = ""
    """Why no table shows it; empty where tables do."""
    no_feedback: ClassVar[str] = ""
    """Why it cannot carry the feedback protocol; empty where it can."""

    def __init__(self, data_dir: Path | str | None = None, *, seed: int = 0) -> None:
        self.data_dir = data_folder(data_dir)
        self.seed = seed

    @property
    def path(self) -> Path:
        """Where a set of kind ``folder`` lies, or would lie."""
        return self.data_dir / "detect" / self.name

    @property
    def is_present(self) -> bool:
        """Whether the set can be read on this machine."""
        return self.kind != "folder" or self.path.exists()

    def missing(self) -> MissingDataError:
        """Return the error that says where the set was looked for and how to get it."""
        return MissingDataError(
            f"{self.name} is not in {self.path}; name the folder that holds detect/{self.name} "
            f"with --data or FAULTSIGHT_DATA. To get it from {self.source.url}: "
            f"{self.source.obtain}"
        )

    @abstractmethod
    def fleets(self) -> list[Fleet]:
        """Read the set.

        Raises
        ------
        MissingDataError
            If it is not on this machine; names the folder looked in and how to get the set.
        InputError
            If a file cannot be used; names it.
        """

    def describe(self) -> dict[str, Any]:
        """Return the set's row of a table like the paper's Table 3."""
        fleets = self.fleets()
        train = [frame for fleet in fleets for frame in fleet.train]
        test = [frame for fleet in fleets for frame in fleet.test]
        labels = [f.labels for f in test if f.labels is not None]
        n_test = sum(map(len, test))
        kpis = sorted({len(frame.kpis) for frame in train})
        return {
            "dataset": self.name,
            "entities": len(train),
            "fleets": len(fleets),
            "kpis": "-".join(map(str, dict.fromkeys([kpis[0], kpis[-1]]))),
            "interval_s": train[0].interval_s,
            "train_points": sum(map(len, train)),
            "test_points": n_test,
            "anomaly_percent": 100 * sum(int(y.sum()) for y in labels) / n_test if n_test else None,
            "anomalies": sum(_n_segments(y) for y in labels) if labels else None,
            "entities_with_feedback": sum(carries_feedback(y) for y in labels),
        }


def _n_segments(labels: Any) -> int:
    return int((np.diff(np.concatenate([[0], labels])) > 0).sum())


def carries_feedback(labels: Sequence[int] | Any) -> bool:
    """Whether there are anomalies in the part for feedback and in the rest.

    Examples
    --------
    >>> carries_feedback([0, 1, 0, 0, 0, 1, 0, 0]), carries_feedback([0, 0, 0, 0, 0, 1, 0, 0])
    (True, False)
    """
    cut = int(len(labels) * FEEDBACK_SHARE)
    return bool(np.any(labels[:cut]) and np.any(labels[cut:]))
