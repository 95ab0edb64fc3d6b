"""How often, how long and where things go wrong."""

import hashlib
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from faultsight.core.errors import SettingError
from faultsight.sim.cable_plant import CablePlantConfig, simulate_node
from faultsight.sim.cable_plant.faults import FAULT_TYPES, PlantFault, node_faults
from faultsight.sim.cable_plant.topology import node_topology
from faultsight.sim.cable_plant.weather import weather

HOUR_S, DAY_S = 3600, 86_400


@cache
def many() -> list[PlantFault]:
    config = CablePlantConfig(days=420)
    sky = weather(config)
    return [f for index in range(40)
            for f in node_faults(config, node_topology(config, index), sky)]  # fmt: skip


def test_rates_and_lengths_are_those_of_the_paper() -> None:
    for kind, days, within_h in (("maintenance", 11, 84), ("service", 3, 184)):
        mine = [f for f in many() if f.kind == kind and f.type != "television"]
        assert abs(len(mine) / (40 * 420 / days) - 1) < 0.1
        hours = [(f.end_s - f.start_s) / HOUR_S for f in mine]
        assert abs(np.quantile(hours, 0.8) / within_h - 1) < 0.12
    assert {f.type for f in many()} == set(FAULT_TYPES) - {"tap_corrosion"}
    assert len({f.fault_id for f in many()}) == len(many())


def test_maintenance_hits_groups_and_service_single_modems() -> None:
    for fault in many():
        if fault.kind != "maintenance":
            assert len(fault.members) == 1
        elif fault.element_kind == "amplifier":
            assert 8 <= len(fault.members) <= 120
        else:
            assert fault.type in {"ingress", "television"}
            assert len(fault.members) >= 180


def test_faults_come_and_go_in_dwells_of_six_hours() -> None:
    telegraph = [f for f in many() if f.pattern == "telegraph"]
    on_h: list[float] = []
    levels: list[float] = []
    for fault in telegraph:
        inner = fault.course.bounds_s[:-1]
        on_h += np.diff(inner)[::2].tolist() if len(inner) > 1 else []
        levels += fault.course.level[::2].tolist()
        assert not fault.course.level[1::2].any()
    assert abs(np.mean(on_h) / HOUR_S - 6) < 0.6
    assert 0.6 <= min(levels) < 0.65
    assert 0.95 < max(levels) <= 1.0


def test_the_old_television_disturbs_at_the_same_hour_every_day() -> None:
    config = CablePlantConfig.quiet(
        days=60, maintenance_rate=1.0, maintenance_per_day=0.0, televisions_per_day=0.05,
        television_median_h=600.0,
    )  # fmt: skip
    node = simulate_node(config, 0)
    assert set(node.faults["type"]) == {"television"}
    for fault_id in node.faults["fault_id"]:
        spans = node.activity.filter(fault_id=fault_id)
        begins_s = spans["start"].dt.epoch("s").to_numpy()[1:-1]  # the ends may be cut
        assert len(set((begins_s % DAY_S).tolist())) <= 1
        assert (np.diff(begins_s) == DAY_S).all()
    assert node.activity.height > 20
    assert node.affected.height == node.faults.height * node.polls.n_devices


def test_a_splitter_is_benign_and_stays() -> None:
    config = CablePlantConfig.quiet(
        days=40, benign_rate=1.0, splitters_per_day=0.2, tx_power_dbmv=(41.0, 1.0)
    )
    node = simulate_node(config, 0)
    assert set(node.faults["kind"]) == {"benign"}
    assert node.faults.height > 2
    assert (node.faults["end"].dt.epoch("s") == config.end_s).all()
    days_s = config.start_s + np.arange(40) * DAY_S
    told = node.states(days_s, days_s + DAY_S)
    assert not told.service_exists_h.any()
    assert not told.maintenance_exists_h.any()
    polls = node.polls
    tx = polls.values["tx_power_dbmv"][:, 0]
    for device_id, start in node.affected.join(node.faults, on="fault_id").select(
        "device_id", "start"
    ).iter_rows():  # fmt: skip
        mine = polls.device_of_poll == polls.device_ids.index(device_id)
        is_after = polls.time_s >= start.timestamp()
        if (mine & is_after).sum() > 3 and (mine & ~is_after).sum() > 3:
            rise = np.median(tx[mine & is_after]) - np.median(tx[mine & ~is_after])
            assert rise > 2.0


def test_a_corroded_tap_costs_the_power_of_its_few_modems_and_changes_no_other_fault() -> None:
    config = CablePlantConfig(days=90)
    tree = node_topology(config, 0)
    usual = _faults(config)
    more = _faults(replace(config, tap_faults_per_day=0.2))
    at_taps = [f for f in more if f.type == "tap_corrosion"]
    assert 9 <= len(at_taps) <= 30
    names = tree.to_table()["tap"].to_list()
    for fault in at_taps:
        assert (fault.kind, fault.element_kind) == ("maintenance", "tap")
        own = [place for place, name in enumerate(names) if name == fault.element]
        assert fault.members.tolist() == own
        assert 2 <= len(own) <= config.homes_per_tap
        assert (fault.effect.loss_db >= 2).all()
        assert fault.effect.poll_loss == 0
    assert len({fault.element for fault in at_taps}) > 5
    others = [f for f in more if f.type != "tap_corrosion"]
    for before, after in zip(usual, others, strict=True):
        assert (before.type, before.element, before.start_s, before.end_s) == (
            after.type, after.element, after.start_s, after.end_s
        )  # fmt: skip
        assert before.course.bounds_s.tolist() == after.course.bounds_s.tolist()
        assert before.effect.loss_db.tolist() == after.effect.loss_db.tolist()


