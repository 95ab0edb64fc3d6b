import html
import re
from html.parser import HTMLParser

import numpy as np
import polars as pl
import pytest

from faultsight.core.combination import AttributeCombination
from faultsight.core.cube import KpiCube
from faultsight.core.kpi import Kpi
from faultsight.core.seed import random_stream
from faultsight.localize.contract import (
    Answer,
    Candidate,
    Finding,
    LayerTrace,
    Localization,
    Localizer,
)
from faultsight.localize.history import cube_from_history
from faultsight.localize.leaves import Leaves
from faultsight.localize.report import ReportCase, render_report, write_report
from faultsight.localize.report.treemap import squarify
from faultsight.localize.report.views import Ranked, choose_views
from faultsight.localize.report.waterfall import parts_of_change

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=http://evil.example/x onerror=alert(1)>',
    "'; DROP TABLE leaves; --",
    "</style><link rel=stylesheet href=//evil.example>",
    "{{7*7}} ${7*7} \x1b[31m \u202e reversed",
    "名字" * 30,
    "",
    "&amp; &#60;b&#62; url(http://evil.example) javascript:alert(1)",
]
VOID = {"meta", "br", "link", "img", "input"}


class Told(Localizer):
    """Answers what it is told."""

    name = "told"

    def __init__(self, *roots: dict[int, int], abstained: str = "") -> None:
        self.roots, self.abstained = roots, abstained

    def _localize(self, leaves: Leaves) -> Answer:
        names = tuple(self.name_of(leaves, root) for root in self.roots)
        return Answer(
            findings=[
                Finding(root, 10.0 - i, 0.9, "it stands out", 1e-9, 0.95)
                for i, root in enumerate(self.roots)
            ],
            dropped=[
                Candidate({len(leaves.cardinalities) - 1: 0}, 0.5, "half of its leaves are normal")
            ],
            abstained=self.abstained,
            trace=[LayerTrace("layer 1", 2, 12, names, ("(a, *)",), "covered")],
            remarks=["a global shift of 2 % was taken out"],
        )


def ranked(answer: Localization) -> list[Ranked]:
    return list(enumerate(answer.patterns, start=1))


