"""Where in a KPI cube a fault sits: the attribute combinations at its root.

>>> import polars as pl
>>> from faultsight.localize import KpiCube, RAPMiner
>>> cube = KpiCube.from_frame(pl.DataFrame({
...     "location": ["L1", "L1", "L2", "L2"], "site": ["S1", "S2", "S1", "S2"],
...     "real": [10.0, 98.0, 101.0, 99.0], "predict": [100.0, 100.0, 100.0, 100.0]}))
>>> RAPMiner().localize(cube).combinations
(AttributeCombination('location=L1&site=S1'),)
"""

from __future__ import annotations

from faultsight.core.combination import AttributeCombination
from faultsight.core.cube import KpiCube
from faultsight.core.family import Family
from faultsight.core.kpi import Kpi
from faultsight.localize.contract import Localization, Localizer, RootPattern
from faultsight.localize.rapminer import RAPMiner
from faultsight.localize.scan import Scan

__all__ = [
    "LOCALIZERS",
    "AttributeCombination",
    "Kpi",
    "KpiCube",
    "Localization",
    "Localizer",
    "RAPMiner",
    "RootPattern",
    "Scan",
]

LOCALIZERS: Family[Localizer] = Family(
    kind="localizer",
    base=Localizer,
    packages=("faultsight.localize.peers",),
    modules=("faultsight.localize.rapminer", "faultsight.localize.scan"),
    entry_point_group="faultsight.localizers",
)
"""Every localizer by name: ours, and the peers they are compared with."""
