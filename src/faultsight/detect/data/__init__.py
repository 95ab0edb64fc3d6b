"""The detection datasets, one file each; the file name is the set's name in lower case."""

from __future__ import annotations

from pathlib import Path

from faultsight.core.family import Family
from faultsight.detect.data._contract import (
    FEEDBACK_SHARE,
    Fleet,
    FleetDataset,
    carries_feedback,
)

__all__ = [
    "FEEDBACK_SHARE",
    "FLEET_DATASETS",
    "Fleet",
    "FleetDataset",
    "carries_feedback",
    "open_fleets",
]

FLEET_DATASETS: Family[FleetDataset] = Family(
    kind="dataset", base=FleetDataset, packages=("faultsight.detect.data",)
)
"""Every detection dataset, by name in lower case."""


def open_fleets(name: str, data_dir: Path | str | None = None, *, seed: int = 0) -> FleetDataset:
    """Return a dataset by the name it has in tables of results, such as ``ASD``.

    Raises
    ------
    UnknownMemberError
        If no dataset has that name.

    Examples
    --------
    >>> open_fleets("ASD").name
    'ASD'
    """
    return FLEET_DATASETS.load(name.lower())(data_dir, seed=seed)
