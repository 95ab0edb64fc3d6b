"""The page about faults: what it shows, what it leaves out, and that no name can act on it."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.plant import Plant
from faultsight.core.polls import NodePolls, PollTable
from faultsight.core.tickets import Tickets, read_tickets
from faultsight.diagnose.contract import DAY_S, Diagnosis, NodeDiagnosis, Verdict
from faultsight.diagnose.faults import (
    Dispatch,
    Fault,
    FaultMember,
    FeatureEvidence,
    dispatch_list,
    tell_kinds,
    tell_recurrence,
    track_faults,
    with_tickets,
)
from faultsight.diagnose.report import render_report, write_report
from faultsight.diagnose.report.axes import TimeAxes
from faultsight.diagnose.report.candidates import candidates_of, telling_window
from faultsight.diagnose.report.curves import answers, curves
from faultsight.diagnose.report.fault_polls import FaultPolls
from faultsight.diagnose.report.fault_section import section
from faultsight.diagnose.report.plant_map import amplifier_tree, street_map
from faultsight.diagnose.telapart import TelApart
from faultsight.sim.cable_plant import CablePlantConfig, simulate_node

VOID = {"meta", "br"}
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=http://evil.example/x onerror=alert(1)>',
    "</style></title><link rel=stylesheet href=//evil.example>",
    "' onload='alert(1)",
    "\x1b[31m \u202e &amp; {{7*7}}",
    "名字" * 40,
)
SECTIONS = ["dispatch", "faults", "verdicts", "figures", "ledger", "thresholds", "aside"]


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

    def of(self, tag: str, **wanted: str) -> list[dict[str, str | None]]:
        return [a for t, a in self.elements if t == tag and wanted.items() <= a.items()]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@dataclass(frozen=True, eq=False)
class Case:
    telemetry: PollTable
    tickets: Tickets
    plant: Plant
    model: TelApart
    diagnosis: Diagnosis
    faults: list[Fault]
    dispatch: list[Dispatch]

    def page(self, **changes: Any) -> str:
        given: dict[str, Any] = {
            "faults": self.faults, "dispatch": self.dispatch, "telemetry": self.telemetry,
            "plant": self.plant, "tickets": self.tickets, "model": self.model, **changes,
        }  # fmt: skip
        return render_report(changes.pop("diagnosis", self.diagnosis),
                             **{k: v for k, v in given.items() if k != "diagnosis"})  # fmt: skip


@pytest.fixture(scope="module")
def case() -> Case:
    config = CablePlantConfig(n_fnodes=4, days=28, modems=(80, 110))
    nodes = [simulate_node(config, index, seed=1040) for index in range(config.n_fnodes)]
    telemetry = PollTable([node.polls for node in nodes])
    tickets = read_tickets(pl.concat([node.tickets for node in nodes]))
    plant = Plant.from_table(pl.concat([node.topology for node in nodes]))
    half = TimeWindow(config.start_s, config.start_s + 14 * DAY_S)
    model = TelApart().fit(telemetry, tickets, window=half, workers=1)
    found = model.diagnose(telemetry, window=TimeWindow(half.end_s, config.end_s), workers=1)
    faults = tell_kinds(
        with_tickets(track_faults(found), tickets), telemetry=telemetry, plant=plant
    )
    faults = tell_recurrence(faults, telemetry)
    return Case(telemetry, tickets, plant, model, found, faults, dispatch_list(faults))


@pytest.fixture(scope="module")
def text(case: Case) -> str:
    return case.page()


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_every_section_is_there_and_draws_something(page: Page, case: Case) -> None:
    assert [a["id"] for a in page.of("section")] == SECTIONS
    for kind in ("median", "one", "others", "missing", "dot in", "tree own", "criterion"):
        assert page.of("path", **{"class": kind}), kind
    assert page.of("rect", **{"class": "blamed"})
    assert page.of("line", **{"class": "cut"})
    n_faults = min(len(case.dispatch), 20)
    assert len(page.of("article")) == n_faults
    sending = [d for d in case.dispatch if d.advice == "send"]
    assert len(sending) >= 1
    for told in sending[:20]:
        assert page.of("a", href=f"#{told.fault.fault_id}")


def test_the_headline_counts_what_is_to_do(page: Page, case: Case) -> None:
    plant = [d for d in case.dispatch
             if d.advice == "send" and d.fault.verdict == Verdict.MAINTENANCE]  # fmt: skip
    homes = [d for d in case.dispatch
             if d.advice == "send" and d.fault.verdict == Verdict.SERVICE]  # fmt: skip
    if plant:
        assert re.search(rf"{len(plant)} faults? of the shared plant", page.text)
    if homes:
        assert re.search(rf"{len(homes)} faults? in single homes", page.text)
    nobody = Page(case.page(faults=[], dispatch=[]))
    assert "Nobody needs to be sent." in nobody.text
    assert not nobody.of("article")


def test_what_has_no_section_is_counted(case: Case) -> None:
    one = Page(case.page(most_faults=1))
    assert len(one.of("article")) == 1
    assert f"{len(case.dispatch) - 1:,} faults of lower rank" in one.text
    assert one.of("article")[0]["id"] == case.dispatch[0].fault.fault_id


def test_the_page_asks_nobody_and_runs_nothing(text: str, page: Page) -> None:
    policy = str(page.of("meta", **{"http-equiv": "Content-Security-Policy"})[0]["content"])
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    assert not page.of("script")
    assert not page.of("link")
    for tag, attributes in page.elements:
        assert not {"style", "src", "onload", "onclick", "onerror"} & attributes.keys(), tag
        href = str(attributes.get("href", "#"))
        assert href.startswith("#")
    assert "url(" not in text
    assert "http" not in re.sub(r"http-equiv", "", text)


def test_the_same_input_gives_the_same_bytes(text: str, case: Case, tmp_path: Path) -> None:
    path = write_report(
        tmp_path / "new" / "faults.html", case.diagnosis, faults=case.faults,
        dispatch=case.dispatch, telemetry=case.telemetry, plant=case.plant,
        tickets=case.tickets, model=case.model,
    )  # fmt: skip
    assert path.read_text(encoding="utf-8") == text


def test_twenty_faults_stay_below_two_megabytes(text: str, page: Page) -> None:
    assert len(page.of("article")) == 20
    assert len(text.encode()) < 2_000_000


def test_it_needs_neither_plant_nor_tickets_nor_model(case: Case) -> None:
    told = Page(case.page(plant=None, tickets=None, model=None))
    assert not told.of("path", **{"class": "tree"})
    assert not told.of("path", **{"class": "dot in"})
    assert "thresholds" not in [a["id"] for a in told.of("section")]
    assert told.of("path", **{"class": "median"})


def figures_of(tickets: Tickets | None, tuned_on: TimeWindow | None = None) -> str:
    """Return the section of six fiber nodes of four modems, of which two share a fault for a day.

    In each, one of the two modems with a fault calls, in the third hour.
    """
    day = TimeWindow(0, DAY_S)
    verdict = np.array([Verdict.MAINTENANCE] * 2 + [Verdict.HEALTHY] * 2, np.int8)
    nodes, faults = [], []
    for i in range(6):
        ids = tuple(f"m{i}{letter}" for letter in "abcd")
        nodes.append(NodeDiagnosis(f"F{i}", day, ids, verdict, np.full(4, float(DAY_S))))
        members = tuple(FaultMember(device, 0, DAY_S, 1) for device in ids[:2])
        faults.append(Fault(f"f{i}", f"F{i}", Verdict.MAINTENANCE, members, 0, DAY_S, True, (day,),
                            250, 0, ()))  # fmt: skip
    faults = faults if tickets is None else with_tickets(faults, tickets)
    text = render_report(
        Diagnosis("by hand", tuple(nodes), (day,)), faults=faults, dispatch=[],
        telemetry=PollTable([]), tickets=tickets, tuned_on=tuned_on,
    )  # fmt: skip
    found = re.search(r"<section id=figures>(.*?)</section>", text, re.DOTALL)
    assert found
    return found[1]


def calls(hour: int, *, kind: str = "maintenance") -> Tickets:
    return read_tickets(pl.DataFrame(
        [(f"t{i}", f"m{i}a", f"1970-01-01T{hour:02d}:00Z", None, kind) for i in range(6)],
        schema=["ticket_id", "device_id", "opened", "closed", "kind"], orient="row",
        schema_overrides={"closed": pl.String},
    ))  # fmt: skip


def test_who_calls_and_whether_tickets_agree_by_hand() -> None:
    told = figures_of(calls(3))
    cells = re.findall(r"<td[^>]*>(?:<div>)?(.*?)(?:</div>)?</td>", told)
    chip = "<span class='chip maintenance'>maintenance</span>"
    assert cells[:10] == [
        chip, "6", "1 day", "1 day", "100 %", "100 %", "50 %", "50 %", "6", "0 %",
    ]  # fmt: skip
    # A ticket in two days of modems with the verdict, where chance has one in four.
    dash = "\N{EN DASH}"
    assert cells[10:16] == [
        "diagnosed maintenance", "2 (2 to 2)", dash, "diagnosed service", dash, dash,
    ]  # fmt: skip
    names = [
        "mM \N{MINUS SIGN} sM",
        "mM \N{MINUS SIGN} mS",
        "sS \N{MINUS SIGN} mS",
        "sS \N{MINUS SIGN} sM",
    ]
    assert cells[16:] == [word for name in names for word in (name, dash, dash)]
    assert "maintenance tickets gather 2.0 times as densely as by chance where maint" in told
    assert "evidence" not in told


def test_invariants_are_told_to_hold_or_not() -> None:
    mixed = calls(3)
    told = figures_of(replace(mixed, is_maintenance=np.arange(6) < 3))
    rows = dict(re.findall(r"<tr><td>(.. . ..)</td><td class=n>(.*?)</td><td>.*?</td></tr>", told))
    assert rows["mM \N{MINUS SIGN} sM"] == "0", "too few fiber nodes call for each kind"
    assert ">no</td>" in told
    assert "2 (2 to 2)" not in told


def test_tickets_that_were_learned_from_are_no_evidence() -> None:
    told = figures_of(calls(3), tuned_on=TimeWindow(0, 2 * DAY_S))
    assert "6 of the 6 tickets are no independent evidence" in told
    assert "evidence" not in figures_of(calls(3), tuned_on=TimeWindow(0, 3 * 3600))


def test_without_tickets_of_the_time_nobody_is_said_to_be_silent() -> None:
    yesterday = replace(calls(3), opened_s=np.full(6, -1.0))
    for tickets in (None, yesterday):
        told = figures_of(tickets)
        cells = re.findall(r"<td[^>]*><div>(.*?)</div></td>", told)
        assert cells[1:] == ["6", "1 day", "1 day", *["\N{EN DASH}"] * 6]
        assert "agree" not in told


def test_every_table_can_become_cards(page: Page) -> None:
    """On a narrow screen each cell brings its own label."""
    for kind in page.of("table"):
        assert kind.get("class") in ("cards", None)
    cells = page.of("td")
    assert any("data-label" in cell for cell in cells)
    assert page.of("meta", name="viewport")


def hostile_case(case: Case) -> Case:
    """Return the case with every name replaced by one that tries to act."""
    fnodes = {fnode: f"{HOSTILE[i]}{fnode}" for i, fnode in enumerate(case.telemetry.fnodes)}
    polls: list[NodePolls] = []
    renamed: dict[str, str] = {}
    for node in case.telemetry.nodes():
        ids = tuple(
            sorted(f"{HOSTILE[i % len(HOSTILE)]}{d}" for i, d in enumerate(node.device_ids))
        )
        # A rank keeps its polls: names are sorted, so the data of a modem go to another name.
        renamed.update(zip(node.device_ids, ids, strict=True))
        channels = tuple(f"{HOSTILE[0]}{c}" for c in node.channels)
        polls.append(replace(node, fnode=fnodes[node.fnode], device_ids=ids, channels=channels))
    table = pl.DataFrame(
        [
            (renamed[p.device_id], fnodes[p.fnode], HOSTILE[1] + p.amplifier, "",
             HOSTILE[2] + p.tap, p.latitude, p.longitude)
            for p in case.plant.places.values()
        ],
        schema=["device_id", "fnode", "amplifier", "amplifier_parent", "tap", "latitude",
                "longitude"],
        orient="row",
    )  # fmt: skip
    tickets = replace(
        case.tickets,
        ticket_id=np.array([f"{HOSTILE[3]}{t}" for t in case.tickets.ticket_id]),
        device_id=np.array([renamed.get(d, d) for d in case.tickets.device_id.tolist()]),
    )
    telemetry, plant = PollTable(polls), Plant.from_table(table)
    model = TelApart(case.model.config)
    model.scores, model.similarity, model.is_fitted = (
        case.model.scores, case.model.similarity, True,
    )  # fmt: skip
    windows = case.diagnosis.windows
    span = TimeWindow(windows[0].start_s, windows[-1].end_s)
    found = replace(model.diagnose(telemetry, window=span, workers=1), diagnoser=HOSTILE[0])
    faults = tell_kinds(
        with_tickets(track_faults(found), tickets), telemetry=telemetry, plant=plant
    )
    return Case(telemetry, tickets, plant, model, found, faults, dispatch_list(faults))


def test_hostile_names_are_shown_and_do_nothing(case: Case) -> None:
    hostile = hostile_case(case)
    assert len(hostile.faults) > 10
    text = hostile.page(title=HOSTILE[0])
    page = Page(text)
    assert not page.of("script")
    assert not page.of("img")
    assert not page.of("link")
    for tag, attributes in page.elements:
        assert not {"onerror", "onload", "src"} & attributes.keys(), tag
    assert "\u202e" not in text
    assert "\x1b" not in text
    assert "<script>alert(1)</script>" in page.text
    assert "{{7*7}}" in text
    assert len(text.encode()) < 4_000_000


def gapped(answered_again: bool = False) -> tuple[Fault, NodePolls]:
    """Return eight modems polled for twelve days, of which six miss two days of the fault."""
    time_s = np.arange(72) * 14_400.0 + 1800
    is_out = (time_s >= 8 * DAY_S) & (time_s < 10 * DAY_S)
    starts, times = [0], []
    for device in range(8):
        mine = time_s if device >= 6 or answered_again else time_s[~is_out]
        times.append(mine)
        starts.append(starts[-1] + len(mine))
    level = [np.where((t >= 7 * DAY_S) & (t < 11 * DAY_S), 30.0, 36.0) for t in times]
    polls = NodePolls(
        "F", tuple("abcdefgh"), ("1",), np.array(starts), np.concatenate(times),
        {"snr_db": np.concatenate(level).astype(np.float32)[:, None]},
    )  # fmt: skip
    start_s, end_s = 7 * DAY_S, 11 * DAY_S
    fault = Fault(
        "f1", "F", Verdict.MAINTENANCE,
        tuple(FaultMember(d, start_s, end_s, 4) for d in "abcdef"), start_s, end_s, False,
        tuple(TimeWindow(d * DAY_S, (d + 1) * DAY_S) for d in range(7, 11)), 8, 4,
        (FeatureEvidence("snr", 4, 24, 6, 6),),
    )  # fmt: skip
    return fault, polls


def pens(picture: str, kind: str) -> int:
    """Return how many strokes the paths of a class have."""
    return sum(d.count("M") for d in re.findall(rf'd="([^"]*)" class="{kind}"', picture))


def test_a_gap_stays_a_gap_and_is_marked() -> None:
    gap, _ = curves(FaultPolls.of(*gapped()), "snr_db")
    whole, _ = curves(FaultPolls.of(*gapped(answered_again=True)), "snr_db")
    assert pens(gap, "median") == 2 * pens(whole, "median") == 2
    assert pens(gap, "one") == 2 * pens(whole, "one") == 12
    assert pens(gap, "missing") == 12, "two days of six rounds"
    assert pens(whole, "missing") == 0
    assert pens(gap, "others") == 0, "two others are too few for a median"


def test_answers_are_drawn_row_by_row() -> None:
    seen = FaultPolls.of(*gapped())
    missed, is_lost = seen.missed()
    assert missed.shape[0] == 6
    assert missed.sum() == 6 * 12
    assert not is_lost.any()
    picture, caption = answers(seen)
    assert pens(picture, "answer gone") == 6 * 12
    assert "a row for each member" in caption


def test_who_takes_part_now_and_then_is_told_apart_from_members() -> None:
    """A dispatch list counts lasting members; the section must not tell another number."""
    members = (FaultMember("a", 0, 9 * DAY_S, 9), FaultMember("b", 0, DAY_S, 1))
    windows = tuple(TimeWindow(day * DAY_S, (day + 1) * DAY_S) for day in range(9))
    fault = Fault("f1", "F", Verdict.SERVICE, members, 0, 9 * DAY_S, True, windows, 100, 0, ())
    (told,) = dispatch_list([fault])
    text = section(told, None, None, None)
    assert "<summary>1 member, 1 more now and then</summary>" in text
    takes_part = re.findall(r"<div>([ab])</div></td><td[^>]*><div>([a-z ]+)</div>", text)
    assert takes_part == [("a", "all along"), ("b", "now and then")]
    (alone,) = dispatch_list([replace(fault, members=members[:1])])
    assert "<summary>1 member</summary>" in section(alone, None, None, None)


def test_a_round_that_the_poller_lost_is_not_the_members_fault() -> None:
    fault, polls = gapped(answered_again=True)
    lost = (polls.time_s > 9 * DAY_S) & (polls.time_s < 9 * DAY_S + 14_400)
    seen = FaultPolls.of(fault, polls.take(~lost))
    _, is_lost = seen.missed()
    assert is_lost.sum() == 1
    picture, _ = curves(seen, "snr_db")
    assert pens(picture, "missing lost") == 1
    assert pens(picture, "missing") == 0


def test_a_fault_without_history_is_measured_against_what_is_drawn() -> None:
    fault, polls = gapped(answered_again=True)
    late = polls.in_window(TimeWindow(fault.start_s, 12 * DAY_S))
    seen = FaultPolls.of(fault, late)
    _, changes = seen.changes("snr_db", 0, seen.members)
    assert np.nanmax(np.abs(changes)) == pytest.approx(6.0)


def test_a_member_without_a_poll_in_what_is_drawn_is_told_and_drawn_as_missing() -> None:
    """A modem that was switched off for good more than two days before the fault's first window."""
    fault, polls = gapped(answered_again=True)
    device = np.repeat(np.arange(8), np.diff(polls.device_start))
    gone = polls.take((device > 0) | (polls.time_s < 4 * DAY_S))
    off = replace(fault, verdict=Verdict.SERVICE, members=fault.members[:1],
                  evidence=(FeatureEvidence("missing", 4, 4, 1, 1),))  # fmt: skip
    seen = FaultPolls.of(off, gone)
    times, median = seen.by_round(*seen.changes("snr_db", 0, seen.members))
    assert np.isnan(times).all()
    assert np.isnan(median).all()
    assert len(times) == seen.n_rounds
    (told,) = dispatch_list([off])
    text = section(told, seen, None, None)
    assert pens(text, "median") == 0
    assert pens(text, "others") >= 1
    assert pens(text, "answer gone") == seen.n_rounds


