"""The demo, tiny: its page and JSON say the same, the same seed gives the same bytes."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faultsight.app.alarms import AlarmFilter
from faultsight.app.build import open_application
from faultsight.core.errors import InputError, SettingError
from faultsight.core.incident import IncidentRecord
from faultsight.story import Lived, Provider, ProviderConfig, live_through, simulate_provider
from faultsight.story.arrange import arrange
from faultsight.story.played_operator import TrueAnswers
from faultsight.story.report import Told, render_story, tell
from faultsight.story.report.week_section import figure_text

TINY = ProviderConfig(
    n_stations=6, n_fnodes=2, modems=(20, 30), history_days=3, week_days=2, cdn_requests=0.02,
    seed=1000,
)  # fmt: skip
FEEDS = ("stations", "cdn", "cable")


@dataclass(frozen=True)
class Demo:
    lived: Lived
    told: Told
    page: str


def made(folder: Path, hours_per_tick: int) -> Demo:
    lived = live_through(folder, simulate_provider(TINY), hours_per_tick=hours_per_tick)
    told = tell(lived)
    return Demo(lived, told, render_story(told, {"localize": "localize.html"}))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Any:
    told = made(tmp_path_factory.mktemp("demo") / "state", 12)
    yield told
    told.lived.application.close()


@pytest.fixture(scope="module")
def provider() -> Provider:
    return simulate_provider(TINY)


class _Page(HTMLParser):
    """Collects ids, links, figures, and every tag."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.tags: set[str] = set()
        self.figures: dict[str, str] = {}
        self._at = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.tags.add(tag)
        self.ids.add(told.get("id") or "")
        if told.get("href"):
            self.links.add(str(told["href"]))
        self._at = told.get("data-figure") or ""

    def handle_data(self, data: str) -> None:
        if self._at:
            self.figures[self._at] = data
            self._at = ""


def test_the_page_tells_three_incidents_and_runs_and_loads_nothing(demo: Demo) -> None:
    page = _Page(demo.page)
    assert {"summary", *FEEDS, "lessons", "second-week", "made"} <= page.ids
    assert {one["feed"] for one in demo.told.document["incidents"]} == set(FEEDS)
    assert not page.tags & {"script", "img", "iframe", "link", "object", "form"}
    outside = {link for link in page.links if not link.startswith("#")}
    assert outside == {"localize.html", "report.json"}
    assert {link[1:] for link in page.links if link.startswith("#")} <= page.ids


def test_every_figure_of_the_page_is_that_of_the_json(demo: Demo) -> None:
    week = json.loads(json.dumps(demo.told.document))["second_week"]
    shown = _Page(demo.page).figures
    assert len(shown) == 2 * (2 * (6 + 4) + 6)
    for place, text in shown.items():
        value: Any = week
        for step in place.split("."):
            value = value[step]
        assert text == figure_text(value), place


def test_the_same_seed_gives_the_same_bytes_however_often_the_loop_looks(
    demo: Demo, tmp_path: Path
) -> None:
    again = made(tmp_path / "state", 12)
    again.lived.application.close()
    assert again.page == demo.page
    assert json.dumps(again.told.document) == json.dumps(demo.told.document)


def test_hostile_names_stay_text(demo: Demo) -> None:
    hostile = "<script>alert(1)</script>\N{RIGHT-TO-LEFT OVERRIDE}&\"'"
    document = json.loads(
        json.dumps(demo.told.document).replace("nothing was wrong", "<script>alert(2)</script>")
    )
    for one in document["incidents"]:
        for event in one["feedback"]:
            event["reason"] = hostile
        for pattern in one["incident"]["patterns"]:
            pattern["combination"] = [[hostile, hostile]]
            pattern["note"] = hostile
    for jobs in document["lessons"].values():
        for job in jobs:
            job["why"] = hostile
    cases = tuple(
        replace(
            case,
            incident=_renamed(case.incident, hostile),
            alarms=tuple(_with_kpis(alarm, hostile) for alarm in case.alarms),
            curves=tuple(
                replace(curve, alarm=_with_kpis(curve.alarm, hostile)) for curve in case.curves
            ),
        )
        for case in demo.told.kpi_cases
    )
    cable = demo.told.cable_case
    assert cable is not None
    cable = replace(cable, incident=_renamed(cable.incident, hostile), truth=("service", hostile,
                    hostile))  # fmt: skip
    page = render_story(Told(document, cases, cable, {}), {"localize": "localize.html"})
    told = _Page(page)
    assert "script" not in told.tags
    assert "&lt;script&gt;alert(1)" in page
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in page


