"""Telemetry as bucketed Parquet: KPI and cube feeds, and what keeps folders of polls small.

>>> from faultsight.stores.telemetry import KpiStore
>>> KpiStore.is_feed("/")
False
"""

from __future__ import annotations

from faultsight.stores.telemetry._feed import FeedKind, FeedLimits
from faultsight.stores.telemetry.compaction import Compacted, compact_polls, retain_polls
from faultsight.stores.telemetry.kpi_store import Appended, KpiStore
from faultsight.stores.telemetry.quarantine import Quarantine

__all__ = [
    "Appended",
    "Compacted",
    "FeedKind",
    "FeedLimits",
    "KpiStore",
    "Quarantine",
    "compact_polls",
    "retain_polls",
]
