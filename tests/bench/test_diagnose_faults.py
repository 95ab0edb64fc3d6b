"""diagnose/faults on tiny plants."""

from __future__ import annotations

import numpy as np
import pytest

from faultsight.bench.diagnoses import every_diagnoser
from faultsight.bench.engine import BenchResult, Context, run_scenario
from faultsight.bench.fault_identity import NO_FAULT, identify
from faultsight.bench.fault_tellers import TELLERS, PlantRun
from faultsight.bench.scenarios.diagnose_faults import DiagnoseFaults
from faultsight.bench.simulated_plants import simulated_plant
from faultsight.bench.true_faults import TrueFault, all_knowing, true_faults
from faultsight.core.errors import UnknownMemberError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.diagnose import Verdict
from faultsight.diagnose.contract import DAY_S, windows_of
from faultsight.diagnose.faults import Fault, FaultMember
from faultsight.sim.cable_plant import CablePlantConfig

_TINY = CablePlantConfig.stress(
    n_fnodes=3, days=28, modems=(50, 60), with_counters=True, with_pre_equalization=True
)
_KINDS = ("maintenance", "service")


def _run(**settings: object) -> BenchResult:
    context = Context(**{"seed": 1000, "cases": 2, **settings})  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DiagnoseFaults, "plants", {"tiny": _TINY})
        return run_scenario("diagnose/faults", context)


@pytest.fixture(scope="module")
def result() -> BenchResult:
    return _run()


@pytest.fixture(scope="module")
def run() -> PlantRun:
    return PlantRun(simulated_plant(_TINY, seed=1000, train_share=0.5))


def _figure(result: BenchResult, method: str, kind: str, name: str) -> float:
    for row in result.rows:
        if (row["method"], row["kind"]) == (method, kind):
            told = row[name]
            return np.nan if told is None else float(told)
    raise KeyError(method)


def test_every_teller_has_a_row_of_each_kind(result: BenchResult) -> None:
    assert [(row["method"], row["kind"]) for row in result.rows] == [
        (method, kind) for method in TELLERS for kind in _KINDS
    ]
    for row in result.rows:
        assert (row["seeds"], row["fiber_nodes"]) == (2, 3)
        assert set(DiagnoseFaults.shown) <= set(row)
        assert {"duration_h_p80_low", "found_share_high", "reported_within_4_h"} <= set(row)
    assert [row["kind"] for row in result.summary] == list(_KINDS)


def test_every_diagnoser_that_names_groups_tells_of_faults(result: BenchResult) -> None:
    assert set(every_diagnoser()) - set(TELLERS) == {"random_verdict", "majority"}
    for plant in DiagnoseFaults.plants.values():
        assert plant.with_counters
        assert plant.with_pre_equalization
    for name in ("pre_equalization_grouping", "spectrum_dbscan"):
        assert sum(_figure(result, name, kind, "faults") for kind in _KINDS) > 0


def test_who_knows_all_finds_nearly_all_and_the_truth_is_not_compared(result: BenchResult) -> None:
    for kind in _KINDS:
        # Of two faults in a row of the same modems, tracking makes one.
        assert _figure(result, "truth-tracked", kind, "found_right_share") > 0.85
        assert _figure(result, "truth-tracked", kind, "no_fault_share") == 0
        assert np.isnan(_figure(result, "truth", kind, "found_share"))
        assert _figure(result, "truth", kind, "faults") > 0


def test_telapart_is_near_the_truth_and_its_faults_told_elsewhere_are_not(
    result: BenchResult,
) -> None:
    for kind in _KINDS:
        assert _figure(result, "telapart", kind, "found_share") > 0.3
        assert _figure(result, "telapart", kind, "no_fault_share") < 0.4
        same = _figure(result, "telapart", kind, "faults")
        assert _figure(result, "random_faults", kind, "faults") == same
    found = _figure(result, "telapart", "service", "found_right_share")
    assert _figure(result, "random_faults", "service", "found_right_share") < found / 2
    for kind in _KINDS:
        no_fault = _figure(result, "telapart", kind, "no_fault_share")
        assert _figure(result, "random_faults", kind, "no_fault_share") > no_fault + 0.2


def test_tickets_know_their_own_kind_and_no_more(result: BenchResult) -> None:
    for kind in _KINDS:
        assert _figure(result, "tickets", kind, "reported_within_4_h") == 1
        assert _figure(result, "tickets", kind, "wrong_tickets") == 0
        assert _figure(result, "tickets", kind, "found_share") < 0.6