def test_where_every_tap_has_one_modem_one_of_them_corrodes() -> None:
    config = CablePlantConfig.quiet(
        days=30, maintenance_rate=1.0, maintenance_per_day=0.0, televisions_per_day=0.0,
        tap_faults_per_day=0.3, homes_per_tap=1,
    )  # fmt: skip
    node = simulate_node(config, 0)
    assert set(node.faults["element_kind"]) == {"tap"}
    assert set(node.faults["n_affected"]) == {1}
    assert node.affected.height == node.faults.height > 3


def test_water_follows_rain_and_cold_joints_the_cold() -> None:
    sky = weather(CablePlantConfig(days=420))
    hour = sky.time_s[24:-48] + 1.0
    assert 0 == sky.wetness.min() < 0.1 < sky.wetness.mean() < 0.6 < sky.wetness.max() <= 1
    for pattern, cause in (("rain", sky.wetness), ("temperature", sky.coldness())):
        together = []
        for fault in (f for f in many() if f.pattern == pattern):
            # Once the water is in.
            inside = (hour > fault.start_s + 48 * HOUR_S) & (hour < fault.course.bounds_s[-1])
            driven = cause[24:-48][inside]
            if inside.sum() > 72 and driven.std() > 0:
                together.append(np.corrcoef(fault.course.at(hour[inside]), driven)[0, 1])
        assert len(together) > 5
        assert min(together) > 0.99


def test_quiet_is_quiet_and_realistic_a_tenth() -> None:
    quiet = simulate_node(CablePlantConfig.quiet(days=100), 0)
    assert quiet.faults.height == quiet.affected.height == quiet.activity.height == 0
    stress, realistic = CablePlantConfig.stress(), CablePlantConfig.realistic()
    assert realistic.maintenance_rate == stress.maintenance_rate / 10
    assert realistic.service_rate == stress.service_rate / 10


def _faults(config: CablePlantConfig) -> list[PlantFault]:
    return node_faults(config, node_topology(config, 0), weather(config), seed=3)


def test_the_share_of_steady_faults_changes_nothing_else() -> None:
    config = CablePlantConfig(days=400)
    usual = _faults(config)
    counts = []
    for share in (0.0, 0.4, 1.0):
        faults = _faults(replace(config, steady_share=share))
        changed = 0
        for before, after in zip(usual, faults, strict=True):
            assert (before.fault_id, before.kind, before.type, before.element, before.start_s,
                    before.end_s) == (after.fault_id, after.kind, after.type, after.element,
                                      after.start_s, after.end_s)  # fmt: skip
            assert before.members.tolist() == after.members.tolist()
            assert before.effect.loss_db.tolist() == after.effect.loss_db.tolist()
            assert before.effect.snr_loss_db.tolist() == after.effect.snr_loss_db.tolist()
            if before.pattern != after.pattern:
                assert (before.pattern, after.pattern) == ("telegraph", "steady")
                changed += 1
            else:
                assert before.course.bounds_s.tolist() == after.course.bounds_s.tolist()
                assert before.course.level.tolist() == after.course.level.tolist()
        n_telegraph = sum(fault.pattern == "telegraph" for fault in usual)
        counts.append(changed / n_telegraph)
    assert counts[0] == 0
    assert 0.25 < counts[1] < 0.55
    assert counts[2] == 1


def test_a_plant_without_steady_faults_is_what_it_was_before_they_could_be_asked_for() -> None:
    told = hashlib.sha256()
    for f in _faults(CablePlantConfig(days=60)):
        words = f"{f.fault_id} {f.type} {f.pattern} {f.element} {f.start_s} {f.end_s}\n"
        told.update(words.encode())
        told.update(f.course.bounds_s.astype("<i8").tobytes())
    assert told.hexdigest() == "1781e6d924f6161561f1656e1ca556c6e715afce53ab1ae2b23ab427ad7249a5"


def test_a_steady_fault_is_on_from_its_beginning_to_its_repair() -> None:
    config = CablePlantConfig(
        days=60, modems=(40, 50), fault_modems=(8, 20), steady_share=1.0, benign_rate=0.0,
        televisions_per_day=0.0, temperature_driven_share=0.0,
        maintenance_mix={"attenuation": 1, "ingress": 1, "outage": 1, "segment_distortion": 1},
        service_mix={"loose_drop": 1, "dead_modem": 1},
    )  # fmt: skip
    node = simulate_node(config, 0)
    assert set(node.faults["kind"]) == {"maintenance", "service"}
    assert set(node.faults["pattern"]) == {"steady"}
    hours_s = config.start_s + np.arange(60 * 24) * HOUR_S
    told = node.states(hours_s, hours_s + HOUR_S)
    assert told.maintenance_active_h.sum() > 100
    assert told.service_active_h.sum() > 100
    np.testing.assert_array_equal(told.maintenance_active_h, told.maintenance_exists_h)
    np.testing.assert_array_equal(told.service_active_h, told.service_exists_h)
    levels = [f.course.level for f in _faults(config) if f.type == "loose_drop"]
    assert {len(level) for level in levels} == {1}
    drawn = np.concatenate(levels)
    assert 0.6 <= drawn.min() < drawn.max() <= 1.0


def test_a_share_of_steady_faults_beyond_one_is_refused() -> None:
    with pytest.raises(SettingError, match="steady_share must lie between 0 and 1"):
        CablePlantConfig(steady_share=1.5)
