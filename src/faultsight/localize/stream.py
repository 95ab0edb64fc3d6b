"""Localizing a stream: one leaf table after another, an alarm on the whole, the place of each.

At every tick the totals are compared with their forecast from earlier ticks; leaves are looked at
only when the total alarms, so a quiet tick costs next to nothing. What is found keeps its identity
from tick to tick: a pattern is opened, goes on, and is closed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from faultsight.core.combination import AttributeCombination
from faultsight.core.errors import InputError, MissingColumnError, SettingError
from faultsight.core.kpi import Kpi
from faultsight.core.tables import as_polars
from faultsight.localize.contract import Localization, Localizer
from faultsight.localize.forecasts import Forecaster
from faultsight.localize.forecasts.moving_average import MovingAverage
from faultsight.localize.history import cube_from_history
from faultsight.localize.scan import Scan

__all__ = ["Alarm", "StreamConfig", "StreamLocalizer", "TickReport", "TrackedPattern"]

Array = NDArray[np.float64]

_TIME = "(time of the tick)"


@dataclass(frozen=True)
class StreamConfig:
    """Settings of a `StreamLocalizer`.

    Attributes
    ----------
    keep : int
        How many earlier ticks forecasts are made from. 6: the mean of the six points before, the
        baseline of the AIOps-2019 page views; a seasonal forecaster needs a period or more.
    residuals : int
        How many earlier forecast errors of the total say what is usual. 288: a day of five
        minutes, so that the noise of every hour is known.
    warm_up : int
        No alarm before there are so many of them. 36: three hours; a spread estimated from fewer
        is too unsure.
    z_threshold : float
        The total alarms when its forecast error is so many robust standard deviations from the
        usual one. 6: errors of real traffic have heavy tails.
    least_change : float
        And when it is at least this share of the forecast. 0.02: on very calm data tiny changes
        are many standard deviations.
    hold : int
        Ticks that alarm are kept out of the forecasts, so that a fault becomes neither its own
        baseline nor that of the time after it; but when so many alarm in a row, they are taken
        as the new usual. 6: half an hour, before the daily season has moved far.
    close_after : int
        A pattern is closed when it was not seen for so many ticks. 2.

    Raises
    ------
    SettingError
        If a count is less than 1 or a threshold is negative.
    """

    keep: int = 6
    residuals: int = 288
    warm_up: int = 36
    z_threshold: float = 6.0
    least_change: float = 0.02
    hold: int = 6
    close_after: int = 2

    def __post_init__(self) -> None:
        for name in ("keep", "residuals", "warm_up", "hold", "close_after"):
            if getattr(self, name) < 1:
                raise SettingError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("z_threshold", "least_change"):
            if getattr(self, name) < 0:
                raise SettingError(f"{name} must not be negative, not {getattr(self, name)}")


@dataclass(frozen=True)
class Alarm:
    """A KPI whose total is not as usual.

    Attributes
    ----------
    kpi : str
        Which.
    actual, forecast : float
        Of the whole.
    z : float
        Robust standard deviations from the usual forecast error; positive for a rise.
    """

    kpi: str
    actual: float
    forecast: float
    z: float


@dataclass(frozen=True)
class TrackedPattern:
    """A root pattern over time.

    Attributes
    ----------
    number : int
        Its identity in the stream, from 1.
    combination : AttributeCombination
        Where.
    since, last_seen : datetime
        First and last tick in which it was found.
    ticks : int
        In how many ticks it was found.
    """

    number: int
    combination: AttributeCombination
    since: datetime
    last_seen: datetime
    ticks: int


@dataclass(frozen=True)
class TickReport:
    """What one tick brought.

    Attributes
    ----------
    time : datetime
        The tick.
    alarms : tuple of Alarm
        KPIs whose total alarms; empty for a quiet tick.
    localization : Localization or None
        Where the alarmed KPIs are disturbed; None for a quiet tick.
    opened, ongoing, closed : tuple of TrackedPattern
        Patterns found for the first time, found again, and given up.
    """

    time: datetime
    alarms: tuple[Alarm, ...] = ()
    localization: Localization | None = None
    opened: tuple[TrackedPattern, ...] = ()
    ongoing: tuple[TrackedPattern, ...] = ()
    closed: tuple[TrackedPattern, ...] = ()


class StreamLocalizer:
    """Takes leaf tables tick by tick; says when the whole is disturbed, and where.

    The alarm rule, for each KPI: e = (actual - forecast) / forecast of the total, where a derived
    KPI is derived from totals; z = (e - median) / (1.4826 MAD) over the errors of earlier ticks
    without alarm; alarm if abs(z) > `z_threshold` and abs(e) >= `least_change`. Ratio KPIs alarm
    on a rise only, since they count failures.

    Parameters
    ----------
    measures : sequence of str
        The value columns of the tables; all others are attributes.
    kpis : sequence of Kpi, optional
        What is watched; by default each measure.
    localizer : Localizer, optional
        What localizes; `Scan` by default.
    forecaster : Forecaster, optional
        By default the mean of the ticks kept.
    config : StreamConfig, optional
        Settings.

    Examples
    --------
    >>> from datetime import UTC, timedelta
    >>> stream = StreamLocalizer(measures=["requests"], config=StreamConfig(warm_up=3))
    >>> noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    >>> for tick, requests in enumerate([100.0, 101.0, 99.0, 100.0, 100.0, 101.0, 40.0]):
    ...     table = pl.DataFrame({"site": ["a", "b"], "requests": [requests, 100.0]})
    ...     report = stream.update(noon + timedelta(minutes=5 * tick), table)
    >>> [(alarm.kpi, alarm.actual) for alarm in report.alarms]
    [('requests', 140.0)]
    """

    def __init__(
        self,
        *,
        measures: Sequence[str],
        kpis: Sequence[Kpi] | None = None,
        localizer: Localizer | None = None,
        forecaster: Forecaster | None = None,
        config: StreamConfig | None = None,
    ) -> None:
        if not measures:
            raise SettingError("a stream needs at least one measure")
        self.config = config or StreamConfig()
        self.measures = tuple(measures)
        self.kpis = tuple(kpis) if kpis else tuple(Kpi.additive(m) for m in measures)
        self.localizer = localizer or Scan()
        self.forecaster = forecaster or MovingAverage()
        self._last: int | None = None
        self._usual: deque[tuple[int, pl.DataFrame, Array]] = deque(maxlen=self.config.keep)
        self._held: list[tuple[int, pl.DataFrame, Array]] = []
        self._errors: deque[Array] = deque(maxlen=self.config.residuals)
        self._open: dict[AttributeCombination, TrackedPattern] = {}
        self._numbers = 0
        self._quiet_ticks: dict[AttributeCombination, int] = {}

    def update(self, time: datetime, table: Any) -> TickReport:
        """Take the table of the next tick.

        Parameters
        ----------
        time : datetime
            Of the tick, with a time zone; later than all before.
        table : polars, pandas or Arrow frame
            One row a leaf that was seen; a leaf without a row counts 0.

        Raises
        ------
        InputError
            If the time is not later than the last one or has no zone, or a value is not a number.
        MissingColumnError
            If a measure is not in the table.
        """
        if time.tzinfo is None:
            raise InputError(f"the tick's time {time} has no time zone")
        stamp = int(time.timestamp())
        if self._last is not None and stamp <= self._last:
            raise InputError(f"the tick of {time} is not later than the one before")
        frame = as_polars(table)
        totals = self._totals(frame)
        alarms = self._alarms(stamp, totals)
        localization = None
        if alarms:
            localization = self._localize(stamp, frame, [alarm.kpi for alarm in alarms])
        self._last = stamp
        self._remember((stamp, frame, totals), is_usual=not alarms)
        found = localization.combinations if localization else ()
        return self._track(TickReport(time, alarms, localization), found)

    def _totals(self, frame: pl.DataFrame) -> Array:
        totals = np.empty(len(self.measures))
        for position, measure in enumerate(self.measures):
            if measure not in frame.columns:
                raise MissingColumnError(measure, frame.columns)
            if _TIME in frame.columns:
                raise InputError("the column name is taken", column=_TIME)
            if not frame.schema[measure].is_numeric():
                raise InputError("not numbers", column=measure)
            totals[position] = np.nansum(frame[measure].to_numpy().astype(np.float64))
        return totals

    def _remember(self, tick: tuple[int, pl.DataFrame, Array], *, is_usual: bool) -> None:
        if is_usual:
            self._held.clear()
            self._usual.append(tick)
            return
        self._held.append(tick)
        if len(self._held) == self.config.hold:
            self._usual.extend(self._held)
            self._held.clear()

    def _alarms(self, stamp: int, totals: Array) -> tuple[Alarm, ...]:
        if not self._usual:
            return ()
        history = np.array([past for _, _, past in self._usual]).T
        times = np.array([at for at, _, _ in self._usual], dtype=np.int64)
        expected = self.forecaster.forecast(history, times, stamp)
        actual, forecast = (
            np.array([_value(kpi, self.measures, sums) for kpi in self.kpis])
            for sums in (totals, expected)
        )
        error = np.divide(
            actual - forecast, np.abs(forecast), out=np.zeros(len(actual)), where=forecast != 0
        )
        alarms = []
        if len(self._errors) >= self.config.warm_up:
            usual = np.array(self._errors)
            centre = np.median(usual, axis=0)
            spread = 1.4826 * np.median(np.abs(usual - centre), axis=0)
            z = (error - centre) / np.maximum(spread, 1e-9)
            for position, kpi in enumerate(self.kpis):
                size = z[position] if kpi.is_ratio else abs(z[position])
                if (
                    size > self.config.z_threshold
                    and abs(error[position]) >= self.config.least_change
                ):
                    alarms.append(
                        Alarm(
                            kpi.name,
                            float(actual[position]),
                            float(forecast[position]),
                            float(z[position]),
                        )
                    )
        if not alarms:
            self._errors.append(error)
        return tuple(alarms)

    def _localize(self, stamp: int, frame: pl.DataFrame, kpis: Sequence[str]) -> Localization:
        rows = pl.concat(
            [
                _plain(table, self.measures).with_columns(pl.lit(at).alias(_TIME))
                for at, table in [*((at, past) for at, past, _ in self._usual), (stamp, frame)]
            ]
        )
        history = cube_from_history(
            rows,
            time=_TIME,
            measures=self.measures,
            at=stamp,
            kpis=self.kpis,
            forecaster=self.forecaster,
            duplicates="sum",
        )
        cube = history.cube
        return self.localizer.localize(cube.with_kpis(*(cube.kpi(name) for name in kpis)))

    def _track(self, report: TickReport, found: Sequence[AttributeCombination]) -> TickReport:
        opened, ongoing, closed = [], [], []
        for combination in found:
            known = self._open.get(combination)
            if known is None:
                self._numbers += 1
                known = TrackedPattern(self._numbers, combination, report.time, report.time, 1)
                opened.append(known)
            else:
                known = replace(known, last_seen=report.time, ticks=known.ticks + 1)
                ongoing.append(known)
            self._open[combination] = known
            self._quiet_ticks[combination] = 0
        for combination in [c for c in self._open if c not in found]:
            self._quiet_ticks[combination] += 1
            if self._quiet_ticks[combination] >= self.config.close_after:
                closed.append(self._open.pop(combination))
                del self._quiet_ticks[combination]
        return replace(report, opened=tuple(opened), ongoing=tuple(ongoing), closed=tuple(closed))


def _value(kpi: Kpi, measures: Sequence[str], sums: Array) -> float:
    return float(kpi.value(*(sums[[measures.index(m)]] for m in kpi.measures))[0])


def _plain(table: pl.DataFrame, measures: Sequence[str]) -> pl.DataFrame:
    """Return the table with attributes as text: tables of different ticks must fit together."""
    attributes = sorted(c for c in table.columns if c not in measures)
    return table.select(
        *(pl.col(c).cast(pl.String) for c in attributes),
        *(pl.col(m).cast(pl.Float64) for m in measures),
    )
