"""The table of all figures: one column for each model, one row for each metric."""

from __future__ import annotations

from faultsight.core.svg import element, escaped
from faultsight.detect.evaluation import RANDOM, Evaluation
from faultsight.detect.report.wording import MINUS, number

__all__ = ["section"]

_MEANING = {
    "entities": "labelled entities with rows to judge",
    "rows": "rows judged",
    "anomalous_rows": "of them in labelled anomalies",
    "f1_deployed": "at the deployed levels; one alarm finds a whole anomaly (point adjustment)",
    "precision_deployed": "its precision, averaged over entities",
    "recall_deployed": "its recall, averaged over entities",
    "f1_point_adjusted": "the same at each entity's best level, found with the labels; flatters",
    "f1_pointwise_deployed": "at the deployed levels, each row for itself",
    "f1_pa_k": "between the two: adjusted only where enough of an anomaly is found",
    "average_precision": "area under precision and recall over all levels",
    "vus_pr": "the same, forgiving small shifts in time",
    "affiliation_precision": "how near alarms are to anomalies; 0.5 is chance",
    "affiliation_recall": "how near anomalies are to alarms",
    "event_precision": "share of alarms that meet an anomaly",
    "event_recall": "share of anomalies that meet an alarm",
    "delay_rows": "rows from an anomaly's start to its first alarm, where it is found",
    "false_alarms_per_entity_day": "alarms that meet no anomaly",
}


def section(found: Evaluation) -> str:
    """Return the table as HTML; each figure in full precision in its ``data`` element."""
    names = [str(row["model"]) for row in found.rows]
    keys = [k for k in dict.fromkeys(k for row in found.rows for k in row) if k != "model"]
    heads = "".join(f"<th scope=col class=n>{escaped(name)}</th>" for name in names)
    lines = []
    for key in keys:
        values = "".join(f"<td class=n>{_figure(row.get(key))}</td>" for row in found.rows)
        meaning = f" <span class=quiet>{_MEANING[key]}</span>" if key in _MEANING else ""
        title = escaped(key.replace("_", " "))
        lines.append(f"<tr><th scope=row>{title}{meaning}</th>{values}</tr>")
    return (
        "<section id=figures><h2>Figures</h2><div class=scroll tabindex=0><table class=figures>"
        f"<thead><tr><th scope=col>metric</th>{heads}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table></div>"
        f"<p class=quiet>The column {RANDOM} tells what a detector that knows nothing "
        "reaches, alarming as often as the first model.</p></section>\n"
    )


def _figure(value: str | float | bool | None) -> str:
    if value is None:
        return "&ndash;"
    if isinstance(value, str):
        return escaped(value)
    shown = f"{value:,.3f}".replace("-", MINUS) if isinstance(value, float) else number(value)
    return element("data", shown, value=repr(value))
