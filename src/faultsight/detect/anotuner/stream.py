"""AnoTuner row by row: one row of every entity comes in, one score of every entity goes out.

What `AnoTuner.score` would say of whole series is said as their rows arrive, in memory that does
not grow. The streaming form keeps two rows and the state of its network for each entity, the
sliding form the rows of one window; both keep the level of the `Profile` condition and the
averages of recent residuals.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faultsight.core.errors import InputError, SettingError
from faultsight.core.kpi_frame import KpiFrame
from faultsight.detect.anotuner import AnoTuner
from faultsight.detect.anotuner._network import SlidingNetwork, StreamingNetwork
from faultsight.detect.anotuner._stream_networks import NextRow, SlidFleet, StreamedFleet
from faultsight.detect.anotuner.conditions.profile import LEVEL_WEIGHT, Profile
from faultsight.detect.scaling import _HIGHEST, _LOWEST, Scaling
from faultsight.detect.tuning.aggregation import aggregate
from faultsight.detect.tuning.residual_head import ResidualHead

__all__ = ["AnoTunerStream", "Tick"]

_MOST_ROWS_MISSED = 10_000
"""A longer gap is a wrong stamp, or a reason to start anew."""
_FORGOTTEN = 1e-9
"""What a residual counts for when it need not be known any more."""
_ROWS_A_STRETCH = 8

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Tick:
    """What one row of every entity scored.

    Parameters
    ----------
    time_s : int
        The stamp of the row, seconds since 1970 UTC.
    total : array of shape (entity,)
        float64; higher is more anomalous, NaN where every KPI is missing.
    alarming : array of shape (entity,)
        Whether the total is above the entity's deployed level.
    residuals : array of shape (entity, kpi), optional
        float32, as in `Score`; None if they were not asked for.
    """

    time_s: int
    total: NDArray[np.float64]
    alarming: Flags
    residuals: Floats | None = None


class AnoTunerStream:
    """A fitted AnoTuner that scores a fleet row by row.

    The totals are those of `AnoTuner.score` on each entity's rows since its first, up to the
    rounding of float32. What the model knows of the entities is looked up once: after tuning it,
    make a new stream.

    Parameters
    ----------
    model : AnoTuner
        Fitted, of either form, with the ``"profile"`` condition; its network runs on the model's
        device, the rest on the processor.
    entities : sequence of str
        Whose rows come in, and in which order. Ones that the model has not seen have the fleet's
        medians, as in `AnoTuner.score`.
    workers : int, optional
        Threads; one for each core if not given. Totals do not depend on it.

    Attributes
    ----------
    entities, kpis : tuple of str
        Rows and columns of what comes in.
    interval_s : int
        Seconds from row to row.
    time_s : int or None
        The stamp of the last row; None before the first.
    levels : array of shape (entity,)
        The deployed levels.

    Raises
    ------
    InputError
        If the model is not fitted, no entity is named, or one is named twice.
    SettingError
        If the model's condition needs more than the profile's level, as ``"stl"`` does.

    Examples
    --------
    >>> from faultsight.detect.anotuner import AnoTunerConfig
    >>> rows = np.random.default_rng(0).normal(size=(210, 2))
    >>> frame = KpiFrame("cell-1", ("drops", "load"), 0, 3600, rows)
    >>> model = AnoTuner(AnoTunerConfig(epochs=2)).fit([frame[:200]])
    >>> stream = AnoTunerStream(model, ["cell-1"]).warm([frame[:205]])
    >>> tick = stream.advance(205 * 3600, frame.values[205:206])
    >>> bool(np.allclose(tick.total, model.score([frame])[0].total[205], rtol=1e-4))
    True
    >>> tick = stream.advance(206 * 3600, [[9.0, 9.0]])
    >>> tick.alarming.tolist()
    [True]
    """

    def __init__(
        self, model: AnoTuner, entities: Sequence[str], *, workers: int | None = None
    ) -> None:
        if not model.kpis:
            raise InputError(f"{model.name} is not fitted; call fit first")
        if not isinstance(model.condition, Profile):
            raise SettingError(
                f"rows can be streamed with the condition 'profile' only, not with "
                f"{model.config.condition!r}"
            )
        self.entities = tuple(entities)
        self.kpis = model.kpis
        self.interval_s = model.interval_s
        self.time_s: int | None = None
        self.workers = workers or os.cpu_count() or 1
        self._places = {entity: place for place, entity in enumerate(self.entities)}
        if not self.entities or len(self._places) < len(self.entities):
            raise InputError("name at least one entity, and none of them twice")
        self._begun = np.zeros(len(self.entities), dtype=bool)
        shape = len(self.entities), len(self.kpis)
        elsewhere = float(np.median(list(model.levels.values())))
        self.levels = np.array([model.levels.get(e, elsewhere) for e in self.entities])
        self._usual = np.stack([model._usual_of(entity) for entity in self.entities], axis=1)
        self._baseline_share = model.config.baseline_share
        self._scale = _Scale(model.scaling, self._places)
        self._profile = model.condition
        self._who = np.array([self._profile.place(entity) for entity in self.entities])
        self._levels_before = np.zeros(shape)
        self._largest = model.config.largest
        self._recent = _Recent(model.config.memory, shape)
        self._head = None if model.head is None else _Head(model.head, self.entities)
        self._patterns = model.patterns
        self._fleet: StreamedFleet | SlidFleet
        if isinstance(model.network, StreamingNetwork):
            self._fleet = StreamedFleet(model.network, len(self.entities), device=model.device)
        elif isinstance(model.network, SlidingNetwork):
            self._fleet = SlidFleet(
                model.network, model.config.window, self.interval_s, self._profile, self._who,
                device=model.device,
            )  # fmt: skip

    def advance(self, time_s: int, values: ArrayLike, *, residuals: bool = False) -> Tick:
        """Score the next row of every entity.

        Rows between the last one and this one count as missing.

        Parameters
        ----------
        time_s : int
            The stamp of the row, seconds since 1970 UTC.
        values : array of shape (entity, kpi)
            In each KPI's own unit; NaN is missing.
        residuals : bool
            Whether the tick shall tell what each KPI contributes.

        Raises
        ------
        InputError
            If the shape does not fit, or the stamp is not later than the last one, not on its
            grid, or more than 10,000 rows after it. The stream then is as it was.
        """
        with np.errstate(over="ignore"):
            row = np.asarray(values, dtype=np.float32)
        if row.shape != (len(self.entities), len(self.kpis)):
            raise InputError(
                f"{len(self.entities)} entities and {len(self.kpis)} KPIs, but values of shape "
                f"{row.shape}"
            )
        self._skip_to(int(time_s))
        return self._step(int(time_s), row, np.ones_like(self._begun), residuals=residuals)

    def warm(self, frames: Sequence[KpiFrame]) -> Self:
        """Take in history, so that the next row is scored as the one that follows it.

        Parameters
        ----------
        frames : sequence of KpiFrame
            At most one for each entity, later than all rows so far; they may start and end at
            different times. What an entity lacks after its first row is missing; an entity
            without a frame starts with the next row.

        Returns
        -------
        AnoTunerStream
            Itself.

        Raises
        ------
        InputError
            If a frame is of another entity, interval or grid, two are of one entity, or one
            starts too early. The stream then is as it was.
        """
        frames = [frame.with_kpis(self.kpis) for frame in frames if len(frame)]
        if not frames:
            return self
        self._check(frames)
        places = np.array([self._places[frame.entity] for frame in frames])
        starts_s = np.full(len(self.entities), np.iinfo(np.int64).max)
        starts_s[places] = [frame.start_s for frame in frames]
        starts_s[self._begun] = 0
        first_s = min(frame.start_s for frame in frames)
        end_s = max(frame.window.end_s for frame in frames)
        self._skip_to(first_s)
        scored_s = end_s - self._rows_remembered * self.interval_s
        stretch_s = _ROWS_A_STRETCH * self.interval_s
        for start_s in range(first_s, end_s, stretch_s):
            stop_s = min(start_s + stretch_s, end_s)
            rows = np.full(
                ((stop_s - start_s) // self.interval_s, len(self.entities), len(self.kpis)),
                np.nan, dtype=np.float32,
            )  # fmt: skip
            for frame, place in zip(frames, places, strict=True):
                begin_s, until_s = max(start_s, frame.start_s), min(stop_s, frame.window.end_s)
                if begin_s < until_s:
                    into, out = (
                        slice((begin_s - s) // self.interval_s, (until_s - s) // self.interval_s)
                        for s in (start_s, frame.start_s)
                    )
                    rows[into, place] = frame.values[out]
            for time_s, row in zip(range(start_s, stop_s, self.interval_s), rows, strict=True):
                self._step(time_s, row, starts_s <= time_s, scored=time_s >= scored_s)
        return self

    def _check(self, frames: Sequence[KpiFrame]) -> None:
        seen: set[str] = set()
        last_s = self.time_s
        grid_s = last_s if last_s is not None else min(frame.start_s for frame in frames)
        for frame in frames:
            if frame.entity not in self._places:
                raise InputError("is not an entity of this stream", source=frame.entity)
            if frame.entity in seen:
                raise InputError("two frames are of this entity", source=frame.entity)
            seen.add(frame.entity)
            if frame.interval_s != self.interval_s or (frame.start_s - grid_s) % self.interval_s:
                raise InputError("is not on the stream's grid of stamps", source=frame.entity)
            if last_s is not None and frame.start_s <= last_s:
                raise InputError("starts before the last row of the stream", source=frame.entity)

    @property
    def _rows_remembered(self) -> float:
        """How many rows back a residual still counts."""
        if self._fleet.is_endless:
            return math.inf
        return self._recent.n_rows + (0 if self._head is None else self._head.recent.n_rows)

    def _skip_to(self, time_s: int) -> None:
        """Feed the rows between the last one and this one, all of them missing."""
        if self.time_s is None:
            return
        n_rows, rest = divmod(time_s - self.time_s, self.interval_s)
        if rest or not 1 <= n_rows <= _MOST_ROWS_MISSED + 1:
            raise InputError(
                f"{time_s} cannot follow {self.time_s}: rows come in order, every "
                f"{self.interval_s} s, and at most {_MOST_ROWS_MISSED} are left out"
            )
        nothing = np.full((len(self.entities), len(self.kpis)), np.nan, dtype=np.float32)
        for missed_s in range(self.time_s + self.interval_s, time_s, self.interval_s):
            self._step(missed_s, nothing, self._begun, scored=False)

    def _step(
        self, time_s: int, values: Floats, begun: Flags, *,
        residuals: bool = False, scored: bool = True,
    ) -> Tick:  # fmt: skip
        """Take in one row of all that have begun by now; do no more than needed if not scored."""
        told = np.empty(values.shape if residuals else (0, 0), dtype=np.float32)
        total = np.full(len(self.entities), np.nan)
        slot = int(self._profile.slots(np.array([time_s]))[0])
        first = begun & ~self._begun

        def run(who: slice) -> None:
            scaled = self._scale.apply(values[who], who)
            known = np.isfinite(scaled)
            row = self._next_row(who, scaled, known, slot, time_s)
            row = row._replace(begun=begun[who], first=first[who])
            if isinstance(self._fleet, SlidFleet) and not (scored and known.any()):
                self._fleet.keep(who, row)
                known = np.zeros_like(known)
                deviation = np.full(scaled.shape, np.nan, dtype=np.float32)
            else:
                deviation = row.values - self._fleet.take_in(who, row)
            share = self._baseline_share
            parts = (1.0 - share) * np.square(deviation) / self._usual[0, who]
            if share:
                parts += share * np.square(row.values - row.usual) / self._usual[1, who]
            parts = parts.astype(np.float32)
            parts = self._recent.average(parts, known, who).astype(np.float32)
            largest = self._largest
            weighed: NDArray[np.floating] = parts
            if self._head is not None:
                weighed, largest = self._head.apply(parts, known, who), self._head.largest
            if self._patterns is not None:
                size = np.sqrt(parts)
                factors = self._patterns.factors(np.where(deviation < 0, -size, size))
                weighed = weighed * factors[:, None]
            total[who] = aggregate(weighed, largest=largest)
            if residuals:
                told[who] = weighed

        size = self._fleet.batch
        batches = [slice(i, i + size) for i in range(0, len(self.entities), size)]
        with ThreadPoolExecutor(self.workers) as pool:
            list(pool.map(run, batches))
        self._begun = begun.copy()
        self.time_s = time_s
        return Tick(time_s, total, total > self.levels, told if residuals else None)

    def _next_row(
        self, who: slice, scaled: Floats, known: Flags, slot: int, time_s: int
    ) -> NextRow:
        """Add the condition, and move its level on."""
        usual = self._profile.medians[self._who[who], slot]
        level = self._levels_before[who]
        forecast = (usual + level).astype(np.float32)
        deviation = np.where(known, scaled - usual, level)
        row = NextRow(
            time_s, np.where(known, scaled, forecast), usual.astype(np.float32), forecast,
            self._begun[who], self._begun[who],
        )  # fmt: skip
        level += LEVEL_WEIGHT * (deviation - level)
        return row


class _Scale:
    """`Scaling` of a fleet, looked up once."""

    def __init__(self, scaling: Scaling, places: dict[str, int]) -> None:
        stranger = next(name for name in map(str, count()) if name not in scaling.low)
        fleet = scaling.of(stranger)
        self._low, self._span = (
            np.stack([table.get(entity, elsewhere) for entity in places])
            for table, elsewhere in zip((scaling.low, scaling.span), fleet, strict=True)
        )
        unknown = ~np.isfinite(self._low) | ~np.isfinite(self._span)
        self._low = np.where(unknown, fleet[0], self._low)
        self._span = np.where(unknown, fleet[1], self._span)

    def apply(self, values: Floats, who: slice) -> Floats:
        """Return values scaled and clipped; NaN where missing."""
        scaled = (values.astype(np.float64) - self._low[who]) / self._span[who]
        scaled = np.clip(scaled, _LOWEST, _HIGHEST)
        return np.where(np.isfinite(values), scaled, np.nan).astype(np.float32)


class _Recent:
    """`remember`, one row at a time: averages of recent residuals, the older the less."""

    def __init__(self, memory: float, shape: tuple[int, int]) -> None:
        self._memory = memory
        self.n_rows = math.ceil(math.log(_FORGOTTEN) / math.log(memory)) if memory else 0
        self._sums = np.zeros(shape if memory else (0, 0))
        self._counts = np.zeros_like(self._sums)

    def average(self, residuals: Floats, known: Flags, who: slice) -> NDArray[np.float64] | Floats:
        """Return the averages with this row; NaN where it is missing."""
        if not self._memory:
            return np.where(known, residuals, np.float32(np.nan))
        sums, counts = self._sums[who], self._counts[who]
        sums *= self._memory
        sums += np.where(known, residuals, 0.0)
        counts *= self._memory
        counts += known
        averages = np.full(sums.shape, np.nan)
        np.divide(sums, counts, out=averages, where=known)
        return averages


class _Head:
    """`ResidualHead`, one row at a time."""

    def __init__(self, head: ResidualHead, entities: Sequence[str]) -> None:
        self.largest = head.largest
        self.recent = _Recent(head.memory, (len(entities), len(head.kpis)))
        self._log_weights = np.array(head.log_weights)
        self._biases = np.array([head.entity_bias.get(entity, 0.0) for entity in entities])

    def apply(self, residuals: Floats, known: Flags, who: slice) -> NDArray[np.float64]:
        """Return the residuals as the head sees them."""
        weights = np.exp(self._log_weights + self._biases[who, None])
        return np.asarray(self.recent.average(residuals, known, who) * weights)
