"""A water distribution plant under attack, 123 sensors, for users who hold the files."""

from __future__ import annotations

from typing import ClassVar

from faultsight.core.datasets import Source
from faultsight.detect.data._plant_csv import PlantCsv


class WADI(PlantCsv):
    """A water distribution plant under attack, 123 sensors and actuators."""

    name: ClassVar[str] = "WADI"
    description: ClassVar[str] = (
        "A water distribution plant under attack, 123 sensors and actuators"
    )
    normal_file: ClassVar[str] = "WADI_14days_new.csv"
    attack_file: ClassVar[str] = "WADI_attackdataLABLE.csv"
    source: ClassVar[Source] = Source(
        url="https://itrust.sutd.edu.sg/itrust-labs_datasets",
        licence="on application to iTrust; not to be passed on: never shipped",
        obtain=f"apply to iTrust and save {normal_file} and {attack_file} in detect/WADI",
    )
    label_column: ClassVar[str] = "Attack LABLE (1:No Attack, -1:Attack)"
    normal_label: ClassVar[str] = "1"
    not_kpis: ClassVar[tuple[str, ...]] = ("Row", "Date", "Time")
