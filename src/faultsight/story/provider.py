"""A small Internet provider: base stations, a CDN, fiber nodes, and what is true of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from faultsight.core.combination import AttributeCombination
from faultsight.core.errors import SettingError
from faultsight.core.kpi_frame import KpiFrame, TimeWindow
from faultsight.sim.base_stations import Stations, StationsConfig, simulate_stations
from faultsight.sim.cable_plant import CablePlantConfig, SimulatedNode, simulate_plant
from faultsight.sim.cdn_stream import CdnFault, CdnStreamConfig, cdn_stream

__all__ = ["Provider", "ProviderConfig", "TrueFault", "simulate_provider"]

_DAY_S, _HOUR_S = 86_400, 3600


@dataclass(frozen=True)
class ProviderConfig:
    """How large the provider is, and how long it is watched.

    Parameters
    ----------
    n_stations, n_fnodes : int
        Base stations (hourly) and fiber nodes.
    modems : (int, int)
        Fewest and most modems of a fiber node, polled every four hours.
    history_days, week_days : int
        Days of history before the first week; days of each of the two weeks.
    start_s : int
        The first second of history, UTC; a Monday.
    cdn_interval_s : int
        Seconds from one table of the CDN to the next.
    cdn_requests : float
        Median requests of a leaf of the CDN: at 0.25 most leaves are empty most of the time.
    seed : int
        Same config and seed, same provider.
    """

    n_stations: int = 40
    n_fnodes: int = 12
    modems: tuple[int, int] = (60, 110)
    history_days: int = 7
    week_days: int = 7
    start_s: int = 1_767_571_200
    cdn_interval_s: int = 3600
    cdn_requests: float = 0.25
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("n_stations", "n_fnodes"):
            if getattr(self, name) < 1:
                raise SettingError(f"{name} must be at least 1")
        # One day less cannot be: what is expected comes from earlier days, and the last day of
        # the first week is held out from the tuning.
        for name in ("history_days", "week_days"):
            if getattr(self, name) < 2:
                raise SettingError(f"{name} must be at least 2")
        if _HOUR_S % self.cdn_interval_s:
            raise SettingError("cdn_interval_s divides an hour")

    @property
    def first_week(self) -> TimeWindow:
        """The week in which the operator answers."""
        begin_s = self.start_s + self.history_days * _DAY_S
        return TimeWindow(begin_s, begin_s + self.week_days * _DAY_S)

    @property
    def second_week(self) -> TimeWindow:
        """The week that is judged."""
        return TimeWindow(self.first_week.end_s, self.first_week.end_s + self.week_days * _DAY_S)


@dataclass(frozen=True)
class TrueFault:
    """A fault of a station or of the CDN.

    Parameters
    ----------
    entity, kind : str
        Where and what.
    window : TimeWindow
        The rows that it acts in.
    kpis : tuple of str
        The KPIs that show it.
    root : AttributeCombination, optional
        Where in the cube it sits, if its root is more than the entity itself.
    """

    entity: str
    kind: str
    window: TimeWindow
    kpis: tuple[str, ...]
    root: AttributeCombination | None = None


@dataclass(frozen=True, eq=False)
class Provider:
    """What was simulated.

    Attributes
    ----------
    config : ProviderConfig
        Of what.
    stations : Stations
        Telemetry and truth.
    cdn : polars.DataFrame
        Leaf tables under each other, with `timestamp`.
    cdn_faults : tuple of TrueFault
        In order of time.
    plant_config : CablePlantConfig
        Of the cable plant.
    nodes : tuple of SimulatedNode
        Its fiber nodes.
    """

    config: ProviderConfig
    stations: Stations
    cdn: pl.DataFrame
    cdn_faults: tuple[TrueFault, ...]
    plant_config: CablePlantConfig
    nodes: tuple[SimulatedNode, ...]

    def station_rows(self, window: TimeWindow) -> pl.DataFrame:
        """Return what stations report in a window: entity, timestamp, KPIs."""
        parts = (self.stations.train, self.stations.test)
        frames = [frame[frame.rows_in(window)] for part in parts for frame in part]
        frames = [frame for frame in frames if len(frame)]
        if not frames:
            return pl.DataFrame()
        names = pl.Series([frame.entity for frame in frames])
        lengths = [len(frame) for frame in frames]
        told = pl.DataFrame(
            {
                "entity": names.gather(np.repeat(np.arange(len(frames)), lengths)),
                "timestamp": np.concatenate([frame.times_s for frame in frames]),
            }
        )
        values = np.concatenate([frame.values for frame in frames])
        return told.hstack(pl.DataFrame(values, schema=list(frames[0].kpis)).fill_nan(None))

    def cdn_rows(self, window: TimeWindow) -> pl.DataFrame:
        """Return the CDN's tables of a window."""
        inside = (pl.col("timestamp") >= window.start_s) & (pl.col("timestamp") < window.end_s)
        return self.cdn.filter(inside)

    def polls(self, window: TimeWindow) -> pl.DataFrame:
        """Return the polls of all fiber nodes in a window."""
        parts = [node.polls.in_window(window) for node in self.nodes]
        tables = [part.to_table() for part in parts if part.n_polls]
        return pl.concat(tables) if tables else pl.DataFrame()

    def tickets(self, until_s: int) -> pl.DataFrame:
        """Return the tickets that are known at a moment; later closings are not."""
        table = pl.concat(node.tickets for node in self.nodes).sort("ticket_id")
        now = datetime.fromtimestamp(until_s, UTC)
        closed = pl.when(pl.col("closed") <= now).then("closed").alias("closed")
        return table.filter(pl.col("opened") < now).with_columns(closed)

    @property
    def topology(self) -> pl.DataFrame:
        """Where each modem hangs."""
        return pl.concat(node.topology for node in self.nodes)

    @property
    def station_faults(self) -> tuple[TrueFault, ...]:
        """The faults of stations, without changes that are normal."""
        root_of = {
            (entity, one.kind, one.window): one.root
            for one in self.stations.shared
            for entity in one.entities
        }
        return tuple(
            TrueFault(f.entity, f.kind, f.window, f.kpis, root_of.get((f.entity, f.kind, f.window)))
            for f in self.stations.faults
            if f.is_anomaly
        )

    def station_labels(self, frame: KpiFrame) -> NDArray[np.bool_]:
        """Return which rows of a frame lie in a fault of its station."""
        return _rows_in(frame, [f for f in self.station_faults if f.entity == frame.entity])

    def cdn_labels(self, frame: KpiFrame) -> NDArray[np.bool_]:
        """Return which rows of the CDN's overall KPIs lie in a fault."""
        return _rows_in(frame, self.cdn_faults)