def _renamed(incident: IncidentRecord, name: str) -> IncidentRecord:
    return replace(incident, title=name, scope=((name, name),))


def _with_kpis(alarm: Any, name: str) -> Any:
    told = {**alarm.to_dict(), "entity": name, "kpis": [[name, 1.0]]}
    return type(alarm).from_dict(told)


def test_the_operator_answers_as_the_truth_says(demo: Demo) -> None:
    truth = TrueAnswers(demo.lived.provider)
    ops = demo.lived.application.ops
    said = 0
    for feed in ("stations", "cdn"):
        for event in ops.feedback.events(feed):
            if event.kind.value not in ("confirm", "reject", "missed"):
                continue
            assert event.entity is not None
            assert event.window is not None
            is_fault = bool(truth.faults(feed, event.entity, event.window))
            assert is_fault == (event.kind.value != "reject")
            assert event.window.end_s <= TINY.first_week.end_s
            said += 1
    counted = demo.told.document["answers"]
    assert said == sum(counted.get(kind, 0) for kind in ("confirm", "reject", "missed"))
    assert said > 0


def test_the_state_goes_on_in_a_new_process(demo: Demo) -> None:
    with open_application(demo.lived.folder) as application:
        for one in demo.told.document["incidents"]:
            stored = application.incidents.get(one["incident"]["id"])
            assert stored.title == one["incident"]["title"]
            page = application.alarms.page(
                AlarmFilter(incident_id=stored.id), after=None, limit=100
            )
            assert {alarm.id for alarm in page.items} == set(stored.alarm_ids)
        assert application.settings.learning.tune_every_days == 0


def test_no_moment_of_the_real_clock_gets_into_what_is_stored(demo: Demo) -> None:
    ops, end_s = demo.lived.application.ops, TINY.second_week.end_s
    moments = [event.at_s for feed in FEEDS for event in ops.feedback.events(feed)]
    moments += [model.created_s for model in ops.models.page(None).items]
    assert moments
    assert all(TINY.start_s <= moment <= end_s for moment in moments)


def test_a_state_is_never_written_over(demo: Demo, provider: Provider) -> None:
    with pytest.raises(InputError, match="state already"):
        arrange(demo.lived.folder, provider)


@pytest.mark.parametrize(
    ("setting", "value"), [("n_stations", 0), ("week_days", 1), ("cdn_interval_s", 7)]
)
def test_what_cannot_be_is_refused(setting: str, value: Any) -> None:
    with pytest.raises(SettingError, match=setting):
        ProviderConfig(**{setting: value})


def test_tickets_tell_nothing_of_the_future(provider: Provider) -> None:
    until_s = TINY.first_week.start_s
    known = provider.tickets(until_s)
    assert known.height < provider.tickets(TINY.second_week.end_s + 10**9).height
    for column in ("opened", "closed"):
        stamps = known[column].drop_nulls().dt.epoch("s")
        assert stamps.len() == 0 or int(stamps.max()) <= until_s  # type: ignore[arg-type]


@given(st.floats(0, 1e6) | st.integers(0, 10**6) | st.none())
def test_figures_are_told_without_loss(value: float | None) -> None:
    rounded = round(value, 3) if isinstance(value, float) else value
    text = figure_text(rounded)
    if rounded is None:
        assert text == "not defined"
    else:
        assert re.fullmatch(r"\d+(\.\d{3})?", text)
        assert float(text) == rounded


def test_feeds_without_an_incident_are_told_without_a_link(demo: Demo) -> None:
    document = {**demo.told.document, "incidents": []}
    page = _Page(render_story(Told(document, (), None, {}), {}))
    assert {link for link in page.links if link.startswith("#")} == set()
    assert not set(FEEDS) & page.ids
