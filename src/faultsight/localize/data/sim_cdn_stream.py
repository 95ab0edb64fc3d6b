"""A simulated CDN, live: two days of five-minute leaf tables with several KPIs and faults."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

from faultsight.core.kpi import Kpi
from faultsight.localize.data._contract import LeafTick, Source, StreamDataset
from faultsight.sim.cdn_stream import CDN_KPIS, CDN_MEASURES, CdnStreamConfig, cdn_stream

_TICKS = 576


class SimCdnStream(StreamDataset):
    """A simulated CDN, live: two days of five-minute leaf tables with several KPIs and faults."""

    name: ClassVar[str] = "sim_cdn_stream"
    description: ClassVar[str] = (
        "traffic, requests, hits, misses, stalls and delay by location, access, os, site; about "
        "6,800 leaves a tick; six faults"
    )
    source: ClassVar[Source] = Source(
        url="", licence="Apache-2.0", obtain="nothing to get: it is simulated"
    )
    kind: ClassVar[Literal["folder", "shipped", "simulated"]] = "simulated"
    interval_s: ClassVar[int] = CdnStreamConfig.interval_s
    measures: ClassVar[tuple[str, ...]] = CDN_MEASURES
    kpis: ClassVar[tuple[Kpi, ...]] = CDN_KPIS

    def ticks(self) -> Iterator[LeafTick]:
        """Yield the ticks in time order, each made when its turn comes."""
        for tick in cdn_stream(_TICKS, seed=self.seed):
            roots = frozenset(fault.root for fault in tick.faults)
            yield LeafTick(tick.time, tick.table, roots)
