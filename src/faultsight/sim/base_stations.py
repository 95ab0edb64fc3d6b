"""Simulated wireless base stations: 25 KPIs, their faults, and changes that are normal.

The KPIs are those of Table 2 of AnoTuner (WWW '24).

Demand follows the hour, the weekday and the kind of place. Counts are drawn from it (connection
and bearer requests, successes, drops, handovers), rates are derived from counts, utilization from
traffic. Most faults act on what lies behind the counts, so that the KPIs stay consistent with each
other as in a real station; some break exactly that consistency.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from faultsight.core.combination import AttributeCombination
from faultsight.core.errors import SettingError
from faultsight.core.kpi_frame import KpiFrame, TimeWindow
from faultsight.core.seed import random_stream

__all__ = [
    "KINDS",
    "KPIS",
    "SharedFault",
    "StationFault",
    "Stations",
    "StationsConfig",
    "faults_table",
    "simulate_stations",
]

KPIS = (
    "paging_congestion_rate", "wireless_connection_rate", "wireless_drop_rate",
    "handover_success_rate", "uplink_traffic_gb", "downlink_traffic_gb",
    "uplink_prb_utilization", "downlink_prb_utilization", "interference_level_dbm",
    "rab_establishment_success_rate", "rab_establishment_failure_count",
    "rab_establishment_request_count", "rab_establishment_success_count",
    "rab_establishment_success_rate_qci1", "rab_normal_release_count", "rab_drop_rate",
    "rab_traffic_erlang",
    "handover_request_count", "handover_success_count", "handover_total_count",
    "rrc_request_count", "rrc_connections_mean", "rrc_connections_max",
    "rrc_establishment_success_rate", "rrc_establishment_success_count",
)  # fmt: skip
"""Business (6), physical resource blocks (3), bearers (8), handover (3), connections (5). The
paper names the bearers' success rate twice; the second is that of voice (QCI 1)."""

_DAY_S, _HOUR_S = 86_400, 3600
_COUNTERS = {
    "rab": tuple(k for k in KPIS if k.startswith("rab_")),
    "handover": tuple(k for k in KPIS if k.startswith("handover_")),
    "traffic": ("uplink_traffic_gb", "downlink_traffic_gb", "rab_traffic_erlang"),
}
_LOAD_KPIS = tuple(k for k in KPIS if k.endswith(("_count", "_gb", "_utilization", "_erlang")))
_KPIS_OF_KIND: dict[str, tuple[str, ...]] = {
    "sleeping_cell": _LOAD_KPIS,
    "congestion": (
        *_LOAD_KPIS, "paging_congestion_rate", "rrc_establishment_success_rate",
        "rab_establishment_success_rate",
    ),
    "interference": (
        "interference_level_dbm", "wireless_drop_rate", "rab_drop_rate",
        "rab_establishment_success_rate", "uplink_prb_utilization",
    ),
    "drift": (
        "rab_establishment_success_rate", "rab_establishment_failure_count",
        "wireless_connection_rate", "handover_success_rate",
    ),
    "flapping": _LOAD_KPIS,
    "software_upgrade": (
        "interference_level_dbm", "rrc_connections_mean", "handover_request_count",
    ),
    "reconfiguration": _LOAD_KPIS,
    "special_event": _LOAD_KPIS,
}  # fmt: skip
KINDS = (
    "single_kpi", "broken_relation", "sleeping_cell", "congestion", "interference", "drift",
    "missing_counters", "flapping",
)  # fmt: skip


