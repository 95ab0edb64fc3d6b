"""LTE cells, 12 KPIs: labelled samples without dates, so a table and not a series."""

from __future__ import annotations

from typing import ClassVar

import polars as pl

from faultsight.core.datasets import Source
from faultsight.core.errors import InputError
from faultsight.detect.data._contract import Fleet, FleetDataset


class LteQt1920(FleetDataset):
    """Labelled samples of LTE cells, 12 KPIs, with a time of day but no date."""

    name: ClassVar[str] = "LTE_QT1920"
    description: ClassVar[str] = "Samples of LTE cells, 12 KPIs, a time of day but no date"
    source: ClassVar[Source] = Source(
        url="https://www.kaggle.com/c/anomaly-detection-in-cellular-networks",
        licence="none stated: never shipped",
        obtain="convert the competition's training table to detect/LTE_QT1920/tabular.parquet",
    )
    not_benchmarked: ClassVar[str] = "its samples have no dates: they are not a series"
    no_feedback: ClassVar[str] = not_benchmarked

    def samples(self) -> pl.DataFrame:
        """Return the table: Time, CellName, twelve KPIs, Unusual.

        Raises
        ------
        MissingDataError
            If the set is not on this machine.
        """
        if not self.is_present:
            raise self.missing()
        return pl.read_parquet(self.path / "tabular.parquet")

    def fleets(self) -> list[Fleet]:
        """Refuse: see `samples`."""
        if not self.is_present:
            raise self.missing()
        raise InputError(self.not_benchmarked, source=self.name)
