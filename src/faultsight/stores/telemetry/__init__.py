"""Telemetry as bucketed Parquet: KPI and cube feeds, and what keeps folders of polls small.

What becomes of a row that is appended to a feed:

- *Time.* Stamps become UTC on the grid of the feed's interval, rounded down; one that lies at most
  a tenth of the interval before a point is early, and that point's. A stamp that is missing
  (``no_timestamp``), cannot be read (``not_a_time``), stands for two moments or none where clocks
  change (``ambiguous_time``), lies before 1970 (``before_1970``), further ahead of the moment of
  receipt than ``skew_s`` (``future``) or before what is kept (``before_retention``) sets the row
  aside.
- *Owner.* A row without an entity (``no_entity``), with a name longer than ``max_name_bytes``
  (``name_too_long``), or with a NUL character in it (``name_with_nul``), is set aside.
- *Values.* NaN and null are missing. A text that is no number (``not_a_number``) and an infinity
  (``not_finite``) become missing: the row is kept, and a copy of it as it was is set aside.
- *Columns.* Numbers are KPIs; so are texts where most of those that differ are numbers. Other
  columns, and ``label``, are ignored and named. A feed of named columns takes only those.
- *Told twice.* Rows of one append with one owner and grid point become one: of each column the
  largest value. A row that told another value is set aside too (``conflicting``). Of several
  appends the later one counts, cell by cell; a missing value takes nothing away.
- *Late.* Entities with rows that are not newer than the feed's newest before are told, each with
  the window touched.
- *Too much.* More rows, columns, names or longer column names than `FeedLimits` allows refuse the
  append; nothing of it is written.

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