def simulate_provider(config: ProviderConfig | None = None) -> Provider:
    """Return a provider with history, two weeks, and faults that are known.

    Examples
    --------
    >>> small = ProviderConfig(n_stations=3, n_fnodes=1, modems=(20, 25), history_days=2,
    ...                        week_days=2, seed=1000)
    >>> provider = simulate_provider(small)
    >>> provider.station_rows(small.second_week).height, provider.nodes[0].fnode
    (144, 'FN000')
    """
    config = config or ProviderConfig()
    stations = simulate_stations(
        StationsConfig(
            n_stations=config.n_stations,
            train_s=config.history_days * _DAY_S,
            test_s=2 * config.week_days * _DAY_S,
            start_s=config.start_s,
            shared_every_s=min(2, config.week_days) * _DAY_S,
        ),
        seed=config.seed,
    )
    cdn, cdn_faults = _cdn(config)
    plant_config = CablePlantConfig(
        n_fnodes=config.n_fnodes,
        modems=config.modems,
        fault_modems=(max(config.modems[0] // 10, 2), config.modems[1] // 2),
        n_amplifiers=10,
        days=config.history_days + 2 * config.week_days,
        start_s=config.start_s,
    )
    nodes = tuple(simulate_plant(plant_config, seed=config.seed))
    return Provider(config, stations, cdn, cdn_faults, plant_config, nodes)


def _cdn(config: ProviderConfig) -> tuple[pl.DataFrame, tuple[TrueFault, ...]]:
    """Return the CDN's tables, and its faults on the grid of the tables."""
    days = config.history_days + 2 * config.week_days
    step = config.cdn_interval_s
    stream = CdnStreamConfig(
        start=datetime.fromtimestamp(config.start_s, UTC),
        interval_s=step,
        median_requests=config.cdn_requests,
        fault_every_s=20 * _HOUR_S,
        faults_from_s=config.history_days * _DAY_S,
        fault_share=(0.1, 0.4),  # what is watched is the whole: smaller ones hardly show
        fault_lasts_s=(2 * _HOUR_S, 6 * _HOUR_S),
    )
    tables: list[pl.DataFrame] = []
    active: dict[CdnFault, list[int]] = {}
    for tick in cdn_stream(days * _DAY_S // step, seed=config.seed, config=stream):
        time_s = config.start_s + len(tables) * step
        stamp = pl.lit(time_s, dtype=pl.Int64).alias("timestamp")
        tables.append(tick.table.with_columns(pl.col(pl.Enum).cast(pl.String), stamp))
        for fault in tick.faults:
            active.setdefault(fault, []).append(time_s)
    faults = tuple(
        TrueFault("cdn", f.kind, TimeWindow(min(at), max(at) + step), _CDN_KPIS[f.kind], f.root)
        for f, at in active.items()
    )
    return pl.concat(tables), faults


_CDN_KPIS = {
    "outage": ("traffic", "requests"),
    "cache": ("cache_miss_ratio",),
    "stall": ("stall_ratio",),
    "delay": ("mean_delay",),
}


def _rows_in(frame: KpiFrame, faults: Iterable[TrueFault]
             ) -> NDArray[np.bool_]:  # fmt: skip
    inside = np.zeros(len(frame), np.bool_)
    for fault in faults:
        inside[frame.rows_in(fault.window)] = True
    return inside