def test_a_day_without_a_sign_bridged_makes_fewer_faults(result: BenchResult) -> None:
    def faults(method: str) -> float:
        return sum(_figure(result, method, kind, "faults") for kind in _KINDS)

    assert 0 < faults("telapart/bridged=1") <= faults("telapart")


def test_the_same_seed_gives_the_same_figures(result: BenchResult) -> None:
    methods = ("random_faults", "tickets")
    again = [str(row) for row in _run(methods=methods).rows]
    assert sorted(again) == sorted(str(row) for row in result.rows if row["method"] in methods)


def test_no_further_plant_is_begun_when_the_seconds_are_spent() -> None:
    rows = _run(methods=("truth",), seconds=1e-9).rows
    assert {(row["seeds"], row["seeds_asked"]) for row in rows} == {(1, 2)}


def test_what_does_not_exist_is_named() -> None:
    with pytest.raises(UnknownMemberError, match="nobody"):
        _run(methods=("nobody",))
    with pytest.raises(UnknownMemberError, match="nowhere"):
        _run(datasets=("nowhere",))


def test_true_faults_are_those_of_the_simulator(run: PlantRun) -> None:
    node = run.plant.nodes[0]
    found = true_faults(node)
    assert len(found) == int((node.faults["kind"] != "benign").sum())
    first_s = run.plant.train.start_s
    days = windows_of(TimeWindow(first_s, first_s + _TINY.days * DAY_S))
    states = node.states([w.start_s for w in days], [w.end_s for w in days])
    acts = np.zeros((2, len(days), node.polls.n_devices), bool)
    for fault in found:
        members = np.searchsorted(node.polls.device_ids, fault.members)
        kind = int(fault.verdict == Verdict.SERVICE)
        acts[kind][np.ix_(fault.acting_s(days) > 0, members)] = True
    np.testing.assert_array_equal(acts[0], states.maintenance_active_h > 0)
    np.testing.assert_array_equal(acts[1], states.service_active_h > 0)


def test_who_knows_all_says_what_is_true(run: PlantRun) -> None:
    for node in all_knowing(run.plant).nodes:
        simulated = next(n for n in run.plant.nodes if n.fnode == node.fnode)
        states = simulated.states([node.window.start_s], [node.window.end_s])
        np.testing.assert_array_equal(
            node.verdict == Verdict.MAINTENANCE, states.maintenance_active_h[0] > 0
        )


def _tracked(members: str, *days: int) -> Fault:
    windows = tuple(TimeWindow(d * DAY_S, (d + 1) * DAY_S) for d in days)
    start_s, end_s = windows[0].start_s, windows[-1].end_s
    told = tuple(FaultMember(name, start_s, end_s, len(days)) for name in members)
    return Fault("f", "F", Verdict.SERVICE, told, start_s, end_s, False, windows, 9, 0, ())


def _true(members: str, *spans_h: tuple[float, float]) -> TrueFault:
    spans_s = np.array(spans_h, np.float64).reshape(-1, 2) * 3600
    last_s = int(spans_s.max(initial=0.0)) + 1
    return TrueFault("t", "F", Verdict.SERVICE, tuple(members), 0, last_s, spans_s)


def test_a_homes_own_fault_inside_one_of_the_plant_stays_what_it_is() -> None:
    plant, home = _true("abcdefgh", (0, 72)), _true("a", (2, 4), (50, 52))
    told = identify([_tracked("a", 0, 1, 2), _tracked("bcdefg", 0, 1, 2)], [plant, home])
    assert told.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("members", "spans_h", "identity"),
    [
        ("ab", [(1, 2), (30, 31)], 0),  # half of the modems
        ("a", [(1, 2), (30, 31)], NO_FAULT),
        ("abcd", [(1, 2)], 0),  # half of the windows
        ("abc", [(1, 2)], NO_FAULT),
        ("abcd", [(49, 50)], NO_FAULT),  # later
        ("abcd", [], NO_FAULT),  # never acts
    ],
)
def test_half_of_the_modem_windows_must_be_the_faults(
    members: str, spans_h: list[tuple[float, float]], identity: int
) -> None:
    assert identify([_tracked("abcd", 0, 1)], [_true(members, *spans_h)]).tolist() == [identity]


def test_the_order_of_faults_does_not_matter() -> None:
    tracked = [_tracked("a", 0), _tracked("bcd", 1, 2), _tracked("x", 0)]
    true = [_true("bcd", (25, 60)), _true("a", (1, 2))]
    told = identify(tracked, true)
    assert told.tolist() == [1, 0, NO_FAULT]
    assert identify(tracked[::-1], true[::-1]).tolist() == [NO_FAULT, 1, 0]
