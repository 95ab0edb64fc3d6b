"""diagnose/table1, diagnose/table2, diagnose/lookback on a few cases, and what they rest on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from faultsight.bench.clustering_protocol import SCORES, THRESHOLDS, firsts
from faultsight.bench.engine import Context, Row, run_scenario
from faultsight.bench.labelled_modems import REGIMES, ModemCase, modem_cases
from faultsight.bench.modem_partitions import clustered
from faultsight.bench.modem_similarities import (
    by_chance,
    by_deviations,
    by_pearson,
    by_resampling,
)
from faultsight.core.errors import UnknownMemberError
from faultsight.diagnose.metrics.rand_index import adjusted_rand_index
from faultsight.diagnose.telapart.verdicts import cluster

_DUMMIES = ["random", "singletons", "one-cluster"]


def run(scenario: str, **settings: object) -> list[Row]:
    return list(run_scenario(scenario, Context(**settings)).rows)  # type: ignore[arg-type]


def timeless(rows: list[Row]) -> list[Row]:
    return [{k: v for k, v in row.items() if not k.startswith("seconds")} for row in rows]


@pytest.fixture(scope="module")
def table1() -> list[Row]:
    return run("diagnose/table1", datasets=("paper", "every-type"), cases=2)


@pytest.fixture(scope="module")
def case() -> ModemCase:
    return next(modem_cases(REGIMES["every-type"], "snr", seed=1000, first=3, count=1))


def test_every_method_has_a_row_in_every_regime_and_feature(table1: list[Row]) -> None:
    methods = [
        "average", "single", "complete", "dbscan", "average-shrunk", "telapart",
        "telapart-candidates", *_DUMMIES,
    ]  # fmt: skip
    assert [(r["regime"], r["feature"], r["method"]) for r in table1] == [
        (regime, feature, method)
        for regime in ("paper", "every-type")
        for feature in ("snr", "tx_power")
        for method in methods
    ]
    for row in table1:
        assert (row["seeds"], row["seeds_asked"], row["train_cases"], row["test_cases"]) == (
            2, 2, 2, 2,
        )  # fmt: skip
        for score in SCORES:
            assert -1 <= float(row[score]) <= 1  # type: ignore[arg-type]
            assert row[f"{score}_sd"] is not None
        assert THRESHOLDS.min() <= float(row["similarity"]) <= THRESHOLDS.max()  # type: ignore[arg-type]


def test_who_looks_at_nothing_has_no_adjusted_index(table1: list[Row]) -> None:
    for row in table1:
        if row["method"] == "random":
            assert abs(float(row["ari_anomalous"])) < 0.2  # type: ignore[arg-type]
            assert abs(float(row["ari_all"])) < 0.1  # type: ignore[arg-type]
        elif row["method"] in _DUMMIES:
            assert (row["ari_anomalous"], row["ari_all"]) == (0.0, 0.0)
        if row["method"] == "average":
            assert float(row["ari_anomalous"]) > 0.3  # type: ignore[arg-type]


def test_the_same_seed_gives_the_same_rows_and_another_gives_others() -> None:
    settings = {"datasets": ("paper",), "methods": ("average", "random"), "cases": 1}
    first, again = (run("diagnose/table1", **settings) for _ in range(2))
    assert timeless(first) == timeless(again)
    other = run("diagnose/table1", seed=1, **settings)
    assert timeless(other) != timeless(first)
    assert [row["ari_all_sd"] for row in first] == [None] * 4  # one seed has no spread


def test_no_further_seed_is_begun_when_the_seconds_are_spent() -> None:
    (row, _) = run(
        "diagnose/table1", datasets=("paper",), methods=("average",), cases=2, seconds=1e-9
    )
    assert (row["seeds"], row["seeds_asked"]) == (1, 2)


def test_who_is_first_is_told_without_dummies() -> None:
    summary = run_scenario(
        "diagnose/table1",
        Context(datasets=("paper",), methods=("average", "single", "one-cluster"), cases=1),
    ).summary
    assert [(r["feature"], r["score"]) for r in summary] == [
        (feature, score) for feature in ("snr", "tx_power") for score in SCORES
    ]
    assert {r["first"] for r in summary} <= {"average", "single"}
    assert firsts([], ("regime",), dummies=()) == []


def test_table2_has_the_same_average_linkage_as_table1(table1: list[Row]) -> None:
    rows = run("diagnose/table2", datasets=("paper",), cases=2)
    assert [r["method"] for r in rows] == 2 * [
        "aligned", "aligned-shrunk", "aligned-not-inferred", "resampled", *_DUMMIES,
    ]  # fmt: skip
    mine = {(r["feature"], r["method"]): r for r in rows}
    theirs = {(r["feature"], r["method"]): r for r in table1 if r["regime"] == "paper"}
    for feature in ("snr", "tx_power"):
        for score in (*SCORES, "similarity"):
            assert mine[feature, "aligned"][score] == theirs[feature, "average"][score]
            assert mine[feature, "random"][score] == theirs[feature, "random"][score]


def test_lookback_compares_the_same_cases_and_older_faults() -> None:
    methods = ("average", "single", "complete", "dbscan", "resampled", "telapart")
    rows = run("diagnose/lookback", datasets=("snr",), cases=1)
    recent = [r for r in rows if r["faults"] == "one to three days old"]
    lasting = [r for r in rows if r["faults"] == "as old as the look-back"]
    assert [(r["method"], r["days"]) for r in recent] == [
        *((method, 1) for method in (*methods, "random")),
        *((method, days) for days in range(2, 8) for method in methods),
    ]
    assert [(r["method"], r["days"]) for r in lasting] == [
        (method, days) for days in range(2, 8) for method in (*methods, "random")
    ]
    texts = [tuple(v for v in row.values() if isinstance(v, str)) for row in rows]
    assert len(set(texts)) == len(texts)
    week = [float(r["ari_anomalous"]) for r in lasting if r["method"] == "average"]  # type: ignore[arg-type]
    assert week[-1] > 0.8


def test_what_does_not_exist_is_named() -> None:
    for scenario in ("diagnose/table1", "diagnose/table2", "diagnose/lookback"):
        with pytest.raises(UnknownMemberError, match="nobody"):
            run(scenario, methods=("nobody",))
        with pytest.raises(UnknownMemberError, match="nowhere"):
            run(scenario, datasets=("nowhere",))


def test_a_set_holds_one_group_and_seven_single_modems(case: ModemCase) -> None:
    sizes = np.bincount(case.label)[1:]
    assert sorted(sizes)[:7] == [1] * 7
    assert max(sizes) > 5
    assert case.window.end_s % 86_400 == 0
    plain = REGIMES["paper"]
    assert plain.types("snr") == ("segment_distortion",)
    assert plain.types("tx_power") == ("attenuation",)
    assert plain.plant.dead_band_db == 0
    assert REGIMES["every-type"].types("snr") is None
    assert REGIMES["every-type"].plant == replace(plain.plant, dead_band_db=1.0)
    others = [regime for name, regime in REGIMES.items() if name not in ("paper", "every-type")]
    assert all(not regime.every_type for regime in others)


def test_cuts_of_a_dendrogram_are_clusterings_at_thresholds(case: ModemCase) -> None:
    stream = np.random.default_rng(0)
    similarity = stream.uniform(-1, 1, (20, 20))
    similarity = (similarity + similarity.T) / 2
    np.fill_diagonal(similarity, 1.0)
    everyone = np.arange(20)
    for clustering in ("average", "single", "complete", "dbscan"):
        found = clustered(similarity, clustering, candidates=everyone, n_devices=20)
        for threshold in (0.8, 0.3, -0.2):
            expected = cluster(similarity, threshold, clustering)
            assert adjusted_rand_index(found.at(threshold), expected) == 1.0


def test_partitions_name_every_modem(case: ModemCase) -> None:
    for found in (
        by_pearson(case), by_pearson(case, infers_missing=False), by_resampling(case),
        by_deviations(case), by_deviations(case, only_deviating=True), by_chance(case),
    ):  # fmt: skip
        assert found.at(0.6).shape == (case.n_devices,)
    sizes, by_chance_sizes = (
        np.sort(np.unique(found.at(0.6), return_counts=True)[1])
        for found in (by_pearson(case), by_chance(case))
    )
    assert np.array_equal(sizes, by_chance_sizes)
    few = by_deviations(case, only_deviating=True).at(0.6)
    # Most modems are healthy and not clustered: one class.
    assert np.bincount(few).max() > case.n_devices / 2
