"""A water treatment plant under attack, 51 sensors and actuators, for users who hold the files."""

from __future__ import annotations

from typing import ClassVar

from faultsight.core.datasets import Source
from faultsight.detect.data._plant_csv import PlantCsv


class SWaT(PlantCsv):
    """A water treatment plant under attack, 51 sensors and actuators."""

    name: ClassVar[str] = "SWaT"
    description: ClassVar[str] = "A water treatment plant under attack, 51 sensors and actuators"
    normal_file: ClassVar[str] = "SWaT_Dataset_Normal_v1.csv"
    attack_file: ClassVar[str] = "SWaT_Dataset_Attack_v0.csv"
    source: ClassVar[Source] = Source(
        url="https://itrust.sutd.edu.sg/itrust-labs_datasets",
        licence="on application to iTrust; not to be passed on: never shipped",
        obtain=f"apply to iTrust and save {normal_file} and {attack_file} in detect/SWaT",
    )
    label_column: ClassVar[str] = "Normal/Attack"
    normal_label: ClassVar[str] = "Normal"
    not_kpis: ClassVar[tuple[str, ...]] = ("Timestamp",)
