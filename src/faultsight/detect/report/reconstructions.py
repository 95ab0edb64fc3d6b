"""What the KPIs behind the alarms did, and what each version of the network expected."""

from __future__ import annotations

from collections.abc import Sequence

from faultsight.core.svg import drawing, escaped
from faultsight.detect.evaluation import Evaluation
from faultsight.detect.report.axes import Axes, extent
from faultsight.detect.report.network_view import reconstruct

__all__ = ["reconstruction_charts"]

_CHARTS = 4
_WIDTH, _HEIGHT, _LEFT = 490, 176, 64


def reconstruction_charts(found: Evaluation, entity: str, kpis: Sequence[str]) -> str:
    """Return one chart for each KPI named, at most four, as HTML."""
    versions = found.versions[:1] + found.versions[1:][-1:]
    models = [verdict.model for verdict in versions if verdict.model is not None]
    shown = list(dict.fromkeys(kpis))[:_CHARTS]
    if not shown:
        return ""
    frame, rows = found.frames[entity], found.judged(entity)
    names = [verdict.name for verdict in versions]
    kinds = ("before", "after")[-len(names) :]
    expected = [reconstruct(model, frame)[rows] for model in models]
    truth = found.truth(entity)[rows]
    charts = []
    for kpi in shown:
        actual = frame.with_kpis((kpi,)).values[rows, 0]
        # A version may have been fitted on other KPIs.
        columns = {
            kind: table[:, model.kpis.index(kpi)]
            for kind, table, model in zip(kinds, expected, models, strict=True)
            if kpi in model.kpis
        }
        x_range, y_range = (0.0, float(len(actual))), extent(actual, *columns.values())
        axes = Axes(_LEFT, 10, _WIDTH - _LEFT - 14, _HEIGHT - 40, x_range, y_range)
        drawn = [
            axes.spans(truth, "truth", "labelled anomaly"),
            axes.grid(3),
            axes.curve(actual, "actual", first=0.5),
            *(axes.curve(column, kind, first=0.5) for kind, column in columns.items()),
            axes.time_axis(frame.start_s + rows.start * frame.interval_s, frame.interval_s),
        ]
        picture = drawing(f"{kpi} of {entity}: actual and reconstructed", "".join(drawn),
                          _WIDTH, _HEIGHT)  # fmt: skip
        charts.append(f"<figure><figcaption>{escaped(kpi)}</figcaption>{picture}</figure>")
    lines = ["<span><i class=line-actual></i>actual</span>"]
    for name, kind in zip(names, kinds, strict=True):
        lines.append(f"<span><i class=line-{kind}></i>reconstructed by {escaped(name)}</span>")
    return (
        "<h4>Actual and reconstructed</h4>"
        f"<p class=legend>{''.join(lines)}</p><div class=pair>{''.join(charts)}</div>"
    )
