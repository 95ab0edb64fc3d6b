"""Localize: where in the cube of its window an incident comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from faultsight.core.cube import KpiCube
from faultsight.core.incident import IncidentRecord, RootPattern
from faultsight.core.kpi_frame import TimeWindow
from faultsight.flow.config import CubeConfig
from faultsight.flow.cubes.row_cube import row_cube
from faultsight.flow.cubes.seasons import earlier_windows
from faultsight.flow.cubes.station_cube import station_cube
from faultsight.flow.tick import Tick
from faultsight.localize import LOCALIZERS, Localization, Localizer
from faultsight.stores.telemetry import KpiStore

__all__ = ["Localize", "incident_cube"]


class Localize:
    """Ranks root patterns of every incident whose window, or what is known of it, is new."""

    def run(self, tick: Tick) -> None:
        """Bring patterns up to date."""
        cube = tick.config.cube
        if cube is None or not cube.attributes:
            return
        reading = _Reading(tick)
        for incident in self._candidates(tick, cube):
            window = localized_window(incident, tick.until_s, cube)
            told = incident.evidence.get("localized", {})
            is_known = told.get("window") == [window.start_s, window.end_s]
            if is_known and not _meets_late(window, tick, cube):
                continue
            tick.incidents[incident.id] = self._localized(tick, reading, incident, window)

    def _candidates(self, tick: Tick, cube: CubeConfig) -> list[IncidentRecord]:
        """Return the incidents at hand, those that go on, and those that late data may change."""
        since_s = tick.from_s - cube.window_s
        if tick.late:
            since_s = min(since_s, *(window.start_s for window in tick.late.values()))
        near = tick.records.incidents(
            tick.config.name, TimeWindow(since_s, max(tick.until_s, since_s))
        )
        for incident in near:
            tick.stored_incidents.setdefault(incident.id, incident)
        chosen = {incident.id: incident for incident in near} | tick.incidents
        return [chosen[id_] for id_ in sorted(chosen) if chosen[id_].alarm_ids]

    def _localized(
        self, tick: Tick, reading: _Reading, incident: IncidentRecord, window: TimeWindow
    ) -> IncidentRecord:
        cube = reading.cube(window)
        config = tick.config.cube
        evidence: dict[str, Any] = {"window": [window.start_s, window.end_s]}
        patterns: list[RootPattern] = []
        if cube is None or config is None:
            evidence["abstained"] = "there are no rows of earlier seasons to compare with"
        else:
            found = _localizer(config.localizer).localize(cube)
            evidence |= {
                "method": found.method,
                "abstained": found.abstained,
                "remarks": list(found.remarks),
                "leaves": cube.n_leaves,
            }
            patterns = root_patterns(found)
            if tick.rerank is not None:
                patterns = list(tick.rerank(tick.config.name, incident.scope, patterns))
            patterns = patterns[: config.most_patterns]
        return replace(
            incident,
            patterns=tuple(patterns),
            evidence={**incident.evidence, "localized": evidence},
        )


def localized_window(incident: IncidentRecord, until_s: int, cube: CubeConfig) -> TimeWindow:
    """Return the part of an incident that is localized: from its start, up to a limit."""
    end_s = until_s if incident.end_s is None else incident.end_s
    end_s = max(min(end_s, incident.start_s + cube.window_s), incident.start_s)
    return TimeWindow(incident.start_s, end_s)


def root_patterns(found: Localization) -> list[RootPattern]:
    """Return what a localizer found in the core's words, in its order."""
    return [
        RootPattern(
            combination=pattern.combination,
            score=pattern.score,
            confidence=pattern.confidence,
            impact=pattern.actual - pattern.forecast,
            kpi=";".join(pattern.kpis),
            note=f"{pattern.direction}: {pattern.reason}",
        )
        for pattern in found.patterns
    ]


def incident_cube(tick: Tick, window: TimeWindow) -> KpiCube | None:
    """Return the cube of a window of a feed; None where nothing can be compared."""
    return _Reading(tick).cube(window)


@dataclass(eq=False)
class _Reading:
    """The cubes of one tick: incidents that share a window share its cube."""

    tick: Tick
    cubes: dict[TimeWindow, KpiCube | None] = field(default_factory=dict)

    def cube(self, window: TimeWindow) -> KpiCube | None:
        """Return the cube of a window."""
        if window not in self.cubes:
            self.cubes[window] = self._read(window)
        return self.cubes[window]

    def _read(self, window: TimeWindow) -> KpiCube | None:
        config, cube = self.tick.config, self.tick.config.cube
        if cube is None or window.end_s <= window.start_s:
            return None
        store = KpiStore(self.tick.folder / "telemetry" / config.name)
        windows = [window, *earlier_windows(window, cube)]
        if config.kind == "cube":
            now, *earlier = (store.table(w, columns=cube.columns) for w in windows)
            return row_cube(now, earlier, window, cube)
        rows = self.tick.rows
        told, *before = (
            rows.frames(w) if rows is not None and rows.holds(w)
            else store.frames(w, kpis=cube.columns)
            for w in windows
        )  # fmt: skip
        attributes: Mapping[str, Mapping[str, str]] = self.tick.attributes
        return station_cube(told, before, window, attributes, cube)


def _meets_late(window: TimeWindow, tick: Tick, cube: CubeConfig) -> bool:
    """Whether late rows lie in a window or in the seasons that it is compared with."""
    windows = [window, *earlier_windows(window, cube)]
    return any(late.overlaps(one) for late in tick.late.values() for one in windows)


@lru_cache(maxsize=4)
def _localizer(name: str) -> Localizer:
    return LOCALIZERS.load(name)()
