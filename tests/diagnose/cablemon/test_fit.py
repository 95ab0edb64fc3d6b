"""A planted fault is found, chance is not, and the result depends on nothing it should not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from faultsight.core.errors import InputError, SettingError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.polls import NodePolls, PollTable
from faultsight.core.seed import random_stream
from faultsight.core.telemetry import TelemetryFolder
from faultsight.core.tickets import Tickets
from faultsight.diagnose.cablemon import CableMonConfig, CableMonThresholds, fit_cablemon
from faultsight.diagnose.cablemon.generated_features import feature_values
from faultsight.diagnose.preprocessing.collection_periods import (
    collection_periods_s,
    poll_of_ticket,
)

LONGEST_S = 21_600.0
SPAN = TimeWindow(0, 120 * 14_400)
CONFIG = CableMonConfig(windows_polls=(1, 3, 6), weights=(0.4,))
MakeNode = Callable[..., NodePolls]
MakeCalls = Callable[..., Tickets]


def together(parts: list[Tickets]) -> Tickets:
    names = ("ticket_id", "device_id", "opened_s", "closed_s", "is_maintenance", "primary_id")
    whole = Tickets(*(np.concatenate([getattr(p, name) for p in parts]) for name in names))
    return whole.take(np.argsort(whole.opened_s, kind="stable"))


@pytest.fixture
def plant(make_node: MakeNode, make_calls: MakeCalls) -> tuple[list[NodePolls], Tickets]:
    nodes = [make_node(fnode=f"F{i}", faulty=2 if i < 3 else 0) for i in range(5)]
    return nodes, together([make_calls(node) for node in nodes])


def fit(
    nodes: list[NodePolls], tickets: Tickets, config: CableMonConfig = CONFIG, workers: int = 1
) -> CableMonThresholds:
    return fit_cablemon(
        PollTable(nodes), tickets, SPAN, config=config, longest_s=LONGEST_S, workers=workers
    )


def test_the_planted_fault_is_found_with_a_threshold_between_the_modes(
    plant: tuple[list[NodePolls], Tickets],
) -> None:
    found = fit(*plant, replace(CONFIG, windows_polls=(1,), weights=()))
    (only,) = found.selected
    assert (only.metric, only.generated, only.window_polls) == ("snr_db", "AVG", 1)
    assert only.is_below
    # Faulty modems are at 26 dB +- 0.6, healthy ones at 36 dB +- 0.6.
    assert 26.5 < only.threshold < 34.5
    # 6 of 60 modems, half of the time, on both sides of what gaps do.
    assert only.share_of_time == pytest.approx(0.05, abs=0.01)
    assert only.trr > 5
    curve = found.curves[0]
    assert max(curve.trr) >= only.trr
    assert (
        curve.trr[int(np.argmin(np.abs(np.array(curve.thresholds) - only.threshold)))] == only.trr
    )


def test_trr_and_shares_are_those_of_the_polls_called_abnormal(
    plant: tuple[list[NodePolls], Tickets],
) -> None:
    nodes, tickets = plant
    found = fit(nodes, tickets)
    assert len(found.selected) > 0
    for feature, curve in zip(found.selected, found.curves, strict=True):
        alone = replace(found, selected=(feature,), curves=(curve,))
        abnormal_s = normal_s = total_s = 0.0
        n_abnormal = n_normal = n_tickets = 0
        for node in nodes:
            values = feature_values(node, feature.metric, [feature.feature], CONFIG)[0]
            known = ~np.isnan(values).all(axis=1)
            abnormal = alone.abnormal(node, feature.metric)
            # The last polls speak until the span ends, not beyond.
            period_s = collection_periods_s(node, LONGEST_S)
            period_s = np.minimum(period_s, SPAN.end_s - node.time_s)
            asked, _ = poll_of_ticket(node, tickets, LONGEST_S)
            total_s += period_s.sum()
            abnormal_s += period_s[abnormal].sum()
            normal_s += period_s[known & ~abnormal].sum()
            n_tickets += len(asked)
            n_abnormal += int(abnormal[asked].sum())
            n_normal += int((known & ~abnormal)[asked].sum())
        assert feature.share_of_time == pytest.approx(abnormal_s / total_s, rel=1e-7)
        assert feature.share_of_tickets == pytest.approx(n_abnormal / n_tickets)
        trr = (n_abnormal + 0.5) / (n_normal + 0.5) * normal_s / abnormal_s
        assert feature.trr == pytest.approx(trr, rel=1e-7)


def test_metrics_without_a_fault_are_not_selected(plant: tuple[list[NodePolls], Tickets]) -> None:
    assert fit(*plant).metrics == ("snr_db",)


@pytest.mark.parametrize("seed", range(1000, 1008))
def test_calls_by_chance_make_no_threshold(
    seed: int, make_node: MakeNode, make_calls: MakeCalls
) -> None:
    node = make_node(seed, n_devices=40, faulty=0)
    said: list[str] = []
    found = fit_cablemon(
        PollTable([node]), make_calls(node, seed, background=100), SPAN, config=CONFIG,
        longest_s=LONGEST_S, progress=said.append,
    )  # fmt: skip
    assert found.selected == ()
    assert not found.abnormal_in_any(node).any()
    assert said[-1] == "cablemon: no threshold tells tickets; nothing will be abnormal"


def test_without_guards_chance_makes_thresholds(make_node: MakeNode, make_calls: MakeCalls) -> None:
    node = make_node(1000, n_devices=40, faulty=0)
    tickets = make_calls(node, 1000, background=100)
    lax = replace(CONFIG, sureness=0.0, least_time_share=0.0, least_ticket_share=0.0)
    assert len(fit([node], tickets, lax).selected) > 0


def test_any_number_of_workers_finds_the_same(plant: tuple[list[NodePolls], Tickets]) -> None:
    assert fit(*plant, workers=2).to_dict() == fit(*plant, workers=1).to_dict()


def test_from_files_as_from_memory_in_whatever_order(
    plant: tuple[list[NodePolls], Tickets], tmp_path: Path
) -> None:
    nodes, tickets = plant
    folder = TelemetryFolder.create(tmp_path / "pnm", n_buckets=3)
    for node in nodes:
        folder.append(node.to_table())
    order = [node.fnode for node in folder.nodes()]
    assert order != sorted(order)  # else the test says nothing of order
    streamed = fit_cablemon(folder, tickets, SPAN, config=CONFIG, longest_s=LONGEST_S)
    assert streamed.to_dict() == fit(nodes, tickets).to_dict()
    assert streamed.selected


def test_polls_told_twice_change_nothing_but_which_is_kept(
    plant: tuple[list[NodePolls], Tickets],
) -> None:
    nodes, tickets = plant
    doubled = []
    for node in nodes:
        twice = np.repeat(np.arange(node.n_polls), 2)
        time_s = node.time_s[twice]
        time_s[::2] -= 60  # the first telling, which the second one replaces
        values = {name: cells[twice].copy() for name, cells in node.values.items()}
        values["snr_db"][::2] = 5
        doubled.append(
            replace(node, device_start=2 * node.device_start, time_s=time_s, values=values)
        )
    assert fit(doubled, tickets).to_dict() == fit(nodes, tickets).to_dict()


def test_requests_without_an_answer_change_nothing(plant: tuple[list[NodePolls], Tickets]) -> None:
    nodes, tickets = plant
    asked = []
    for node in nodes:
        twice = np.repeat(np.arange(node.n_polls), 2)
        time_s = node.time_s[twice]
        time_s[1::2] += 3600
        values = {name: cells[twice].copy() for name, cells in node.values.items()}
        for cells in values.values():
            cells[1::2] = np.nan
        asked.append(
            replace(
                node,
                device_start=2 * node.device_start,
                time_s=time_s,
                values=values,
                answered=np.arange(len(twice)) % 2 == 0,
            )
        )
    assert fit(asked, tickets).to_dict() == fit(nodes, tickets).to_dict()


def test_only_the_span_counts(plant: tuple[list[NodePolls], Tickets]) -> None:
    nodes, tickets = plant
    half = TimeWindow(0, 60 * 14_400)
    cut = [node.in_window(half) for node in nodes]
    told = fit_cablemon(PollTable(nodes), tickets, half, config=CONFIG, longest_s=LONGEST_S)
    alone = fit_cablemon(
        PollTable(cut), tickets.in_window(half), half, config=CONFIG, longest_s=LONGEST_S
    )
    assert told.to_dict() == alone.to_dict()
    assert told.to_dict() != fit(nodes, tickets).to_dict()


def test_a_fault_of_codewords_is_found_in_their_ratio(
    plant: tuple[list[NodePolls], Tickets],
) -> None:
    """The traffic of modems differs a thousandfold, so the count alone hardly tells."""
    nodes, tickets = plant
    stream = random_stream(1000, "codewords")
    counted = []
    for node in nodes:
        with np.errstate(invalid="ignore"):
            share = np.where(node.values["snr_db"] < 31, 1e-2, 2e-3)
        used = 10 ** stream.uniform(5, 8, node.n_devices)[node.device_of_poll, None]
        sent = np.round(used * stream.uniform(0.9, 1.1, share.shape))
        lost = stream.poisson(sent * share)
        values = {
            "codewords_unerrored": (sent - lost).astype(np.float32),
            "codewords_corrected": np.zeros(share.shape, np.float32),
            "codewords_uncorrectable": lost.astype(np.float32),
        }
        counted.append(replace(node, values=values))
    config = replace(CONFIG, windows_polls=(1,), weights=())
    found = fit(counted, tickets, config)
    best = {feature.metric: feature for feature in reversed(found.selected)}
    ratio = best["codewords_uncorrectable_ratio"]
    assert not ratio.is_below
    assert 2.5e-3 < ratio.threshold < 1e-2
    assert ratio.trr > 5
    count = best.get("codewords_uncorrectable")
    assert count is None or ratio.share_of_tickets > 3 * count.share_of_tickets


def test_thresholds_survive_json(plant: tuple[list[NodePolls], Tickets]) -> None:
    found = fit(*plant)
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    again = CableMonThresholds.from_dict(told)
    assert again == found
    node = plant[0][0]
    np.testing.assert_array_equal(again.abnormal_in_any(node), found.abnormal_in_any(node))


def test_refuses_thresholds_that_are_none(plant: tuple[list[NodePolls], Tickets]) -> None:
    told = fit(*plant).to_dict()
    first = told["selected"][0]
    wrong = [
        {key: value for key, value in told.items() if key != "curves"},
        told | {"curves": []},
        told | {"config": told["config"] | {"unknown": 1}},
        told | {"config": {k: v for k, v in told["config"].items() if k != "smoothing"}},
        told | {"selected": [first | {"metric": "snr"}, *told["selected"][1:]]},
        told | {"selected": [first | {"generated": "AVG", "window_polls": 7}]},
        {"selected": 3},
    ]
    for each in wrong:
        with pytest.raises(InputError, match="no thresholds of CableMon"):
            CableMonThresholds.from_dict(each)


def test_refuses_what_has_no_rate(plant: tuple[list[NodePolls], Tickets]) -> None:
    nodes, tickets = plant
    nobody = tickets.take(np.zeros(len(tickets), np.bool_))
    with pytest.raises(InputError, match="no ticket"):
        fit(nodes, nobody)
    with pytest.raises(InputError, match="no poll"):
        fit([], tickets)
    with pytest.raises(SettingError, match="longer than 0 s"):
        fit_cablemon(PollTable(nodes), tickets, SPAN, longest_s=0.0)