@dataclass(frozen=True)
class StationsConfig:
    """How many stations, how long, how often something is wrong.

    Parameters
    ----------
    n_stations : int
        Stations.
    interval_s : int
        Seconds from row to row; divides an hour or is a multiple of it.
    train_s, test_s : int
        Length of the two parts, in seconds.
    start_s : int
        First stamp, seconds since 1970 UTC; by default a Monday.
    anomaly_rate : float
        Share of the test part's points that lie in faults, on average.
    train_rate : float
        The same for the training part, at stations where a fault is chronic and everywhere.
    chronic_share : float
        Share of stations with a fault of their own that recurs, in both parts, on the same KPIs
        and about as badly each time.
    least_severity : float
        Of faults, from 0 (hardly visible) to 1; operators do not label what they cannot see.
    event_rate : float
        Special events, normal however rare, for each region and day of the test part.
    upgraded_share, moved_share : float
        Stations that get new software, and that give traffic to a neighbour, in the test part.
    shared_every_s : int
        Each such span of the test part holds one fault that hits every station of one combination
        of attributes, such as a region and vendor, at once; 0: none.
    """

    n_stations: int = 200
    interval_s: int = _HOUR_S
    train_s: int = 7 * _DAY_S
    test_s: int = 7 * _DAY_S
    start_s: int = 1_704_067_200
    anomaly_rate: float = 0.05
    train_rate: float = 0.02
    chronic_share: float = 0.4
    least_severity: float = 0.35
    event_rate: float = 0.25
    upgraded_share: float = 0.25
    moved_share: float = 0.06
    shared_every_s: int = 0

    def __post_init__(self) -> None:
        if self.n_stations < 1:
            raise SettingError("n_stations must be at least 1")
        if self.interval_s < 1 or min(self.train_s, self.test_s) < self.interval_s:
            raise SettingError("each part must hold at least one interval")
        if _HOUR_S % self.interval_s and self.interval_s % _HOUR_S:
            raise SettingError("interval_s must divide an hour or be a multiple of it")
        shares = (
            self.chronic_share, self.least_severity, self.upgraded_share, self.moved_share,
        )  # fmt: skip
        if not all(0 <= share <= 1 for share in shares) or not self.event_rate >= 0:
            raise SettingError("shares lie between 0 and 1, and event_rate is at least 0")
        if self.shared_every_s < 0:
            raise SettingError("shared_every_s must be at least 0")
        if not 0 <= self.anomaly_rate < 0.5 or not 0 <= self.train_rate < 0.5:
            raise SettingError("anomaly rates lie between 0 and 0.5")


@dataclass(frozen=True)
class StationFault:
    """What happened at a station, or what changed there though nothing was wrong.

    Parameters
    ----------
    entity, kind : str
        Where and what.
    window : TimeWindow
        When.
    kpis : tuple of str
        Which KPIs show it.
    is_anomaly : bool
        False for upgrades, reconfigurations and special events.
    """

    entity: str
    kind: str
    window: TimeWindow
    kpis: tuple[str, ...]
    is_anomaly: bool


@dataclass(frozen=True)
class SharedFault:
    """A fault that hit every station of one combination of attributes at once.

    Parameters
    ----------
    root : AttributeCombination
        Which; what `Stations.sites` says of them.
    kind : str
        What; each of its stations has a `StationFault` of this kind and window.
    window : TimeWindow
        When.
    entities : tuple of str
        The stations.
    """

    root: AttributeCombination
    kind: str
    window: TimeWindow
    entities: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Stations:
    """A simulated fleet.

    Parameters
    ----------
    train, test : tuple of KpiFrame
        One frame a station, with labels; those of the training part are for research alone.
    faults : tuple of StationFault
        Ground truth, in order of station and time.
    sites : polars.DataFrame
        entity, region, vendor, band, software.
    shared : tuple of SharedFault
        Those faults that hit several stations for one reason, in order of time.
    """

    train: tuple[KpiFrame, ...]
    test: tuple[KpiFrame, ...]
    faults: tuple[StationFault, ...]
    sites: pl.DataFrame
    shared: tuple[SharedFault, ...] = ()


