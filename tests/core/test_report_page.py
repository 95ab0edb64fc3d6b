"""The frame of reports: what it declares, and that nothing leaves it or gets into it."""

import base64
import hashlib
import html
import re

import pytest

from faultsight.core.printable import printable
from faultsight.core.report_page import report_page

DIAGNOSE = "faultsight.diagnose.report"
DETECT = "faultsight.detect.report"
STYLES: tuple[list[str], ...] = (
    [],
    ["faultsight.localize.report"],
    [DETECT],
    [DETECT, "faultsight.bench.detection_report"],
    [DIAGNOSE],
    [DIAGNOSE, "faultsight.story.report"],
)


def inside(tag: str, page: str) -> str:
    """Return what the only element of a kind holds."""
    [found] = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
    return str(found)


@pytest.mark.parametrize("heading", [
    "Cells of Köln, 東京 & Łódź", "</title><script>alert(1)</script>", "</h1><!--",
    "\"><img src=x onload='a()'>", "&lt;b&gt; &#60;", "a\x1b[31m\N{RIGHT-TO-LEFT OVERRIDE}b\nc", "",
])  # fmt: skip
def test_a_heading_is_text_whatever_it_says(heading: str) -> None:
    page = report_page(heading, "")
    assert html.unescape(inside("title", page)) == printable(heading)
    assert html.unescape(inside("h1", page)) == printable(heading)
    assert re.findall(r"<(!?\w+)", page) == [
        "!doctype", "html", "head", "meta", "meta", "meta", "meta", "title", "style", "body",
        "header", "p", "h1", "main",
    ]  # fmt: skip


def test_it_says_language_charset_width_and_schemes_and_keeps_the_order() -> None:
    page = report_page("A", "<section>b</section>", lead="<p>c</p>")
    assert page.startswith("<!doctype html>\n<html lang=en><head><meta charset=utf-8>")
    assert "<meta name=viewport content='width=device-width, initial-scale=1'>" in page
    assert "<meta name=color-scheme content='light dark'>" in page
    assert "<h1>A</h1><p>c</p></header>\n<main><section>b</section></main>" in page


@pytest.mark.parametrize("styles", STYLES)
def test_its_own_style_is_all_that_a_browser_takes(styles: list[str]) -> None:
    page = report_page("A", "", styles=styles)
    style = inside("style", page)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert f'<meta http-equiv="Content-Security-Policy" content="{policy}">' in page
    assert not re.search(r"https?:|//|url\(|@import|<", style)


@pytest.mark.parametrize("styles", STYLES)
def test_every_colour_that_is_used_has_a_light_and_a_dark_value(styles: list[str]) -> None:
    style = inside("style", report_page("A", "", styles=styles))
    names: dict[str, set[str]] = {"": set(), "dark": set()}
    for scheme, rules in re.findall(r"(?:@media.*?(dark|print).*\s*)?:root \{([^}]*)\}", style):
        names.setdefault(scheme, set()).update(re.findall(r"(--[\w-]+):", rules))
    assert names[""] == names["dark"] != set()
    derived = set(re.findall(r"(--[\w-]+): var\(", style))
    assert set(re.findall(r"var\((--[\w-]+)\)", style)) <= names[""] | derived


def test_the_sheet_of_a_report_follows_the_one_that_all_share() -> None:
    shared, one, two = (
        inside("style", report_page("A", "", styles=styles)) for styles in (STYLES[0], *STYLES[-2:])
    )
    assert len(shared) < len(one) < len(two)
    assert one.startswith(shared)
    assert two.startswith(one)
