"""The page: one section for each case, a summary first where there are several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from faultsight.core.combination import AttributeCombination
from faultsight.core.cube import KpiCube
from faultsight.core.files import write_atomic
from faultsight.core.kpi import Kpi
from faultsight.core.report_page import report_page
from faultsight.core.svg import escaped
from faultsight.localize.contract import Localization, RootPattern
from faultsight.localize.history import History
from faultsight.localize.leaves import Leaves
from faultsight.localize.report.curves import curve_chart
from faultsight.localize.report.heat_map import heat_map
from faultsight.localize.report.search import lattice, steps
from faultsight.localize.report.treemap import treemap
from faultsight.localize.report.views import Ranked, View, choose_views
from faultsight.localize.report.waterfall import waterfall
from faultsight.localize.wording import headline, kpi_value, number, percent, place

__all__ = ["ReportCase", "render_report", "write_report"]

_MAX_CURVES = 5
_MAX_PATTERNS = 20
_LEGEND = (
    ("d4", "&minus;100 to &minus;70 %"),
    ("d3", "&minus;70 to &minus;45 %"),
    ("d2", "&minus;45 to &minus;20 %"),
    ("d1", "&minus;20 to &minus;5 %"),
    ("z0", "within ±5 %"),
    ("r1", "+5 to +20 %"),
    ("r2", "+20 to +45 %"),
    ("r3", "+45 to +70 %"),
    ("r4", "+70 to +100 %"),
)


@dataclass(frozen=True, eq=False)
class ReportCase:
    """One localized case.

    Attributes
    ----------
    title : str
        What it is called.
    cube : KpiCube
        What was localized.
    answer : Localization
        What was found.
    history : History, optional
        Where time is given; brings the curves.
    truth : frozenset of AttributeCombination, optional
        The known roots of a labelled case.
    """

    title: str
    cube: KpiCube
    answer: Localization
    history: History | None = None
    truth: frozenset[AttributeCombination] | None = None


def write_report(path: Path | str, cases: Sequence[ReportCase], *, title: str = "") -> Path:
    """Write the page; the file is there whole or not at all."""
    return write_atomic(path, render_report(cases, title=title))


def render_report(cases: Sequence[ReportCase], *, title: str = "") -> str:
    """Return the page as HTML.

    Parameters
    ----------
    cases : sequence of ReportCase
        In the order in which they are shown.
    title : str
        The page's heading; by default the only case's title.
    """
    heading = title or (cases[0].title if len(cases) == 1 else "Localized faults")
    sections = [
        _case(case, f"case-{i}", is_named=len(cases) > 1) for i, case in enumerate(cases, start=1)
    ]
    summary = _summary(cases) if len(cases) > 1 else ""
    styles = ["faultsight.localize.report"]
    return report_page(heading, summary + "".join(sections), styles=styles)


def _summary(cases: Sequence[ReportCase]) -> str:
    has_truth = any(case.truth is not None for case in cases)
    rows = []
    for i, case in enumerate(cases, start=1):
        found = "<br>".join(_chips(c, case.cube) for c in case.answer.combinations[:3])
        more = len(case.answer.patterns) - 3
        if more > 0:
            found += f"<br>and {more} more"
        if not found:
            found = f"<span class=quiet>none: {escaped(case.answer.abstained)}</span>"
        known = f"<td>{_verdict(case)}</td>" if has_truth else ""
        rows.append(
            f"<tr><td><a href='#case-{i}'>{escaped(case.title)}</a></td>"
            f"<td class=n>{case.cube.n_leaves:,}</td><td>{found}</td>{known}</tr>"
        )
    known = "<th scope=col>known truth</th>" if has_truth else ""
    return (
        "<section class=summary><h2>Summary</h2><div class=scroll tabindex=0><table><thead><tr>"
        "<th scope=col>case</th><th scope=col class=n>leaves</th><th scope=col>roots found</th>"
        f"{known}</tr></thead><tbody>{''.join(rows)}</tbody></table></div></section>"
    )


def _verdict(case: ReportCase) -> str:
    if case.truth is None:
        return "<span class=quiet>not known</span>"
    lines = []
    for root in sorted(case.truth):
        found = case.answer.combinations
        if root in found:
            mark = f"<span class=hit>✓ rank {found.index(root) + 1}</span>"
        else:
            mark = "<span class=missed>✗ missed</span>"
        lines.append(f"{_chips(root, case.cube)} {mark}")
    return "<br>".join(lines) or "<span class=quiet>no fault</span>"


def _chips(combination: AttributeCombination, cube: KpiCube) -> str:
    return " ".join(
        f"<span class=chip><span class=attribute>{escaped(a)}</span> {escaped(combination[a])}"
        "</span>"
        for a in cube.attributes
        if a in combination
    )


def _case(case: ReportCase, anchor: str, *, is_named: bool) -> str:
    cube, answer = case.cube, case.answer
    parts = [
        f"<section class=case id={anchor}>",
        f"<h2>{escaped(case.title)}</h2>" if is_named else "",
        f"<p class=headline>{escaped(headline(cube, answer))}</p>",
        f"<p class=quiet>{_about(case)}</p>",
    ]
    if case.truth is not None:
        parts.append(f"<p>Known truth: {_verdict(case)}</p>")
    parts.extend(f"<p class=remark>{escaped(remark)}</p>" for remark in answer.remarks)
    if cube.quarantined:
        notes = "".join(
            f"<li>{escaped(q.column)}: {escaped(q.reason)} ({q.rows:,} rows, first {q.first_row:,})"
            "</li>"
            for q in cube.quarantined
        )
        parts.append(
            f"<div class=remark><p>Not all of the input was used:</p><ul>{notes}</ul></div>"
        )
    if answer.patterns:
        parts.append(_table(case))
    parts.extend(_pictures(case, kpi) for kpi in _kpis_shown(case))
    if answer.trace or answer.patterns:
        parts.append(
            "<h3>How the search went</h3>"
            + _figure(lattice(cube.attributes, answer.patterns),
                      "Every cuboid of the cube by layer; ● and a number mark where a root lies.")
            + steps(answer.trace)
        )  # fmt: skip
    if answer.dropped:
        parts.append(_dropped(case))
    return "".join(parts) + "</section>\n"


def _about(case: ReportCase) -> str:
    cube = case.cube
    sizes = ", ".join(
        f"{escaped(a)} ({n:,})" for a, n in zip(cube.attributes, cube.cardinalities, strict=True)
    )
    moment = f" At {case.history.at_text}." if case.history else ""
    return (
        f"{cube.n_leaves:,} leaves over {sizes}. Method <b>{escaped(case.answer.method)}</b>."
        f"{moment}"
    )


def _table(case: ReportCase) -> str:
    rows = []
    patterns = case.answer.patterns[:_MAX_PATTERNS]
    hidden = len(case.answer.patterns) - len(patterns)
    has_p = any(p.p_value is not None for p in patterns)
    has_stability = any(p.stability is not None for p in patterns)
    several = len(case.cube.kpis) > 1
    width = 9 + has_p + has_stability + several
    for rank, p in enumerate(patterns, start=1):
        kpi = case.cube.kpi(p.kpis[0])
        change = (p.actual - p.forecast) / p.forecast if p.forecast else None
        cells = [
            f"<td class=n><span class=rank>{rank}</span></td>",
            f"<td>{_chips(p.combination, case.cube)}</td>",
            f"<td>{escaped(', '.join(p.kpis))}</td>" if several else "",
            f"<td class='n dir {p.direction}'>{_arrow(p, change)}</td>",
            f"<td class=n>{kpi_value(kpi, p.actual)}</td>",
            f"<td class=n>{kpi_value(kpi, p.forecast)}</td>",
            f"<td class=n>{percent(p.impact)}</td>",
            f"<td class=n>{p.leaves:,} <span class=quiet>({percent(p.leaf_share)})</span></td>",
            f"<td class=n>{percent(p.confidence)}</td>",
            f"<td class=n>{number(p.score)}</td>",
            f"<td class=n>{_chance(p.p_value)}</td>" if has_p else "",
            f"<td class=n>{_optional_share(p.stability)}</td>" if has_stability else "",
        ]
        rows.append(
            f"<tbody><tr>{''.join(cells)}</tr>"
            f"<tr class=why><td></td><td colspan={width}>Layer {p.layer}. Kept because "
            f"{escaped(p.reason.rstrip('.'))}.</td></tr></tbody>"
        )
    optional = ("<th scope=col class=n>p-value</th>" if has_p else "") + (
        "<th scope=col class=n>stability</th>" if has_stability else ""
    )
    kpis = "<th scope=col>KPI</th>" if several else ""
    more = f"<p>{hidden:,} more are not shown.</p>" if hidden else ""
    return (
        "<h3>Root patterns, most likely first</h3><div class=scroll tabindex=0><table class=roots>"
        f"<thead><tr><th scope=col class=n>rank</th><th scope=col>where</th>{kpis}"
        "<th scope=col class=n>change</th><th scope=col class=n>actual</th>"
        "<th scope=col class=n>expected</th><th scope=col class=n>impact</th>"
        "<th scope=col class=n>leaves</th><th scope=col class=n>confidence</th>"
        f"<th scope=col class=n>score</th>{optional}</tr></thead>{''.join(rows)}"
        f"</table></div>{more}<p class=quiet>Impact is the share of the overall deviation that "
        "lies in a pattern: above 100 % where other places deviate the other way, below 0 where "
        f"the pattern does.{' Figures are those of the first KPI named.' if several else ''}</p>"
    )


def _arrow(pattern: RootPattern, change: float | None) -> str:
    sign = {"rise": "▲", "drop": "▼", "none": "◆"}[pattern.direction]
    if change is None:
        return f"{sign} new"
    return f"{sign} {'+' if change > 0 else ''}{percent(change)}"


def _chance(p_value: float | None) -> str:
    if p_value is None:
        return "&ndash;"
    return "&lt; 1e&minus;12" if p_value < 1e-12 else number(p_value)


def _optional_share(share: float | None) -> str:
    return "&ndash;" if share is None else percent(share)


def _kpis_shown(case: ReportCase) -> list[Kpi]:
    """Return the KPIs in which roots show, in the order of the roots; else the first."""
    names = dict.fromkeys(name for p in case.answer.patterns for name in p.kpis)
    return [case.cube.kpi(name) for name in names] or [case.cube.kpis[0]]


def _pictures(case: ReportCase, kpi: Kpi) -> str:
    leaves = Leaves(case.cube, kpi)
    ranked = enumerate(case.answer.patterns[:_MAX_PATTERNS], start=1)
    roots = [(rank, p) for rank, p in ranked if kpi.name in p.kpis]
    views = choose_views(leaves, roots)
    several = len(case.cube.kpis) > 1
    title = f" of {escaped(kpi.name)}" if several else ""
    counted = ""
    if kpi.is_ratio:
        counted = (
            f" Counted in {escaped(kpi.measures[0])}: what was seen against what the usual rate "
            "would give."
        )
    elif not kpi.is_additive:
        counted = " First-order shares of a derived KPI."
    parts = [f"<h3>Shares of the deviation{title}</h3>"]
    parts.append(
        _figure(
            waterfall(leaves, roots),
            "From expected to actual. A leaf in two roots counts for the higher one; the shares "
            f"add up to 100 %.{counted}",
        )
    )
    if case.history is not None:
        parts.append(_curves(case, case.history, kpi, roots))
    legend = "".join(f"<span><i class=sw-{c}></i>{t}</span>" for c, t in _LEGEND)
    parts.append(f"<h3>The cube{title}</h3><p class=legend>{legend}</p>")
    parts.append(
        "<p class=quiet>Deviation is (actual &minus; expected) / the larger of both: &minus;50 % "
        "means that half is missing, +50 % that it has doubled. Outlines are roots, numbered by "
        "rank; a dashed one fills its cells in part.</p>"
    )
    maps = "".join(_figure(heat_map(view), _view_caption(view)) for view in views)
    parts.append(f"<div class=maps>{maps}</div>")
    # The treemap shows the whole cube, never a slice of it.
    whole = View(views[0].leaves, views[0].rows, views[0].columns, {}, roots)
    unit = escaped(kpi.measures[-1] if kpi.is_ratio else kpi.name)
    parts.append(
        _figure(
            treemap(whole),
            f"Area is volume ({unit}), colour is deviation: {escaped(whole.name(whole.rows))}"
            + (f", then {escaped(whole.name(whole.columns))}." if whole.columns >= 0 else "."),
        )
    )
    return "".join(parts)


def _view_caption(view: View) -> str:
    caption = f"<b>{escaped(view.name(view.rows))}</b>"
    if view.columns >= 0:
        caption += f" (down) and <b>{escaped(view.name(view.columns))}</b> (across)"
    if view.slice:
        held = ", ".join(
            f"{escaped(view.name(a))} = {escaped(view.element(a, code))}"
            for a, code in view.slice.items()
        )
        caption += f", where {held}"
    hidden = [
        int((view.cells["leaves"].sum(axis=1 - axis) > 0).sum()) - len(view.shown(axis))
        for axis in ((0, 1) if view.columns >= 0 else (0,))
    ]
    if any(hidden):
        caption += (
            f"; of {' and '.join(f'{n:,}' for n in hidden)} more elements, which deviate less, "
            "none is shown"
        )
    return caption + "."


def _curves(case: ReportCase, history: History, kpi: Kpi, roots: Sequence[Ranked]) -> str:
    shown = roots[:_MAX_CURVES]
    curves = history.curves(kpi, [root.combination for _, root in shown])
    names = ["everything", *(f"{i}  {place(root)}" for i, root in shown)]
    figures = [
        f"<figure>{curve_chart(curve, kpi, history.at, name)}"
        f"<figcaption>{escaped(name)}</figcaption></figure>"
        for curve, name in zip(curves, names, strict=True)
    ]
    return (
        f"<h3>Over time: {escaped(kpi.name)}</h3><p class=legend><span><i class=line-actual></i>"
        "actual</span><span><i class=line-expected></i>expected, from earlier times only</span>"
        "<span>times in UTC</span></p>"
        f"<div class=curves>{''.join(figures)}</div>"
    )


def _dropped(case: ReportCase) -> str:
    rows = "".join(
        f"<tr><td>{_chips(d.combination, case.cube)}</td><td class=n>{number(d.score)}</td>"
        f"<td>{escaped(d.reason)}</td></tr>"
        for d in case.answer.dropped
    )
    return (
        "<h3>The nearest that were dropped</h3><div class=scroll tabindex=0><table><thead><tr>"
        "<th scope=col>where</th><th scope=col class=n>score</th><th scope=col>why not</th>"
        f"</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _figure(picture: str, caption: str) -> str:
    if not picture:
        return ""
    return (
        f"<figure><div class=scroll tabindex=0>{picture}</div>"
        f"<figcaption>{caption}</figcaption></figure>"
    )
