"""The report of all detectors: what it says follows from the results alone."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import product
from pathlib import Path

import pytest
from typer.testing import CliRunner

from faultsight.bench.detection_report import (
    Published,
    read_published,
    render_html,
    render_markdown,
    write_detection_report,
)
from faultsight.bench.detection_report.adjustment import rank_correlation
from faultsight.bench.detection_report.blocks import Table, Text, as_html, as_markdown
from faultsight.bench.detection_report.rank_diagram import rank_diagram
from faultsight.bench.detection_report.scatter import Point, scatter
from faultsight.bench.engine import BenchResult, Row, write_result
from faultsight.bench.mean_ranks import rank_methods
from faultsight.bench.scenarios.detect_leaderboard import over_sets
from faultsight.cli import app
from faultsight.core.errors import InputError, MissingDataError

_FIGURES = ("average_precision", "vus_pr", "f1_deployed", "f1_point_adjusted")
# Average precision by set; every other figure follows from it, best F1 turned around.
_AP = {
    "anotuner": (0.60, 0.50, 0.30, 0.40),
    "gdn": (0.50, 0.45, 0.25, 0.35),
    "knn": (0.40, 0.52, 0.20, 0.30),
    "pca": (0.30, 0.30, 0.15, 0.20),
    "random_score": (0.05, 0.06, 0.04, 0.03),
}
_SETS = ("ASD", "CDN", "JS2", "SMD")


def _rows() -> list[Row]:
    return [
        {
            "dataset": dataset, "method": method, "network": method in ("anotuner", "gdn"),
            "rows": 1000, "anomalous_rows": 50, "average_precision": ap, "vus_pr": ap + 0.01,
            "f1_deployed": ap + 0.1, "f1_point_adjusted": 0.95 - ap,
            "seconds_fit": 100.0 * ap, "seconds_score": 1.0, "memory_mb": None,
        }
        for method, of_sets in _AP.items()
        for dataset, ap in zip(_SETS, of_sets, strict=True)
    ]  # fmt: skip


def _result(scenario: str, rows: list[Row], summary: list[Row]) -> BenchResult:
    return BenchResult(
        scenario, {"seed": 0}, {"faultsight": "0.1.0", "python": "3"}, {"cores": 2, "cpu": "X"},
        rows, summary, ["a note of <b>it</b>"], 90.0,
    )  # fmt: skip


def _table1() -> BenchResult:
    rows: list[Row] = [
        {"part": "method", "method": method, "mechanism": mechanism, "tuning": tuning,
         "learns_from": "fp+fn", **dict.fromkeys(_FIGURES, 0.5 + gain),
         **({f"{name}_gain": gain for name in _FIGURES} if tuning != "none" else {})}
        for method, both in (("anotuner", 0.09), ("acvae_style", 0.03))
        for mechanism in ("own", "ours")
        for tuning, gain in (("none", 0.0), ("fp", 0.01), ("fn", 0.02), ("fp+fn", both))
        if mechanism == "own" or tuning in ("none", "fp+fn")
    ]  # fmt: skip
    names = ("f1_deployed", "average_precision", "vus_pr")
    for mechanism, low, high in (("own", 0.04, 0.08), ("ours", -0.02, -0.01)):
        more: Row = {"part": "difference", "method": "acvae_style", "mechanism": mechanism}
        for name, (what, by) in product(names, (("more", 0.0), ("ahead", 0.5))):
            more |= {f"{name}_{what}": (low + high) / 2 + by, f"{name}_{what}_low": low + by,
                     f"{name}_{what}_high": high + by, f"{name}_{what}_t_low": low + by - 0.001,
                     f"{name}_{what}_t_high": high + by + 0.001}  # fmt: skip
        rows.append(more)
    rows.append({"part": "ratio", "figure": "f1_point_adjusted", "anotuner_gain": 0.09,
                 "acvae_style_gain": 0.03, "ratio": 3.0, "papers_ratio": 5.209})  # fmt: skip
    return _result("detect/table1", [], rows)


def _feedback() -> BenchResult:
    row: Row = {"dataset": "ASD", "method": "anotuner", "tuning": "fp+fn", "layers": "all",
                "seeds": 3}  # fmt: skip
    for name in ("f1_deployed", "average_precision", "vus_pr"):
        row |= {f"{name}_mean": 0.75, f"{name}_gain_mean": 0.25, f"{name}_gain_min": -0.125}
    return _result("detect/feedback", [], [row])


@pytest.fixture
def published() -> Published:
    """Return results of which every sentence of the report can be told beforehand."""
    leaderboard = _result("detect/leaderboard", _rows(), over_sets(_rows()))
    base = [row | {"average_precision": 0.125} for row in _rows() if row["method"] == "pca"]
    results = {
        "detect-leaderboard": leaderboard, "detect-table1": _table1(),
        "detect-base": _result("detect/base", base, []), "detect-feedback": _feedback(),
    }  # fmt: skip
    return Published(results, ())


def test_who_leads_and_where_a_simple_method_is_as_good_is_computed(published: Published) -> None:
    page = render_markdown(published)
    assert "By mean rank in average precision `anotuner` is first of 5 methods on 4 sets" in page
    page = page.replace("\N{NO-BREAK SPACE}", " ")
    part = page.split("### Average precision\n")[1].split("### VUS-PR")[0]
    assert "AnoTuner is first on 3 of 4 sets: ASD, JS2, SMD." in part
    assert "A simple method is as good or better on 1: CDN (`knn`)." in part
    assert "| CDN | `knn` 0.520 | 0.500 | 2 of 5 | 1 of 2: `knn` 0.520 | 0 of 1 | 0.060 |" in part
    assert "| ASD | `anotuner` 0.600 | 0.600 | 1 of 5 | 0 of 2 | 0 of 1 | 0.050 |" in part
    best = page.split("### Best F1 (point-adjusted)\n")[1]
    assert "AnoTuner is first on 0 of 4 sets: none." in best
    assert "A simple method is as good or better on 4: ASD (`pca`, `knn`)" in best
    assert "| `anotuner` | ours | 4 | 0.450 | **1.25** |" in page


def test_what_point_adjustment_hides_is_computed(published: Published) -> None:
    page = render_markdown(published)
    # Best F1 was turned around: the random score is the best by it.
    assert ("| ASD | 5.0 % | 0.900 | 0.900 `random_score` | 4 of 4 | 0.050 | 0.600 `anotuner` |"
            in page)  # fmt: skip
    assert "On ASD the random score's best F1 is no lower than that of `anotuner`, `gdn`" in page
    assert "| best F1 and average precision | -1.000 | -1.000 | -1.000 | -1.000 |" in page
    assert "| F1 as deployed and average precision | 1.000 | 1.000 | 1.000 | 1.000 |" in page


def test_levels_by_the_papers_own_rules_stand_beside_the_quantile(published: Published) -> None:
    assert "Levels by other rules" not in render_markdown(published)
    rows: list[Row] = [
        row
        | {"method": "lstm_ndt" if row["method"] == "gdn" else row["method"]}
        | {"f1_pot": 0.25, "f1_nonparametric_dynamic": 0.5 if row["dataset"] == "ASD" else 0.25}
        for row in _rows()
        if row["method"] != "pca" or row["dataset"] != "ASD"
    ]
    rows[0]["f1_pot"] = None  # a set that has no level by one rule is left out by all
    leaderboard = _result("detect/leaderboard", rows, over_sets(rows))
    page = render_markdown(Published({"detect-leaderboard": leaderboard}, ()))
    part = page.split("## Levels by other rules")[1].split("## What it costs")[0]
    assert "| `lstm_ndt` | network | 0.487 | 0.250 | **0.312** |" in part
    assert "| `anotuner` | ours | 0.500 | 0.250 | 0.250 |" in part
    assert part.index("`anotuner`") < part.index("`lstm_ndt`") < part.index("`random_score`")


def test_cost_stands_beside_accuracy(published: Published) -> None:
    page = render_markdown(published)
    assert "| `pca` | simple | 95.0 | 4.0 | \N{EN DASH} | 0.237 |" in page
    assert "every cheaper one: `random_score`, `pca`, `knn`, `gdn`, `anotuner`." in page
    assert "| `pca` | 0.237 | 0.125 |" in page  # the leaderboard's, and of all entities


def test_what_marks_are_worth_is_computed(published: Published) -> None:
    page = render_markdown(published)
    assert "| `anotuner` | fp+fn | 0.500 | 0.510 | 0.520 | 0.590 | +0.090 |" in page
    assert "| best F1 | +0.090 | +0.030 | 3.0 | 5.2 |" in page
    assert ("the ACVAE-style peer's best F1 changes by +0.030, AnoTuner's by +0.090, 3.0 times as "
            "much (in the paper 5.2 times).") in page  # fmt: skip
    assert "| `acvae_style` | own | +0.060 (+0.040 to +0.080) |" in page
    assert "others by its own way: AnoTuner gained more than 1 of 1, less than 0;" in page
    assert (
        "others by our layers: AnoTuner gained more than 0 of 1, less than 1 (`acvae_style`);"
        in (page)
    )
    assert "The narrower interval says more than 1, less than 0." in page
    assert "The narrower interval says more than 0, less than 1 (`acvae_style`)." in page
    assert "| `acvae_style` | own | +0.560 (+0.540 to +0.580) |" in page
    assert "others by our layers: AnoTuner is better than 1 of 1, worse than 0;" in page
    assert "| ASD | `anotuner` | 3 | 0.500 \N{RIGHTWARDS ARROW} 0.750 (-0.125) |" in page


def test_a_result_from_before_who_is_ahead_was_told_is_read(published: Published) -> None:
    table1 = published.results["detect-table1"]
    summary = [{name: value for name, value in row.items() if "_ahead" not in name}
               for row in table1.summary]  # fmt: skip
    older = {**published.results, "detect-table1": replace(table1, summary=summary)}
    page = render_markdown(Published(older, ()))
    assert "By how much more AnoTuner gained" in page
    assert "is ahead with marks" not in page


def _gains(of_methods: dict[str, tuple[float, float]]) -> Published:
    """Return a table of F1 as deployed; what is gained by the own way and by our layers."""
    rows: list[Row] = [
        {"part": "method", "method": method, "mechanism": mechanism, "tuning": tuning,
         "learns_from": "fp", **dict.fromkeys(_FIGURES, 0.5),
         **({f"{name}_gain": gain if name == "f1_deployed" else 0.0 for name in _FIGURES}
            if tuning == "fp+fn" else {})}
        for method, gains in of_methods.items()
        for mechanism, gain in zip(("own", "ours"), gains, strict=True)
        for tuning in ("none", "fp+fn")
    ]  # fmt: skip
    return Published({"detect-table1": _result("detect/table1", [], rows)}, ())


def test_whether_the_gain_is_anotuners_or_the_layers_is_computed() -> None:
    others = {"a": (0.25, 0.0), "b": (0.0, 0.05), "c": (0.1, 0.2), "d": (0.0, 0.13)}
    not_counted = {"anotuner-paper": (0.0, 0.5), "random_score": (0.0, 0.5)}
    page = render_markdown(_gains({"anotuner": (0.125, 0.05), **others, **not_counted}))
    assert "Is the gain AnoTuner's or the layers'?" in page
    assert (
        "F1 as deployed: AnoTuner gains +0.125 by its own tuning and +0.050 by our layers alone, "
        "which is 40 % of it. The median gain of the 4 others by our layers is +0.090: 3 of them "
        "gain more by our layers than by their own way, and 2 no less by them than AnoTuner by its "
        "own tuning."
    ) in page
    assert (
        "average precision: AnoTuner gains +0.000 by its own tuning and +0.000 by our layers "
        "alone, so that there is no gain of its own to divide. The median gain of the 4 others by "
        "our layers is +0.000: 0 of them gain more by our layers than by their own way, and 4 no "
        "less"
    ) in page
    for by_layers, said in ((0.125, "all"), (0.25, "all"), (0.0, "none"), (-0.5, "none")):
        page = render_markdown(_gains({"anotuner": (0.125, by_layers)}))
        assert f"by our layers alone, which is {said} of it." in page
        assert "The median gain" not in page
    assert "Is the gain AnoTuner's" not in render_markdown(_gains(others))


class _Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in ("meta",):
            self.open.append(tag)
        for name, value in attrs:
            assert not name.startswith("on"), name
            assert name not in ("src", "href", "style"), (name, value)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_the_page_asks_nobody_runs_nothing_and_holds_the_figures_of_the_other(
    published: Published,
) -> None:
    html, page = render_html(published), render_markdown(published)
    seen = _Seen()
    seen.feed(html)
    assert seen.open == []
    assert not {"script", "img", "link", "iframe"} & set(seen.tags)
    assert "default-src 'none'" in html
    assert "http" not in re.sub(r"http-equiv|xmlns\S*", "", html)
    assert html.count("<svg ") == page.count("![") == 5
    for figure in set(re.findall(r"[+-]?\d\.\d{3}", page)):
        assert figure in html, figure
    assert "<b>it</b>" not in html


def test_names_from_results_are_harmless(published: Published) -> None:
    evil = "<img src=x onerror=alert(1)>"
    rows = [row | {"method": evil} if row["method"] == "knn" else row for row in _rows()]
    leaderboard = replace(
        published.results["detect-leaderboard"], rows=rows, summary=over_sets(rows)
    )
    seen = _Seen()
    seen.feed(render_html(Published({"detect-leaderboard": leaderboard}, ())))
    assert "img" not in seen.tags
    assert any(evil in text for text in seen.texts)


def test_it_is_written_from_whichever_results_are_there_the_same_each_time(
    published: Published, tmp_path: Path
) -> None:
    reports = tmp_path / "reports"
    with pytest.raises(MissingDataError, match=r"detect-leaderboard\.json"):
        read_published(reports)
    for name in ("detect-leaderboard", "detect-feedback"):
        write_result(published.results[name], reports / f"{name}.json")
    command = ["bench", "report", "detect", "--reports", str(reports), "--out", str(tmp_path / "a")]
    told = CliRunner().invoke(app, [*command, "--json"])
    assert told.exit_code == 0, told.output
    written = [Path(path) for path in json.loads(told.stdout)["written"]]
    assert [path.name for path in written] == [
        "detection-comparison.html", "detection-comparison.md",
        "detection-comparison-average-precision.svg", "detection-comparison-vus-pr.svg",
        "detection-comparison-f1-deployed.svg",
        "detection-comparison-adjustment.svg", "detection-comparison-cost.svg",
    ]  # fmt: skip
    again = write_detection_report(reports, tmp_path / "b", docs=tmp_path / "c")
    assert [path.read_bytes() for path in written] == [path.read_bytes() for path in again]
    assert {path.parent.name for path in again[1:]} == {"c"}
    page = written[1].read_text()
    assert "Not there yet: `detect-table1`, `detect-base`." in page
    assert "The paper's columns" not in page
    for name in re.findall(r"\]\((\S+)\)", page):
        assert (tmp_path / "a" / name).is_file()
    assert CliRunner().invoke(app, ["bench", "report", "tea", "--out", "x"]).exit_code == 2
    (reports / "detect-table1.json").write_text("{}")
    with pytest.raises(InputError, match=r"detect-table1\.json"):
        read_published(reports)


def test_a_drawing_of_its_own_is_a_whole_svg_file(published: Published, tmp_path: Path) -> None:
    from xml.etree import ElementTree as ET

    write_result(published.results["detect-leaderboard"], tmp_path / "detect-leaderboard.json")
    for path in write_detection_report(tmp_path, tmp_path):
        if path.suffix == ".svg":
            root = ET.fromstring(path.read_text())
            assert root.tag == "{http://www.w3.org/2000/svg}svg"
            style = root.findtext("{http://www.w3.org/2000/svg}style")
            assert style is not None
            styled = dict(re.findall(r"^([\w.]+).* \{ (.+) \}$", style, re.M))
            assert "fill: none" in styled[".leader"]
            # Every class that is drawn has a look of its own in the file.
            drawn = {f".{kind}" for kind in re.findall('class="([^"]+)"', path.read_text())}
            assert all(any(kind in rule for rule in style.splitlines()) for kind in drawn)


def test_the_diagram_names_each_method_and_joins_those_not_told_apart() -> None:
    table = {f"s{i}": {f"m{n}": 10.0 - n for n in range(6)} for i in range(30)}
    ranking = rank_methods(table)
    drawn = rank_diagram(ranking, "ranks")
    assert [len(re.findall(f">m{n} <tspan|</tspan> m{n}</text>", drawn)) for n in range(6)] == [
        1
    ] * 6
    assert drawn.count('class="alike"') == len(ranking.groups) == 5
    assert drawn.count('class="strong"') == len(ranking.like_first)
    assert "critical difference 1.38" in drawn
    one = rank_methods({"A": {"a": 1.0}})
    assert 'class="alike"' not in rank_diagram(one, "ranks")


def test_names_of_points_do_not_cover_each_other() -> None:
    near = [Point(f"method-{n}", 10.0 ** (n / 50), 0.5 + n / 2000, "simple") for n in range(40)]
    drawn = scatter(near, "cost", ("seconds", "F1"), is_log=True)
    assert drawn.count("<circle") == 40
    assert 0 < drawn.count('class="point"') < 40
    apart = [Point(f"m{n}", float(n), float(n), "simple") for n in range(5)]
    assert scatter(apart, "cost", ("x", "y")).count('class="point"') == 5
    assert scatter([], "cost", ("x", "y")) == ""


def test_rank_correlation_is_none_where_it_is_not_defined() -> None:
    rows: list[Row] = [{"a": n, "b": -n, "c": 1, "d": None} for n in range(5)]
    assert rank_correlation(rows, "a", "b") == -1.0
    assert rank_correlation(rows, "a", "c") is None
    assert rank_correlation(rows, "a", "d") is None
    assert rank_correlation(rows[:2], "a", "b") is None


def test_blocks_are_written_alike() -> None:
    table = Table(["name", "kind", "F1"], [["`a`", "x", "**0.5**"]], texts=2)
    assert as_markdown([table]).splitlines()[1] == "|---|---|--:|"
    assert "<td class=n><b>0.5</b></td>" in as_html([table])
    assert as_html([Text("a < b", is_quiet=True)]) == "<p class=quiet>a &lt; b</p>\n"
