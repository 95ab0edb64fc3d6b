"""The localization datasets, one file each; the file name is the set's name in lower case."""

from __future__ import annotations

from pathlib import Path

from faultsight.core.family import Family
from faultsight.localize.data._contract import (
    CaseDataset,
    Dataset,
    LabelledCase,
    LeafTick,
    Source,
    StreamDataset,
    data_folder,
)

__all__ = [
    "DATASETS",
    "CaseDataset",
    "Dataset",
    "LabelledCase",
    "LeafTick",
    "Source",
    "StreamDataset",
    "data_folder",
    "open_dataset",
]

DATASETS: Family[Dataset] = Family(
    kind="dataset", base=Dataset, packages=("faultsight.localize.data",)
)
"""Every dataset, by name in lower case."""


def open_dataset(
    name: str, data_dir: Path | str | None = None, *, seed: int = 0, n_cases: int = 100
) -> Dataset:
    """Return a dataset by the name it has in tables of results, such as ``squeeze_B0``.

    Raises
    ------
    UnknownMemberError
        If no dataset has that name.

    Examples
    --------
    >>> open_dataset("squeeze_B0").name
    'squeeze_B0'
    """
    return DATASETS.load(name.lower())(data_dir, seed=seed, n_cases=n_cases)