@dataclass(eq=False)
class _Latent:
    """What lies behind the counts, station x row each; faults and changes are multiplied in."""

    demand: NDArray[np.float64]
    rrc_failure: NDArray[np.float64]
    rab_failure: NDArray[np.float64]
    drop: NDArray[np.float64]
    handover_failure: NDArray[np.float64]
    handovers: NDArray[np.float64]
    holding: NDArray[np.float64]
    interference_db: NDArray[np.float64]
    uplink_cost: NDArray[np.float64]


@dataclass(frozen=True)
class _Episode:
    station: int
    kind: str
    rows: slice
    severity: float
    kpis: tuple[str, ...]
    is_anomaly: bool


def simulate_stations(config: StationsConfig | None = None, *, seed: int = 0) -> Stations:
    """Return a fleet of base stations with ground truth.

    Parameters
    ----------
    config : StationsConfig, optional
        Size, length and rates.
    seed : int
        The same seed gives the same fleet.

    Examples
    --------
    >>> fleet = simulate_stations(StationsConfig(n_stations=3), seed=1)
    >>> fleet.train[0].values.shape, fleet.test[2].entity
    ((168, 25), 'cell-0003')
    """
    config = config or StationsConfig()
    n_train = config.train_s // config.interval_s
    n_rows = n_train + config.test_s // config.interval_s
    entities = [f"cell-{i + 1:0{max(4, len(str(config.n_stations)))}d}"
                for i in range(config.n_stations)]  # fmt: skip
    sites = _sites(entities, seed)
    latent, capacity = _usual(config, sites, n_rows, seed)
    shared = _shared_faults(config, sites, n_train, n_rows, seed)
    episodes = _faults(config, n_train, n_rows, seed) + _changes(
        config, sites, n_train, n_rows, seed
    )
    episodes += [episode for _, members in shared for episode in members]
    for episode in episodes:
        _act_on_latent(
            latent, episode, random_stream(seed, "act", episode.station, episode.rows.start)
        )
    values = _observe(latent, capacity, config.interval_s, random_stream(seed, "observe"))
    spread = _spread(values)
    labels = np.zeros((config.n_stations, n_rows), dtype=np.int8)
    for episode in episodes:
        stream = random_stream(seed, "report", episode.station, episode.rows.start)
        _act_on_report(values, spread, episode, stream)
        labels[episode.station, episode.rows] |= np.int8(episode.is_anomaly)
    parts: list[tuple[KpiFrame, ...]] = []
    for rows in (slice(0, n_train), slice(n_train, n_rows)):
        first_s = config.start_s + rows.start * config.interval_s
        parts.append(tuple(
            KpiFrame(
                entity, KPIS, first_s, config.interval_s, values[i, rows], labels=labels[i, rows]
            )
            for i, entity in enumerate(entities)
        ))  # fmt: skip
    faults = tuple(sorted((_told(e, entities, config) for e in episodes),
                          key=lambda f: (f.entity, f.window, f.kind)))  # fmt: skip
    told = tuple(_shared_told(root, members, entities, config) for root, members in shared)
    return Stations(parts[0], parts[1], faults, sites, told)


def _sites(entities: list[str], seed: int) -> pl.DataFrame:
    stream = random_stream(seed, "sites")
    n = len(entities)
    vendor = stream.choice(["A", "B", "C"], n, p=[0.5, 0.3, 0.2])
    release = stream.choice(["1", "2"], n, p=[0.7, 0.3])
    return pl.DataFrame(
        {
            "entity": entities,
            "region": stream.choice(["centre", "north", "south", "coast"], n),
            "vendor": vendor,
            "band": stream.choice(["700", "1800", "2100", "2600"], n),
            "software": [f"{v}-{r}" for v, r in zip(vendor, release, strict=True)],
        }
    )


