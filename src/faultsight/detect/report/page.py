"""The page: a sentence on what tuning brought, then one section for each view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from faultsight.core.files import write_atomic
from faultsight.core.report_page import report_page
from faultsight.core.svg import escaped
from faultsight.detect.evaluation import Evaluation
from faultsight.detect.report import (
    ablations,
    augmented_samples,
    entities,
    error_bars,
    projection,
    score_table,
    training_curve,
)
from faultsight.detect.report.wording import moment, number, percent, plural

__all__ = ["render_report", "write_report"]

_SECTIONS = (score_table, error_bars, entities, augmented_samples, projection, training_curve)


def write_report(
    path: Path | str,
    found: Evaluation,
    *,
    title: str = "",
    ablation: Sequence[Mapping[str, Any]] = (),
) -> Path:
    """Write the page; the file is there whole or not at all.

    Parameters
    ----------
    path : path
        Where to; missing folders are made.
    found : Evaluation
        What `evaluate_versions` returned.
    title : str
        The page's heading.
    ablation : sequence of mapping
        Rows of the benchmark ``detect/ablation``; without them its section is left out.
    """
    return write_atomic(path, render_report(found, title=title, ablation=ablation))


def render_report(
    found: Evaluation, *, title: str = "", ablation: Sequence[Mapping[str, Any]] = ()
) -> str:
    """Return the page as HTML.

    Parameters
    ----------
    found : Evaluation
        What `evaluate_versions` returned. The first and the last version are compared in the
        figures, all of them in the table.
    title : str
        The page's heading; by default it names the versions.
    ablation : sequence of mapping
        As in `write_report`.
    """
    names = [verdict.name for verdict in found.versions]
    heading = title or (names[0] if len(names) == 1 else f"{names[0]} and {names[-1]}")
    sections = "".join(part.section(found) for part in _SECTIONS)
    sections += ablations.section(ablation) or ablations.NOTE
    styles = ["faultsight.detect.report"]
    return report_page(heading, sections, lead=_summary(found), styles=styles)


def _summary(found: Evaluation) -> str:
    first, last = found.versions[0], found.versions[-1]
    old = found.counts(first.name)
    n_anomalous = old.tp + old.fn
    n_rows = int(found.rows[0]["rows"] or 0)
    told = [
        f"<b>{escaped(first.name)}</b> missed {number(old.fn)} of {number(n_anomalous)} "
        f"anomalous rows and raised {plural(old.fp, 'row')} of false alarms."
    ]
    if last is not first:
        new = found.counts(last.name)
        told.append(
            f"<b>{escaped(last.name)}</b> missed {number(new.fn)} and raised "
            f"{plural(new.fp, 'row')}."
        )
        told.append(escaped(found.trade_off))
    end_s = max(frame.window.end_s for frame in found.frames.values())
    interval_s = next(iter(found.frames.values())).interval_s
    judged = sum(len(frame[found.judged(entity)]) > 0 for entity, frame in found.frames.items())
    about = (
        f"Judged on {n_rows:,} rows of {judged:,} labelled "
        f"{'entity' if judged == 1 else 'entities'}, {interval_s:,} s apart, from "
        f"{moment(found.since_s)} to {moment(end_s)} UTC; {percent(n_anomalous / n_rows)} are "
        "anomalous."
    )
    if last is not first:
        about += (
            " A version that was tuned on marks of these rows is judged on what it was told; "
            "later rows tell more."
        )
    return f"<p class=headline>{' '.join(told)}</p><p class=quiet>{about}</p>"