class Page(HTMLParser):
    """Collects the elements of a page and checks that they are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def count(self, tag: str, kind: str = "") -> int:
        return sum(
            name == tag and kind in (attributes.get("class") or "").split() if kind else name == tag
            for name, attributes in self.elements
        )

    @property
    def text(self) -> str:
        return "".join(self.words)


def a_cube(n: int = 6, names: list[str] | None = None, attribute: str = "site") -> KpiCube:
    names = names or [f"S{i + 1}" for i in range(n)]
    rows = [(a, b, c) for a in names for b in ("ios", "android", "web") for c in ("x", "y")]
    stream = random_stream(0, "report")
    forecast = np.round(stream.gamma(3, 40, len(rows)) + 5, 2)
    actual = np.where([a == names[0] for a, _, _ in rows], 0.4, 1.0) * forecast
    frame = pl.DataFrame(rows, schema=[attribute, "os", "access"], orient="row")
    return KpiCube.from_frame(frame.with_columns(real=actual, predict=forecast), name="cube")


def a_page(cube: KpiCube, localizer: Localizer, title: str = "a case") -> Page:
    return Page(render_report([ReportCase(title, cube, localizer.localize(cube))]))


def test_the_page_says_what_where_how_much_and_why() -> None:
    cube = a_cube()
    page = a_page(cube, Told({0: 0}, {0: 1, 1: 2}))
    drop = 1 - cube.actual.sum() / cube.forecast.sum()
    assert f"real is {100 * drop:.1f} % below expectation" in page.text
    assert "Most likely root (and 1 more): site = S1" in page.text
    assert "Kept because it stands out." in page.text
    assert "half of its leaves are normal" in page.text
    assert "a global shift of 2 % was taken out" in page.text
    assert "2 cuboids visited, 12 combinations scored" in page.text
    assert "▼ −60 %" in page.text  # noqa: RUF001
    assert page.count("svg") >= 5


def test_the_heat_map_outlines_every_root() -> None:
    page = a_page(a_cube(), Told({0: 0}, {0: 1, 1: 2}))
    assert page.count("rect", "badge") == 2
    # S1 is a whole row, (S2, web) one cell, both of them filled.
    assert page.count("rect", "part") == 0


def test_a_root_of_three_attributes_is_shown_in_its_slice() -> None:
    cube = a_cube()
    answer = Told({0: 0, 1: 1, 2: 1}).localize(cube)
    (view,) = choose_views(Leaves(cube, cube.kpis[0]), ranked(answer))
    assert len(view.slice) == 1
    seen = view.place_of(answer.patterns[0])
    assert seen is not None
    assert seen[2]
    assert view.cells["leaves"].sum() == sum(
        cube.codes[:, a].tolist().count(c) for a, c in view.slice.items()
    )


def test_shares_add_up_to_100_per_cent_and_no_leaf_counts_twice() -> None:
    frame = pl.DataFrame(
        {
            "site": ["a", "a", "b", "b"],
            "os": ["x", "y", "x", "y"],
            "real": [0.0, 10.0, 9.0, 13.0],
            "predict": [20.0, 20.0, 12.0, 12.0],
        }
    )
    cube = KpiCube.from_frame(frame)
    answer = Told({0: 0}, {1: 0}).localize(cube)
    parts = parts_of_change(Leaves(cube, cube.kpis[0]), ranked(answer))
    # a took 30; x took 23, of which 20 lie in a; b, y added 1: together -32.
    assert [part.change for part in parts] == [-30.0, -3.0, 1.0]
    # 937.5, 93.75 and -31.25 thousandths, rounded to 1,000.
    assert [part.per_mille for part in parts] == [937, 94, -31]


def test_an_overall_deviation_of_0_has_no_shares() -> None:
    frame = pl.DataFrame({"site": ["a", "b"], "real": [5.0, 15.0], "predict": [10.0, 10.0]})
    cube = KpiCube.from_frame(frame)
    parts = parts_of_change(Leaves(cube, cube.kpis[0]), ranked(Told({0: 0}).localize(cube)))
    assert [(part.change, part.per_mille) for part in parts] == [(-5.0, None), (5.0, None)]


def test_an_abstained_case_says_why() -> None:
    page = a_page(a_cube(), Told(abstained="nothing beats the global shift"))
    assert "No root pattern: nothing beats the global shift." in page.text
    assert page.count("rect", "badge") == 0


def test_hostile_names_are_text() -> None:
    cube = a_cube(names=HOSTILE, attribute=HOSTILE[1])
    told = Told({0: 0}, {0: 1, 1: 2}, {0: 4, 1: 0, 2: 1})
    source = render_report(
        [ReportCase(HOSTILE[0], cube, told.localize(cube)) for _ in range(2)], title=HOSTILE[3]
    )
    page = Page(source)
    tags = {tag for tag, _ in page.elements}
    assert tags <= {
        "html", "head", "meta", "title", "style", "body", "header", "main", "section", "h1", "h2",
        "h3", "h4", "p", "a", "b", "i", "br", "ul", "ol", "li", "div", "span", "table", "thead",
        "tbody", "tr", "th", "td", "figure", "figcaption", "svg", "g", "rect", "text", "line",
        "circle", "path",
    }  # fmt: skip
    for _, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
    assert HOSTILE[0] in page.text
    assert "\x1b" not in source
    assert "\u202e" not in source


@pytest.mark.parametrize("names", [None, HOSTILE])
def test_nothing_is_loaded_from_anywhere(names: list[str] | None) -> None:
    cube = a_cube(names=names)
    page = a_page(cube, Told({0: 0}))
    for tag, attributes in page.elements:
        assert tag not in {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
        for name in ("src", "srcset", "data", "action", "xlink:href", "background"):
            assert name not in attributes
        assert (attributes.get("href") or "#").startswith("#")
    style = re.search(r"<style>(.*?)</style>", render_report([]), re.S)
    assert style is not None
    assert "url(" not in style[1]
    assert "@import" not in style[1]
    policy = next(a["content"] for t, a in page.elements if t == "meta" and "http-equiv" in a)
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy


def test_plain_names_leave_no_http_in_the_page() -> None:
    cube = a_cube()
    source = render_report([ReportCase("a case", cube, Told({0: 0}).localize(cube))])
    assert "http" not in source.replace("http-equiv", "").lower()


def test_same_case_same_bytes() -> None:
    first, second = (
        render_report([ReportCase("a", cube, Told({0: 0}, {1: 1}).localize(cube))])
        for cube in (a_cube(), a_cube())
    )
    assert first == second


def test_a_report_on_disk_is_the_report(tmp_path: object) -> None:
    cube = a_cube()
    case = ReportCase("a", cube, Told({0: 0}).localize(cube))
    path = write_report(f"{tmp_path}/deep/report.html", [case])
    assert path.read_text(encoding="utf-8") == render_report([case])


def test_several_cases_have_a_summary_with_the_truth() -> None:
    cube = a_cube()
    answer = Told({0: 0}).localize(cube)
    truth = frozenset({AttributeCombination({"site": "S1"}), AttributeCombination({"os": "web"})})
    cases = [ReportCase("one", cube, answer, None, truth), ReportCase("two", cube, answer)]
    page = Page(render_report(cases))
    links = [a["href"] for tag, a in page.elements if tag == "a"]
    anchors = [f"#{a['id']}" for tag, a in page.elements if tag == "section" and "id" in a]
    assert links == anchors == ["#case-1", "#case-2"]
    assert page.text.count("✓ rank 1") == 2
    assert page.text.count("✗ missed") == 2


def test_curves_are_drawn_where_time_is_given() -> None:
    rows = [(60 * t, s, 10.0 if (t < 5 or s == "b") else 2.0) for t in range(6) for s in "ab"]
    table = pl.DataFrame(rows, schema=["minute", "site", "requests"], orient="row")
    history = cube_from_history(table, time="minute", measures=["requests"])
    answer = Told({0: 0}).localize(history.cube)
    page = Page(render_report([ReportCase("a", history.cube, answer, history)]))
    assert page.count("path", "actual") == page.count("path", "expected") == 2
    assert "At 1970-01-01 00:05:00 UTC." in page.text


def test_every_kpi_with_a_root_is_drawn() -> None:
    frame = pl.DataFrame(
        {
            "site": ["a", "b"], "stalls": [9.0, 2.0], "stalls_forecast": [2.0, 2.0],
            "viewers": [99.0, 100.0], "viewers_forecast": [100.0, 100.0],
        }
    )  # fmt: skip
    cube = KpiCube.from_frame(
        frame,
        measures={m: (m, f"{m}_forecast") for m in ("stalls", "viewers")},
        kpis=[Kpi.ratio("stall_ratio", "stalls", "viewers"), Kpi.additive("viewers")],
    )
    page = a_page(cube, Told({0: 0}))
    assert "Shares of the deviation of stall_ratio" in page.text
    assert "Shares of the deviation of viewers" in page.text
    assert "stall_ratio, viewers" in page.text


@pytest.mark.parametrize("cardinality", [1, 2, 39, 40, 41, 300])
def test_any_number_of_elements_can_be_drawn(cardinality: int) -> None:
    page = a_page(a_cube(cardinality), Told({0: 0}))
    shown = min(cardinality, 40)
    hidden = f"{cardinality - shown:,} and 0 more elements"
    assert (hidden in page.text) == (cardinality > 40)


def test_attributes_of_many_elements_are_drawn_in_bounded_space() -> None:
    n = 30_000
    frame = pl.DataFrame(
        {
            "subscriber": [f"u{i}" for i in range(n)],
            "device": [f"d{i * 7 % n}" for i in range(n)],
            "real": [1.0] * (n - 1) + [0.0],
            "predict": [1.0] * n,
        }
    )
    cube = KpiCube.from_frame(frame)
    code = cube.elements[0].index(f"u{n - 1}")
    answer = Told({0: code}).localize(cube)
    (view,) = choose_views(Leaves(cube, cube.kpis[0]), ranked(answer))
    assert view.cells["actual"].shape == (401, 401)
    assert view.cells["actual"].sum() == n - 1
    assert f"u{n - 1}" in view.leaves.cube.elements[0]
    page = a_page(cube, Told({0: code}))
    assert "29,600 others" in page.text
    assert page.count("rect", "badge") == 1


def test_one_attribute_can_be_drawn() -> None:
    frame = pl.DataFrame({"site": ["a", "b"], "real": [5.0, 10.0], "predict": [10.0, 10.0]})
    page = a_page(KpiCube.from_frame(frame), Told({0: 0}))
    assert page.count("rect", "badge") == 1


def test_a_cube_of_nothing_can_be_drawn() -> None:
    frame = pl.DataFrame({"site": ["a", "b"], "real": [0.0, 0.0], "predict": [0.0, 0.0]})
    cube = KpiCube.from_frame(frame)
    page = a_page(cube, Told())
    assert "every leaf is 0" in page.text


def test_what_was_set_aside_is_told() -> None:
    frame = pl.DataFrame(
        {"site": ["a", "b", "c"], "real": [5.0, 10.0, None], "predict": [10.0, 10.0, 1.0]}
    )
    page = a_page(KpiCube.from_frame(frame), Told({0: 0}))
    assert "real: no value: row set aside (1 rows, first 3)" in page.text


def test_a_treemap_fills_its_box() -> None:
    boxes = squarify([6, 6, 4, 3, 2, 2, 1], (0.0, 0.0, 6.0, 4.0))
    areas = [width * height for _, _, width, height in boxes]
    assert areas == pytest.approx([6, 6, 4, 3, 2, 2, 1])
    # Figure 4 of Bruls et al.: the first two share a column three wide.
    assert boxes[0] == pytest.approx((0, 0, 3, 2))
    assert boxes[1] == pytest.approx((0, 2, 3, 2))


def test_answers_without_optional_figures_can_be_shown() -> None:
    answer = Localization("m", ("site", "os", "access"), (), abstained=html.escape("a & b"))
    page = Page(render_report([ReportCase("a", a_cube(), answer)]))
    assert "a &amp; b" in page.text


def test_very_many_roots_are_cut_and_counted() -> None:
    page = a_page(a_cube(60), Told(*({0: code} for code in range(60))))
    assert "40 more are not shown" in page.text
    assert page.count("span", "rank") == 20