def _usual(
    config: StationsConfig, sites: pl.DataFrame, n_rows: int, seed: int
) -> tuple[_Latent, NDArray[np.float64]]:
    """Return what lies behind a fleet where nothing happens, and each station's capacity."""
    stream = random_stream(seed, "usual")
    n = sites.height
    times_s = config.start_s + np.arange(n_rows) * config.interval_s
    hour = times_s % _DAY_S / _HOUR_S
    weekend = (times_s // _DAY_S + 3) % 7 >= 5
    homes = 0.25 + np.exp(-((hour - 20.5) ** 2) / 18) + 0.45 * np.exp(-((hour - 12.5) ** 2) / 20)
    offices = 0.12 + np.exp(-((hour - 11.0) ** 2) / 10) + 0.9 * np.exp(-((hour - 15.5) ** 2) / 8)
    night = 1.0 - 0.85 * np.exp(-((hour - 3.5) ** 2) / 8)
    office_share = stream.beta(0.7, 0.9, (n, 1))
    weekday = office_share * offices * np.where(weekend, 0.35, 1.0)
    weekday = weekday + (1 - office_share) * homes * np.where(weekend, 1.12, 1.0)
    size = stream.lognormal(np.log(500.0), 0.7, (n, 1)) * config.interval_s / _HOUR_S
    wander = _autoregressive(stream, (n, n_rows), stream.uniform(0.05, 0.18, (n, 1)), 0.7)
    demand = size * weekday * night * np.exp(wander)
    capacity = np.quantile(demand, 0.98, axis=1, keepdims=True) * stream.uniform(1.1, 2.4, (n, 1))

    def rate(usual: float, spread: float) -> NDArray[np.float64]:
        wandering = _autoregressive(stream, (n, n_rows), 0.15, 0.6)
        return np.asarray(stream.lognormal(np.log(usual), spread, (n, 1)) * np.exp(wandering))

    vendor_db = np.select([sites["vendor"] == "B", sites["vendor"] == "C"], [1.5, -1.0], 0.0)
    noise_db = _autoregressive(stream, (n, n_rows), stream.uniform(0.3, 1.0, (n, 1)), 0.6)
    latent = _Latent(
        demand=demand,
        rrc_failure=rate(0.004, 0.5),
        rab_failure=rate(0.006, 0.5),
        drop=rate(0.004, 0.5),
        handover_failure=rate(0.012, 0.5),
        handovers=rate(0.6, 0.4),
        holding=rate(0.06, 0.2),
        interference_db=-113.0 + stream.normal(0, 2, (n, 1)) + vendor_db[:, None] + noise_db,
        uplink_cost=rate(1.0, 0.15),
    )
    return latent, capacity


def _autoregressive(
    stream: np.random.Generator, shape: tuple[int, int], spread: float | NDArray[np.float64],
    memory: float,
) -> NDArray[np.float64]:  # fmt: skip
    noise = stream.standard_normal(shape) * np.sqrt(1 - memory**2)
    for row in range(1, shape[1]):
        noise[:, row] += memory * noise[:, row - 1]
    return np.asarray(noise * spread)


def _faults(config: StationsConfig, n_train: int, n_rows: int, seed: int) -> list[_Episode]:
    """Draw faults: in the test part anywhere, in the training part above all chronic ones."""
    stream = random_stream(seed, "faults")
    chronic = stream.random(config.n_stations) < config.chronic_share
    own_kind = stream.choice(KINDS, config.n_stations)
    own_kpis = [_kpis(str(kind), stream) for kind in own_kind]
    own_severity = _severity(config, stream, config.n_stations)
    # A chronic station has more than its share, of its own kind.
    often = min(2.5, 1 / config.chronic_share) if config.chronic_share else 1.0
    elsewhere = (1 - often * config.chronic_share) / max(1 - config.chronic_share, 1e-9)
    rows_an_hour = _HOUR_S / config.interval_s
    usual_length = max(_USUAL_HOURS * rows_an_hour, 1.0)
    episodes = []
    for first, last, rate in (
        (0, n_train, config.train_rate),
        (n_train, n_rows, config.anomaly_rate),
    ):
        for station in range(config.n_stations):
            factor = often if chronic[station] else elsewhere
            wanted = stream.poisson(max(rate * factor, 0) * (last - first) / usual_length)
            for _ in range(wanted):
                recurs = chronic[station] and stream.random() < 0.8
                kind = str(own_kind[station] if recurs else stream.choice(KINDS))
                kpis = own_kpis[station] if recurs else _kpis(kind, stream)
                severity = float(_severity(config, stream, 1)[0])
                if recurs:  # the same part fails, about as badly as the last time
                    severity = float(0.9 * own_severity[station] + 0.1 * severity)
                hours = float(np.clip(stream.lognormal(*_DURATIONS[kind]), 1, 36))
                length = max(round(hours * rows_an_hour), 1)
                start = _start(first, max(last - length, first), config, stream)
                episodes.append(_Episode(
                    station, kind, slice(start, min(start + length, last)),
                    severity, kpis, True,
                ))  # fmt: skip
    return episodes


def _shared_faults(
    config: StationsConfig, sites: pl.DataFrame, n_train: int, n_rows: int, seed: int
) -> list[tuple[AttributeCombination, list[_Episode]]]:
    """Draw faults with a root: which stations, and what each of them suffers."""
    span = config.shared_every_s // config.interval_s
    places = _shared_places(sites)
    if not span or not places:
        return []
    found = []
    for number, first in enumerate(range(n_train, n_rows - span + 1, span)):
        stream = random_stream(seed, "shared faults", number)
        root, stations = places[int(stream.integers(len(places)))]
        kind = str(stream.choice(_SHARED_KINDS))
        hours = float(np.clip(stream.lognormal(*_DURATIONS[kind]), 3, 12))
        length = min(max(round(hours * _HOUR_S / config.interval_s), 1), span)
        start = _start(first, first + span - length, config, stream)
        severity = float(_severity(config, stream, 1)[0])
        rows = slice(start, start + length)
        found.append((root, [
            _Episode(station, kind, rows, severity, _KPIS_OF_KIND[kind], True)
            for station in stations
        ]))  # fmt: skip
    return found


def _shared_places(sites: pl.DataFrame) -> list[tuple[AttributeCombination, tuple[int, ...]]]:
    """Return combinations of one or two attributes with several stations, but not too many.

    Of combinations with the same stations only the shortest counts: the others say no more.
    """
    attributes = [name for name in sites.columns if name != "entity"]
    most = max(sites.height // 3, 2)
    least = min(3, most)
    found: dict[tuple[int, ...], AttributeCombination] = {}
    for names in [(a,) for a in attributes] + list(combinations(attributes, 2)):
        for values in sorted(set(sites.select(names).iter_rows())):
            pairs = dict(zip(names, values, strict=True))
            is_one = np.logical_and.reduce([sites[a].to_numpy() == v for a, v in pairs.items()])
            stations = tuple(np.flatnonzero(is_one).tolist())
            if least <= len(stations) <= most:
                found.setdefault(stations, AttributeCombination(pairs))
    return sorted(((root, stations) for stations, root in found.items()), key=lambda one: one[0])


def _severity(config: StationsConfig, stream: np.random.Generator, n: int) -> NDArray[np.float64]:
    """Draw how bad faults are, between the least that operators would label and 1."""
    least = config.least_severity
    return np.asarray(least + (1 - least) * stream.beta(1.2, 1.0, n))


def _start(first: int, last: int, config: StationsConfig, stream: np.random.Generator) -> int:
    """Draw when a fault starts: seldom at night, when too few people call to notice it."""
    while True:
        start = int(stream.integers(first, last + 1))
        hour = (config.start_s + start * config.interval_s) % _DAY_S // _HOUR_S
        if hour >= _DAWN_H or stream.random() < _NIGHT_SHARE:
            return start


_DAWN_H, _NIGHT_SHARE = 7, 0.2
_SHARED_KINDS = ("congestion", "interference", "sleeping_cell")
_DURATIONS = {
    "single_kpi": (0.9, 0.5), "broken_relation": (1.1, 0.6), "sleeping_cell": (1.2, 0.7),
    "congestion": (0.9, 0.5), "interference": (1.3, 0.7), "drift": (2.6, 0.4),
    "missing_counters": (0.8, 0.7), "flapping": (1.6, 0.5),
}  # fmt: skip
"""Mean and spread of the logarithm of a fault's length in hours."""
_USUAL_HOURS = 5.0
"""Mean length of a fault, less what faults of one station overlap."""


def _kpis(kind: str, stream: np.random.Generator) -> tuple[str, ...]:
    if kind == "single_kpi":
        return (str(stream.choice(KPIS)),)
    if kind == "broken_relation":
        return (str(stream.choice([
            "rab_establishment_success_count", "rrc_establishment_success_count",
            "handover_success_count", "downlink_traffic_gb", "rrc_connections_mean",
            "downlink_prb_utilization",
        ])),)  # fmt: skip
    if kind == "missing_counters":
        return _COUNTERS[str(stream.choice(sorted(_COUNTERS)))]
    return _KPIS_OF_KIND[kind]


def _changes(
    config: StationsConfig, sites: pl.DataFrame, n_train: int, n_rows: int, seed: int
) -> list[_Episode]:
    """Draw what is new in the test part and yet normal."""
    stream = random_stream(seed, "changes")
    episodes = []

    def add(station: int, kind: str, rows: slice, severity: float) -> None:
        episodes.append(_Episode(station, kind, rows, severity, _KPIS_OF_KIND[kind], False))

    early = n_train + max((n_rows - n_train) // 3, 1)
    for station in np.flatnonzero(stream.random(sites.height) < config.upgraded_share):
        start, severity = int(stream.integers(n_train, early)), float(stream.random())
        add(int(station), "software_upgrade", slice(start, n_rows), severity)
    for station in np.flatnonzero(stream.random(sites.height) < config.moved_share):
        start, severity = int(stream.integers(n_train, early)), float(stream.uniform(0.2, 1.0))
        add(int(station), "reconfiguration", slice(start, n_rows), -severity)
        add((int(station) + 1) % sites.height, "reconfiguration", slice(start, n_rows), severity)
    days = (n_rows - n_train) * config.interval_s / _DAY_S
    regions = sites["region"].to_numpy()
    for region in sorted(set(regions)):
        for _ in range(stream.poisson(config.event_rate * days)):
            start = int(stream.integers(n_train, n_rows))
            length = max(round(stream.uniform(3, 9) * _HOUR_S / config.interval_s), 1)
            for station in np.flatnonzero(
                (regions == region) & (stream.random(sites.height) < 0.3)
            ):
                severity = float(stream.uniform(0.2, 1.0))
                rows = slice(start, min(start + length, n_rows))
                add(int(station), "special_event", rows, severity)
    return episodes


def _act_on_latent(latent: _Latent, episode: _Episode, stream: np.random.Generator) -> None:
    """Multiply an episode into what lies behind the counts."""
    at = episode.station, episode.rows
    s, length = episode.severity, episode.rows.stop - episode.rows.start
    match episode.kind:
        case "sleeping_cell":
            latent.demand[at] *= 0.55 - 0.54 * s
        case "flapping":
            latent.demand[at] *= np.where(np.arange(length) % 2 == 0, 0.6 - 0.58 * s, 1.0)
        case "congestion":
            latent.demand[at] *= 1.3 + 1.7 * s
            latent.rrc_failure[at] *= 3 + 17 * s
            latent.rab_failure[at] *= 3 + 12 * s
        case "interference":
            latent.interference_db[at] += 3 + 12 * s
            latent.drop[at] *= 1.5 + 9 * s
            latent.rab_failure[at] *= 1.3 + 6 * s
            latent.uplink_cost[at] *= 1.1 + 0.8 * s
        case "drift":
            ramp = np.linspace(0, 1, length)
            latent.rab_failure[at] *= 1 + (5 + 25 * s) * ramp
            latent.handover_failure[at] *= 1 + (3 + 10 * s) * ramp
        case "software_upgrade":
            latent.interference_db[at] += (1 + 2.5 * s) * stream.choice([-1, 1])
            latent.holding[at] *= 1 + 0.4 * s * stream.choice([-1, 1])
            latent.handovers[at] *= 1 + (0.2 + 0.4 * s) * stream.choice([-1, 1])
        case "reconfiguration":
            latent.demand[at] *= 1 + 0.6 * s
        case "special_event":
            latent.demand[at] *= 1 + 1.2 * s


def _observe(
    latent: _Latent, capacity: NDArray[np.float64], interval_s: int, stream: np.random.Generator
) -> NDArray[np.float64]:
    """Draw the counts and derive the KPIs, of shape (station, row, kpi)."""
    usage = latent.demand / capacity
    # Above its capacity a station turns requests away, whatever the reason.
    crowded = 1.0 / (1.0 + np.exp(-(usage - 1.05) / 0.08))

    def failing(rate: NDArray[np.float64], crowding: float) -> NDArray[np.float64]:
        return np.asarray(np.clip(rate + crowding * crowded, 0.0, 0.95))

    rrc_requests = stream.poisson(latent.demand)
    rrc_successes = stream.binomial(rrc_requests, 1 - failing(latent.rrc_failure, 0.08))
    rab_requests = stream.poisson(1.4 * rrc_successes)
    rab_successes = stream.binomial(rab_requests, 1 - failing(latent.rab_failure, 0.06))
    voice_requests = stream.binomial(rab_requests, 0.1)
    voice_successes = stream.binomial(voice_requests, 1 - failing(latent.rab_failure, 0.06))
    drops = stream.binomial(rab_successes, np.clip(latent.drop, 0.0, 0.95))
    handover_requests = stream.poisson(latent.handovers * rrc_successes)
    handover_successes = stream.binomial(
        handover_requests, 1 - failing(latent.handover_failure, 0.03)
    )
    incoming = stream.poisson(latent.handovers * rrc_successes)
    pages = stream.poisson(4.0 * latent.demand)
    congested_pages = stream.binomial(pages, np.clip(0.0005 + 0.1 * crowded, 0, 1))
    connections = rrc_successes * latent.holding * stream.lognormal(0, 0.04, usage.shape)
    peak = connections + stream.gamma(4.0, 0.25, usage.shape) * np.sqrt(connections + 1) * 2
    downlink_gb = rab_successes * 0.012 * stream.lognormal(0, 0.12, usage.shape)
    uplink_gb = downlink_gb * 0.11 * stream.lognormal(0, 0.08, usage.shape)
    per_gb = 0.75 / (capacity * 1.4 * 0.012)
    downlink_use = np.clip(0.04 + downlink_gb * per_gb, 0, 1)
    uplink_use = np.clip(0.03 + uplink_gb / 0.11 * per_gb * 0.7 * latent.uplink_cost, 0, 1)
    erlang = rab_successes * 100.0 / interval_s * stream.lognormal(0, 0.06, usage.shape)
    rrc_rate, rab_rate = _ratio(rrc_successes, rrc_requests), _ratio(rab_successes, rab_requests)
    return np.stack(
        [
            _ratio(congested_pages, pages), rrc_rate * rab_rate, _ratio(drops, rrc_successes),
            _ratio(handover_successes, handover_requests), uplink_gb, downlink_gb,
            uplink_use, downlink_use, latent.interference_db + 5.0 * uplink_use,
            rab_rate, rab_requests - rab_successes, rab_requests, rab_successes,
            _ratio(voice_successes, voice_requests), rab_successes - drops,
            _ratio(drops, rab_successes), erlang,
            handover_requests, handover_successes, handover_requests + incoming,
            rrc_requests, connections, peak, rrc_rate, rrc_successes,
        ],
        axis=2,
    ).astype(np.float64)  # fmt: skip


def _spread(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the standard deviation of each station's KPI; 0 where nothing is known."""
    known = ~np.isnan(values)
    n_known = np.maximum(known.sum(axis=1, keepdims=True), 1)
    mean = np.where(known, values, 0.0).sum(axis=1, keepdims=True) / n_known
    squares = np.where(known, values - mean, 0.0) ** 2
    return np.asarray(np.sqrt(squares.sum(axis=1) / n_known[:, 0]))


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return part over whole; missing where nothing was tried."""
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)


def _act_on_report(
    values: NDArray[np.float64], spread: NDArray[np.float64], episode: _Episode,
    stream: np.random.Generator,
) -> None:  # fmt: skip
    """Put into the reported KPIs what does not come from the network behind them."""
    columns = [KPIS.index(kpi) for kpi in episode.kpis]
    at = episode.station, episode.rows
    match episode.kind:
        case "single_kpi":
            shift = (2.0 + 7.0 * episode.severity) * spread[episode.station, columns[0]]
            moved = values[at][:, columns[0]] + shift * stream.choice([-1, 1])
            if KPIS[columns[0]] != "interference_level_dbm":
                moved = np.maximum(moved, 0.0)
            if KPIS[columns[0]].endswith(("_rate", "_utilization")):
                moved = np.minimum(moved, 1.0)
            values[episode.station, episode.rows, columns[0]] = moved
        case "broken_relation":
            factor = 1 - (0.3 + 0.65 * episode.severity)
            values[episode.station, episode.rows, columns[0]] *= factor
        case "missing_counters":
            # Half of the time the counters say nothing, half of the time they say zero.
            told = np.nan if stream.random() < 0.5 else 0.0
            for column in columns:
                gone = np.nan if KPIS[column].endswith("_rate") else told
                values[episode.station, episode.rows, column] = gone


def _told(episode: _Episode, entities: list[str], config: StationsConfig) -> StationFault:
    start_s = config.start_s + episode.rows.start * config.interval_s
    end_s = config.start_s + episode.rows.stop * config.interval_s
    return StationFault(
        entities[episode.station], episode.kind, TimeWindow(start_s, end_s), episode.kpis,
        episode.is_anomaly,
    )  # fmt: skip


def _shared_told(
    root: AttributeCombination, members: list[_Episode], entities: list[str],
    config: StationsConfig,
) -> SharedFault:  # fmt: skip
    told = [_told(episode, entities, config) for episode in members]
    return SharedFault(root, told[0].kind, told[0].window, tuple(one.entity for one in told))


def faults_table(stations: Stations) -> pl.DataFrame:
    """Return what happened as a table: entity, kind, start, end (UTC), kpis, is_anomaly.

    Examples
    --------
    >>> faults_table(simulate_stations(StationsConfig(n_stations=5), seed=1)).columns
    ['entity', 'kind', 'start', 'end', 'kpis', 'is_anomaly']
    """
    moment = pl.Datetime("us", "UTC")
    told = stations.faults
    return pl.DataFrame(
        {
            "entity": [fault.entity for fault in told],
            "kind": [fault.kind for fault in told],
            "start": pl.Series([f.window.start_s * 1_000_000 for f in told], dtype=pl.Int64),
            "end": pl.Series([f.window.end_s * 1_000_000 for f in told], dtype=pl.Int64),
            "kpis": [";".join(fault.kpis) for fault in told],
            "is_anomaly": [fault.is_anomaly for fault in told],
        },
        schema_overrides={"entity": pl.String, "kind": pl.String, "kpis": pl.String},
    ).with_columns(pl.col("start", "end").cast(moment))
