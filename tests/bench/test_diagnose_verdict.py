"""diagnose/verdict on tiny plants."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from faultsight.bench.diagnoses import every_diagnoser
from faultsight.bench.engine import BenchResult, Context, Row, run_scenario
from faultsight.bench.modem_truth import modem_truth
from faultsight.bench.scenarios.diagnose_verdict import DiagnoseVerdict
from faultsight.bench.simulated_plants import SimulatedPlant, simulated_plant
from faultsight.core.errors import UnknownMemberError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.diagnose import DIAGNOSERS, Diagnosis, NodeDiagnosis, Verdict
from faultsight.sim.cable_plant import CablePlantConfig

_TINY = CablePlantConfig.stress(
    n_fnodes=2, days=28, modems=(50, 60), with_counters=True, with_pre_equalization=True
)
_FLOOR = ("random_verdict", "majority")
_TIMED = ("seconds_fit", "seconds_diagnose")


def _run(**settings: object) -> BenchResult:
    context = Context(**{"seed": 1000, "cases": 2, **settings})  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DiagnoseVerdict, "plants", {"tiny": _TINY})
        return run_scenario("diagnose/verdict", context)


def _untimed(rows: list[Row]) -> list[Row]:
    return [{k: v for k, v in row.items() if k not in _TIMED} for row in rows]


@pytest.fixture(scope="module")
def result() -> BenchResult:
    return _run()


@pytest.fixture(scope="module")
def plant() -> SimulatedPlant:
    return simulated_plant(_TINY, seed=1000)


def test_every_diagnoser_has_a_row_and_so_has_every_change_of_the_default(
    result: BenchResult,
) -> None:
    methods = [row["method"] for row in result.rows]
    changes = [str(method) for method in methods if str(method).startswith("telapart/")]
    assert len(changes) == 6
    assert set(methods) == {"telapart-paper", *DIAGNOSERS.names(), *changes}
    assert len(methods) == len(set(methods))
    for row in result.rows:
        assert (row["dataset"], row["seeds"], row["seeds_asked"]) == ("tiny", 2, 2)
        assert set(DiagnoseVerdict.shown) <= set(row)
        for name in ("maintenance_f1", "service_recall", "macro_f1", "insufficient_share"):
            assert {name, f"{name}_sd", f"{name}_polled", f"{name}_polled_sd"} <= set(row)
        assert (
            0 <= float(row["not_judged_share"] or 0) <= float(row["not_judged_share_polled"] or 0)
        )


def test_what_looks_at_nothing_stays_at_its_floor_and_telapart_is_far_above(
    result: BenchResult,
) -> None:
    by_method = {row["method"]: row for row in result.rows}
    for method in _FLOOR:
        assert float(by_method[method]["macro_f1"] or 1) < 0.45
        assert float(by_method[method]["service_recall"] or 0) < 0.1
    assert float(by_method["telapart"]["macro_f1"] or 0) > 0.6


def test_the_summary_is_the_default_less_every_other_method(result: BenchResult) -> None:
    by_method = {row["method"]: row for row in result.rows}
    assert len(result.summary) == len(result.rows) - 1
    for row in result.summary:
        assert row["method"] == "telapart"
        other = by_method[str(row["minus"])]
        ahead = float(by_method["telapart"]["macro_f1"] or 0) - float(other["macro_f1"] or 0)
        assert row["macro_f1"] == pytest.approx(ahead)
        assert float(row["macro_f1_low"] or 0) <= ahead + 1e-9
        assert ahead - 1e-9 <= float(row["macro_f1_high"] or 0)


def test_the_same_seed_gives_the_same_figures_whatever_else_is_run(result: BenchResult) -> None:
    methods = ("telapart", "telapart/reluctance=0", "random_verdict")
    again = _untimed(list(_run(methods=methods).rows))
    assert again == [row for row in _untimed(list(result.rows)) if row["method"] in methods]


def test_no_further_plant_is_begun_when_the_seconds_are_spent() -> None:
    result = _run(methods=("majority", "telapart"), seconds=1e-9)
    assert {(row["seeds"], row["seeds_asked"]) for row in result.rows} == {(1, 2)}
    assert result.rows[0]["macro_f1_sd"] is None


def test_what_does_not_exist_is_named() -> None:
    with pytest.raises(UnknownMemberError, match="nobody"):
        _run(methods=("nobody",))
    with pytest.raises(UnknownMemberError, match="nowhere"):
        _run(datasets=("nowhere",))


def _told(plant: SimulatedPlant, verdict: Verdict) -> Diagnosis:
    nodes = [
        NodeDiagnosis(
            node.fnode, plant.test, node.polls.device_ids,
            np.full(node.polls.n_devices, verdict, np.int8), np.ones(node.polls.n_devices),
        )
        for node in plant.nodes
    ]  # fmt: skip
    return Diagnosis("by hand", tuple(nodes), (plant.test,))


def test_a_modem_that_is_not_listed_has_no_answer(plant: SimulatedPlant) -> None:
    whole = _told(plant, Verdict.HEALTHY)
    first = whole.nodes[0]
    cut = replace(
        first, device_ids=first.device_ids[5:], verdict=first.verdict[5:],
        covered_s=first.covered_s[5:],
    )  # fmt: skip
    truth = modem_truth(replace(whole, nodes=(cut,)), plant)
    n_first = len(first.device_ids)
    assert (truth.given[:5] == Verdict.INSUFFICIENT).all()
    assert (truth.given[5:n_first] == Verdict.HEALTHY).all()
    assert (truth.given[n_first:] == Verdict.INSUFFICIENT).all()


def test_truth_is_maintenance_before_service_and_rest_is_not_judged(plant: SimulatedPlant) -> None:
    truth = modem_truth(_told(plant, Verdict.HEALTHY), plant)
    place = 0
    for node in plant.nodes:
        states = node.states([plant.test.start_s], [plant.test.end_s])
        for i in range(node.polls.n_devices):
            m_h, s_h = states.maintenance_active_h[0, i], states.service_active_h[0, i]
            exists = states.maintenance_exists_h[0, i] > 0 or states.service_exists_h[0, i] > 0
            true = Verdict.MAINTENANCE if m_h > 0 else Verdict.SERVICE if s_h > 0 else 0
            assert truth.true[place] == true
            assert truth.is_judged[place] == (true > 0 or not exists)
            long_enough = not exists if true == 0 else (m_h if m_h > 0 else s_h) > 4
            assert truth.is_polled[place] == long_enough
            place += 1
    assert place == len(truth.true)


def test_windows_are_judged_where_the_diagnoser_looked(plant: SimulatedPlant) -> None:
    whole = _told(plant, Verdict.HEALTHY)
    early = TimeWindow(plant.test.start_s - 3600, plant.test.start_s + 3600)
    moved = replace(whole, nodes=tuple(replace(node, window=early) for node in whole.nodes))
    hours = [
        node.states([early.start_s], [early.end_s]).service_active_h[0] for node in plant.nodes
    ]
    truth = modem_truth(moved, plant)
    assert (truth.true[np.concatenate(hours) == 0] != Verdict.SERVICE).all()


def test_verdicts_do_not_depend_on_the_order_of_fiber_nodes(plant: SimulatedPlant) -> None:
    for name in ("telapart", "random_verdict"):
        diagnoser = every_diagnoser()[name](0).fit(
            plant.telemetry, plant.tickets, window=plant.train
        )
        told = diagnoser.diagnose(plant.telemetry, window=plant.test)
        turned = replace(told, nodes=tuple(reversed(told.nodes)))
        # The windows of a fiber node come in order, fiber nodes need not.
        turned = replace(turned, nodes=tuple(sorted(turned.nodes, key=lambda n: n.window)))
        first, second = modem_truth(told, plant), modem_truth(turned, plant)
        np.testing.assert_array_equal(first.given, second.given)
        np.testing.assert_array_equal(first.true, second.true)
