"""Raise: scores above the level become alarms, by hold-down and flapping.

Alarms follow from scores alone. Of entities whose scores are new they are made again, from the
last moment before which nothing can have changed; so rows that come early, late or all at once end
in the same alarms.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from faultsight.core.alarm import AlarmRecord
from faultsight.core.kpi_frame import TimeWindow
from faultsight.flow.records import FOREVER_S
from faultsight.flow.stages.flapping import collapsed
from faultsight.flow.stages.hold_down import Spell, spells
from faultsight.flow.tick import Tick

__all__ = ["RaiseAlarms"]


class RaiseAlarms:
    """Makes the alarms of every entity whose scores are new."""

    def run(self, tick: Tick) -> None:
        """Put stored and wanted alarms of the time that may have changed into the tick."""
        config = tick.config
        first_s = min(tick.touched.values(), default=tick.until_s)
        begin_s = first_s - max(config.quiet_s, config.horizon_s)
        begin_s = min([begin_s, *(window.start_s for window in tick.rules_changed)])
        tick.scope = TimeWindow(begin_s, max(tick.until_s, begin_s))
        stored = tick.records.alarms(config.name, TimeWindow(begin_s, FOREVER_S))
        tick.stored = {alarm.id: alarm for alarm in stored}
        of_entity: dict[str, list[AlarmRecord]] = {}
        for alarm in stored:
            of_entity.setdefault(alarm.entity, []).append(alarm)
        recent = TimeWindow(first_s - config.raise_rows * config.interval_s, tick.until_s)
        flagged = set(tick.book.above(recent)) | of_entity.keys()
        for entity in sorted(flagged):
            mine = of_entity.get(entity, [])
            if entity in tick.touched:
                mine = self._made_again(tick, entity, mine)
            tick.wanted.update((alarm.id, alarm) for alarm in mine)
        self._widen(tick)

    def _widen(self, tick: Tick) -> None:
        """Widen the scope over alarms that turn out to have ended before it, as after a silence."""
        begin_s = tick.scope.start_s
        ended = [a.start_s for a in tick.wanted.values() if (a.end_s or begin_s + 1) <= begin_s]
        if not ended:
            return
        tick.scope = TimeWindow(min(ended), tick.scope.end_s)
        for alarm in tick.records.alarms(tick.config.name, TimeWindow(min(ended), FOREVER_S)):
            if alarm.id not in tick.stored:
                tick.stored[alarm.id] = tick.wanted[alarm.id] = alarm

    def _made_again(
        self, tick: Tick, entity: str, stored: Sequence[AlarmRecord]
    ) -> list[AlarmRecord]:
        config = tick.config
        from_s = tick.touched[entity]
        before = [alarm for alarm in stored if alarm.start_s < from_s]
        # The last one may go on, whatever lies between; earlier ones only if they are near.
        again = [
            alarm
            for place, alarm in enumerate(before, start=1)
            if alarm.end_s is None or alarm.end_s + config.quiet_s >= from_s or place == len(before)
        ]
        if again:
            begin_s = again[0].start_s
        else:
            begin_s = from_s - (config.raise_rows - 1) * config.interval_s
        ratio = tick.ratios(entity, TimeWindow(begin_s, tick.until_s))
        found = spells(
            ratio,
            factor=config.level_factor,
            raise_rows=config.raise_rows,
            clear_rows=config.clear_rows,
        )
        found = collapsed(found, config.flap_gap_s // config.interval_s)
        kept = [alarm for alarm in before if alarm.start_s < begin_s]
        return kept + list(self._records(tick, entity, begin_s, ratio, found))

    def _records(
        self,
        tick: Tick,
        entity: str,
        begin_s: int,
        ratio: np.ndarray[tuple[int], np.dtype[np.float32]],
        found: Sequence[Spell],
    ) -> Iterator[AlarmRecord]:
        config = tick.config
        for spell in found:
            peak = spell.start + int(np.nanargmax(ratio[spell.start : spell.stop]))
            peak_s = begin_s + peak * config.interval_s
            kpis, model = tick.told(entity, peak_s)
            alarm = AlarmRecord(
                feed=config.name,
                entity=entity,
                kind=config.alarm_kind,
                start_s=begin_s + spell.start * config.interval_s,
                end_s=None if spell.is_open else begin_s + spell.stop * config.interval_s,
                peak=float(ratio[peak]) / config.level_factor,
                kpis=kpis,
                flaps=spell.flaps,
                model_id=f"{config.name}/{model}" if model else None,
                payload={"peak_s": peak_s},
            )
            before = tick.stored.get(alarm.id)
            # Whose it is stays, until alarms are grouped anew.
            yield alarm if before is None else replace(alarm, incident_id=before.incident_id)
