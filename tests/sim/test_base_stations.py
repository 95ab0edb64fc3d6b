"""Simulated base stations: consistent counts, known faults, and changes that are normal."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from faultsight.core.errors import SettingError
from faultsight.core.kpi_frame import KpiFrame
from faultsight.sim.base_stations import (
    KPIS,
    StationFault,
    Stations,
    StationsConfig,
    simulate_stations,
)

DAY_S, HOUR_S = 86_400, 3600
BENIGN = {"software_upgrade", "reconfiguration", "special_event"}


@cache
def fleet() -> Stations:
    return simulate_stations()


@cache
def large_fleet() -> Stations:
    return simulate_stations(StationsConfig(n_stations=1000), seed=1)


def usual_rows(made: Stations) -> dict[str, NDArray[np.float32]]:
    """Every KPI over all rows in which nothing is wrong."""
    rows = []
    for frame in (*made.train, *made.test):
        assert frame.labels is not None
        rows.append(frame.values[frame.labels == 0])
    return dict(zip(KPIS, np.concatenate(rows).T, strict=True))


def same(first: Stations, second: Stations) -> bool:
    return all(
        a.values.tobytes() == b.values.tobytes() and np.array_equal(a.labels, b.labels)  # type: ignore[arg-type]
        for a, b in zip(
            (*first.train, *first.test), (*second.train, *second.test), strict=True
        )
    )  # fmt: skip


def test_the_fleet_has_the_shape_of_the_papers() -> None:
    made = fleet()
    assert len(KPIS) == len(set(KPIS)) == 25
    assert len(made.train) == len(made.test) == 200
    for before, after in zip(made.train, made.test, strict=True):
        assert before.kpis == after.kpis == KPIS
        assert before.values.shape == after.values.shape == (168, 25)
        assert before.entity == after.entity
        assert after.start_s == before.window.end_s
    assert made.sites["entity"].to_list() == [frame.entity for frame in made.train]
    assert made.sites.columns == ["entity", "region", "vendor", "band", "software"]
    assert (made.sites["software"].str.head(1) == made.sites["vendor"]).all()


def test_the_seed_alone_decides() -> None:
    config = StationsConfig(n_stations=5)
    first, second = simulate_stations(config, seed=3), simulate_stations(config, seed=3)
    assert same(first, second)
    assert first.faults == second.faults
    assert first.sites.equals(second.sites)
    other = simulate_stations(config, seed=4)
    assert not same(first, other)
    assert first.faults != other.faults


def test_counts_fit_together_where_nothing_is_wrong() -> None:
    kpi = usual_rows(fleet())
    counts = [k for k in KPIS if k.endswith("_count")]
    for name in counts:
        assert (kpi[name] >= 0).all()
        assert (kpi[name] == np.rint(kpi[name])).all()
    assert (kpi["rrc_establishment_success_count"] <= kpi["rrc_request_count"]).all()
    requests = kpi["rab_establishment_request_count"]
    successes = kpi["rab_establishment_success_count"]
    assert (successes <= requests).all()
    assert (requests - successes == kpi["rab_establishment_failure_count"]).all()
    assert (kpi["rab_normal_release_count"] <= successes).all()
    assert (kpi["handover_success_count"] <= kpi["handover_request_count"]).all()
    assert (kpi["handover_request_count"] <= kpi["handover_total_count"]).all()
    assert (kpi["rrc_connections_mean"] <= kpi["rrc_connections_max"]).all()
    assert (kpi["uplink_traffic_gb"] < kpi["downlink_traffic_gb"] + 1e-9).all()


def test_rates_follow_from_counts_where_nothing_is_wrong() -> None:
    kpi = usual_rows(fleet())

    def is_ratio(rate: str, part: NDArray[np.float32], whole: NDArray[np.float32]) -> None:
        tried = whole > 0
        np.testing.assert_allclose(kpi[rate][tried], part[tried] / whole[tried], atol=1e-6)
        assert np.isnan(kpi[rate][~tried]).all()

    rab, rrc = "rab_establishment_success", "rrc_establishment_success"
    is_ratio(f"{rab}_rate", kpi[f"{rab}_count"], kpi["rab_establishment_request_count"])
    is_ratio(f"{rrc}_rate", kpi[f"{rrc}_count"], kpi["rrc_request_count"])
    is_ratio("handover_success_rate", kpi["handover_success_count"], kpi["handover_request_count"])
    drops = kpi[f"{rab}_count"] - kpi["rab_normal_release_count"]
    is_ratio("rab_drop_rate", drops, kpi[f"{rab}_count"])
    is_ratio("wireless_drop_rate", drops, kpi[f"{rrc}_count"])
    both = kpi[f"{rab}_rate"] * kpi[f"{rrc}_rate"]
    np.testing.assert_allclose(kpi["wireless_connection_rate"], both, atol=1e-6)
    for name in KPIS:
        if name.endswith(("_rate", "_utilization", "_qci1")):
            known = kpi[name][~np.isnan(kpi[name])]
            assert ((known >= 0) & (known <= 1)).all(), name
    # Little is missing: only what was never tried.
    assert np.mean([np.isnan(values).mean() for values in kpi.values()]) < 0.01


def test_days_and_interference_look_like_a_network() -> None:
    kpi_frames = fleet().train
    load = np.mean([f.values[:, KPIS.index("rrc_request_count")] for f in kpi_frames], axis=0)
    by_hour = load[: 5 * 24].reshape(5, 24).mean(axis=0)
    assert by_hour[[11, 15, 20]].min() > 3 * by_hour[3]
    kpi = usual_rows(fleet())
    assert -125 < np.median(kpi["interference_level_dbm"]) < -100
    busy = kpi["downlink_prb_utilization"]
    assert np.corrcoef(busy, kpi["rrc_request_count"])[0, 1] > 0.3


def test_about_one_point_in_twenty_is_an_anomaly_and_some_are_in_the_training_part() -> None:
    made = large_fleet()
    test, train = (
        np.mean([np.mean(f.labels) for f in part if f.labels is not None])
        for part in (made.test, made.train)
    )
    assert 0.04 < test < 0.06
    assert 0.012 < train < 0.03
    kinds = Counter(fault.kind for fault in made.faults if fault.is_anomaly)
    assert len(kinds) >= 8
    assert min(kinds.values()) > 0.05 * sum(kinds.values())


def test_some_faults_of_the_training_part_come_back() -> None:
    made = large_fleet()
    test_start_s = made.test[0].start_s
    kinds: dict[str, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for fault in made.faults:
        if fault.is_anomaly:
            kinds[fault.entity][fault.window.start_s >= test_start_s].append(fault.kind)
    both = [parts for parts in kinds.values() if parts[0] and parts[1]]
    again = np.mean([bool(set(before) & set(after)) for before, after in both])
    # By chance about one in four would meet its own kind again.
    assert len(both) > 100
    assert again > 0.4


def test_normal_changes_are_in_the_test_part_alone_and_are_no_anomalies() -> None:
    made = large_fleet()
    changes = [fault for fault in made.faults if not fault.is_anomaly]
    assert {change.kind for change in changes} == BENIGN
    assert all(change.window.start_s >= made.test[0].start_s for change in changes)
    assert not BENIGN & {fault.kind for fault in made.faults if fault.is_anomaly}
    upgraded = {change.entity for change in changes if change.kind == "software_upgrade"}
    assert 0.2 < len(upgraded) / 1000 < 0.3
    quiet = simulate_stations(StationsConfig(n_stations=50, anomaly_rate=0, train_rate=0))
    assert quiet.faults
    assert not any(fault.is_anomaly for fault in quiet.faults)
    assert not any(np.any(frame.labels) for frame in (*quiet.train, *quiet.test))


@pytest.mark.parametrize("interval_s", [900, HOUR_S])
def test_labels_are_exactly_the_faults_told(interval_s: int) -> None:
    made = simulate_stations(StationsConfig(n_stations=30, interval_s=interval_s), seed=2)
    by_entity: dict[str, list[KpiFrame]] = defaultdict(list)
    for frame in (*made.train, *made.test):
        by_entity[frame.entity].append(frame)
    for entity, frames in by_entity.items():
        told = [f for f in made.faults if f.entity == entity and f.is_anomaly]
        for frame in frames:
            truth = np.zeros(len(frame), dtype=np.int8)
            for fault in told:
                truth[frame.rows_in(fault.window)] = 1
            np.testing.assert_array_equal(frame.labels, truth)
    assert all(set(fault.kpis) <= set(KPIS) and fault.kpis for fault in made.faults)
    assert list(made.faults) == sorted(made.faults, key=lambda f: (f.entity, f.window, f.kind))


def test_faults_show_in_the_kpis_that_they_name() -> None:
    made = fleet()
    frames = {frame.entity: frame for frame in made.test}
    moved: dict[str, list[float]] = defaultdict(list)
    column = {
        "congestion": "rab_establishment_success_rate",
        "interference": "interference_level_dbm",
        "sleeping_cell": "rrc_request_count",
    }
    for fault in made.faults:
        if fault.kind in column and fault.window.start_s >= made.test[0].start_s:
            frame = frames[fault.entity]
            values = frame.values[:, KPIS.index(column[fault.kind])]
            rows = frame.rows_in(fault.window)
            day = 24 * HOUR_S // frame.interval_s
            # A day earlier or later the hour is the same.
            other = slice(rows.start - day, rows.stop - day)
            if rows.start < day:
                other = slice(rows.start + day, rows.stop + day)
            moved[fault.kind].append(float(np.nanmean(values[rows]) - np.nanmean(values[other])))
    assert np.median(moved["congestion"]) < 0
    assert np.median(moved["interference"]) > 3
    assert np.median(moved["sleeping_cell"]) < 0


def beside_another_day(
    made: Stations, kind: str
) -> Iterator[tuple[StationFault, NDArray[np.float32], NDArray[np.float32]]]:
    """Faults of a kind that no other overlaps: their rows, and the same hours of a good day."""
    frames = {frame.entity: frame for frame in made.test}
    day = DAY_S // made.test[0].interval_s
    faults = [f for f in made.faults if f.is_anomaly and f.window.start_s >= made.test[0].start_s]
    for fault in faults:
        if fault.kind != kind or any(
            other is not fault
            and other.entity == fault.entity
            and other.window.overlaps(fault.window)
            for other in faults
        ):
            continue
        frame = frames[fault.entity]
        assert frame.labels is not None
        rows = frame.rows_in(fault.window)
        for shift in (-day, day, -2 * day, 2 * day):
            first, last = rows.start + shift, rows.stop + shift
            if first >= 0 and last <= len(frame) and not frame.labels[first:last].any():
                yield fault, frame.values[rows], frame.values[first:last]
                break


def test_a_fault_of_a_single_kpi_moves_it_and_leaves_the_others() -> None:
    spread = {
        frame.entity: np.nanstd(frame.values[frame.labels == 0], axis=0)
        for frame in large_fleet().test
    }
    # Of a rate that is always 0 no move can be measured.
    spread = {entity: np.where(usual > 0, usual, np.nan) for entity, usual in spread.items()}
    own, others = [], []
    for fault, ill, well in beside_another_day(large_fleet(), "single_kpi"):
        (kpi,) = fault.kpis
        known = ~(np.isnan(ill).all(axis=0) | np.isnan(well).all(axis=0))
        moved = np.full(len(KPIS), np.nan)
        moved[known] = np.nanmean(ill[:, known], axis=0) - np.nanmean(well[:, known], axis=0)
        moved = np.abs(moved) / spread[fault.entity]
        own.append(moved[KPIS.index(kpi)])
        others.append(np.nanmedian(np.delete(moved, KPIS.index(kpi))))
    assert len(own) > 100
    # Not in every fault: a rate that is pushed above 1 stays at 1.
    assert np.nanmedian(own) > 2
    assert np.median(others) < 0.5


def test_a_broken_relation_lowers_a_kpi_but_not_what_it_follows_from() -> None:
    follows = {
        "rab_establishment_success_count": "rab_establishment_request_count",
        "rrc_establishment_success_count": "rrc_request_count",
        "handover_success_count": "handover_request_count",
        "downlink_traffic_gb": "uplink_traffic_gb",
        "rrc_connections_mean": "rrc_establishment_success_count",
        "downlink_prb_utilization": "downlink_traffic_gb",
    }
    shares: dict[str, list[float]] = defaultdict(list)
    before: dict[str, list[float]] = defaultdict(list)
    for fault, ill, well in beside_another_day(large_fleet(), "broken_relation"):
        (kpi,) = fault.kpis
        low, driver = KPIS.index(kpi), KPIS.index(follows[kpi])
        usual = well[:, low].sum() / well[:, driver].sum()
        shares[kpi].append(ill[:, low].sum() / ill[:, driver].sum() / usual)
        before[kpi].append(ill[:, driver].sum() / well[:, driver].sum())
    assert set(shares) == set(follows)
    for kpi, found in shares.items():
        assert len(found) > 10
        assert max(found) < 0.75, kpi
        assert 0.85 < np.median(before[kpi]) < 1.15, kpi


def test_missing_counters_say_nothing_or_zero_and_their_rates_nothing() -> None:
    said: Counter[str] = Counter()
    for fault, ill, well in beside_another_day(large_fleet(), "missing_counters"):
        places = [KPIS.index(kpi) for kpi in fault.kpis]
        is_rate = np.array([kpi.endswith("_rate") for kpi in fault.kpis])
        gone = ill[:, places]
        assert np.isnan(gone[:, is_rate]).all()
        counters = gone[:, ~is_rate]
        assert np.isnan(counters).all() or (counters == 0).all()
        said["nothing" if np.isnan(counters).all() else "zero"] += 1
        # All else is told as on any day.
        rest = [place for place in range(len(KPIS)) if place not in places]
        assert np.isfinite(ill[:, rest]).mean() > 0.9
        assert np.nanmean(well[:, places]) > 0
    assert min(said["nothing"], said["zero"]) > 20


def test_drift_makes_failures_grow_slowly() -> None:
    for name in ("rab_establishment_success_rate", "handover_success_rate"):
        fall = []
        for _, ill, well in beside_another_day(large_fleet(), "drift"):
            third = len(ill) // 3
            if third >= 2:
                change = (ill - well)[:, KPIS.index(name)]
                parts = (change[:third], change[third:-third], change[-third:])
                fall.append([float(np.nanmean(part)) for part in parts])
        first, middle, last = np.median(fall, axis=0)
        assert len(fall) > 50
        assert last < middle < first
        assert abs(first) < 0.3 * abs(last)
        assert last < -0.05


def test_flapping_serves_demand_every_other_row() -> None:
    served, between = [], []
    for _, ill, well in beside_another_day(large_fleet(), "flapping"):
        if len(ill) >= 4:
            share = (ill / np.maximum(well, 1))[:, KPIS.index("rrc_request_count")]
            served.append(share[1::2].mean())
            between.append(share[::2].mean() / share[1::2].mean())
    assert len(between) > 50
    assert np.quantile(between, 0.95) < 0.5
    assert 0.85 < np.median(served) < 1.15


@pytest.mark.parametrize(
    ("n_stations", "interval_s"), [(1, 1), (1, DAY_S), (2, 60), (3, 300), (7, HOUR_S), (4, 7200)]
)
def test_any_size_and_step(n_stations: int, interval_s: int) -> None:
    for n_rows in (1, 2, 50):
        length_s = n_rows * interval_s
        made = simulate_stations(
            StationsConfig(
                n_stations=n_stations, interval_s=interval_s, train_s=length_s, test_s=length_s,
                anomaly_rate=0.4, upgraded_share=1.0, moved_share=1.0, chronic_share=0.5,
            )
        )  # fmt: skip
        assert [len(f) for f in (*made.train, *made.test)] == [n_rows] * 2 * n_stations
        assert {f.interval_s for f in made.test} == {interval_s}


def test_the_rate_of_anomalies_does_not_depend_on_the_step_nor_on_how_many_are_chronic() -> None:
    for change in ({"interval_s": 300}, {"interval_s": DAY_S}, {"chronic_share": 1.0},
                   {"chronic_share": 0.0}):  # fmt: skip
        told: dict[str, Any] = {"n_stations": 300, "interval_s": HOUR_S, **change}
        part_s = 200 * max(told["interval_s"], HOUR_S)
        config = StationsConfig(**told, train_s=told["interval_s"], test_s=part_s)
        made = simulate_stations(config, seed=5)
        share = np.mean([np.mean(f.labels) for f in made.test if f.labels is not None])
        assert 0.035 < share < 0.065, change


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_stations": 0}, {"interval_s": 0}, {"interval_s": 7}, {"interval_s": 5400},
        {"train_s": 60}, {"test_s": 0},
        {"anomaly_rate": 0.5}, {"anomaly_rate": -0.1}, {"train_rate": 0.9},
        {"chronic_share": 1.1}, {"moved_share": -0.1}, {"upgraded_share": 2.0},
        {"event_rate": -1.0}, {"event_rate": float("nan")},
    ],
    ids=str,
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingError):
        StationsConfig(**wrong)


def test_a_shared_fault_hits_exactly_the_stations_of_its_root_and_shows() -> None:
    config = StationsConfig(n_stations=40, test_s=14 * DAY_S, shared_every_s=DAY_S)
    made = simulate_stations(config, seed=1000)
    assert len(made.shared) == 14
    told = {(fault.entity, fault.kind, fault.window) for fault in made.faults if fault.is_anomaly}
    frames = {frame.entity: frame for frame in made.test}
    for number, fault in enumerate(made.shared):
        first_s = config.start_s + config.train_s + number * DAY_S
        assert first_s <= fault.window.start_s < fault.window.end_s <= first_s + DAY_S
        wanted = {
            row["entity"]
            for row in made.sites.iter_rows(named=True)
            if all(row[name] == value for name, value in fault.root.items())
        }
        assert set(fault.entities) == wanted
        assert 3 <= len(wanted) <= 13
        for entity in fault.entities:
            assert (entity, fault.kind, fault.window) in told
            labels = frames[entity].labels
            assert labels is not None
            assert labels[frames[entity].rows_in(fault.window)].all()


def test_shared_faults_come_beside_the_others() -> None:
    plain = simulate_stations(StationsConfig(n_stations=12), seed=1000)
    config = StationsConfig(n_stations=12, shared_every_s=2 * DAY_S)
    shared = simulate_stations(config, seed=1000)
    assert not plain.shared
    assert shared.shared
    assert set(plain.faults) < set(shared.faults)
    assert shared.sites.equals(plain.sites)


def test_shared_faults_cannot_come_backwards() -> None:
    with pytest.raises(SettingError, match="shared_every_s"):
        StationsConfig(shared_every_s=-1)
