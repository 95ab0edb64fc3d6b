"""diagnose/cablemon on two tiny plants."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

import numpy as np
import pytest

from faultsight.bench.engine import BenchResult, Context, Row, run_scenario
from faultsight.bench.scenarios import diagnose_cablemon
from faultsight.bench.scenarios.diagnose_cablemon import (
    DiagnoseCableMon,
    _level,
    _moved,
)
from faultsight.core.errors import UnknownMemberError
from faultsight.core.polls import NodePolls
from faultsight.core.seed import random_stream
from faultsight.sim.cable_plant import CablePlantConfig

# So many faults and calls that a few weeks of a small plant tell.
TINY = CablePlantConfig.stress(
    n_fnodes=2, days=40, modems=(60, 60), fault_modems=(4, 20), with_counters=True,
    service_call_share=0.8, maintenance_call_share=0.6, service_call_delay_h=10.0,
    maintenance_call_delay_h=10.0,
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def tiny_plants() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DiagnoseCableMon, "plants", {"sim_tiny": TINY})
        yield


@pytest.fixture(scope="module")
def result() -> BenchResult:
    return run_scenario("diagnose/cablemon", Context(seed=1000, cases=2))


def rows_of(result: BenchResult, part: str, method: str) -> list[Row]:
    return [row for row in result.rows if (row["part"], row["method"]) == (part, method)]


def test_every_method_and_sweep_has_its_rows(result: BenchResult) -> None:
    methods = [row["method"] for row in result.rows if row["part"] == "methods"]
    assert methods == [
        "cablemon", "cablemon-paper", "cablemon-levels", "cablemon-raw-values", "decision_tree",
        "svm", "random_forest", "rules_levels", "rules_cmts", "random_events",
    ]  # fmt: skip
    counts = [str(row["setting"]) for row in rows_of(result, "count", "cablemon")]
    assert counts == [f"{x} of 12" for x in range(1, 13)]
    windows = [str(row["setting"]) for row in rows_of(result, "window", "cablemon")]
    assert windows[0] == "1 of 1"
    assert windows[-1] == "23 of 54"
    assert {row["runs"] for row in result.rows} == {2}
    texts = [tuple(v for v in row.values() if isinstance(v, str)) for row in result.rows]
    assert len(set(texts)) == len(texts)


def test_the_decision_by_default_is_the_same_row_everywhere(result: BenchResult) -> None:
    (usual,) = rows_of(result, "methods", "cablemon")
    for part in ("count", "window"):
        (same,) = [r for r in rows_of(result, part, "cablemon") if r["setting"] == "5 of 12"]
        assert {k: v for k, v in same.items() if k != "part"} == {
            k: v for k, v in usual.items() if k != "part"
        }


def test_thresholds_by_tickets_beat_chance_and_chance_is_one(result: BenchResult) -> None:
    (cablemon,) = rows_of(result, "methods", "cablemon")
    (chance,) = rows_of(result, "methods", "random_events")
    for figure in ("trr", "events_with_fault", "fault_time_found"):
        assert float(cablemon[figure] or 0) > 1.5 * float(chance[figure] or 0)
    once, once_by_chance = (rows_of(result, "count", m)[0] for m in ("cablemon", "random_events"))
    assert float(once["coverage"] or 0) > 1.5 * float(once_by_chance["coverage"] or 0)
    assert float(chance["trr"] or 0) < 2
    # It is the same abnormal time, elsewhere.
    assert chance["abnormal_time"] == pytest.approx(cablemon["abnormal_time"], rel=0.1)


def test_more_abnormal_polls_asked_for_are_fewer_events_and_tickets(result: BenchResult) -> None:
    coverage = [float(row["coverage"] or 0) for row in rows_of(result, "count", "cablemon")]
    assert coverage == sorted(coverage, reverse=True)
    assert coverage[0] > coverage[-1]
    found = [float(row["fault_time_found"] or 0) for row in rows_of(result, "count", "cablemon")]
    assert found == sorted(found, reverse=True)


def test_a_run_is_repeatable_and_a_seed_matters(result: BenchResult) -> None:
    few = Context(seed=1001, cases=1, methods=("cablemon", "random_events"))
    once, again = (run_scenario("diagnose/cablemon", few) for _ in range(2))
    assert once.rows == again.rows
    assert once.rows[0]["trr"] != rows_of(result, "methods", "cablemon")[0]["trr"]
    assert once.rows[0]["trr_sd"] is None


def test_without_scikit_learn_classifiers_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    asked = ("svm", "rules_levels")
    result = run_scenario("diagnose/cablemon", Context(seed=1000, cases=1, methods=asked))
    assert [row["method"] for row in result.rows] == ["rules_levels"]
    assert "scikit-learn is not installed: svm left out" in result.notes


def test_refuses_what_it_does_not_know() -> None:
    for context in (Context(methods=("cablemonn",)), Context(datasets=("sim_huge",))):
        with pytest.raises(UnknownMemberError):
            run_scenario("diagnose/cablemon", context)
    assert set(diagnose_cablemon._DATASETS) == {"sim_stress", "sim_realistic"}


def test_moved_events_keep_their_lengths_and_lose_their_modems() -> None:
    n_devices, n_polls = 40, 100
    node = NodePolls(
        "F", tuple(f"m{i:02}" for i in range(n_devices)), ("1",),
        np.arange(n_devices + 1) * n_polls, np.tile(np.arange(n_polls) * 14400.0, n_devices),
    )  # fmt: skip
    abnormal = np.zeros(node.n_polls, np.bool_)
    abnormal[: 5 * n_polls].reshape(5, n_polls)[:, 40:50] = True
    moved = _moved(node, abnormal, random_stream(1000, "moved")).reshape(n_devices, n_polls)
    assert moved.sum() == abnormal.sum()
    assert np.flatnonzero(moved.any(axis=1)).tolist() != [0, 1, 2, 3, 4]
    starts = moved.argmax(axis=1)[moved.any(axis=1)]
    assert len(set(starts.tolist())) > 3


def test_the_level_comes_nearest_to_the_share() -> None:
    scores = np.array([0.1] * 90 + [0.5] * 7 + [0.9] * 3)
    assert _level(scores, 0.03) == 0.9
    assert _level(scores, 0.08) == 0.5
    assert _level(scores, 0.0001) == 0.9