def test_lines_break_where_polls_are_missing_and_stay_small() -> None:
    axes = TimeAxes(0, 0, 100, 100, (0.0, 10.0), (0.0, 10.0))
    times = np.array([[0.0, 1.0, 2.0, 5.0, 6.0, 9.0]])
    path = axes.lines(times, times, "k", longest_s=1.5)
    assert path.count("M") == 3
    assert path.endswith('h0" class="k"></path>'), "a point alone is a dot"
    many = np.linspace(0, 10, 100_000)[None]
    assert len(axes.lines(many, many * 0, "k", longest_s=1.0)) < 1000
    spikes = many * 0
    spikes[0, 50_000] = 10.0
    assert "-100" in axes.lines(many, spikes, "k", longest_s=1.0), "a short dip is not lost"


def test_the_dendrogram_holds_the_groups_of_the_diagnosis(case: Case) -> None:
    seen = 0
    for fault in case.faults:
        if fault.verdict != Verdict.MAINTENANCE:
            continue
        feature = fault.features[0]
        window = telling_window(case.diagnosis, fault, feature)
        assert window is not None
        span = TimeWindow(window.start_s - 10 * DAY_S, window.end_s)
        (polls,) = case.telemetry.nodes(span, fnodes=[fault.fnode])
        told = candidates_of(case.model, polls, window, feature)
        assert told is not None
        day = next(d for d in case.diagnosis.nodes
                   if d.fnode == fault.fnode and d.window == window)  # fmt: skip
        for group in day.groups:
            if group.feature == feature:
                mine = {day.device_ids[i] for i in group.members.tolist()}
                # Milder members joined a group that had been made without them.
                assert len(mine & set(told.device_ids)) == group.n_anomalous
        seen += 1
    assert seen >= 1


