"""A live CDN: leaf tables every five minutes, with days, sparse leaves, and faults now and then.

Requests of a leaf are Poisson around a daily curve that peaks in the evening; hits and stalls are
binomial among them, so every count is consistent with every other. Traffic and delay follow the
requests. Leaves that nobody asked for are not in a table. A fault lowers or raises one of these
within one attribute combination for a while, and is told with each tick it is active in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

from faultsight.core.combination import AttributeCombination
from faultsight.core.errors import SettingError
from faultsight.core.kpi import Kpi
from faultsight.core.seed import random_stream
from faultsight.sim.case import Root, cells, named
from faultsight.sim.cdn_cube import CDN_ELEMENTS

__all__ = ["CDN_KPIS", "CDN_MEASURES", "CdnFault", "CdnStreamConfig", "CdnTick", "cdn_stream"]

Array = NDArray[np.float64]
FaultKind = Literal["outage", "cache", "stall", "delay"]

CDN_MEASURES = ("traffic", "requests", "hits", "misses", "stalls", "delay")
"""Traffic in megabytes, delay in seconds summed over the requests, the others counts."""

CDN_KPIS = (
    Kpi.additive("traffic"),
    Kpi.additive("requests"),
    Kpi.ratio("cache_miss_ratio", "misses", "requests"),
    Kpi.ratio("stall_ratio", "stalls", "requests"),
    Kpi.ratio("mean_delay", "delay", "requests"),
)
"""What an operator watches; the cache-hit ratio is 1 - cache_miss_ratio."""

_ATTRIBUTES = tuple(CDN_ELEMENTS)
_SIZES = tuple(len(names) for names in CDN_ELEMENTS.values())
_DAY_S = 86_400


@dataclass(frozen=True)
class CdnStreamConfig:
    """Settings of a stream.

    Attributes
    ----------
    start : datetime
        Of the first tick, UTC.
    interval_s : int
        Seconds of a tick; five minutes, as operators' tables are cut.
    median_requests : float
        Of a leaf and tick at the mean of the day: at 1.5 a large part of the leaves is empty.
    fault_every_s : int
        Each such span holds one fault, at a random place in it; eight hours.
    fault_lasts_s : tuple of int
        Shortest and longest fault.
    faults_from_s : int
        Faults that would start within so many seconds from the start are left out: a quiet history.
    fault_share : tuple of float
        A root carries this share of the mean requests: faults nobody can see on the total, and
        faults of the whole, are left out.
    swing : float
        The day's highest value is 1 + swing times its mean, the lowest 1 - swing.
    jitter : float
        Relative noise that all leaves of a tick share.
    """

    start: datetime = datetime(2026, 3, 2, tzinfo=UTC)
    interval_s: int = 300
    median_requests: float = 1.5
    fault_every_s: int = 28_800
    fault_lasts_s: tuple[int, int] = (900, 3600)
    faults_from_s: int = 0
    fault_share: tuple[float, float] = (0.03, 0.4)
    swing: float = 0.6
    jitter: float = 0.01

    def __post_init__(self) -> None:
        if self.interval_s <= 0 or self.fault_lasts_s[1] >= self.fault_every_s / 2:
            raise SettingError("a tick lasts, and a fault is over before half its span is")


@dataclass(frozen=True)
class CdnFault:
    """One fault.

    Attributes
    ----------
    root : AttributeCombination
        Where.
    kind : {"outage", "cache", "stall", "delay"}
        Requests lost; misses, stalls or delay multiplied.
    strength : float
        Share of requests lost, or factor.
    start, end : datetime
        Half-open, UTC.
    """

    root: AttributeCombination
    kind: FaultKind
    strength: float
    start: datetime
    end: datetime


@dataclass(frozen=True, eq=False)
class CdnTick:
    """One leaf table: attributes, then `CDN_MEASURES`; and the faults active in it."""

    time: datetime
    table: pl.DataFrame
    faults: tuple[CdnFault, ...]


@dataclass(frozen=True, eq=False)
class _Plant:
    """What stays the same over a stream, each with one value for every leaf."""

    rate: Array
    phase_s: Array
    miss: Array
    stall: Array
    megabytes: Array
    delay_s: Array


def cdn_stream(
    ticks: int, *, seed: int = 0, config: CdnStreamConfig | None = None
) -> Iterator[CdnTick]:
    """Yield the ticks of a stream in time order.

    Each tick is the same however many are asked for.

    Examples
    --------
    >>> first, second = cdn_stream(2)
    >>> (second.time - first.time).total_seconds()
    300.0
    >>> first.table.columns[:4], 0 < first.table.height < 33 * 4 * 4 * 20
    (['location', 'access', 'os', 'site'], True)
    """
    config = config or CdnStreamConfig()
    plant = _plant(config, seed)
    grid = np.indices(_SIZES).reshape(len(_SIZES), -1)
    for number in range(ticks):
        seconds = number * config.interval_s
        span = seconds // config.fault_every_s
        root, fault = _fault(plant, config, span, seed)
        time = config.start + timedelta(seconds=seconds)
        is_left_out = (fault.start - config.start).total_seconds() < config.faults_from_s
        active = fault.start <= time < fault.end and not is_left_out
        measures = _measure(plant, config, seconds, random_stream(seed, "cdn stream", number),
                            (root, fault) if active else None)  # fmt: skip
        seen = np.flatnonzero(measures["requests"].ravel() > 0)
        columns: dict[str, object] = {
            attribute: pl.Series(names, dtype=pl.Enum(names)).gather(grid[axis][seen])
            for axis, (attribute, names) in enumerate(CDN_ELEMENTS.items())
        }
        columns |= {name: measures[name].ravel()[seen] for name in CDN_MEASURES}
        yield CdnTick(time, pl.DataFrame(columns), (fault,) if active else ())


def _plant(config: CdnStreamConfig, seed: int) -> _Plant:
    stream = random_stream(seed, "cdn stream", "plant")

    def along(axis: int, values: Array) -> Array:
        shape = [1] * len(_SIZES)
        shape[axis] = _SIZES[axis]
        return values.reshape(shape)

    def spread(axis: int, sd: float) -> Array:
        return along(axis, np.exp(sd * stream.standard_normal(_SIZES[axis])))

    rate = config.median_requests * np.exp(0.8 * stream.standard_normal(_SIZES))
    rate = rate * spread(0, 0.9) * spread(1, 0.5) * spread(2, 0.5) * spread(3, 0.9)
    whole = np.ones(_SIZES)
    return _Plant(
        rate=rate,
        phase_s=whole * along(0, stream.uniform(-3600, 3600, _SIZES[0])),
        miss=whole * along(3, stream.uniform(0.03, 0.15, _SIZES[3])),
        stall=whole * along(1, stream.uniform(0.005, 0.02, _SIZES[1])),
        megabytes=whole * spread(3, 0.6) * 2.0,
        delay_s=0.08 * spread(0, 0.3) * spread(1, 0.4) * whole,
    )


def _fault(plant: _Plant, config: CdnStreamConfig, span: int, seed: int) -> tuple[Root, CdnFault]:
    """Draw the fault of one span of time; it lies in the span's second half."""
    stream = random_stream(seed, "cdn stream", "fault", span)
    kind: FaultKind = get_args(FaultKind)[int(stream.integers(4))]
    strength = stream.uniform(0.5, 1.0) if kind == "outage" else stream.uniform(3.0, 6.0)
    total = plant.rate.sum()
    low, high = config.fault_share
    root: Root = {}
    while not root:
        layer = int(stream.integers(1, 2, endpoint=True))
        cuboid = sorted(stream.choice(len(_SIZES), layer, replace=False).tolist())
        drawn = {axis: int(stream.integers(_SIZES[axis])) for axis in cuboid}
        if low <= plant.rate[cells(drawn, len(_SIZES))].sum() / total <= high:
            root = drawn
    half = config.fault_every_s / 2
    lasts = stream.uniform(*config.fault_lasts_s)
    start = config.start + timedelta(
        seconds=float(span * config.fault_every_s + half + stream.uniform(0, half - lasts))
    )
    return root, CdnFault(
        named(root, CDN_ELEMENTS), kind, float(strength), start, start + timedelta(seconds=lasts)
    )


