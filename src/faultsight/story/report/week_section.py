"""What the models learned, and the second week against the truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from faultsight.core.svg import escaped
from faultsight.diagnose.report.svg import table
from faultsight.diagnose.report.wording import MINUS

__all__ = ["figure_text", "lessons_section", "week_section"]

_NAMES = {"stations": "base stations", "cdn": "CDN", "cable": "cable plant"}
_DETECTION = {
    "f1_deployed": "point-adjusted F1 at the deployed level",
    "precision_deployed": "its precision",
    "recall_deployed": "its recall",
    "average_precision": "average precision",
    "event_recall": "faults that an alarm met",
    "false_alarms_per_entity_day": "false alarms per entity and day",
}
_LOCALIZATION = {
    "alarmed": "faults in an incident",
    "localized": "of these, with any root pattern",
    "root_among": "of these, with the true root among the patterns",
    "root_first": "of these, with the true root first",
}
_VERDICTS = {
    "faulty_modem_days": "modem days with a fault",
    "right": "right verdict",
    "wrong_kind": "wrong kind of fault",
    "not_seen": "fault not seen",
    "for_nothing": "verdict for nothing",
    "macro_f1": "macro F1 of verdicts",
}
_LESS_IS_BETTER = {"false_alarms_per_entity_day", "wrong_kind", "not_seen", "for_nothing"}


def figure_text(value: float | None) -> str:
    """Return a figure as the page and the JSON have it.

    Examples
    --------
    >>> figure_text(0.5), figure_text(12), figure_text(None)
    ('0.500', '12', 'not defined')
    """
    if value is None:
        return "not defined"
    return str(value) if isinstance(value, int) else f"{value:.3f}"


def lessons_section(lessons: Mapping[str, Any]) -> str:
    """Return what each job did."""
    parts = []
    for feed, jobs in lessons.items():
        for number, job in enumerate(jobs, start=1):
            rows = [
                [escaped(layer["step"]), "kept" if layer["kept"] else "left out",
                 escaped(layer["reason"])]
                for layer in job["layers"]
            ]  # fmt: skip
            told = table(("layer", "", "why"), rows) if rows else ""
            marks = ""
            if job["marks"] is not None:
                marks = (
                    f" It learned from {job['marks']} marks and was checked on "
                    f"{job['held_out_marks']} others; it asked {job['questions'] or 0} questions "
                    "about history."
                )
            again = " once more, with its questions answered" if number > 1 else ""
            model = f" ({escaped(job['model'])})" if job["model"] else ""
            why = str(job["why"])
            parts.append(
                f"<h3>{_NAMES[feed]}{again}: {escaped(str(job['decision']))}{model}</h3>"
                f"<p>{escaped(why[:1].upper() + why[1:])}.{marks}</p>"
                + (f"<details><summary>layers of the tuning</summary>{told}</details>" if told
                   else "")
            )  # fmt: skip
    return (
        "<section id=lessons><h2>What the models learned</h2><p>After the first week the weekly "
        "job tuned a copy of each model, checked it on marks that it had not seen, and put it to "
        f"work only if it was not worse.</p>{''.join(parts)}</section>"
    )


def week_section(week: Mapping[str, Any]) -> str:
    """Return the figures of the second week."""
    parts = []
    for feed in ("stations", "cdn"):
        one = week[feed]
        about = (
            f"{one['entities']} {'entity' if one['entities'] == 1 else 'entities'}, "
            f"{one['rows']:,} rows, {one['faults']} faults; {figure_text(one['anomalous_share'])} "
            "of the rows lie in one, which is about the average precision of a random score."
        )
        rows = [_row(f"{feed}.{key}", one["before"][key], one["after"][key], key, told)
                for key, told in _DETECTION.items()]  # fmt: skip
        rows += [
            _row(f"{feed}.localization.{key}", one["before"]["localization"][key],
                 one["after"]["localization"][key], key, told)
            for key, told in _LOCALIZATION.items()
        ]  # fmt: skip
        parts.append(_table(_NAMES[feed], one, about, rows))
    cable = week["cable"]
    rows = [_row(f"cable.{key}", cable["before"][key], cable["after"][key], key, told)
            for key, told in _VERDICTS.items()]  # fmt: skip
    sent = cable["incidents"]
    about = (
        f"{cable['modems']:,} modems, a verdict each day. Of {sent['sent']} incidents for which "
        f"somebody was sent, {sent['right']} went to the right team, {sent['wrong_team']} to the "
        f"wrong one, and for {sent['for_nothing']} there was nothing to find."
    )
    parts.append(_table(_NAMES["cable"], cable, about, rows))
    return (
        "<section id=second-week><h2>The second week against the truth</h2><p>Nobody answered in "
        "the second week, so nothing that is judged here was learned from. <i>Before</i> is the "
        "model that no feedback has touched, run on the same rows; <i>after</i> is the one that "
        "was at work. The patterns of <i>before</i> are ranked without what was said of earlier "
        "ones.</p>" + "".join(parts) + "</section>"
    )


def _table(name: str, one: Mapping[str, Any], about: str, rows: list[str]) -> str:
    before, after = escaped(one["before"]["model"]), escaped(one["after"]["model"])
    head = (
        f"<tr><th scope=col>{name}</th><th scope=col class=n>before ({before})</th>"
        f"<th scope=col class=n>after ({after})</th><th scope=col class=n>change</th></tr>"
    )
    return (
        f"<h3>{name}</h3><p class=quiet>{about}</p><div class=scroll tabindex=0><table "
        f"class=figures><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _row(place: str, before: float | None, after: float | None, key: str, name: str) -> str:
    cells = "".join(
        f"<td class=n data-figure='{_at(place, when)}'>{figure_text(value)}</td>"
        for when, value in (("before", before), ("after", after))
    )
    return f"<tr><td>{name}</td>{cells}{_change(before, after, key)}</tr>"


def _at(place: str, when: str) -> str:
    feed, _, rest = place.partition(".")
    return f"{feed}.{when}.{rest}"


def _change(before: float | None, after: float | None, key: str) -> str:
    if before is None or after is None or before == after:
        return "<td class=n>=</td>"
    rise = after > before
    sign = "+" if rise else MINUS
    text = f"{sign}{figure_text(abs(round(after - before, 3)))}"
    if key == "faulty_modem_days":
        return f"<td class=n>{text}</td>"
    kind = "better" if rise != (key in _LESS_IS_BETTER) else "worse"
    return f"<td class='n {kind}'>{text} {kind}</td>"
