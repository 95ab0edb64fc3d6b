"""A few entities in depth: scores before and after, who is to blame, what was expected."""

from __future__ import annotations

from faultsight.core.svg import escaped, figure
from faultsight.detect.evaluation import Evaluation
from faultsight.detect.report.contributions import contribution_bars, strongest_alarms
from faultsight.detect.report.reconstructions import reconstruction_charts
from faultsight.detect.report.score_curves import score_curves
from faultsight.detect.report.wording import plural

__all__ = ["section", "telling_entities"]

_ENTITIES = 4

_LEGEND = (
    "<p class=legend><span><i class=sw-truth></i>labelled anomaly</span>"
    "<span><i class=line-level></i>deployed level</span>"
    "<span><i class=sw-hit></i>alarm in an anomaly</span>"
    "<span><i class=sw-wrong></i>alarm for nothing</span>"
    "<span>times in UTC</span></p>"
)


def section(found: Evaluation) -> str:
    """Return the entities, one under the other, as HTML."""
    entities = telling_entities(found)
    shown = "".join(_entity(found, entity) for entity in entities)
    several = len(found.versions) > 1
    chosen = (
        "The entities with labelled anomalies whose alarms tuning changed most, for better or "
        "worse."
        if several
        else "The entities with labelled anomalies in which most rows are wrong."
    )
    return (
        f"<section id=entities><h2>Scores over time</h2><p>{chosen} The score is drawn in units "
        f"of the entity's own deployed level, by its logarithm.</p>{_LEGEND}{shown}</section>\n"
    )


def telling_entities(found: Evaluation, most: int = _ENTITIES) -> list[str]:
    """Return the entities that tell most, most telling first.

    Those with labelled anomalies come first; then those whose alarms differ in most rows between
    the first and the last version, or, with one version, those with most wrong rows.
    """
    before, after = found.versions[0], found.versions[-1]

    def worth(entity: str) -> tuple[bool, int, int, str]:
        rows = found.judged(entity)
        truth = found.truth(entity)[rows]
        old, new = before.is_alarm(entity)[rows], after.is_alarm(entity)[rows]
        changed = int((old != new).sum())
        wrong = int((old != truth).sum())
        return not truth.any(), -changed, -wrong, entity

    judged = [e for e, frame in found.frames.items() if len(frame[found.judged(e)])]
    return sorted(judged, key=worth)[:most]


def _entity(found: Evaluation, entity: str) -> str:
    lines = []
    for verdict in found.versions[:1] + found.versions[1:][-1:]:
        counts = found.counts(verdict.name, [entity])
        lines.append(
            f"<b>{escaped(verdict.name)}</b>: {plural(counts.fn, 'row')} missed, "
            f"{plural(counts.fp, 'row')} of false alarms"
        )
    alarms = strongest_alarms(found, entity)
    bars = "".join(contribution_bars(found, entity, alarm) for alarm in alarms)
    charts = reconstruction_charts(found, entity, [kpi for a in alarms for kpi in a.kpis[:2]])
    return (
        f"<article><h3>{escaped(entity)}</h3><p>{'; '.join(lines)}.</p>"
        + figure(score_curves(found, entity, alarms))
        + (f"<h4>KPIs behind the strongest alarms</h4><div class=pair>{bars}</div>" if bars else "")
        + charts
        + "</article>"
    )