def _measure(
    plant: _Plant,
    config: CdnStreamConfig,
    seconds: int,
    stream: np.random.Generator,
    active: tuple[Root, CdnFault] | None,
) -> dict[str, Array]:
    change = {kind: np.ones(_SIZES) for kind in get_args(FaultKind)}
    if active is not None:
        root, fault = active
        factor = 1 - fault.strength if fault.kind == "outage" else fault.strength
        change[fault.kind][cells(root, len(_SIZES))] = factor
    # The peak is at nine in the evening, shifted by the location's habits.
    angle = 2 * np.pi * (seconds + plant.phase_s - 21 * 3600) / _DAY_S
    day = (1 + config.swing * np.cos(angle)) * (1 + config.jitter * stream.standard_normal())
    requests = stream.poisson(plant.rate * day * change["outage"])
    misses = stream.binomial(requests, np.minimum(plant.miss * change["cache"], 0.95))
    stalls = stream.binomial(requests, np.minimum(plant.stall * change["stall"], 0.95))
    # Sizes and delays of single requests average out within a leaf.
    noise = stream.standard_normal((2, *_SIZES)) / np.sqrt(np.maximum(requests, 1))
    megabytes = requests * plant.megabytes * np.maximum(1 + 0.3 * noise[0], 0.1)
    delay = requests * plant.delay_s * change["delay"] * np.maximum(1 + 0.3 * noise[1], 0.1)
    return {
        "traffic": megabytes,
        "requests": requests.astype(np.float64),
        "hits": (requests - misses).astype(np.float64),
        "misses": misses.astype(np.float64),
        "stalls": stalls.astype(np.float64),
        "delay": delay,
    }
