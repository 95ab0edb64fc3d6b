"""Samples in: SNMP, answers of PyPNM, exports of other tools, watched folders of any telemetry.

>>> from faultsight.collectors import COLLECTORS
>>> COLLECTORS.names()
['csv_export', 'folder', 'pypnm_json', 'snmp']
"""

from __future__ import annotations

from faultsight.collectors._contract import Collected, Collector, Sink
from faultsight.collectors._device_ids import DeviceIds
from faultsight.collectors._ledger import FileLedger, Ledger
from faultsight.collectors._set_aside import SetAside, by_reason
from faultsight.core.family import Family

__all__ = [
    "COLLECTORS",
    "Collected",
    "Collector",
    "DeviceIds",
    "FileLedger",
    "Ledger",
    "SetAside",
    "Sink",
    "by_reason",
]

COLLECTORS: Family[Collector] = Family(
    kind="collector",
    base=Collector,
    packages=("faultsight.collectors",),
    entry_point_group="faultsight.collectors",
)
"""Every collector by name."""