def test_the_tree_shows_every_modem_once(case: Case) -> None:
    fault = next(f for f in case.faults if f.verdict == Verdict.MAINTENANCE)
    here = [d for d, p in case.plant.places.items() if p.fnode == fault.fnode]
    picture, caption = amplifier_tree(case.plant, fault, frozenset(here))
    assert pens(picture, "dot in") == len(fault.lasting_members & set(here))
    assert pens(picture, "dot in") + pens(picture, "dot out") == len(here)
    assert "left out" not in caption
    homes, _ = street_map(case.plant, fault)
    assert pens(homes, "dot in") + pens(homes, "dot out") == len(here)
    assert amplifier_tree(Plant(), fault, frozenset()) == ("", "")
    assert street_map(Plant(), fault) == ("", "")


def test_a_large_node_shows_the_amplifiers_that_matter(case: Case) -> None:
    table = pl.DataFrame(
        {
            "device_id": [f"m{i:04d}" for i in range(400)],
            "fnode": ["F"] * 400,
            "amplifier": [f"A{i // 2:03d}" for i in range(400)],
        }
    )
    members = tuple(FaultMember(f"m{i:04d}", 0, DAY_S, 1) for i in range(6))
    fault = replace(case.faults[0], fnode="F", members=members, place=None)
    picture, caption = amplifier_tree(Plant.from_table(table), fault, frozenset())
    assert "197 amplifiers without a member are left out" in caption
    assert pens(picture, "dot in") == 6
